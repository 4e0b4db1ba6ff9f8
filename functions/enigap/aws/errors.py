"""Converts errors of the AWS SDK to one sentence that says what to do.

The sentence is made of the error's code, the action and the region. AWS's message is quoted only if it
cannot contain a secret: a signature error, for example, repeats the signed request with its session token.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from botocore import exceptions as sdk
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import LocationValueError


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
    """Converts SDK errors in the block to AwsProblem. `action` is "ec2:DescribeInstances" or so.

    So it does with errors of reading the answer, which belongs into the block as well: botocore does not
    check that a member is there nor what type it has, and its parsers stumble over much that is not AWS's.
    """
    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError, *MAKES_NO_SENSE) as error:
        # Not chained: the original error may contain secrets.
        raise problem_of(error, action, region_of(client)) from None


MAKES_NO_SENSE: Final = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading an answer raises that is not as AWS documents it."""


_WRONG_REQUEST: Final = frozenset(
    {"InvalidParameter", "InvalidParameterException", "InvalidParameterValue", "MissingParameter"}
)


@contextmanager
def refused_on_purpose() -> Iterator[None]:
    """Suppresses AWS's refusal of a request that is wrong on purpose, so that nothing comes of it.

    Self-tests find out in this way whether the caller is permitted and the resource there.
    """
    try:
        yield
    except AwsProblem as problem:
        if problem.code not in _WRONG_REQUEST:
            raise


def region_of(client: object) -> str:
    """The region of a client; "" if it is not known."""
    return str(getattr(getattr(client, "meta", None), "region_name", None) or "")


def problem_of(error: Exception, action: str, region: str = "") -> AwsProblem:
    """The AwsProblem for an error of the SDK."""
    if isinstance(error, ClientError):
        # The SDK may call another service, such as STS, for credentials first; then name that action.
        operation = str(error.operation_name)
        if service := _FOR_CREDENTIALS.get(operation):
            action = f"{service}:{operation}"
        return _answered(error.response, _call(action, region))
    call = _call(action, region)
    for classes, make in EXPLAINED:
        if isinstance(error, classes):
            return make(error, call)
    return AwsProblem(ProblemKind.FAILED, f"{call} failed ({type(error).__name__})", "run it again")


_FOR_CREDENTIALS: Final = {
    "AssumeRole": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "CreateOAuth2Token": "signin",
    "CreateToken": "sso-oauth",
    "GetRoleCredentials": "sso",
}
"""The operations that the SDK calls to get credentials, and their services."""


def _call(action: str, region: str) -> str:
    return f"{action} in {region}" if region else action


# --- AWS answered, with an error ---

_SKEWED: Final = re.compile(r"signature (not yet current|expired)", re.IGNORECASE)
_ONE_TIME_PASS_CODE: Final = re.compile(r"multi-?factor\s?authentication failed|tokenCode", re.IGNORECASE)
_SERIAL: Final = re.compile(r"serial number is valid|must provide .*serial", re.IGNORECASE)
_NO_SUCH_SCOPE: Final = "scoped to a valid region"
_WHO: Final = re.compile(r"User: arn:[\w-]+:\w+::\d*:([\w+=,.@:/-]+)")

_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "ForbiddenException",
        "KMS.AccessDeniedException",
        "KMSAccessDenied",
        "KmsAccessDenied",
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
        "Blocked",
        "OptInRequired",
        "PendingVerification",
        "SignatureDoesNotMatch",
        "SubscriptionRequiredException",
        "UnrecognizedClientException",
    }
)
_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)

_CLOCK_MAY_BE_OFF_SECONDS: Final = 240
"""AWS accepts signatures that are up to 5 minutes old, some services up to 15."""


def _clock_is_off(response: Mapping[str, Any]) -> bool:
    """Whether this machine's clock disagrees with the time in AWS's answer."""
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        answered_at = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return False
    return abs(answered_at - time.time()) > _CLOCK_MAY_BE_OFF_SECONDS


_ASSIGNED: Final = (
    "check sso_account_id and sso_role_name in the profile, which IAM Identity Center has to assign to you"
)
_TO_CORRECT: Final = {
    "sts:AssumeRole": "correct role_arn, duration_seconds, external_id, role_session_name or mfa_serial in "
    "the profile",
    "sts:AssumeRoleWithWebIdentity": "have a new token written to the file that AWS_WEB_IDENTITY_TOKEN_FILE "
    "or the profile's web_identity_token_file names, and check that IAM has its issuer as a provider",
    "sso:GetRoleCredentials": _ASSIGNED,
}
"""What to do where AWS refuses what a profile or the environment says of signing in."""


class _Explanation(NamedTuple):
    kind: ProblemKind
    codes: frozenset[str]
    what: str
    remedy: str

    def at(self, call: str) -> str:
        """The remedy at this call: `aws sso login` gets no other token of a web identity."""
        action = _action(call)
        is_token = self.kind is ProblemKind.EXPIRED and action.endswith("WebIdentity")
        corrected = is_token or self.kind is ProblemKind.MISSING
        return _TO_CORRECT.get(action, self.remedy) if corrected else self.remedy


_EXPLANATIONS: Final = (
    _Explanation(
        ProblemKind.EXPIRED,
        _EXPIRED,
        "The AWS credentials expired ({call})",
        "sign in again (`aws sso login`, or new keys in the environment) and run it again",
    ),
    _Explanation(
        ProblemKind.CREDENTIALS,
        _REJECTED,
        "AWS does not accept these credentials for {call} ({code})",
        "check the access key, the session token, this machine's clock, and that the account has this region "
        "switched on",
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
    _Explanation(
        ProblemKind.REFUSED,
        frozenset(
            {
                "DisabledException",
                "KMS.DisabledException",
                "KMS.KMSInvalidStateException",
                "KMS.NotFoundException",
                "KMSDisabled",
                "KMSInvalidState",
                "KMSInvalidStateException",
                "KMSNotFound",
                "KmsDisabled",
                "KmsInvalidState",
                "KmsNotFound",
            }
        ),
        "The KMS key that {call} takes cannot be used ({code})",
        "switch it on again in KMS or stop its deletion, or set another as `kms_key_arn` and deploy",
    ),
    _Explanation(
        ProblemKind.REGION,
        frozenset({"RegionDisabledException"}),
        "STS is switched off in the region ({call})",
        "have it switched on in IAM's account settings, or take a region where it is on",
    ),
)

KNOWN_CODES: Final = frozenset({"RequestTimeTooSkewed"}).union(
    _DENIED, _REJECTED, _EXPIRED, _WRONG_REQUEST, *(known.codes for known in _EXPLANATIONS)
)
"""AWS's error codes that a sentence depends on."""


def _answered(response: Mapping[str, Any], call: str) -> AwsProblem:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if _ONE_TIME_PASS_CODE.search(message):
        what = f"AWS did not accept the MFA code for {call}"
        is_device = _SERIAL.search(message)
        remedy = "correct mfa_serial in the profile" if is_device else "run it again with the next code"
        return AwsProblem(ProblemKind.CREDENTIALS, what, remedy, code=code)
    if code in _DENIED:
        return _denied(code, message, call)
    if code == "RequestTimeTooSkewed" or code in _REJECTED | _EXPIRED:
        if _NO_SUCH_SCOPE in message:
            what = f"AWS knows no such region ({call})"
            return AwsProblem(ProblemKind.REGION, what, "give one such as eu-west-1", code=code)
        if code == "RequestTimeTooSkewed" or _SKEWED.search(message) or _clock_is_off(response):
            what = f"AWS refused {call} because this machine's clock is wrong"
            return AwsProblem(ProblemKind.CLOCK, what, "set it by NTP and run it again", code=code)
    for known in _EXPLANATIONS:
        if code in known.codes:
            what = known.what.format(call=call, code=code)
            said = one_line(message) if known.kind is ProblemKind.MISSING else ""
            return AwsProblem(known.kind, what, known.at(call), code=code, message=said)
    return _unknown(response, code, message, call)


_SIGN_IN_TO_NETWORK: Final = 511


def _unknown(response: Mapping[str, Any], code: str, message: str, call: str) -> AwsProblem:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if (not code or code == str(status)) and (300 <= status < 500 or status == _SIGN_IN_TO_NETWORK):
        # An error of AWS has a code of its own; a proxy's or a portal's has the status and a page.
        what = f"What answered {call} is not AWS (HTTP {status})"
        return AwsProblem(ProblemKind.FAILED, what, "check the proxy and AWS_ENDPOINT_URL", code=code)
    if status >= 500 or not code:
        what = f"AWS failed at {call} ({code or f'HTTP {status}'})"
        return AwsProblem(ProblemKind.FAILED, what, "run it again", code=code)
    what = f"AWS refused {call} ({code}: {one_line(message)})"
    remedy = _TO_CORRECT.get(_action(call), "check the names and times given")
    return AwsProblem(ProblemKind.REFUSED, what, remedy, code=code)


def _action(call: str) -> str:
    return call.split(maxsplit=1)[0]


def _denied(code: str, message: str, call: str) -> AwsProblem:
    who, lacking = _WHO.search(message), _LACKING.search(message)
    what = f"AWS denied {call}" + (f" to {who[1]}" if who else "")
    action, limit = _action(call), _LIMIT.search(message)
    if lacking and action != lacking[1]:
        # Another action that the call takes, such as on the key that a queue is encrypted with.
        action = lacking[1]
        what += f" for want of {action}"
    if limit and limit[1] == "explicit deny in":
        remedy = f"the {limit[2]} denies it outright; have it make an exception"
        if "identity-based" in limit[2]:
            remedy += ", or sign in with MFA if it asks for that"
    elif "explicit deny" in message:
        remedy = "a policy denies it outright, often the organization's; have it make an exception"
    elif limit and "identity-based" not in limit[2]:
        remedy = f"have {action} allowed in the {limit[2]}"
    else:
        remedy = _REMEDIES_OF_A_SIGN_IN.get(action) or f"allow {action} in the policy of these credentials"
    if action.startswith("kms:") and not call.startswith("kms:"):
        remedy += ", and in the policy of the key, for which `enigap policy --key` prints it"
    return AwsProblem(ProblemKind.DENIED, what, remedy, code=code)


_LACKING: Final = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z0-9]+)")
_LIMIT: Final = re.compile(
    r"(explicit deny in|because no) (?:an? )?((?:(?!an? )[\w-]+ ){1,3}(?:policy|boundary))\b", re.IGNORECASE
)
"""Which policy it is, where AWS says so: of several kinds each has to allow an action."""

_REMEDIES_OF_A_SIGN_IN: Final = {
    "sts:AssumeRole": "allow sts:AssumeRole in the policy of these credentials, and them in the role's trust "
    "policy",
    "sts:AssumeRoleWithWebIdentity": "allow sts:AssumeRoleWithWebIdentity in the role's trust policy, to the "
    "subject and audience of this token",
    "sso:GetRoleCredentials": _ASSIGNED,
}


def one_line(text: str, most: int = 160) -> str:
    """Quoted text for use in a sentence: on one line and truncated."""
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- AWS was not reached, or not asked ---

_Explain = Callable[[Any, str], AwsProblem]


@dataclass(frozen=True, slots=True)
class _Told:
    """A sentence for a class of errors. {error} is the class's name, {given[...]} an argument of the SDK's
    error, {host} the host that it names.
    """

    kind: ProblemKind
    what: str
    remedy: str

    def __call__(self, error: Exception, call: str) -> AwsProblem:
        given = defaultdict(str, getattr(error, "kwargs", {}))
        what = self.what.format(call=call, error=type(error).__name__, given=given, host=_host(given))
        return AwsProblem(self.kind, what, self.remedy)


def _host(given: Mapping[str, Any]) -> str:
    endpoint = given.get("endpoint_url") or given.get("proxy_url") or ""
    return urlsplit(str(endpoint)).hostname or "AWS"


def _sign_in_again_by(command: str) -> _Told:
    what = "The AWS sign-in is missing or over ({call}, {error})"
    return _Told(ProblemKind.EXPIRED, what, f"sign in again with `{command}`")


def no_region(detail: str = "") -> AwsProblem:
    """The problem that neither arguments nor environment nor profile name a region."""
    what, remedy = (
        "There is no AWS region to ask",
        "give --region, set AWS_REGION, or put one into the profile",
    )
    return AwsProblem(ProblemKind.REGION, f"{what}{detail}", remedy)


def wrong_region(name: str, detail: str = "") -> AwsProblem:
    """The problem that what is given as a region cannot be one, such as a zone."""
    return AwsProblem(ProblemKind.REGION, f"{name!r} is no AWS region{detail}", "give one such as eu-west-1")


def _bad_file(error: BotoCoreError, _: str) -> AwsProblem:
    path, place = str(error.kwargs.get("path", "")), _place(error.kwargs.get("error"))
    is_of_keys = Path(path) == Path(os.environ.get(_KEYS_FILE, "~/.aws/credentials")).expanduser()
    remedy = f"correct it or point {_KEYS_FILE if is_of_keys else 'AWS_CONFIG_FILE'} elsewhere"
    return AwsProblem(ProblemKind.PROFILE, f"The AWS configuration {path}{place} cannot be read", remedy)


_KEYS_FILE: Final = "AWS_SHARED_CREDENTIALS_FILE"


def _place(cause: object) -> str:
    """Where a file cannot be read. The parser's own words quote the line, which may be a key."""
    if isinstance(cause, UnicodeError):
        return " (it is not in UTF-8)"
    errors = getattr(cause, "errors", None)
    line = errors[0][0] if errors else getattr(cause, "lineno", None)
    return f" (line {line})" if isinstance(line, int) else ""


def _bad_setting(error: Exception, _: str) -> AwsProblem:
    said = f"{type(error).__name__}: {one_line(str(error), 300)}"
    remedy = "correct the profile, or the environment variable of that name"
    return AwsProblem(ProblemKind.PROFILE, f"The SDK refuses the AWS configuration ({said})", remedy)


def _untrusted(error: BotoCoreError, call: str) -> AwsProblem:
    said = str(error.kwargs.get("error", ""))
    if "certificate has expired" in said or "not yet valid" in said:
        remedy = "set this machine's clock by NTP; if it is right, the certificate is to be renewed"
    elif "CERTIFICATE_VERIFY_FAILED" in said:
        remedy = "set AWS_CA_BUNDLE to a file with the certificates of your organization's proxy"
    else:
        remedy = (
            "check that AWS_ENDPOINT_URL and the proxy speak https, and that AWS_CA_BUNDLE names a "
            "file with the certificates of your organization"
        )
    kind = ProblemKind.CLOCK if "clock" in remedy else ProblemKind.UNREACHABLE
    return AwsProblem(kind, f"No trusted connection to {_host(error.kwargs)} for {call} (SSLError)", remedy)


_NO_CONNECTION: Final = _Told(
    ProblemKind.UNREACHABLE,
    "No connection could be made for {call} ({error})",
    "check that AWS_CA_BUNDLE names a file of certificates, and the network",
)
_NO_ANSWER: Final = _Told(ProblemKind.FAILED, "AWS did not answer {call} ({error})", "run it again")


def _no_answer(error: BotoCoreError, call: str) -> AwsProblem:
    cause = error.kwargs.get("error")
    # A reset ends a connection that was made, so the network and the certificates are all right.
    is_local = isinstance(cause, OSError) and not isinstance(cause, (ConnectionError, TimeoutError))
    return (_NO_CONNECTION if is_local else _NO_ANSWER)(error, call)


def _wrong_request(error: BotoCoreError, call: str) -> AwsProblem:
    report = one_line(str(error.kwargs.get("report") or error))
    return AwsProblem(ProblemKind.REFUSED, f"{call} cannot be asked that ({report})", "check what was given")


EXPLAINED: Final[Sequence[tuple[tuple[type[Exception], ...], _Explain]]] = (
    (
        (sdk.LoginInsufficientPermissions,),
        _Told(
            ProblemKind.DENIED,
            "AWS denied signin:CreateOAuth2Token ({call})",
            "allow it, for instance by the policy SignInLocalDevelopmentAccess, and run `aws login` again",
        ),
    ),
    ((sdk.SSOError, sdk.TokenRetrievalError, sdk.NoAuthTokenError), _sign_in_again_by("aws sso login")),
    ((sdk.LoginError,), _sign_in_again_by("aws login")),
    (
        (sdk.RefreshWithMFAUnsupportedError,),
        _Told(
            ProblemKind.EXPIRED,
            "The MFA session is over ({call})",
            "run it again and type the code that the device shows then",
        ),
    ),
    (
        (sdk.PartialCredentialsError,),
        _Told(
            ProblemKind.CREDENTIALS,
            "There are no usable AWS credentials for {call} ({given[cred_var]} is missing)",
            "set it, or sign in (`aws sso login` or `aws configure`), or name a profile",
        ),
    ),
    (
        (sdk.NoCredentialsError, sdk.CredentialRetrievalError),
        _Told(
            ProblemKind.CREDENTIALS,
            "There are no usable AWS credentials for {call} ({error})",
            "sign in (`aws sso login` or `aws configure`), or name a profile",
        ),
    ),
    (
        (sdk.MissingDependencyException,),
        _Told(
            ProblemKind.CREDENTIALS,
            "The profile was made by `aws login`, which needs the package awscrt ({call})",
            "install it beside enigap with `pip install 'enigap[login]'`, or `pip install 'botocore[crt]'`",
        ),
    ),
    ((sdk.NoRegionError,), lambda _, call: no_region(f" ({call})")),
    (
        (
            sdk.InvalidRegionError,
            sdk.UnknownRegionError,
            sdk.UnknownEndpointError,
            sdk.UnknownFIPSEndpointError,
        ),
        lambda error, call: wrong_region(error.kwargs.get("region_name", ""), f" ({call})"),
    ),
    (
        (sdk.BaseEndpointResolverError, sdk.EndpointProviderError, sdk.ServiceNotInRegionError),
        _Told(
            ProblemKind.REGION,
            "The SDK knows no endpoint for {call} ({error})",
            "check the region, and the settings for FIPS, dual-stack and account-based endpoints",
        ),
    ),
    (
        (sdk.ProfileNotFound,),
        _Told(
            ProblemKind.PROFILE,
            "There is no AWS profile {given[profile]!r}",
            "`aws configure list-profiles` shows which there are",
        ),
    ),
    (
        (sdk.ConfigParseError, sdk.ConfigNotFound),
        _bad_file,
    ),
    (
        (
            sdk.InvalidConfigError,
            sdk.InvalidChecksumConfigError,
            sdk.InvalidDefaultsMode,
            sdk.InvalidEndpointConfigurationError,
            sdk.InvalidEndpointDiscoveryConfigurationError,
            sdk.InvalidHostLabelError,
            sdk.InvalidIMDSEndpointError,
            sdk.InvalidIMDSEndpointModeError,
            sdk.InvalidProxiesConfigError,
            sdk.InvalidRetryConfigurationError,
            sdk.InvalidS3AddressingStyleError,
            sdk.InvalidS3UsEast1RegionalEndpointConfigError,
            sdk.InvalidSTSRegionalEndpointsConfigError,
            sdk.UnknownCredentialError,
            sdk.UnknownSignatureVersionError,
            sdk.UnknownTokenProviderError,
            sdk.UnsupportedSignatureVersionError,
        ),
        _bad_setting,
    ),
    ((sdk.SSLError,), _untrusted),
    (
        (sdk.MetadataRetrievalError,),
        _Told(
            ProblemKind.UNREACHABLE,
            "The metadata service of the instance or container gave no answer for {call} ({error})",
            "check AWS_EC2_METADATA_SERVICE_ENDPOINT, or name a profile",
        ),
    ),
    (
        (sdk.ConnectionError,),
        _Told(
            ProblemKind.UNREACHABLE,
            "{host} cannot be reached for {call} ({error})",
            "check the region's name, the network, the proxy and AWS_ENDPOINT_URL",
        ),
    ),
    ((sdk.HTTPClientError, sdk.IncompleteReadError, sdk.CapacityNotAvailableError), _no_answer),
    (
        (ResponseParserError, sdk.ChecksumError, sdk.FlexibleChecksumError),
        _Told(
            ProblemKind.FAILED,
            "What answered {call} does not speak AWS's language",
            "check the proxy and AWS_ENDPOINT_URL",
        ),
    ),
    ((sdk.ParamValidationError, sdk.ValidationError), _wrong_request),
    (
        (
            sdk.ApiVersionNotFoundError,
            sdk.DataNotFoundError,
            sdk.MD5UnavailableError,
            sdk.UnknownServiceStyle,
            sdk.UnsupportedServiceProtocolsError,
        ),
        _Told(
            ProblemKind.FAILED,
            "The AWS SDK lacks something for {call} ({error})",
            "install enigap again in an environment of its own",
        ),
    ),
    (
        # Of calls that enigap does not make: S3, waiters, paginators, stubs, streams.
        (
            sdk.AwsChunkedWrapperError,
            sdk.InvalidDNSNameError,
            sdk.InvalidExpressionError,
            sdk.MissingParametersError,
            sdk.OperationNotPageableError,
            sdk.PaginationError,
            sdk.StubResponseError,
            sdk.UnknownClientMethodError,
            sdk.UnseekableStreamError,
            sdk.UnsupportedOutpostResourceError,
            sdk.UnsupportedS3AccesspointConfigurationError,
            sdk.UnsupportedS3ArnError,
            sdk.UnsupportedS3ConfigurationError,
            sdk.UnsupportedS3ControlArnError,
            sdk.UnsupportedS3ControlConfigurationError,
            sdk.WaiterConfigError,
            sdk.WaiterError,
        ),
        _Told(
            ProblemKind.FAILED,
            "The AWS SDK failed at {call} ({error})",
            "report this sentence as a bug of enigap",
        ),
    ),
    (
        (LocationValueError,),
        _Told(
            ProblemKind.UNREACHABLE,
            "The address of the proxy or endpoint for {call} is no URL",
            "correct HTTPS_PROXY or AWS_ENDPOINT_URL to one such as http://127.0.0.1:4566, or unset it",
        ),
    ),
    (
        MAKES_NO_SENSE,
        _Told(
            ProblemKind.FAILED,
            "AWS's answer to {call} makes no sense ({error})",
            "run it again, and check the proxy and AWS_ENDPOINT_URL",
        ),
    ),
)
"""The sentence for each class of the SDK's exceptions and its subclasses; the first match wins."""
