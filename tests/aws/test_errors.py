import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from string import Formatter
from typing import Any

import pytest
from botocore import exceptions as sdk
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from enigap.aws.errors import EXPLAINED, AwsProblem, ProblemKind, calling, problem_of

ACTION = "cloudwatch:GetMetricData"
TOKEN = "FwoGZXIvYXdzEBYaDHsecretsessiontoken"


def answered(
    code: str, message: str = "", status: int = 400, operation: str = "GetMetricData"
) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)


CALL = "cloudwatch:GetMetricData in eu-west-1"
SENTENCES: dict[str, tuple[Exception, ProblemKind, str]] = {
    "expired": (
        answered("ExpiredToken", "The security token included in the request is expired"),
        ProblemKind.EXPIRED,
        (
            f"The AWS credentials expired ({CALL}): sign in again (`aws sso login`, or new keys in the "
            "environment) and run it again."
        ),
    ),
    "rejected": (
        answered("InvalidClientTokenId", "The security token included in the request is invalid", 403),
        ProblemKind.CREDENTIALS,
        (
            f"AWS does not accept these credentials for {CALL} (InvalidClientTokenId): check the access key, "
            "the session token, this machine's clock, and that the account has this region switched on."
        ),
    ),
    "clock": (
        answered("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than"),
        ProblemKind.CLOCK,
        f"AWS refused {CALL} because this machine's clock is wrong: set it by NTP and run it again.",
    ),
    "denied": (
        answered(
            "AccessDenied",
            "User: arn:aws:sts::123456789012:assumed-role/looker/ann is not authorized to perform: "
            "cloudwatch:GetMetricData because no identity-based policy allows the action",
            403,
        ),
        ProblemKind.DENIED,
        (
            f"AWS denied {CALL} to assumed-role/looker/ann: "
            "allow cloudwatch:GetMetricData in the policy of these credentials."
        ),
    ),
    "denied outright": (
        answered("UnauthorizedOperation", "not authorized with an explicit deny in a policy", 403),
        ProblemKind.DENIED,
        (
            f"AWS denied {CALL}: a policy denies it outright, often the organization's; "
            "have it make an exception."
        ),
    ),
    "throttled": (
        answered("Throttling", "Rate exceeded"),
        ProblemKind.THROTTLED,
        f"AWS throttled {CALL}: run it again in a minute, or ask AWS for a higher quota.",
    ),
    "failed": (
        answered("InternalServiceError", "oops", 500),
        ProblemKind.FAILED,
        f"AWS failed at {CALL} (InternalServiceError): run it again.",
    ),
    "failed without a word": (
        answered("", "", 503),
        ProblemKind.FAILED,
        f"AWS failed at {CALL} (HTTP 503): run it again.",
    ),
    "refused by a proxy": (
        answered("403", "<html><h1>Forbidden</h1></html>", 403),
        ProblemKind.FAILED,
        f"What answered {CALL} is not AWS (HTTP 403): check the proxy and AWS_ENDPOINT_URL.",
    ),
    "a proxy that asks for a password": (
        answered("", "", 407),
        ProblemKind.FAILED,
        f"What answered {CALL} is not AWS (HTTP 407): check the proxy and AWS_ENDPOINT_URL.",
    ),
    "a portal": (
        answered("511", "Network Authentication Required", 511),
        ProblemKind.FAILED,
        f"What answered {CALL} is not AWS (HTTP 511): check the proxy and AWS_ENDPOINT_URL.",
    ),
    "refused": (
        answered("ValidationError", "The value\nof  EndTime is wrong."),
        ProblemKind.REFUSED,
        (
            f"AWS refused {CALL} (ValidationError: The value of EndTime is wrong): "
            "check the names and times given."
        ),
    ),
    "no credentials": (
        NoCredentialsError(),
        ProblemKind.CREDENTIALS,
        (
            f"There are no usable AWS credentials for {CALL} (NoCredentialsError): "
            "sign in (`aws sso login` or `aws configure`), or name a profile."
        ),
    ),
    "unreachable": (
        EndpointConnectionError(endpoint_url="https://ann:secret@monitoring.eu-wset-1.amazonaws.com/"),
        ProblemKind.UNREACHABLE,
        (
            f"monitoring.eu-wset-1.amazonaws.com cannot be reached for {CALL} (EndpointConnectionError): "
            "check the region's name, the network, the proxy and AWS_ENDPOINT_URL."
        ),
    ),
    "no profile": (
        ProfileNotFound(profile="prdo"),
        ProblemKind.PROFILE,
        "There is no AWS profile 'prdo': `aws configure list-profiles` shows which there are.",
    ),
    "no region": (
        NoRegionError(),
        ProblemKind.REGION,
        (
            f"There is no AWS region to ask ({CALL}): give --region, set AWS_REGION, or put one into the "
            "profile."
        ),
    ),
    "wrong region": (
        InvalidRegionError(region_name="eu west 1"),
        ProblemKind.REGION,
        f"'eu west 1' is no AWS region ({CALL}): give one such as eu-west-1.",
    ),
}


@pytest.mark.parametrize(("error", "kind", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_a_problem_is_one_sentence_that_names_what_to_do(
    error: Exception, kind: ProblemKind, sentence: str
) -> None:
    problem = problem_of(error, ACTION, "eu-west-1")
    assert str(problem) == sentence
    assert problem.kind is kind


def every_class() -> list[type[BotoCoreError]]:
    def below(one: type[BotoCoreError]) -> Iterator[type[BotoCoreError]]:
        for each in one.__subclasses__():
            if each.__module__ == "botocore.exceptions":
                yield each
            yield from below(each)

    return sorted(set(below(BotoCoreError)), key=lambda each: each.__name__)


def made_of(kind: type[BotoCoreError]) -> BotoCoreError:
    """An exception of the class, with a word for each of the fields of its message."""
    fields = {name: "word" for _, name, _, _ in Formatter().parse(kind.fmt) if name}
    more: dict[str, object] = {"last_response": {}} if kind is sdk.WaiterError else {}
    return kind(**fields, **more)


@pytest.mark.parametrize("kind", every_class())
def test_every_class_of_the_sdks_exceptions_has_its_sentence_on_purpose(kind: type[BotoCoreError]) -> None:
    (explain, *_) = [make for classes, make in EXPLAINED if issubclass(kind, classes)]
    said = str(problem_of(made_of(kind), ACTION, "eu-west-1"))
    assert said == str(explain(made_of(kind), CALL))
    assert re.fullmatch(r"[^\n]+: [^\n]+\.", said)


@pytest.mark.parametrize("named", [each for classes, _ in EXPLAINED for each in classes])
def test_no_row_of_the_sentences_is_hidden_by_one_before_it(named: type[Exception]) -> None:
    first = next(classes for classes, _ in EXPLAINED if issubclass(named, classes))
    assert named in first


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (sdk.SSOTokenLoadError(error_msg="no"), "sign in again with `aws sso login`."),
        (sdk.LoginRefreshRequired(), "sign in again with `aws login`."),
        (sdk.LoginTokenLoadError(error_msg="no"), "sign in again with `aws login`."),
        (
            sdk.LoginInsufficientPermissions(),
            "by the policy SignInLocalDevelopmentAccess, and run `aws login`",
        ),
        (sdk.MissingDependencyException(msg="no"), "`pip install 'enigap[login]'`"),
        (sdk.RefreshWithMFAUnsupportedError(), "type the code that the device shows then."),
        (sdk.InvalidRetryModeError(provided_retry_mode="fast", valid_modes="standard"), '"mode": "fast"'),
        (
            sdk.SSLError(endpoint_url="https://a.b/", error="[SSL: CERTIFICATE_VERIFY_FAILED]"),
            "set AWS_CA_BUNDLE",
        ),
        (sdk.SSLError(endpoint_url="https://a.b/", error="certificate is not yet valid"), "clock by NTP"),
        (sdk.SSLError(endpoint_url="https://a.b/", error="WRONG_VERSION_NUMBER"), "AWS_ENDPOINT_URL"),
        (sdk.HTTPClientError(error=FileNotFoundError("ca.pem")), "AWS_CA_BUNDLE names a file"),
        (sdk.HTTPClientError(error=ValueError("odd")), "run it again."),
        (
            answered("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."),
            "run it again with the next code.",
        ),
        (answered("AccessDenied", "no", operation="AssumeRole"), "and them in the role's trust policy."),
        (
            answered("AccessDenied", "no", operation="AssumeRoleWithWebIdentity"),
            "in the role's trust policy, to the subject and audience of this token.",
        ),
        (answered("ForbiddenException", "No access", operation="GetRoleCredentials"), "sso_role_name"),
        (answered("ResourceNotFoundException", "no", operation="GetRoleCredentials"), "sso_account_id"),
        (
            answered(
                "AccessDenied", "MultiFactorAuthentication failed, verify your MFA serial number is valid"
            ),
            "correct mfa_serial in the profile.",
        ),
        (
            answered("ValidationError", "exceeds the 1 hour session limit", operation="AssumeRole"),
            "correct role_arn, duration_seconds,",
        ),
        (
            answered("ExpiredTokenException", "Token expired", operation="AssumeRoleWithWebIdentity"),
            "have a new token written to the file that AWS_WEB_IDENTITY_TOKEN_FILE",
        ),
        (
            answered("InvalidIdentityToken", "No OpenIDConnect", operation="AssumeRoleWithWebIdentity"),
            "check that IAM has its issuer as a provider.",
        ),
        (
            answered("RegionDisabledException", "STS is not activated", operation="AssumeRole"),
            "have it switched on in IAM's account settings",
        ),
        (
            answered("SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'EU'."),
            "give one such as eu-west-1.",
        ),
        (
            answered(
                "KMSAccessDenied",
                "User: arn:aws:sts::1:assumed-role/plan/x is not authorized to perform: kms:GenerateDataKey "
                "because no resource-based policy allows the kms:GenerateDataKey action",
                403,
            ),
            "to assumed-role/plan/x for want of kms:GenerateDataKey: have kms:GenerateDataKey allowed in",
        ),
        (
            answered(
                "AccessDeniedException", "User: x is not authorized to perform: kms:Decrypt on resource y"
            ),
            "credentials, and in the policy of the key, for which `enigap policy --key` prints it.",
        ),
        (
            answered("KmsDisabled", "arn:aws:kms:x is disabled"),
            "cannot be used (KmsDisabled): switch it on again",
        ),
        (
            answered("KMS.KMSInvalidStateException", "is pending deletion"),
            "cannot be used (KMS.KMSInvalidStateException): switch it on again in KMS or stop its deletion",
        ),
        (answered("SubscriptionRequiredException", "needs a subscription"), "check the access key"),
        (
            answered("AccessDenied", "because no service control policy allows the logs:X action"),
            "have cloudwatch:GetMetricData allowed in the service control policy.",
        ),
        (
            answered("AccessDenied", "because no permissions boundary allows the action"),
            "allowed in the permissions boundary.",
        ),
        (
            answered("AccessDenied", "with an explicit deny in a service control policy: arn:aws:x"),
            "the service control policy denies it outright; have it make an exception.",
        ),
        (
            answered("AccessDenied", "with an explicit deny in an identity-based policy"),
            "or sign in with MFA if it asks for that.",
        ),
        (
            PartialCredentialsError(provider="x", cred_var="'aws_secret_access_key'"),
            "is missing): set it",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_remedy_is_the_right_one(error: Exception, remedy: str) -> None:
    assert remedy in str(problem_of(error, ACTION, "eu-west-1"))


@pytest.mark.parametrize("code", ["AuthFailure", "SignatureDoesNotMatch", "RequestExpired"])
@pytest.mark.parametrize(("off", "kind"), [(timedelta(minutes=9), ProblemKind.CLOCK), (timedelta(0), None)])
def test_a_clock_that_is_off_is_named_where_a_signature_fails(
    code: str, off: timedelta, kind: ProblemKind | None
) -> None:
    refused = answered(code, "AWS was not able to validate the provided access credentials", 401)
    refused.response["ResponseMetadata"]["HTTPHeaders"] = {"date": format_datetime(datetime.now(UTC) - off)}
    problem = problem_of(refused, ACTION, "eu-west-1")
    assert (problem.kind is ProblemKind.CLOCK) is (kind is ProblemKind.CLOCK)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), ProblemKind.CREDENTIALS),
        (CredentialRetrievalError(provider="process", error_msg=TOKEN), ProblemKind.CREDENTIALS),
        (UnauthorizedSSOTokenError(), ProblemKind.EXPIRED),
        (TokenRetrievalError(provider="sso", error_msg=TOKEN), ProblemKind.EXPIRED),
        (ConfigParseError(path="/home/ann/.aws/config", error=TOKEN), ProblemKind.PROFILE),
        (ConnectTimeoutError(endpoint_url="https://ec2.amazonaws.com"), ProblemKind.UNREACHABLE),
        (ReadTimeoutError(endpoint_url="https://ec2.amazonaws.com"), ProblemKind.FAILED),
        (ConnectionClosedError(endpoint_url="https://ec2.amazonaws.com"), ProblemKind.FAILED),
        (ResponseParserError(TOKEN), ProblemKind.FAILED),
        (ParamValidationError(report="Invalid length for parameter Namespace"), ProblemKind.REFUSED),
        (BotoCoreError(), ProblemKind.FAILED),
        (answered("SignatureDoesNotMatch", f"x-amz-security-token:{TOKEN}"), ProblemKind.CREDENTIALS),
        (answered("ExpiredTokenException", TOKEN), ProblemKind.EXPIRED),
        (answered("AccessDeniedException", TOKEN), ProblemKind.DENIED),
        (answered("RequestTimeTooSkewed", TOKEN), ProblemKind.CLOCK),
        (answered("TooManyRequestsException", TOKEN), ProblemKind.THROTTLED),
        (answered("ServiceUnavailable", TOKEN, 503), ProblemKind.FAILED),
    ],
    ids=lambda value: value.value if isinstance(value, ProblemKind) else type(value).__name__,
)
def test_no_problem_shows_what_may_hold_a_secret(error: Exception, kind: ProblemKind) -> None:
    with pytest.raises(AwsProblem) as raised, calling(ACTION):
        raise error
    assert raised.value.kind is kind
    assert TOKEN not in f"{raised.value}{raised.value.message}"
    assert raised.value.__suppress_context__
    assert raised.value.__cause__ is None, "a traceback must not print the original either"


@pytest.mark.parametrize("kind", ProblemKind)
def test_what_every_call_would_get_is_told_apart_from_what_the_next_may_not_get(kind: ProblemKind) -> None:
    passing = {
        ProblemKind.THROTTLED,
        ProblemKind.FAILED,
        ProblemKind.MISSING,
        ProblemKind.REFUSED,
        ProblemKind.OUT_OF_TIME,
    }
    assert AwsProblem(kind, "something").concerns_every_call is (kind not in passing)


def test_a_role_that_may_not_be_assumed_is_named_and_not_the_call_it_was_for() -> None:
    denied = answered("AccessDenied", "not authorized", 403, operation="AssumeRole")
    assert "allow sts:AssumeRole" in str(problem_of(denied, ACTION, "eu-west-1"))


def test_the_region_is_the_clients() -> None:
    class Client:
        class meta:  # noqa: N801 - botocore's name
            region_name = "ap-south-2"

    with pytest.raises(AwsProblem, match="in ap-south-2"), calling(ACTION, Client()):
        raise answered("Throttling")


def test_a_long_message_is_cut_to_a_sentence() -> None:
    problem = problem_of(answered("ValidationError", "very " * 1000), ACTION)
    assert len(str(problem)) < 300


def test_what_is_no_fault_of_aws_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), calling(ACTION):
        _ = 1 / 0


def test_something_missing_keeps_awss_words_for_telling_what() -> None:
    said: Any = "The specified log stream does not exist."
    problem = problem_of(answered("ResourceNotFoundException", said), "logs:FilterLogEvents")
    assert problem.kind is ProblemKind.MISSING
    assert problem.message == "The specified log stream does not exist"
