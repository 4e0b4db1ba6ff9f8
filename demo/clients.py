"""AWS clients for what the demo, the lab and the tests do themselves on the embedded AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import boto3.session
import botocore.session

Clients: TypeAlias = Callable[[str], Any]
"""Returns the client of a service, such as `clients("ec2")`: the same one each time."""


def clients_of(arguments: Mapping[str, Any]) -> Clients:
    """Clients that are made with these arguments, whatever profile the environment names."""
    without_profile = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session = boto3.session.Session(botocore_session=without_profile)

    @cache
    def client(service: str) -> Any:
        return session.client(service, **arguments)

    return client
