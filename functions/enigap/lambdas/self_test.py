"""The last step of every deployment: call each function as it was just deployed, and fail the deployment if
one fails.

A broken import, a missing permission or settings that do not fit show up here instead of in the first
quarter of an hour that nobody judges. It is a custom resource, so CloudFormation calls it and rolls back
what it refuses.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

from enigap.aws.clients import Aws

ACTIONS: Final = ("lambda:InvokeFunction",)

CALLS: Final = "Calls"
"""The property of the custom resource that says what to call: a list of objects with the two below."""
FUNCTION: Final = "Function"
EVENT: Final = "Event"

PATIENCE_SECONDS: Final = 60
"""IAM is eventually consistent: what a new role may do is not known everywhere at once."""
PAUSE_SECONDS: Final = 5


class Lambda(Protocol):
    """What is needed of the Lambda client."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]: ...  # noqa: N803 - AWS's names


def handler(event: dict[str, Any], _context: object) -> None:
    """Answers CloudFormation's Create, Update and Delete."""
    answer(event, problem_with(event))


def problem_with(event: Mapping[str, Any]) -> str | None:
    """What is wrong with what was deployed, in one sentence, or None."""
    if event["RequestType"] == "Delete":
        return None
    try:
        return first_problem(
            Aws().client("lambda"), event["ResourceProperties"][CALLS], time.monotonic, time.sleep
        )
    except Exception as error:  # noqa: BLE001 - without an answer CloudFormation waits until it times out
        return f"The self-test itself failed: {type(error).__name__}: {error}"


def first_problem(
    functions: Lambda,
    calls: Iterable[Mapping[str, str]],
    clock: Callable[[], float],
    wait: Callable[[float], None],
) -> str | None:
    """Call all, again and again while one fails and there is time; the last failure in one sentence, or
    None.
    """
    give_up_at = clock() + PATIENCE_SECONDS
    for call in calls:
        while problem := _problem(functions, call):
            if clock() >= give_up_at:
                return problem
            wait(PAUSE_SECONDS)
    return None


def _problem(functions: Lambda, call: Mapping[str, str]) -> str | None:
    result = functions.invoke(FunctionName=call[FUNCTION], Payload=call[EVENT].encode())
    if "FunctionError" not in result:
        return None
    said = json.loads(result["Payload"].read())
    return f"{call[FUNCTION]} failed its self-test: {said.get('errorType')}: {said.get('errorMessage')}"


def answer(event: Mapping[str, Any], problem: str | None) -> None:
    """Tell CloudFormation how it went, at the address it gave."""
    document = {
        "Status": "FAILED" if problem else "SUCCESS",
        "Reason": (problem or "Every function answered.")[:1000],
        "PhysicalResourceId": event["LogicalResourceId"],
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    request = Request(event["ResponseURL"], json.dumps(document).encode(), method="PUT")  # noqa: S310 - see above
    request.add_header("Content-Type", "")  # the address is signed for a request without one
    with urlopen(request, timeout=30):  # noqa: S310 - CloudFormation's own address
        pass
