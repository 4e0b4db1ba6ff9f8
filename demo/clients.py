"""AWS clients for what the demo, the lab and the tests do themselves on the embedded AWS."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import boto3.session
import botocore.session

from demo.embedded_aws import EmbeddedAws

Clients: TypeAlias = Callable[[str], Any]
"""Returns the client of a service, such as `clients("ec2")`: the same one each time."""


def clients_of(aws: EmbeddedAws) -> Clients:
    """Clients of the embedded AWS, whatever profile the environment names."""
    without_profile = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session = boto3.session.Session(botocore_session=without_profile)

    @cache
    def client(service: str) -> Any:
        return session.client(service, **aws.client_arguments())

    return client
