"""The wire: awsJson1.0 as botocore speaks it to CloudWatch, with the error codes of the older query protocol.

A request names its operation in `X-Amz-Target`; bodies are JSON, instants are epoch numbers, and a body may
come gzipped (botocore compresses PutMetricData above 10 KiB). An error carries its modelled shape in
`__type` and, because CloudWatch once spoke the query protocol, the code that clients see in
`x-amzn-query-error`.
"""

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

TARGET_PREFIX: Final = "GraniteServiceVersion20100801."
CONTENT_TYPE: Final = "application/x-amz-json-1.0"

# Error codes of botocore's CloudWatch model, and the shapes that carry them.
_SHAPE_OF_CODE: Final = {
    "AccessDenied": "AccessDeniedException",
    "InternalServiceError": "InternalServiceFault",
    "InvalidFormat": "InvalidFormatFault",
    "InvalidParameterCombination": "InvalidParameterCombinationException",
    "InvalidParameterValue": "InvalidParameterValueException",
    "LimitExceeded": "LimitExceededFault",
    "MissingParameter": "MissingRequiredParameterException",
    "Throttling": "ThrottlingException",
    "ValidationError": "ValidationException",
}


class AwsError(Exception):
    """An answer that boto3 raises as a ClientError with this code."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Request(NamedTuple):
    """One call as it arrived: `parameters` is the decoded body, `size_bytes` its length once decompressed."""

    operation: str
    parameters: dict[str, Any]
    size_bytes: int


class Answer(NamedTuple):
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


def decode(headers: Mapping[str, str], body: bytes) -> Request:
    """Read a request, or raise the AwsError that a wrong one earns."""
    fields = {name.lower(): value for name, value in headers.items()}
    target = fields.get("x-amz-target", "")
    if not target.startswith(TARGET_PREFIX):
        raise AwsError(
            "UnknownOperationException",
            f"strict_cloudwatch speaks awsJson1.0 only: send X-Amz-Target {TARGET_PREFIX}OPERATION "
            "(boto3 does since 1.42.40)",
        )
    if fields.get("content-encoding", "").lower() == "gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as broken:
            raise AwsError("SerializationException", f"The body is not gzip: {broken}") from broken
    try:
        parameters = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except ValueError as broken:
        raise AwsError("SerializationException", f"The body is not JSON: {broken}") from broken
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The body is not a JSON object.")
    return Request(target.removeprefix(TARGET_PREFIX), parameters, len(body))


def encode(result: Mapping[str, Any], request_id: str) -> Answer:
    return _answer(200, result, request_id, {})


def encode_error(error: AwsError, request_id: str) -> Answer:
    blame = "Sender" if error.status < 500 else "Receiver"
    body = {"__type": _SHAPE_OF_CODE.get(error.code, error.code), "message": error.message}
    return _answer(error.status, body, request_id, {"x-amzn-query-error": f"{error.code};{blame}"})


def _answer(status: int, body: Mapping[str, Any], request_id: str, more: Mapping[str, str]) -> Answer:
    payload = json.dumps(body, separators=(",", ":")).encode()
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(payload)),
        "x-amzn-RequestId": request_id,
        **more,
    }
    return Answer(status, headers, payload)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def next_token(parameters: Mapping[str, Any], place: Sequence[int] | None) -> dict[str, str]:
    """The NextToken member of an answer that goes on at this place, nothing where it does not go on.

    A token belongs to its request: neither a made-up nor a borrowed one is taken.
    """
    if place is None:
        return {}
    token = json.dumps([fingerprint(parameters), *place]).encode()
    return {"NextToken": base64.urlsafe_b64encode(token).decode()}


def place_of_token(parameters: Mapping[str, Any], length: int) -> list[int] | None:
    """The place, of so many numbers, that the request's NextToken holds; None when it has no token.

    Raises ValueError for a token that was not issued for this request.
    """
    token = parameters.get("NextToken")
    if token is None:
        return None
    try:
        issued_for, *place = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (TypeError, ValueError) as broken:
        raise ValueError("The token was not issued by this service") from broken
    if issued_for != fingerprint(parameters) or len(place) != length:
        raise ValueError("The token was issued for another request")
    return [int(number) for number in place]


def fingerprint(parameters: Mapping[str, Any]) -> str:
    """What pages of one and the same request have in common: all of its parameters but the token."""
    rest = {name: value for name, value in parameters.items() if name != "NextToken"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]
