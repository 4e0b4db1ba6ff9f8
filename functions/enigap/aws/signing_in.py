"""Signing in: gets the credentials of a session in one guarded step, and says what to do where that fails.

The SDK's credential providers read files, run programs and call services, and let through whatever these
raise: a missing token file, a damaged cache, a program that prints no JSON. Here all of it becomes one
sentence with the remedy of the way the profile signs in.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from getpass import GetPassWarning
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from enigap.aws.errors import AwsProblem, ProblemKind, one_line, problem_of

ACTION: Final = "sign-in"


class Way(StrEnum):
    """The ways to get credentials that depend on something besides the keys themselves."""

    SSO = "sso"
    LOGIN = "login"
    PROCESS = "process"
    WEB_IDENTITY = "web_identity"
    CONTAINER = "container"
    INSTANCE = "instance"
    KEYS = "keys"


_REMEDIES: Final[Mapping[Way, str]] = {
    Way.SSO: "sign in again with `aws sso login`, which writes the cache in ~/.aws/sso anew",
    Way.LOGIN: "sign in again with `aws login`, which writes the cache in ~/.aws/login anew",
    Way.PROCESS: "run the profile's credential_process by hand: it must end with 0 and print the JSON that "
    "`aws help config-vars` describes",
    Way.WEB_IDENTITY: "check the token file that AWS_WEB_IDENTITY_TOKEN_FILE or the profile's "
    "web_identity_token_file names",
    Way.CONTAINER: "check AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and "
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    Way.INSTANCE: "check that this is an instance with a role, and AWS_EC2_METADATA_DISABLED, "
    "AWS_METADATA_SERVICE_TIMEOUT and AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    Way.KEYS: "check the profile, or sign in (`aws sso login` or `aws configure`)",
}


def get_credentials(session: Any, *, may_ask: bool = True) -> None:
    """Get the credentials of a boto3 session; they stay in it. Raises AwsProblem.

    Clients raise it, too, where the credentials have to be got anew in a run that outlasts them.
    """
    if not may_ask:
        providers = session._session.get_component("credential_provider")  # noqa: SLF001 - as below
        providers.get_provider("assume-role")._prompter = _refuse_to_ask  # noqa: SLF001
    try:
        with warnings.catch_warnings():
            # Without a terminal, asking for an MFA code would read the code from stdin, and echo it.
            warnings.simplefilter("error", GetPassWarning)
            credentials = session.get_credentials()
            frozen = credentials and credentials.get_frozen_credentials()
    except Exception as error:  # noqa: BLE001 - providers let through what files, programs and parsers raise
        # Not chained: the original text may be what a program printed, keys included.
        raise _problem_of(error, session) from None
    if frozen is None:
        raise _problem_of(NoCredentialsError(), session)
    credentials.get_frozen_credentials = partial(_got_anew, session, credentials.get_frozen_credentials)
    for name, value in (("access key", frozen.access_key), ("secret key", frozen.secret_key)):
        _require_usable(name, value, session)
    if frozen.token is not None:
        _require_usable("session token", frozen.token, session)


def _got_anew(session: Any, get: Callable[[], Any]) -> Any:
    try:
        return get()
    except Exception as error:  # noqa: BLE001 - as at the first time
        raise _problem_of(error, session) from None


def _refuse_to_ask(_: str) -> str:
    raise GetPassWarning


def _require_usable(name: str, value: object, session: Any) -> None:
    """Raise AwsProblem for what cannot be signed with: a line's end pasted along, a typographic quote."""
    if not isinstance(value, str) or not re.fullmatch("[!-~]+", value):
        what = f"The AWS {name} is empty, or has characters that none has"
        raise AwsProblem(ProblemKind.CREDENTIALS, what, _REMEDIES[way_of(session)])


def _problem_of(error: Exception, session: Any) -> AwsProblem:
    way = way_of(session)
    if isinstance(error, GetPassWarning):
        what = "The profile's role asks for an MFA code, and there is no terminal to type it on"
        remedy = "run it on a terminal, or with the keys of a session that was opened with a code"
        return AwsProblem(ProblemKind.CREDENTIALS, what, remedy)
    if isinstance(error, EOFError) or "TokenCode" in str(error):
        what = "The profile's role asks for an MFA code, and none of six digits was typed"
        return AwsProblem(ProblemKind.CREDENTIALS, what, "run it again and type the code")
    if type(error) is RuntimeError:  # the SDK has no class of its own for it
        what = "The AWS credentials that were got have expired already"
        return AwsProblem(ProblemKind.EXPIRED, what, f"{_REMEDIES[way]}, and check this machine's clock")
    if isinstance(error, ParamValidationError):
        said = one_line(str(error.kwargs.get("report", "")))
        what = f"What is configured cannot sign in ({said})"
        of_token = "WebIdentityToken" in said
        remedy = _REMEDIES[way] if of_token else "correct it in the profile or the environment"
        return AwsProblem(ProblemKind.PROFILE, what, remedy)
    is_agents = way is Way.CONTAINER and isinstance(error, HTTPClientError)
    is_of_sdk = isinstance(error, BotoCoreError | ClientError | ResponseParserError)
    explained = is_of_sdk and not isinstance(error, CredentialRetrievalError)
    if explained and not is_agents:
        return problem_of(error, ACTION, str(session.region_name or ""))
    what = f"The AWS credentials could not be got ({type(error).__name__})"
    if isinstance(error, OSError) and error.filename:
        file = one_line(str(error.filename))
        what = f"The AWS credentials could not be got, for {file} cannot be used ({error.strerror})"
    return AwsProblem(ProblemKind.CREDENTIALS, what, _REMEDIES[way])


def way_of(session: Any) -> Way:
    """How the session's profile signs in, or the one that its role is assumed from."""
    profiles = session._session.full_config.get("profiles", {})  # noqa: SLF001 - boto3 has no name for it
    profile, seen = profiles.get(session.profile_name, {}), set[str]()
    while (source := profile.get("source_profile")) and source not in seen:
        seen.add(source)
        profile = profiles.get(source, {})
    if source := _OF_A_SOURCE.get(profile.get("credential_source", "")):
        return source
    for way, keys in _KEYS_IN_A_PROFILE.items():
        if keys & profile.keys():
            return way
    if "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ:
        return Way.WEB_IDENTITY
    if any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in os.environ):
        return Way.CONTAINER
    no_others = not profile and "AWS_ACCESS_KEY_ID" not in os.environ
    if no_others and any(name.startswith("AWS_METADATA_SERVICE_") for name in os.environ):
        return Way.INSTANCE
    return Way.KEYS


_OF_A_SOURCE: Final[Mapping[str, Way]] = {
    "EcsContainer": Way.CONTAINER,
    "Ec2InstanceMetadata": Way.INSTANCE,
    "Environment": Way.KEYS,
}
"""By a profile's credential_source."""


_KEYS_IN_A_PROFILE: Final[Mapping[Way, frozenset[str]]] = {
    Way.WEB_IDENTITY: frozenset({"web_identity_token_file"}),
    Way.SSO: frozenset({"sso_session", "sso_start_url"}),
    Way.LOGIN: frozenset({"login_session"}),
    Way.PROCESS: frozenset({"credential_process"}),
}
"""In the order in which the SDK tries them."""
