"""What `enigap` and its commands say of themselves."""

import pytest

from enigap.cli.main import LOOK, OPERATE, TRY, app, main


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    return capsys.readouterr().out


def test_bare_enigap_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == shown(capsys, "--help")


def test_every_command_is_listed_once_in_its_group_with_its_whole_first_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = shown(capsys)
    assert [line.rstrip(":") for line in said.splitlines() if line.rstrip(":") in {LOOK, OPERATE, TRY}] == [
        *(LOOK, OPERATE, TRY)
    ]
    assert max(map(len, said.splitlines())) <= 80
    words = " ".join(said.split())
    for command in app.registered_commands:
        assert command.callback is not None
        first = " ".join((command.callback.__doc__ or "").partition("\n\n")[0].split())
        assert words.count(f" {command.name} {first}") == 1, command.name


def test_no_command_speaks_of_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does its help have a name of a type of Python."""
    for command in app.registered_commands:
        said = shown(capsys, str(command.name), "--help")
        assert "None" not in said
        assert "instance_id" not in said
