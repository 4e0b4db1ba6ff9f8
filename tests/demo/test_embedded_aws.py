import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError

from demo.embedded_aws import ACCOUNT, EmbeddedAws, EmbeddedAwsError, interpreter

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="reads Linux's tables of processes"
)

LISTEN = "0A"
LOOPBACK_IN_HEX = {"0100007F", "00000000000000000000000001000000"}

PROBE = """
import os
def handler(event, context):
    return {"pid": os.getpid(), "environment": dict(os.environ)}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as running:
        yield running


@pytest.fixture(scope="module")
def strict_aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tls=True, enforce_iam=True) as running:
        yield running


def client(aws: EmbeddedAws, service: str, **overrides: Any) -> Any:
    return boto3.client(service, **(aws.client_arguments() | overrides))


def run_a_function(aws: EmbeddedAws) -> dict[str, Any]:
    """Deploys a Python function and returns what it says about the process it runs in."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("probe.py", PROBE)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = client(aws, "iam").create_role(
        RoleName="probe",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    functions = client(aws, "lambda")
    functions.create_function(
        FunctionName="probe",
        Runtime="python3.13",
        Handler="probe.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": archive.getvalue()},
    )
    answer: dict[str, Any] = json.load(functions.invoke(FunctionName="probe")["Payload"])
    return answer


def processes_of(group: int) -> list[int]:
    """The processes of a process group that still run."""
    members = []
    for directory in PROC.glob("[0-9]*"):
        try:
            state, _, process_group = (directory / "stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if int(process_group) == group and state not in "ZX":
            members.append(int(directory.name))
    return members


def listening_addresses(group: int) -> list[str]:
    """Local addresses, in the kernel's hexadecimal, on which a process group accepts TCP connections."""
    inodes = {
        str(handle.readlink()).removeprefix("socket:[").removesuffix("]")
        for process in processes_of(group)
        for handle in (PROC / str(process) / "fd").iterdir()
        if str(handle.readlink()).startswith("socket:[")
    }
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in (PROC / "net" / table).read_text().splitlines()[1:]
    ]
    return [row[1].partition(":")[0] for row in rows if row[3] == LISTEN and row[9] in inodes]


def wait_for_the_end_of(process: int) -> None:
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    with os.fdopen(handle):
        assert select.select([handle], [], [], 30)[0], f"process {process} still runs"


@pytest.mark.parametrize("kind", ["aws", "strict_aws"])
def test_it_is_an_aws_account(kind: str, request: pytest.FixtureRequest) -> None:
    identity = client(request.getfixturevalue(kind), "sts").get_caller_identity()

    assert identity["Account"] == ACCOUNT
    assert identity["Arn"].endswith(":root")


def test_a_child_process_finds_it_by_environment_alone(strict_aws: EmbeddedAws) -> None:
    users_own = {"PATH": os.environ["PATH"], "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "secret"}
    script = (
        "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'], boto3.Session().region_name)"
    )

    said = subprocess.check_output(
        [sys.executable, "-c", script], env=strict_aws.environment(users_own), text=True
    )

    assert said.split() == [f"arn:aws:iam::{ACCOUNT}:root", "eu-west-1"]


def test_a_proxy_is_not_asked_for_it(aws: EmbeddedAws) -> None:
    environment = aws.environment(
        {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "intranet.example"}
    )

    assert environment["NO_PROXY"] == "intranet.example,127.0.0.1,localhost"


def test_a_function_in_it_sees_nothing_of_the_users_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://credentials.example")
    monkeypatch.setenv("SLACK_TOKEN", "secret")

    with EmbeddedAws() as aws:
        environment = run_a_function(aws)["environment"]

    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in environment
    assert "SLACK_TOKEN" not in environment
    assert environment["AWS_ENDPOINT_URL"] == aws.endpoint_url


@needs_proc
@pytest.mark.parametrize("kind", ["aws", "strict_aws"])
def test_it_listens_on_loopback_only(kind: str, request: pytest.FixtureRequest) -> None:
    aws: EmbeddedAws = request.getfixturevalue(kind)
    run_a_function(aws)
    client(aws, "sns").create_topic(Name="findings")

    addresses = listening_addresses(aws.process_group)

    assert len(addresses) == 1
    assert set(addresses) <= LOOPBACK_IN_HEX


def test_several_run_side_by_side(aws: EmbeddedAws, strict_aws: EmbeddedAws) -> None:
    client(aws, "sqs").create_queue(QueueName="only-in-one")

    assert client(strict_aws, "sqs").list_queues().get("QueueUrls", []) == []


def test_with_iam_enforced_an_unknown_key_is_refused(strict_aws: EmbeddedAws) -> None:
    stranger = client(strict_aws, "dynamodb", aws_access_key_id="AKIAIOSFODNN7EXAMPLE")

    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        stranger.list_tables()


def test_with_iam_enforced_an_unsigned_call_is_refused(strict_aws: EmbeddedAws) -> None:
    anonymous = client(strict_aws, "dynamodb", config=Config(signature_version=UNSIGNED))

    with pytest.raises(ClientError, match="MissingAuthenticationToken"):
        anonymous.list_tables()


def test_with_iam_enforced_a_user_may_do_what_the_policy_says_and_nothing_else(
    strict_aws: EmbeddedAws,
) -> None:
    iam = client(strict_aws, "iam")
    iam.create_user(UserName="reader")
    allow = {"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}
    iam.put_user_policy(
        UserName="reader",
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    assert client(strict_aws, "dynamodb", **reader).list_tables()["TableNames"] == []
    with pytest.raises(ClientError, match="AccessDenied"):
        client(strict_aws, "sqs", **reader).list_queues()
    with pytest.raises(ClientError, match="signature"):
        client(strict_aws, "dynamodb", **reader | {"aws_secret_access_key": "wrong"}).list_tables()


def test_nobody_trusts_its_certificate_by_accident(strict_aws: EmbeddedAws) -> None:
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        client(strict_aws, "sts", verify=True).get_caller_identity()


@needs_proc
def test_when_it_stops_nothing_is_left_of_it() -> None:
    with EmbeddedAws() as aws:
        group, state = aws.process_group, Path(aws.environment()["AWS_CONFIG_FILE"]).parent
        function = run_a_function(aws)["pid"]
        assert function in processes_of(group)
        assert state.is_dir()

    wait_for_the_end_of(function)
    assert processes_of(group) == []
    assert not state.exists()


@needs_proc
@pytest.mark.parametrize("reason", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_stops_when_the_work_with_it_fails(reason: type[BaseException]) -> None:
    with pytest.raises(reason), EmbeddedAws() as aws:  # noqa: PT012 - the block is what is being left
        group = aws.process_group
        raise reason

    assert processes_of(group) == []


@needs_proc
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_with_a_process_that_is_killed(how: signal.Signals) -> None:
    script = """
from demo.embedded_aws import EmbeddedAws
with EmbeddedAws() as aws:
    print(aws.process_group, aws.port, aws.environment()["AWS_CONFIG_FILE"], flush=True)
    input()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        group, port, inside_state = parent.stdout.readline().split()
        socket.create_connection(("127.0.0.1", int(port))).close()

        parent.send_signal(how)

    wait_for_the_end_of(int(group))
    assert processes_of(int(group)) == []
    assert not Path(inside_state).parent.exists()


def test_an_emulator_that_does_not_start_shows_its_log() -> None:
    with (
        pytest.raises(EmbeddedAwsError, match=r"stopped while it started(.|\n)*No module named"),
        EmbeddedAws(python=Path(sys.executable)),
    ):
        pass


def test_a_missing_emulator_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        EmbeddedAwsError, match=r"^The embedded AWS .* is not installed: run `make demo` .*\.$"
    ):
        interpreter(tmp_path / ".venv")


def test_it_is_not_there_outside_its_block() -> None:
    with pytest.raises(EmbeddedAwsError, match="not running"):
        EmbeddedAws().environment()
