"""Whatever goes wrong is one sentence that names what to do, exit status 2, and nothing on stdout."""

import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from demo.embedded_aws import EmbeddedAws
from tests.cli.accounts import AT, Account, Cluster, clients_of, role
from tests.cli.conftest import Enigap, Ran
from tests.fakes.strict_cloudwatch import (
    ALWAYS,
    CloudWatchServer,
    StrictCloudWatch,
    client_of,
    matching,
    serve,
)

EVERY_COMMAND = pytest.mark.parametrize(
    "command", [["check"], ["explain", "i-0abc"]], ids=lambda command: str(command[0])
)


# --- what was typed ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc"], "No such command 'chekc'"),
        (["check", "--clutser", "prod"], "No such option: --clutser. Did you mean --cluster? See `enigap "),
        (["check", "-x"], "No such option: -x: see `enigap check --help`."),
        (["check", "--cluster"], "--cluster takes a value: give one."),
        (["check", "--all=yes"], "--all takes no value: leave it out."),
        (["check", "prod"], "`enigap check` takes no argument 'prod' here"),
        (
            ["backtest", "--format", "yaml"],
            "--format takes table or json, not 'yaml': see `enigap backtest --h",
        ),
        (
            ["check", "--evidence", "sometimes"],
            "--evidence takes suspects, all, off or always, not 'sometimes'",
        ),
        (["check", "--cluster", "\ud800"], r"'\ud800' is no text in UTF-8: type it anew."),
        (["explain"], "`enigap explain` needs NODE, the node's EC2 instance id (i-...), or its name: see"),
        (["silence", "x", "--for", "2h"], "`enigap silence` needs --why, the reason"),
        (["estimate", "--nodes", "x"], "--nodes takes a whole number from 1 to 1,000,000, not 'x'"),
        (["estimate", "--nodes", "5", "--flagged", "-1"], "--flagged takes a whole number, 0 or more, not"),
        (["estimate", "--nodes", "5", "--schedule-minutes", "x"], "takes a whole number, not 'x'"),
        (["check", "--region", ""], "There is no AWS region to ask"),
        (["check", "--at", "yesterday"], "--at takes a time such as 2026-01-31T14:00Z, not 'yesterday'."),
        (["check", "--at", "14:00"], "--at takes a time such as"),
        (["check", "--at", "2099-01-01T00:00Z"], "is in the future: give a time that has passed."),
        (["check", "--at", "9999-12-31T23:59-23:59"], "is in the future"),
        (["check", "--at", "2020-01-01T00:00Z"], "CloudWatch keeps minutes for 15 days: give a later time."),
        (["check", "--at", "0001-01-01T00:00Z"], "is too long ago"),
        (["explain", "i-0abc", "--at", "soon"], "--at takes a time such as"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant(enigap: Enigap, arguments: list[str], said: str) -> None:
    assert said in enigap(*arguments).problem


@EVERY_COMMAND
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"context": {"enigap": {"tolerance": 2}}}', "tolerance: 2 is not allowed; it takes a number from"),
        (
            '{"context": {"enigap": {"tolerence": 0.1}}}',
            "'tolerence' is not a setting; did you mean tolerance?",
        ),
        ('{"context": {"enigap": []}}', "enigap: [] is not allowed; it takes a JSON object of settings."),
        ('{"context": {}}', "has no `enigap` in a `context`: name a cdk.json that has."),
        ('{"context": 1}', "has no `enigap` in a `context`"),
        ('{"tolerance": 0.1}', "has no `enigap` in a `context`"),
        ("[]", "has no `enigap` in a `context`"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\xff", "is no JSON"),
        (None, "cannot be read (No such file or directory): name a cdk.json."),
    ],
    ids=[
        *("out of range", "misspelt", "no settings", "no enigap", "no context", "bare settings", "a list"),
        *("cut short", "deep", "no UTF-8", "no file"),
    ],
)
def test_settings_that_cannot_be(
    enigap: Enigap, tmp_path: Path, command: list[str], text: str | None, said: str
) -> None:
    cdk = tmp_path / "cdk.json"
    if text is not None:
        cdk.write_text(text, encoding="latin-1")
    assert said in enigap(*command, "--settings", str(cdk)).problem


# --- who asks, and where ---


NOBODY = "There are no usable AWS credentials for sign-in in eu-west-1"
SIGN_IN = "sign in (`aws sso login` or `aws configure`), or name a profile."


@EVERY_COMMAND
@pytest.mark.parametrize(
    ("env", "said"),
    [
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            f"{NOBODY} (NoCredentialsError): {SIGN_IN}",
        ),
        (
            {"AWS_SECRET_ACCESS_KEY": None},
            f"{NOBODY} (AWS_SECRET_ACCESS_KEY is missing): set it, or {SIGN_IN}",
        ),
        ({"AWS_REGION": None, "AWS_DEFAULT_REGION": None}, "There is no AWS region to ask: give --region"),
        ({"AWS_PROFILE": "prdo"}, "There is no AWS profile 'prdo': `aws configure list-profiles` shows"),
        (
            {"AWS_ENDPOINT_URL": "localhost:4566"},
            "The endpoint set for ec2 is no URL: set AWS_ENDPOINT_URL to",
        ),
        ({"AWS_CONFIG_FILE": __file__}, "cannot be read: correct it or point AWS_CONFIG_FILE elsewhere."),
    ],
    ids=["no credentials", "half of them", "no region", "no profile", "no URL", "no configuration"],
)
def test_nobody_to_ask(enigap: Enigap, command: list[str], env: dict[str, str | None], said: str) -> None:
    assert said in enigap(*command, env=env).problem


@EVERY_COMMAND
@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--profile", "prdo"], "There is no AWS profile 'prdo'"),
        (["--region", "Ireland!"], "'Ireland!' is no AWS region"),
    ],
    ids=["profile", "region"],
)
def test_an_option_that_names_nothing(
    enigap: Enigap, command: list[str], option: list[str], said: str
) -> None:
    assert said in enigap(*command, *option).problem


class Nonsense(BaseHTTPRequestHandler):
    """Answers every call with status 200 and what is no answer of AWS."""

    body = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "command", [["check"], ["explain", "i-0abc"], ["status"]], ids=lambda each: str(each[0])
)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><title>Sign in</title><p>Welcome</p></html>", "does not speak AWS's language"),
        (b"<DescribeInstancesResponse/>", "AWS"),
    ],
    ids=["a sign-in page", "an empty answer"],
)
def test_an_answer_that_is_none_is_one_sentence(
    enigap: Enigap, command: list[str], body: bytes, said: str
) -> None:
    handler = type("Handler", (Nonsense,), {"body": body})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert said in enigap(*command, env={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).problem
        server.shutdown()


@EVERY_COMMAND
def test_an_endpoint_where_nobody_listens(enigap: Enigap, command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = enigap(*command, env={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).problem
    assert re.match(r"127\.0\.0\.1 cannot be reached for (ec2|cloudwatch):\w+ in eu-west-1 ", said)
    assert said.endswith("check the region's name, the network, the proxy and AWS_ENDPOINT_URL.")


@EVERY_COMMAND
def test_an_account_without_clusters(enigap: Enigap, command: list[str]) -> None:
    said = enigap(*command, "--region", "ap-south-2").problem
    assert "in ap-south-2: " in said
    assert "and the account" in said


# --- what CloudWatch answers ---

REGION = "us-west-2"
"""Where EC2 and Logs are the embedded AWS's and CloudWatch is a strict fake."""


@pytest.fixture(scope="module")
def served(aws: EmbeddedAws) -> Iterator[CloudWatchServer]:
    fake = StrictCloudWatch(lambda: datetime.now(UTC), region=REGION, aws_namespaces_writable=True)
    clients = clients_of(aws, REGION, cloudwatch=client_of(fake))
    Account(clients, {"fine": Cluster([role("c"), role("b")]), "moved": Cluster([role("g1"), role("c")])})
    with serve(fake, sleep=lambda _: None) as server:
        yield server


@pytest.fixture
def cloudwatch(served: CloudWatchServer) -> StrictCloudWatch:
    served.fake.faults.clear()
    return served.fake


@pytest.fixture
def check(enigap: Enigap, served: CloudWatchServer) -> Enigap:
    def run(*arguments: str) -> Ran:
        env = {"AWS_ENDPOINT_URL_CLOUDWATCH": served.url}
        return enigap("check", "--region", REGION, "--at", AT, "--format", "json", *arguments, env=env)

    return run


def test_a_cloudwatch_of_its_own_is_asked(check: Enigap, cloudwatch: StrictCloudWatch) -> None:
    ran = check("--cluster", "fine")
    assert (ran.status, ran.document["verdicts"]) == (0, {"pod_edge": 1, "agree": 1})
    assert cloudwatch.faults.unused == []


def test_throttled_once_is_no_problem(check: Enigap, cloudwatch: StrictCloudWatch) -> None:
    cloudwatch.faults.throttle("GetMetricData", times=1)
    ran = check("--cluster", "fine")
    assert (ran.status, ran.stderr) == (0, "")
    assert cloudwatch.faults.unused == []


def test_throttled_while_looking_for_nodes(check: Enigap, cloudwatch: StrictCloudWatch) -> None:
    # The code that the SDK does not repeat, so that nobody waits.
    cloudwatch.faults.refuse("ListMetrics", "LimitExceeded", "Rate exceeded", times=ALWAYS)
    throttled = "AWS throttled cloudwatch:ListMetrics in us-west-2: run it again in a minute, "
    assert check().problem == throttled + "or ask AWS for a higher quota."


def test_throttled_while_reading_makes_nodes_unreadable_and_no_more(
    check: Enigap, cloudwatch: StrictCloudWatch
) -> None:
    cloudwatch.faults.refuse("GetMetricData", "LimitExceeded", "Rate exceeded", times=ALWAYS)
    ran = check("--cluster", "fine")
    (cluster,) = ran.document["clusters"]
    assert (ran.status, ran.stderr) == (2, "")
    assert cluster["finding"] == "unreadable"
    assert "AWS throttled cloudwatch:GetMetricData in us-west-2" in cluster["finding_reason"]
    for node in cluster["nodes"]:
        assert (node["verdict"], node["explained"], node["evidence"]) == ("unreadable", None, None)
        assert {value for name, value in node.items() if "bytes" in name or "ratio" in name} == {None}


def test_one_node_cloudwatch_keeps_back_is_the_only_unreadable_one(
    check: Enigap, cloudwatch: StrictCloudWatch
) -> None:
    b = check("--cluster", "fine").nodes()["b-pod-to-remote.internal"]["instance_id"]
    cloudwatch.faults.partial_data(matching(name="NetworkOut", InstanceId=b))
    ran = check("--cluster", "fine")
    assert (ran.status, ran.document["verdicts"]) == (2, {"unreadable": 1, "agree": 1})
    (cluster,) = ran.document["clusters"]
    assert cluster["finding"] is None
    assert "only a part of NetworkOut" in ran.nodes()["b-pod-to-remote.internal"]["reason"]


def test_an_unexplained_node_outweighs_an_unreadable_one(check: Enigap, cloudwatch: StrictCloudWatch) -> None:
    b = check("--cluster", "fine").nodes()["b-pod-to-remote.internal"]["instance_id"]
    cloudwatch.faults.forbidden(matching(name="NetworkIn", InstanceId=b))
    assert check("--cluster", "fine").status == 2
    assert check().status == 1


def test_what_aws_says_cannot_colour_a_terminal(check: Enigap, cloudwatch: StrictCloudWatch) -> None:
    cloudwatch.faults.refuse("ListMetrics", "Odd", "no\nway \x1b[31m[bold]", times=ALWAYS)
    said = check().problem
    assert said == (
        r"AWS refused cloudwatch:ListMetrics in us-west-2 (Odd: no way \x1b[31m[bold]): "
        "check the names and times given."
    )
