"""The last step of every deployment: call each function as it was just deployed; one that fails fails it.

A broken import, a missing permission or settings that do not fit show up here instead of in the first
quarter of an hour that nobody judges. It is a custom resource: CloudFormation calls it, and rolls back what
it refuses.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, calling
from enigap.aws.iam import Statement

ACTIONS: Final = (Statement(("lambda:InvokeFunction",)),)

CALLS: Final = "Calls"
"""The property of the custom resource that says what to call: a list of objects with these two members."""
FUNCTION: Final = "Function"
EVENT: Final = "Event"

PATIENCE_SECONDS: Final = 60
"""What a new role may do is not known everywhere at once."""
PAUSE_SECONDS: Final = 5
MAX_REASON: Final = 1_000
"""CloudFormation takes 4 KB for the whole answer."""


class Lambda(Protocol):
    """What is needed of the Lambda client."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]: ...  # noqa: N803 - AWS's names


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Answers CloudFormation's Create, Update and Delete."""
    answer(event, None if event["RequestType"] == "Delete" else problem_with(event))


def problem_with(event: Mapping[str, Any]) -> str | None:
    """What is wrong with what was deployed, in one sentence; None if nothing is."""
    try:
        calls = event["ResourceProperties"][CALLS]
        return first_problem(Aws().client("lambda"), calls, time.monotonic, time.sleep)
    except Exception as error:  # noqa: BLE001 - without an answer CloudFormation waits until it times out
        return f"The self-test itself failed: {type(error).__name__}: {error}"


def first_problem(
    functions: Lambda,
    calls: Iterable[Mapping[str, str]],
    clock: Callable[[], float],
    wait: Callable[[float], None],
) -> str | None:
    """Make all calls, each again while it fails and there is time; what failed in the end, if anything."""
    give_up_at = clock() + PATIENCE_SECONDS
    for call in calls:
        while problem := _problem(functions, call):
            if clock() >= give_up_at:
                return problem
            wait(PAUSE_SECONDS)
    return None


def _problem(functions: Lambda, call: Mapping[str, str]) -> str | None:
    name = call[FUNCTION]
    try:
        with calling("lambda:InvokeFunction", functions):
            result = functions.invoke(FunctionName=name, Payload=call[EVENT].encode())
    except AwsProblem as problem:
        return f"{name} could not be called. {problem}"
    if "FunctionError" not in result:
        return None
    said = json.loads(result["Payload"].read())
    return f"{name} failed its self-test: {said.get('errorType')}: {said.get('errorMessage')}"


def answer(event: Mapping[str, Any], problem: str | None) -> None:
    """Tell CloudFormation how it went, at the address it gave."""
    document = {
        "Status": "FAILED" if problem else "SUCCESS",
        "Reason": (problem or "Every function answered.")[:MAX_REASON],
        "PhysicalResourceId": event["LogicalResourceId"],
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The address is signed for a request without a content type, which urllib would add.
    request = Request(  # noqa: S310 - whoever may call this function is CloudFormation
        event["ResponseURL"], json.dumps(document).encode(), {"Content-Type": ""}, method="PUT"
    )
    with urlopen(request, timeout=30):  # noqa: S310 - see above
        pass
