"""Signing in as real shells do, one variant each; what fails on the way is one sentence and exit status 2."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.embedded_aws import EmbeddedAws
from enigap.core.instants import timestamp
from tests.cli.accounts import AT
from tests.cli.conftest import CONSOLE_SCRIPT, Enigap
from tests.cli.sign_in_services import MFA_CODE, SignInServices, serve_sign_in
from tests.cli.terminals import everything_sent, open_terminal

CHECK = ("check", "--cluster", "calm", "--at", AT, "--format", "json")
ROLE = "arn:aws:iam::000000000000:role/looker"
SERIAL = "arn:aws:iam::000000000000:mfa/ann"

Shell = dict[str, str | None]
"""The AWS variables of a shell; None for one that it does not have."""

NO_KEYS: Shell = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}


@pytest.fixture(scope="module")
def key(aws: EmbeddedAws) -> dict[str, str]:
    return {
        name: value
        for name, value in aws.environment({}).items()
        if name in {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    }


@pytest.fixture
def services(key: dict[str, str]) -> Iterator[SignInServices]:
    with serve_sign_in(key) as running:
        yield running


class Home:
    """A home directory with ~/.aws, and the services that its profiles ask."""

    def __init__(self, directory: Path, key: dict[str, str], services: SignInServices) -> None:
        self.directory, self.key, self.services = directory, key, services
        self.aws = directory / ".aws"
        self.aws.mkdir()

    def shell(self, config: str = "", **more: str | None) -> Shell:
        """A shell whose ~/.aws/config is this one, and which has no keys in its environment."""
        (self.aws / "config").write_text(config)
        return NO_KEYS | {
            "HOME": str(self.directory),
            "AWS_CONFIG_FILE": str(self.aws / "config"),
            "AWS_ENDPOINT_URL_STS": self.services.url,
            "AWS_ENDPOINT_URL_SSO": self.services.url,
            **more,
        }

    def static(self, profile: str) -> str:
        """A profile with keys."""
        keys = (f"{name.lower()} = {value}" for name, value in self.key.items())
        return f"[{profile}]\n" + "\n".join(keys) + "\n"

    def program(self, prints: str) -> str:
        """A program to name as credential_process."""
        script = self.directory / "helper.py"
        script.write_text(f"print({prints!r})")
        return f"{sys.executable} {script}"


@pytest.fixture
def home(tmp_path: Path, key: dict[str, str], services: SignInServices) -> Home:
    return Home(tmp_path, key, services)


# --- shells that can sign in ---


def only_aws_region(home: Home) -> Shell:
    return {**home.key, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": None}


def a_default_region_that_aws_region_outdoes(home: Home) -> Shell:
    return {**home.key, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "ap-south-2"}


def only_the_profiles_region(home: Home) -> Shell:
    config = home.static("profile ann") + "region = eu-west-1\n"
    return home.shell(config, AWS_PROFILE="ann", AWS_REGION=None, AWS_DEFAULT_REGION=None)


def sso(home: Home) -> Shell:
    cache = home.aws / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {"accessToken": "t", "expiresAt": timestamp(datetime.now(UTC) + timedelta(hours=1))}
    name = hashlib.sha1(b"work", usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps(token))
    return home.shell(
        "[profile ann]\nsso_session = work\nsso_account_id = 000000000000\nsso_role_name = looker\n"
        "[sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://example.com/start\n",
        AWS_PROFILE="ann",
    )


def an_assumed_role(home: Home) -> Shell:
    config = home.static("profile base") + f"[profile ann]\nrole_arn = {ROLE}\nsource_profile = base\n"
    return home.shell(config, AWS_PROFILE="ann")


def container_credentials(home: Home) -> Shell:
    return home.shell(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{home.services.url}/role")


def web_identity(home: Home) -> Shell:
    token = home.directory / "token"
    token.write_text("eyJhbGciOi")
    return home.shell(AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_ROLE_ARN=ROLE)


def credential_process(home: Home) -> Shell:
    keys = {
        "AccessKeyId": home.key["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": home.key["AWS_SECRET_ACCESS_KEY"],
    }
    program = home.program(json.dumps({"Version": 1, **keys}))
    return home.shell(f"[profile ann]\ncredential_process = {program}\n", AWS_PROFILE="ann")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    "shell",
    [
        only_aws_region,
        a_default_region_that_aws_region_outdoes,
        only_the_profiles_region,
        sso,
        an_assumed_role,
        container_credentials,
        web_identity,
        credential_process,
    ],
)
def test_a_shell_that_can_sign_in_gets_an_answer(
    console_script: Enigap, home: Home, shell: Callable[[Home], Shell]
) -> None:
    ran = console_script(*CHECK, env=shell(home))
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.document["region"] == "eu-west-1"
    assert ran.document["verdicts"]["node_local"] == 2


def mfa(home: Home) -> Shell:
    config = f"[profile ann]\nrole_arn = {ROLE}\nsource_profile = base\nmfa_serial = {SERIAL}\n"
    return home.shell(home.static("profile base") + config, AWS_PROFILE="ann")


def on_a_terminal(aws: EmbeddedAws, shell: Shell, typed: str, *arguments: str) -> tuple[int, str]:
    """Exit status and all that the terminal was sent, of a command that is asked for something on it."""
    ours, theirs = open_terminal(80)
    environment = {name: v for name, v in ({**aws.environment(), **shell}).items() if v is not None}
    # A terminal of its own: what asks for a secret opens /dev/tty.
    command = f"exec setsid --ctty --wait {shlex.join([str(CONSOLE_SCRIPT), *arguments])}"
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        env=environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as running:
        os.close(theirs)
        asked = b""
        while not asked.endswith(b": ") and (more := os.read(ours, 1)):
            asked += more
        os.write(ours, f"{typed}\n".encode())  # what is typed before the question is thrown away
        sent = everything_sent(ours)
    return running.returncode, asked.decode() + sent


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("command", [CHECK, (*CHECK[:-2], "--settings", "deployed"), ("status",)])
def test_the_question_for_an_mfa_code_is_asked_once_and_stays_on_the_terminal(
    aws: EmbeddedAws, home: Home, command: tuple[str, ...]
) -> None:
    status, sent = on_a_terminal(aws, mfa(home), MFA_CODE, *command)
    assert sent.count("Enter MFA code for") == 1
    question, _, after = sent.partition("Enter MFA code for")
    assert "\x1b" not in question, "nothing is drawn before it is answered"
    assert [asked["TokenCode"] for asked in home.services.asked] == [MFA_CODE]
    if command == CHECK:
        assert status == 0
        assert '"schema": "enigap.check/1"' in after
    else:
        assert status == 2
        assert "There is no stack enigap in eu-west-1" in after


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "000000",
            "did not accept the MFA code for sts:AssumeRole in eu-west-1: run it again with the next code.",
        ),
        ("", "asks for an MFA code, and none of six digits was typed: run it again and type the code."),
    ],
)
def test_a_wrong_mfa_code_is_told_so(aws: EmbeddedAws, home: Home, typed: str, said: str) -> None:
    status, sent = on_a_terminal(aws, mfa(home), typed, *CHECK)
    assert status == 2
    assert said in sent


# --- shells that cannot ---


def a_web_identity_token_that_is_not_there(home: Home) -> Shell:
    return home.shell(AWS_WEB_IDENTITY_TOKEN_FILE=f"{home.directory}/none", AWS_ROLE_ARN=ROLE)


def a_container_token_that_is_not_there(home: Home) -> Shell:
    return home.shell(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{home.services.url}/role",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=f"{home.directory}/none",
    )


def a_container_agent_that_refuses(home: Home) -> Shell:
    return home.shell(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{home.services.url}/refused")


def a_container_agent_on_another_host(home: Home) -> Shell:
    return home.shell(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://192.0.2.1/role")


def a_program_that_is_not_there(home: Home) -> Shell:
    return home.shell("[profile ann]\ncredential_process = /no/such/program\n", AWS_PROFILE="ann")


def a_program_that_prints_no_json(home: Home) -> Shell:
    config = f"[profile ann]\ncredential_process = {home.program('AKIASECRET please log in')}\n"
    return home.shell(config, AWS_PROFILE="ann")


def a_program_that_prints_a_list(home: Home) -> Shell:
    return home.shell(f"[profile ann]\ncredential_process = {home.program('[]')}\n", AWS_PROFILE="ann")


def a_program_with_an_open_quote(home: Home) -> Shell:
    return home.shell("[profile ann]\ncredential_process = 'helper\n", AWS_PROFILE="ann")


def a_role_of_the_program(home: Home) -> Shell:
    config = f"[profile ann]\nrole_arn = {ROLE}\nsource_profile = base\n[profile base]\n"
    return home.shell(f"{config}credential_process = /no/such/program\n", AWS_PROFILE="ann")


def a_role_whose_source_is_itself_missing(home: Home) -> Shell:
    config = f"[profile ann]\nrole_arn = {ROLE}\nsource_profile = nobody\n"
    return home.shell(config, AWS_PROFILE="ann")


def roles_in_a_circle(home: Home) -> Shell:
    config = f"[profile ann]\nrole_arn = {ROLE}\nsource_profile = ben\n"
    return home.shell(f"{config}[profile ben]\nrole_arn = {ROLE}\nsource_profile = ann\n", AWS_PROFILE="ann")


def sso_of_a_session_that_is_not_there(home: Home) -> Shell:
    config = "[profile ann]\nsso_session = none\nsso_account_id = 000000000000\nsso_role_name = looker\n"
    return home.shell(config, AWS_PROFILE="ann")


def a_login_without_the_crt(home: Home) -> Shell:
    return home.shell(
        "[profile ann]\nlogin_session = arn:aws:iam::000000000000:user/ann\n", AWS_PROFILE="ann"
    )


def a_mode_that_is_none(home: Home) -> Shell:
    return {**home.key, "AWS_DEFAULTS_MODE": "fast"}


def a_bundle_of_certificates_that_is_not_there(home: Home) -> Shell:
    return {
        **home.key,
        "AWS_ENDPOINT_URL": home.services.url.replace("http:", "https:"),
        "AWS_CA_BUNDLE": f"{home.directory}/none.pem",
    }


BY_HAND = "run the profile's credential_process by hand"
CANNOT: dict[Callable[[Home], Shell], str] = {
    a_web_identity_token_that_is_not_there: "check the token file that AWS_WEB_IDENTITY_TOKEN_FILE",
    a_container_token_that_is_not_there: "and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.",
    a_container_agent_that_refuses: "check AWS_CONTAINER_CREDENTIALS_FULL_URI",
    a_container_agent_on_another_host: "check AWS_CONTAINER_CREDENTIALS_FULL_URI",
    a_program_that_is_not_there: f"/no/such/program cannot be used (No such file or directory): {BY_HAND}",
    a_program_that_prints_no_json: f"(JSONDecodeError): {BY_HAND}",
    a_program_that_prints_a_list: BY_HAND,
    a_program_with_an_open_quote: BY_HAND,
    a_role_of_the_program: BY_HAND,
    a_role_whose_source_is_itself_missing: 'The source_profile "nobody" referenced in the',
    roles_in_a_circle: "Infinite loop in credential configuration",
    sso_of_a_session_that_is_not_there: 'The specified sso-session does not exist: "none"',
    a_login_without_the_crt: "install it beside enigap with `pip install 'enigap[login]'`",
    a_mode_that_is_none: "invalid defaults mode: fast",
    a_bundle_of_certificates_that_is_not_there: "that AWS_CA_BUNDLE names a file with the certificates",
}
COMMANDS = {
    "check": ["check"],
    "explain": ["explain", "i-0abc"],
    "report": ["report", "--output", os.devnull],
    "backtest": ["backtest"],
    "status": ["status"],
    "silence": ["silence", "prod", "--for", "1h", "--why", "test"],
    "notify": ["notify", "--test"],
    "as deployed": ["check", "--settings", "deployed"],
}


PAIRS = [
    pytest.param(shell, said, command, id=f"{name}-{shell.__name__}")
    for row, (shell, said) in enumerate(CANNOT.items())
    for column, (name, command) in enumerate(COMMANDS.items())
    if (row + column) % 4 == 0
]
"""Each failure with two commands, and each command with three failures or more: all pairs take minutes."""


@pytest.mark.parametrize(("shell", "said", "command"), PAIRS)
def test_a_shell_that_cannot_sign_in_gets_one_sentence_with_the_remedy(
    enigap: Enigap, home: Home, shell: Callable[[Home], Shell], said: str, command: list[str]
) -> None:
    problem = enigap(*command, env=shell(home)).problem
    assert said in problem
    assert "AKIASECRET" not in problem


def test_a_damaged_sso_cache_is_to_be_written_anew(console_script: Enigap, home: Home) -> None:
    shell = sso(home)
    for token in (home.aws / "sso" / "cache").iterdir():
        token.write_text('{"accessTok')
    said = console_script(*CHECK, env=shell).problem
    assert said.endswith("sign in again with `aws sso login`, which writes the cache in ~/.aws/sso anew.")


def test_a_portal_that_answers_instead_of_the_service_of_the_credentials_is_told_as_one(
    enigap: Enigap, home: Home
) -> None:
    home.services.page = "<html>Welcome to the hotel's network</html>"
    problem = enigap("check", env=an_assumed_role(home)).problem
    assert problem.endswith("does not speak AWS's language: check the proxy and AWS_ENDPOINT_URL.")


def test_without_a_terminal_no_mfa_code_is_read_from_a_pipe(aws: EmbeddedAws, home: Home) -> None:
    environment = {name: v for name, v in ({**aws.environment(), **mfa(home)}).items() if v is not None}
    done = subprocess.run(
        [CONSOLE_SCRIPT, *CHECK],
        env=environment,
        input=f"{MFA_CODE}\n",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "enigap: The profile's role asks for an MFA code, and there is no terminal to type it on: "
        "run it on a terminal, or with the keys of a session that was opened with a code.\n"
    )
    assert home.services.asked == []


def test_where_no_stack_is_in_the_region_asked_it_is_the_region_of_the_aws_command(
    enigap: Enigap,
) -> None:
    ran = enigap("status", env={"AWS_REGION": "ap-south-2", "AWS_DEFAULT_REGION": "eu-west-1"})
    assert ran.problem.startswith("There is no stack enigap in ap-south-2: ")
