"""Converts errors of the AWS SDK to one sentence that says what to do.

The sentence is made of the error's code, the action and the region. AWS's message is quoted only if it
cannot contain a secret: a signature error, for example, repeats the signed request with its session token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidRegionError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
    SSOError,
    TokenRetrievalError,
    UnknownEndpointError,
)
from botocore.parsers import ResponseParserError


class ProblemKind(StrEnum):
    """The kinds of problem, by whom they concern and whether a retry helps."""

    CREDENTIALS = "credentials"
    EXPIRED = "expired"
    REGION = "region"
    PROFILE = "profile"
    DENIED = "denied"
    CLOCK = "clock"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    MISSING = "missing"
    REFUSED = "refused"
    OUT_OF_TIME = "out_of_time"
    FAILED = "failed"


_THE_CALLERS_OWN: Final = frozenset(
    {
        ProblemKind.CREDENTIALS,
        ProblemKind.EXPIRED,
        ProblemKind.REGION,
        ProblemKind.PROFILE,
        ProblemKind.DENIED,
        ProblemKind.CLOCK,
        ProblemKind.UNREACHABLE,
    }
)


class AwsProblem(Exception):  # noqa: N818 - throttling and timeouts are problems, not errors of the caller
    """A call to AWS failed or could not be made. `str()` is a sentence: what happened, what to do."""

    def __init__(
        self, kind: ProblemKind, what: str, remedy: str = "", *, code: str = "", message: str = ""
    ) -> None:
        super().__init__(f"{what}: {remedy}." if remedy else f"{what}.")
        self.kind = kind
        self.what = what
        """What happened, as a clause, e.g. "AWS throttled cloudwatch:GetMetricData in eu-west-1"."""
        self.remedy = remedy
        self.code = code
        """AWS's error code, if there is one."""
        self.message = message
        """AWS's message about a resource that does not exist; otherwise ""."""

    @property
    def concerns_every_call(self) -> bool:
        """Whether every other call would fail in the same way, too."""
        return self.kind in _THE_CALLERS_OWN


@contextmanager
def calling(action: str, client: object = None) -> Iterator[None]:
    """Converts SDK errors in the block to AwsProblem. `action` is "ec2:DescribeInstances" or so."""
    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        # Not chained: the original error may contain secrets.
        raise problem_of(error, action, region_of(client)) from None


def region_of(client: object) -> str:
    """The region of a client; "" if it is not known."""
    return str(getattr(getattr(client, "meta", None), "region_name", None) or "")


def problem_of(error: Exception, action: str, region: str = "") -> AwsProblem:
    """The AwsProblem for an error of the SDK."""
    if isinstance(error, ClientError):
        # The SDK may call another service, such as STS, for credentials first; then name that action.
        if str(error.operation_name).startswith("AssumeRole"):
            action = f"sts:{error.operation_name}"
        return _answered(error.response, _call(action, region))
    call = _call(action, region)
    for classes, make in _UNANSWERED:
        if isinstance(error, classes):
            return make(error, call)
    return AwsProblem(ProblemKind.FAILED, f"{call} failed ({type(error).__name__})", "run it again")


def _call(action: str, region: str) -> str:
    return f"{action} in {region}" if region else action


# --- AWS answered, with an error ---

_SKEWED: Final = re.compile(r"signature (not yet current|expired)", re.IGNORECASE)
_WHO: Final = re.compile(r"User: arn:[\w-]+:\w+::\d*:([\w+=,.@:/-]+)")

_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "NotAuthorized",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
_REJECTED: Final = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class _Explanation(NamedTuple):
    kind: ProblemKind
    codes: frozenset[str]
    what: str
    remedy: str = ""


_EXPLANATIONS: Final = (
    _Explanation(
        ProblemKind.EXPIRED,
        frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}),
        "The AWS credentials expired ({call})",
        "sign in again (`aws sso login`, or new keys in the environment) and run it again",
    ),
    _Explanation(
        ProblemKind.CREDENTIALS,
        _REJECTED,
        "AWS does not accept these credentials for {call} ({code})",
        "check the access key, the session token, and that the account has this region switched on",
    ),
    _Explanation(
        ProblemKind.THROTTLED,
        frozenset(
            {
                "EC2ThrottledException",
                "LimitExceeded",
                "LimitExceededException",
                "RequestLimitExceeded",
                "RequestThrottled",
                "RequestThrottledException",
                "SlowDown",
                "ThrottledException",
                "Throttling",
                "ThrottlingException",
                "TooManyRequestsException",
            }
        ),
        "AWS throttled {call}",
        "run it again in a minute, or ask AWS for a higher quota",
    ),
    _Explanation(
        ProblemKind.MISSING,
        frozenset({"NotFound", "ResourceNotFound", "ResourceNotFoundException"}),
        "AWS has nothing of that name for {call}",
        "check the name and the region",
    ),
)


def _answered(response: Mapping[str, Any], call: str) -> AwsProblem:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in _DENIED:
        return _denied(code, message, call)
    if code == "RequestTimeTooSkewed" or (code in _REJECTED and _SKEWED.search(message)):
        what = f"AWS refused {call} because this machine's clock is wrong"
        return AwsProblem(ProblemKind.CLOCK, what, "set it by NTP and run it again", code=code)
    for known in _EXPLANATIONS:
        if code in known.codes:
            what = known.what.format(call=call, code=code)
            said = one_line(message) if known.kind is ProblemKind.MISSING else ""
            return AwsProblem(known.kind, what, known.remedy, code=code, message=said)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500 or not code:
        what = f"AWS failed at {call} ({code or f'HTTP {status}'})"
        return AwsProblem(ProblemKind.FAILED, what, "run it again", code=code)
    what = f"AWS refused {call} ({code}: {one_line(message)})"
    return AwsProblem(ProblemKind.REFUSED, what, "check the names and times given", code=code)


def _denied(code: str, message: str, call: str) -> AwsProblem:
    who = _WHO.search(message)
    what = f"AWS denied {call}" + (f" to {who[1]}" if who else "")
    action = call.split(maxsplit=1)[0]
    if "explicit deny" in message:
        remedy = "a policy denies it outright, often the organization's; have it make an exception"
    else:
        remedy = f"allow {action} in the policy of these credentials"
    return AwsProblem(ProblemKind.DENIED, what, remedy, code=code)


def one_line(text: str, most: int = 160) -> str:
    """Quoted text for use in a sentence: on one line and truncated."""
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- AWS was not reached, or not asked ---

_Explain = Callable[[Any, str], AwsProblem]


def _no_credentials(error: Exception, call: str) -> AwsProblem:
    return AwsProblem(
        ProblemKind.CREDENTIALS,
        f"There are no usable AWS credentials for {call} ({type(error).__name__})",
        "sign in (`aws sso login` or `aws configure`), or name a profile",
    )


def _sign_in_again(error: Exception, call: str) -> AwsProblem:
    return AwsProblem(
        ProblemKind.EXPIRED,
        f"The AWS sign-in is missing or over ({call}, {type(error).__name__})",
        "sign in again with `aws sso login` or `aws login`",
    )


def _no_region(_: Exception, call: str) -> AwsProblem:
    return AwsProblem(
        ProblemKind.REGION,
        f"There is no AWS region to ask ({call})",
        "give one, set AWS_DEFAULT_REGION, or put one into the profile",
    )


def _wrong_region(error: InvalidRegionError | UnknownEndpointError, call: str) -> AwsProblem:
    name = error.kwargs.get("region_name", "")
    return AwsProblem(ProblemKind.REGION, f"{name!r} is no AWS region ({call})", "give one such as eu-west-1")


def _no_profile(error: ProfileNotFound, _: str) -> AwsProblem:
    return AwsProblem(
        ProblemKind.PROFILE,
        f"There is no AWS profile {error.kwargs.get('profile', '')!r}",
        "`aws configure list-profiles` shows which there are",
    )


def _bad_config(error: ConfigParseError | ConfigNotFound, _: str) -> AwsProblem:
    return AwsProblem(
        ProblemKind.PROFILE,
        f"The AWS configuration {error.kwargs.get('path', '')} cannot be read",
        "correct it or point AWS_CONFIG_FILE elsewhere",
    )


def _unreachable(error: BotoCoreError, call: str) -> AwsProblem:
    endpoint = error.kwargs.get("endpoint_url") or error.kwargs.get("proxy_url") or ""
    host = urlsplit(str(endpoint)).hostname or "AWS"
    return AwsProblem(
        ProblemKind.UNREACHABLE,
        f"{host} cannot be reached for {call} ({type(error).__name__})",
        "check the region's name, the network, the proxy and AWS_ENDPOINT_URL",
    )


def _no_answer(error: Exception, call: str) -> AwsProblem:
    return AwsProblem(
        ProblemKind.FAILED, f"AWS did not answer {call} ({type(error).__name__})", "run it again"
    )


def _unreadable_answer(_: Exception, call: str) -> AwsProblem:
    return AwsProblem(
        ProblemKind.FAILED,
        f"What answered {call} does not speak AWS's language",
        "check the proxy and AWS_ENDPOINT_URL",
    )


def _wrong_request(error: ParamValidationError, call: str) -> AwsProblem:
    report = one_line(str(error.kwargs.get("report", "")))
    return AwsProblem(ProblemKind.REFUSED, f"{call} cannot be asked that ({report})", "check what was given")


# First match wins.
_UNANSWERED: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], _Explain], ...]] = (
    ((SSOError, LoginError, TokenRetrievalError, NoAuthTokenError), _sign_in_again),
    ((NoCredentialsError, PartialCredentialsError, CredentialRetrievalError), _no_credentials),
    (NoRegionError, _no_region),
    ((InvalidRegionError, UnknownEndpointError), _wrong_region),
    (ProfileNotFound, _no_profile),
    ((ConfigParseError, ConfigNotFound), _bad_config),
    ((EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError, SSLError), _unreachable),
    (HTTPClientError, _no_answer),
    (ResponseParserError, _unreadable_answer),
    (ParamValidationError, _wrong_request),
)
