"""The self-test of a deployment: a custom resource that invokes each function once.

It finds a broken import, a missing permission or invalid settings during the deployment instead of at the
first scheduled run. If a function fails, CloudFormation rolls the deployment back.
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
"""The custom resource's property with the invocations to make: a list of objects with these two members."""
FUNCTION: Final = "Function"
EVENT: Final = "Event"

PATIENCE_SECONDS: Final = 60
"""How long to retry: IAM is eventually consistent, so a new role's permissions take effect with a delay."""
PAUSE_SECONDS: Final = 5
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


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Handle CloudFormation's Create, Update and Delete requests; Delete tests nothing."""
    if event["RequestType"] == "Delete":
        answer(event, None)
        return
    warnings: list[str] = []
    answer(event, problem_with(event, warnings), warnings)


def problem_with(event: Mapping[str, Any], warnings: list[str]) -> str | None:
    """Run the self-test; the problem as one sentence, or None. Adds the functions' warnings to `warnings`."""
    try:
        calls = event["ResourceProperties"][CALLS]
        return first_problem(Aws().client("lambda"), calls, time.monotonic, time.sleep, warnings)
    except Exception as error:  # noqa: BLE001 - without an answer CloudFormation waits until it times out
        return f"The self-test itself failed: {type(error).__name__}: {error}"


def first_problem(
    functions: Lambda,
    calls: Iterable[Mapping[str, str]],
    clock: Callable[[], float],
    wait: Callable[[float], None],
    warnings: list[str] | None = None,
) -> str | None:
    """Make all calls, and retry each until the deadline; the first problem that remains, or None.

    Adds the warnings in the functions' answers to `warnings`.
    """
    give_up_at = clock() + PATIENCE_SECONDS
    for call in calls:
        while problem := _problem(functions, call, [] if warnings is None else warnings):
            if clock() >= give_up_at:
                return problem
            wait(PAUSE_SECONDS)
    return None


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
