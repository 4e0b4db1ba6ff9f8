"""The commands, run in this process as the console script runs them, against an embedded AWS."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.embedded_aws import EmbeddedAws
from enigap.aws.clients import Aws
from enigap.cli.main import main
from tests.cli.accounts import CLUSTERS, Account, clients_of

CONSOLE_SCRIPT = Path(sys.prefix) / "bin" / "enigap"


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    status: int | str | None
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document that stdout is."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    def nodes(self) -> dict[str, dict[str, Any]]:
        """The nodes of all clusters by name or, without one, by instance id."""
        return {
            node["node_name"] or node["instance_id"]: node
            for cluster in self.document["clusters"]
            for node in cluster["nodes"]
        }

    @property
    def problem(self) -> str:
        """The one sentence of a command that could not tell, when it behaves as promised."""
        assert self.status == 2
        assert self.stdout == ""
        assert self.stderr.startswith("enigap: ")
        assert self.stderr.count("\n") == 1
        assert self.stderr.endswith((".\n", "?\n"))
        assert "Traceback" not in self.stderr
        return self.stderr.removeprefix("enigap: ").rstrip("\n")


Enigap = Callable[..., Ran]


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as running:
        yield running


@pytest.fixture(scope="session")
def account(aws: EmbeddedAws) -> Account:
    return Account(clients_of(aws), CLUSTERS)


@pytest.fixture
def enigap(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Enigap:
    """Runs a command in this process. `env` changes the environment; None takes a variable away.

    The embedded AWS has no quotas to keep: no time is spent on the pace of calls or on pauses.
    """

    def run(*arguments: str, env: Mapping[str, str | None] | None = None) -> Ran:
        with monkeypatch.context() as changed:
            changed.setattr(Aws, "sleep", staticmethod(lambda _: None))
            for name, value in _environment(aws, env).items():
                changed.setenv(name, value)
            for name in (env or {}).keys() - _environment(aws, env).keys():
                changed.delenv(name, raising=False)
            with pytest.raises(SystemExit) as left:
                main(list(arguments))
        written = capsys.readouterr()
        return Ran(left.value.code, written.out, written.err)

    return run


@pytest.fixture
def console_script(aws: EmbeddedAws) -> Enigap:
    """Runs a command in a process of its own, as people do."""

    def run(*arguments: str, env: Mapping[str, str | None] | None = None) -> Ran:
        done = subprocess.run(
            [CONSOLE_SCRIPT, *arguments],
            env=_environment(aws, env, os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def _environment(
    aws: EmbeddedAws, changes: Mapping[str, str | None] | None, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    wanted: dict[str, str | None] = {**aws.environment(base or {}), **(changes or {})}
    return {name: value for name, value in wanted.items() if value is not None}
