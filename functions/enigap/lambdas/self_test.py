"""The self-test of a deployment: a custom resource that invokes each function once.

It finds a broken import, a missing permission or invalid settings during the deployment instead of at the
first scheduled run. If a function fails, CloudFormation rolls the deployment back.

A rollback must not fail, or the stack is stuck. So while the stack rolls back, and where the trouble is not
of this deployment's making (a secret that was deleted, a key that was disabled, AWS itself), the answer is
success with the problem as a warning, and the function then fails: that sets off its alarm.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

from enigap.aws.clients import Aws
from enigap.aws.deadline import OPTIONAL_SECONDS
from enigap.aws.errors import AwsProblem, calling
from enigap.aws.iam import Statement
from enigap.lambdas import runtime

ACTIONS: Final = (Statement(("cloudformation:DescribeStacks", "lambda:InvokeFunction")),)

CALLS: Final = "Calls"
"""The custom resource's property with the invocations to make: a list of objects with these two members."""
FUNCTION: Final = "Function"
EVENT: Final = "Event"
OUTSIDE: Final = "Outside"
"""The property with the settings of `NAME_THE_OUTSIDE`."""
NAME_THE_OUTSIDE: Final = ("slack", "kms_key_arn", "vpc")
"""The settings that name what is not in the stack. A deployment that changes one is not told apart from what
happened outside."""

PATIENCE_SECONDS: Final = 60
"""How long to retry: IAM is eventually consistent, so a new role's permissions take effect with a delay."""
PAUSE_SECONDS: Final = 5
RESERVE_SECONDS: Final = 40
"""Kept back to ask for the stack's status and to answer."""
MAX_REASON: Final = 1_000
MAX_WARNINGS: Final = 1_000
"""Characters. CloudFormation's limit is 4 KB for the whole response, and 1,024 bytes for an output."""

WARNINGS: Final = "Warnings"
"""The attribute of the custom resource, and the stack's output, with what the settings ask for in vain."""
NO_WARNINGS: Final = "none"
"""An output cannot be empty."""


class Lambda(Protocol):
    """The part of boto3's Lambda client that is used here."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]: ...  # noqa: N803 - AWS's names


class CloudFormation(Protocol):
    """The part of boto3's CloudFormation client that is used here."""

    def describe_stacks(self, *, StackName: str) -> Mapping[str, Any]: ...  # noqa: N803 - AWS's name


class ToleratedError(Exception):
    """A problem for which the deployment did not fail. It sets off the alarm on errors of this function."""


def handler(event: Mapping[str, Any], context: runtime.Context | None) -> None:
    """Handle CloudFormation's Create, Update and Delete requests; Delete tests nothing."""
    if event["RequestType"] == "Delete":
        answer(event, None)
        return
    aws = Aws()
    if context:
        aws.deadline.seconds_left = lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    warnings: list[str] = []
    problem = problem_with(aws, event, warnings)
    if context:
        aws.deadline.seconds_left = lambda: OPTIONAL_SECONDS
    if problem and is_tolerated(event, problem, lambda: is_rolling_back(aws.client("cloudformation"), event)):
        answer(event, None, (problem, *warnings))
        raise ToleratedError(problem)
    answer(event, problem, warnings)


def is_tolerated(event: Mapping[str, Any], problem: str, is_rolling_back: Callable[[], bool]) -> bool:
    """Whether the deployment goes on in spite of the problem. A first deployment never does: it is undone."""
    if event["RequestType"] != "Update":
        return False
    before, now = (
        event.get(each, {}).get(OUTSIDE) for each in ("OldResourceProperties", "ResourceProperties")
    )
    return (runtime.OutsideProblem.SAYS in problem and before == now) or is_rolling_back()


def is_rolling_back(cloudformation: CloudFormation, event: Mapping[str, Any]) -> bool:
    """Whether CloudFormation undoes an update; also when that cannot be found out, so that none is stuck."""
    try:
        [stack] = cloudformation.describe_stacks(StackName=event["StackId"])["Stacks"]
        return "ROLLBACK" in stack["StackStatus"]
    except Exception:  # noqa: BLE001 - see above
        return True


def problem_with(aws: Aws, event: Mapping[str, Any], warnings: list[str]) -> str | None:
    """Run the self-test; the problem as one sentence, or None. Adds the functions' warnings to `warnings`."""
    try:
        calls = event["ResourceProperties"][CALLS]
        return first_problem(aws.client("lambda"), calls, time.monotonic, time.sleep, warnings)
    except Exception as error:  # noqa: BLE001 - without an answer CloudFormation waits until it times out
        return f"The self-test itself failed: {type(error).__name__}: {error}"


def first_problem(
    functions: Lambda,
    calls: Iterable[Mapping[str, str]],
    clock: Callable[[], float],
    wait: Callable[[float], None],
    warnings: list[str],
) -> str | None:
    """Make all calls, and retry each until the deadline; the first problem that remains, or None.

    Adds the warnings in the functions' answers to `warnings`.
    """
    give_up_at = clock() + PATIENCE_SECONDS
    problems: list[str] = []
    for call in calls:
        while problem := _problem(functions, call, warnings):
            if clock() >= give_up_at:
                problems.append(problem)
                break
            wait(PAUSE_SECONDS)
    # One that this deployment made is not hidden behind one that it did not.
    return min(problems, key=lambda problem: runtime.OutsideProblem.SAYS in problem, default=None)


def _problem(functions: Lambda, call: Mapping[str, str], warnings: list[str]) -> str | None:
    name = call[FUNCTION]
    try:
        with calling("lambda:InvokeFunction", functions):
            result = functions.invoke(FunctionName=name, Payload=call[EVENT].encode())
    except AwsProblem as problem:
        return f"{name} could not be called. {problem}"
    said = json.loads(result["Payload"].read())
    if "FunctionError" not in result:
        warnings.extend(said.get("warnings", ()) if isinstance(said, Mapping) else ())
        return None
    return f"{name} failed its self-test: {said.get('errorType')}: {said.get('errorMessage')}"


def answer(event: Mapping[str, Any], problem: str | None, warnings: Iterable[str] = ()) -> None:
    """Send the result to CloudFormation, to the response URL in its event."""
    document = {
        "Status": "FAILED" if problem else "SUCCESS",
        "Reason": (problem or "Every function answered.")[:MAX_REASON],
        "PhysicalResourceId": event["LogicalResourceId"],
        "Data": {WARNINGS: " ".join(warnings)[:MAX_WARNINGS] or NO_WARNINGS},
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The presigned URL does not cover a Content-Type header, which urllib would add.
    request = Request(  # noqa: S310 - only CloudFormation may invoke this function
        event["ResponseURL"], json.dumps(document).encode(), {"Content-Type": ""}, method="PUT"
    )
    with urlopen(request, timeout=30):  # noqa: S310 - see above
        pass
