"""Reads AWS's answers strictly, page after page: what makes no sense is an AwsProblem, never an empty answer.

A proxy or a portal may answer in AWS's place, and botocore takes many an odd answer for one without members.
A list that is missing is therefore an error, and not a list without items: "no instances" resolves incidents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from enigap.aws.errors import AwsProblem, ProblemKind, calling

T = TypeVar("T")

MOST_PAGES: Final = 20_000
"""Of one question. The largest accounts need some hundreds; without a limit tokens that never end would be
followed for ever."""


def pages(
    action: str,
    client: object,
    call: Callable[..., Mapping[str, Any]],
    request: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], T],
    *,
    tokens: tuple[str, str] = ("NextToken", "NextToken"),
) -> Iterator[T]:
    """What `read` makes of each page. `tokens` are the token's names in the answer and in the request.

    Raises AwsProblem, also for a page that makes no sense and for pages that never end.
    """
    given, asked = tokens
    seen: set[str] = set()
    for _ in range(MOST_PAGES):
        with calling(action, client):
            page = call(**request)
            found, token = read(page), page.get(given)
            key = repr(token)
        yield found
        if not token:
            return
        if key in seen:
            raise _endless(f"AWS sends the same page of {action} again and again")
        seen.add(key)
        request = {**request, asked: token}
    raise _endless(f"AWS's answer to {action} has more than {MOST_PAGES:,} pages")


def _endless(what: str) -> AwsProblem:
    return AwsProblem(ProblemKind.FAILED, what, "check the proxy and AWS_ENDPOINT_URL")


def items(answer: Mapping[str, Any], member: str) -> list[Mapping[str, Any]]:
    """A list of objects in an answer. Raises LookupError or TypeError if it is missing or something else."""
    found = answer[member]
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise TypeError(f"{member} is no list of objects")
    return found
