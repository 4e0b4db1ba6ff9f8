"""An account of AWS whose clients answer from a bundle."""

from __future__ import annotations

import os

import boto3.session
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from enigap.aws.bundle.archive import Bundle
from enigap.aws.bundle.standins import REGION
from enigap.aws.bundle.tape import Player
from enigap.aws.clients import Aws


class ReplayedAws(Aws):
    """Clients that answer from a bundle, with no credentials and no connection."""

    sleep = staticmethod(lambda _: None)

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(region=REGION, attach=Player(bundle.calls).attach, session=_session_of_a_bundle())

    @property
    def is_genuine(self) -> bool:
        """AWS's console shows nothing of a bundle."""
        return False

    def sign_in(self, *, may_ask: bool = True) -> None:
        """There is nothing to sign in to."""

    def _config(self, service: str) -> Config:
        """Of a call that was tried again a bundle has the last try."""
        once = Config(retries={"mode": "standard", "total_max_attempts": 1}, proxies={})
        return super()._config(service).merge(once)


def _session_of_a_bundle() -> boto3.session.Session:
    """A session in which the SDK looks for no credentials: requests are signed and then not sent.

    It has the default of each of the SDK's variables: what the environment or ~/.aws/config sets may be no
    configuration at all, and one mode has the SDK ask the instance's metadata service.
    """
    variables = {
        name: (None, None, default, cast)
        for name, (_, _, default, cast) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    } | {
        "config_file": (None, None, os.devnull, None),
        "ignore_configured_endpoint_urls": (None, None, True, None),
    }
    made_up = {"aws_access_key_id": "replayed", "aws_secret_access_key": "replayed"}
    session = botocore.session.Session(session_vars=variables)
    return boto3.session.Session(**made_up, region_name=REGION, botocore_session=session)
