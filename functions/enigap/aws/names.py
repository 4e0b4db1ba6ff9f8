"""The one door for names: what each service of AWS takes for a cluster's name.

Tags, dimensions, work items and log events bring any name. A service is not asked about a name that it cannot
know, and not told one that it refuses: what is missing for it is said in a note (`refusing`).
"""

from __future__ import annotations

import re
from typing import Final

_TAKES: Final = {
    # A dimension's value: ASCII without control characters, not blank, with no colon in front.
    "CloudWatch": re.compile(r"(?=.*[!-~])(?!:)[ -~]{1,1024}"),
    # Part of a log group's name, which has 512 characters.
    "Logs": re.compile(r"[A-Za-z0-9_./#-]{1,470}"),
    "EKS": re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"),
    # A message group; other names get a digest.
    "SQS": re.compile(r"[!-~]{1,128}"),
}


def takes(service: str, name: str) -> bool:
    """Whether a service ("CloudWatch", "Logs", "EKS", "SQS") takes this name for a cluster's."""
    return _TAKES[service].fullmatch(name) is not None


def refusing(name: str) -> tuple[str, ...]:
    """The services that do not take this name and cannot be asked by another."""
    return tuple(service for service in ("CloudWatch", "Logs", "EKS") if not takes(service, name))
