"""A deployment that would not work fails, and says why; one that works is not held up."""

import io
import json
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from enigap.aws.errors import AwsProblem, ProblemKind
from enigap.lambdas.runtime import OutsideProblem, rehearse
from enigap.lambdas.self_test import (
    EVENT,
    FUNCTION,
    MAX_REASON,
    PATIENCE_SECONDS,
    PAUSE_SECONDS,
    ToleratedError,
    answer,
    first_problem,
    handler,
    is_rolling_back,
    is_tolerated,
)

CALLS = [
    {FUNCTION: "plan", EVENT: '{"dry_run": true}'},
    {FUNCTION: "reconcile", EVENT: '{"Records": []}'},
]


class Functions:
    """LambdaAccount functions: each fails as often as `failures` says, then works."""

    def __init__(self, failures: Mapping[str, int] | None = None, error: str = "no module named x") -> None:
        self.failures = dict(failures or {})
        self.error = error
        self.called: list[tuple[str, Any]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - AWS's names
        self.called.append((FunctionName, json.loads(Payload)))
        if self.failures.get(FunctionName, 0) == 0:
            return {"StatusCode": 200, "Payload": io.BytesIO(b"{}")}
        self.failures[FunctionName] -= 1
        said = json.dumps({"errorType": "Runtime.ImportModuleError", "errorMessage": self.error})
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(said.encode())}


class NotYetAllowed(Functions):
    """IAM has not heard of the caller's role when the first call is made."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - AWS's names
        if not self.called:
            self.called.append((FunctionName, None))
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke")
        return super().invoke(FunctionName=FunctionName, Payload=Payload)


class Time:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds


def test_functions_that_work_are_called_once_each_with_their_event() -> None:
    functions, clock = Functions(), Time()
    assert first_problem(functions, CALLS, clock.now, clock.wait, []) is None
    assert functions.called == [("plan", {"dry_run": True}), ("reconcile", {"Records": []})]
    assert clock.seconds == 0


def test_a_permission_that_takes_a_while_to_be_known_is_waited_for() -> None:
    functions, clock = Functions({"plan": 3}), Time()
    assert first_problem(functions, CALLS, clock.now, clock.wait, []) is None
    assert clock.seconds == 3 * PAUSE_SECONDS


def test_so_is_the_permission_to_call_at_all() -> None:
    functions, clock = NotYetAllowed(), Time()
    assert first_problem(functions, CALLS, clock.now, clock.wait, []) is None
    assert clock.seconds == PAUSE_SECONDS


def test_a_function_that_keeps_failing_is_named_with_what_it_said() -> None:
    clock = Time()
    problem = first_problem(Functions({"reconcile": 1_000}), CALLS, clock.now, clock.wait, [])
    assert problem == "reconcile failed its self-test: Runtime.ImportModuleError: no module named x"
    assert clock.seconds == PATIENCE_SECONDS


def test_patience_is_for_all_functions_together() -> None:
    clock = Time()
    problem = first_problem(Functions({"plan": 10, "reconcile": 10}), CALLS, clock.now, clock.wait, [])
    assert problem
    assert problem.startswith("reconcile failed")
    assert clock.seconds == PATIENCE_SECONDS


class CloudFormation:
    """Where custom resources put their answers."""

    def __init__(self) -> None:
        outer = self
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.answers.append(json.loads(body))
                outer.content_types.append(self.headers["Content-Type"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self._requests = count(1)

    def request(self, kind: str, **properties: Any) -> dict[str, Any]:
        return {
            "RequestType": kind,
            "RequestId": f"request-{next(self._requests)}",
            "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/enigap/1",
            "LogicalResourceId": "SelfTest",
            "ResponseURL": f"http://127.0.0.1:{self.server.server_port}/answer",
            "ResourceProperties": properties,
        }


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    one = CloudFormation()
    thread = Thread(target=one.server.serve_forever)
    thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()
    thread.join()


def test_the_answer_is_one_cloudformation_can_match_to_its_request(cloudformation: CloudFormation) -> None:
    request = cloudformation.request("Create")
    answer(request, None)
    [given] = cloudformation.answers
    assert given["Status"] == "SUCCESS"
    assert all(given[name] == request[name] for name in ("StackId", "RequestId", "LogicalResourceId"))
    assert cloudformation.content_types == [""]


def test_the_resource_keeps_its_identity_so_that_an_update_replaces_nothing(
    cloudformation: CloudFormation,
) -> None:
    for kind in ("Create", "Update"):
        answer(cloudformation.request(kind), None)
    assert len({given["PhysicalResourceId"] for given in cloudformation.answers}) == 1


def test_a_problem_fails_the_deployment_and_fits_into_the_answer(cloudformation: CloudFormation) -> None:
    answer(cloudformation.request("Create"), "x" * 10_000)
    [given] = cloudformation.answers
    assert (given["Status"], len(given["Reason"])) == ("FAILED", MAX_REASON)


@pytest.mark.parametrize(
    ("warnings", "output"),
    [((), "none"), (("One.", "Two."), "One. Two."), (("x" * 5_000,), "x" * 1_000)],
    ids=["none", "two", "too long"],
)
def test_what_the_planner_warns_of_becomes_an_attribute(
    cloudformation: CloudFormation, warnings: tuple[str, ...], output: str
) -> None:
    answer(cloudformation.request("Create"), None, warnings)
    [given] = cloudformation.answers
    assert given["Data"] == {"Warnings": output}


def test_the_warnings_of_functions_that_work_are_collected() -> None:
    class Warned(Functions):
        def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - AWS's names
            worked = super().invoke(FunctionName=FunctionName, Payload=Payload)
            said = {"warnings": [f"{FunctionName} warns."]} if FunctionName == "plan" else None
            return {**worked, "Payload": io.BytesIO(json.dumps(said).encode())}

    clock, warnings = Time(), list[str]()
    assert first_problem(Warned(), CALLS, clock.now, clock.wait, warnings) is None
    assert warnings == ["plan warns."]


def test_a_stack_that_goes_is_not_tested(cloudformation: CloudFormation) -> None:
    handler(cloudformation.request("Delete", Calls=[{"Function": "gone", "Event": "{}"}]), None)
    assert [given["Status"] for given in cloudformation.answers] == ["SUCCESS"]


def test_a_self_test_that_breaks_answers_all_the_same(cloudformation: CloudFormation) -> None:
    handler(cloudformation.request("Create"), None)
    [given] = cloudformation.answers
    assert given["Status"] == "FAILED"
    assert given["Reason"].startswith("The self-test itself failed: KeyError")


# --- what a deployment goes on in spite of


def update(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation's request for an update that changes so what the settings name outside of the stack."""
    return {
        "RequestType": "Update",
        "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/enigap/1",
        "OldResourceProperties": {"Outside": json.dumps(before)},
        "ResourceProperties": {"Outside": json.dumps(now)},
    }


class Stacks:
    """CloudFormation with one stack; no status is a call that fails."""

    def __init__(self, status: str | None) -> None:
        self.status = status

    def describe_stacks(self, *, StackName: str) -> Mapping[str, Any]:  # noqa: N803 - AWS's name
        if self.status is None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeStacks")
        return {"Stacks": [{"StackName": StackName, "StackStatus": self.status}]}


BROKEN = "reconcile failed its self-test: Runtime.ImportModuleError: no module named x"
SECRET_GONE = "slack failed its self-test: OutsideProblem: Outside of the stack: there is no such secret."
SLACK = {"slack": {"webhook_secret": "enigap/slack"}}
ON, BACK = "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"


@pytest.mark.parametrize(
    ("request_", "problem", "status", "goes_on"),
    [
        (update(SLACK, SLACK), SECRET_GONE, ON, True),
        (update({}, SLACK), SECRET_GONE, ON, False),
        (update(SLACK, {**SLACK, "vpc": {}}), SECRET_GONE, ON, False),
        (update(SLACK, SLACK), BROKEN, ON, False),
        (update(SLACK, SLACK), BROKEN, BACK, True),
        (update({}, SLACK), SECRET_GONE, BACK, True),
        ({**update(SLACK, SLACK), "RequestType": "Create"}, SECRET_GONE, BACK, False),
    ],
    ids=[
        "the secret went, and something else is deployed",
        "the secret is new and not there",
        "it may be for the new VPC",
        "this deployment broke it",
        "the rollback finds it broken, too",
        "the rollback finds no secret",
        "a first deployment is undone as a whole",
    ],
)
def test_a_deployment_goes_on_in_spite_of_what_it_did_not_break(
    request_: dict[str, Any], problem: str, status: str, goes_on: object
) -> None:
    asked = partial(is_rolling_back, Stacks(status), request_)
    assert is_tolerated(request_, problem, asked) is goes_on


@pytest.mark.parametrize(
    ("status", "expected"),
    [(ON, False), (BACK, True), ("UPDATE_ROLLBACK_FAILED", True), (None, True)],
)
def test_a_rollback_is_known_by_the_stacks_status_and_assumed_without_one(
    status: str | None, expected: object
) -> None:
    assert is_rolling_back(Stacks(status), update({}, {})) is expected


def test_what_is_tolerated_is_answered_with_a_warning_and_sets_off_the_alarm(
    cloudformation: CloudFormation,
) -> None:
    """No service answers here, so the test fails, and the stack's status is not known."""
    request = {**cloudformation.request("Update"), "ResourceProperties": {}}
    with pytest.raises(ToleratedError, match="KeyError"):
        handler(request, None)
    [given] = cloudformation.answers
    assert given["Status"] == "SUCCESS"
    assert given["Data"]["Warnings"].startswith("The self-test itself failed: KeyError")


def test_what_this_deployment_broke_is_not_hidden_behind_what_it_did_not() -> None:
    class Both(Functions):
        def invoke(self, *, FunctionName: str, **_: object) -> Mapping[str, Any]:  # noqa: N803 - AWS's name
            what = "Outside of the stack: no" if FunctionName == "plan" else "no"
            said = json.dumps({"errorType": "Runtime.HandlerError", "errorMessage": what})
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(said.encode())}

    clock = Time()
    assert (
        first_problem(Both(), CALLS, clock.now, clock.wait, [])
        == "reconcile failed its self-test: Runtime.HandlerError: no"
    )


def problem(kind: ProblemKind, code: str = "") -> AwsProblem:
    return AwsProblem(kind, "It failed", code=code)


@pytest.mark.parametrize(
    ("problems", "raised"),
    [
        ([problem(ProblemKind.THROTTLED)], OutsideProblem),
        ([problem(ProblemKind.REFUSED, "KMSDisabled")], OutsideProblem),
        ([problem(ProblemKind.REFUSED, "KMS.InvalidStateException")], OutsideProblem),
        ([problem(ProblemKind.DENIED, "KMSAccessDenied")], AwsProblem),
        ([problem(ProblemKind.THROTTLED), problem(ProblemKind.DENIED)], AwsProblem),
        ([problem(ProblemKind.UNREACHABLE), ValueError("no")], ValueError),
    ],
)
def test_of_a_rehearsals_problems_the_worst_is_raised(
    problems: list[Exception], raised: type[Exception]
) -> None:
    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(raised) as caught:
        rehearse(*(partial(fail, each) for each in problems))
    assert caught.type is raised
