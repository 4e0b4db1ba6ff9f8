"""`enigap silence`: mute an incident until a time."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem
from enigap.aws.state_table import StateTable
from enigap.aws.topic import publish
from enigap.cli.arguments import Profile, Region, Stack, UsageError, options, span_of_time
from enigap.cli.deployed import Deployed, deployed
from enigap.cli.screen import Screen
from enigap.cli.usage import near_miss
from enigap.core.incidents.incident import Silence
from enigap.core.messages import NoticeKind, notice_document
from enigap.core.text import printable

LONGEST = timedelta(days=90)


def command(  # noqa: PLR0917 - typer passes the options by name
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="An incident's id as the message gives it, a pattern of one (prod/*/os_silent), "
            "a cluster, or an instance id.",
            show_default=False,
        ),
    ],
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h or 3d; 0m ends a silence.")
    ],
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, shown by `enigap status`.")],
    region: Region = None,
    profile: Profile = None,
    stack: Stack = None,
) -> int:
    """Mute an incident for a while, and tell the channels. If it is still open then, a message is sent."""
    now = datetime.now(UTC)
    until = now + _duration(duration)
    if not target.strip():
        raise UsageError("A silence takes what to mute: name an incident, a cluster or an instance.")
    if not why.strip():
        raise UsageError("--why is empty: say why, for whoever finds it muted.")
    silence = Silence(target.strip(), until, why.strip())
    it = deployed(Aws(profile=profile, region=region), now, stack)
    states, screen, shown = it.states, Screen(), printable(silence.target)
    if until == now:
        muted = [each.target for each in states.silences()]
        if silence.target not in muted:
            there = near_miss(silence.target, muted) or "`enigap status` lists those there are."
            raise UsageError(f"There is no silence of {shown!r}: {there}")
        states.silence(silence)
        screen.print(f"{shown} is no longer muted.")
        _tell(it, NoticeKind.UNMUTED, silence)
        return 0
    states.silence(silence)
    screen.print(f"{shown} is muted until {until:%Y-%m-%d %H:%M} UTC.")
    _tell(it, NoticeKind.MUTED, silence)
    again = shlex.join(
        (*options(region=region, profile=profile, stack=stack), "--for", "0m", "--why", "done")
    )
    screen.print(f"To end that sooner: enigap silence {shlex.quote(shown)} {again}", soft_wrap=True)
    # Last: if the state cannot be read, that is an error, but the silence is stored.
    if not _is_open(states, silence, now):
        screen.print(
            "No open incident matches it now, so it mutes what opens until then. Should it be a slip: "
            "`enigap status` lists those that are open."
        )
    return 0


def _tell(it: Deployed, kind: NoticeKind, silence: Silence) -> None:
    """Tell the channels of findings, so that it is known who muted what. Raises AwsProblem."""
    by = None
    with suppress(AwsProblem):  # where STS cannot be reached, it is told without a name
        by = it.aws.caller()
    document = notice_document(kind, silence, account=it.stack.account, region=it.aws.region, by=by)
    cluster = silence.target.partition("/")[0]
    publish(it.aws.client("sns"), it.stack.topic_arn, document, cluster=cluster, news={kind.value})


def _is_open(states: StateTable, silence: Silence, now: datetime) -> bool:
    """Whether the silence matches an open incident."""
    return any(
        silence.covers(incident.id, now)
        for known in states.known()
        for incident in states.read(known.cluster)[0].state.incidents
    )


def _duration(text: str) -> timedelta:
    duration = span_of_time(text)
    if duration is None:
        raise UsageError(f"--for takes a time such as 30m, 2h or 3d, not {text[:40]!r}.")
    if duration > LONGEST:
        raise UsageError(f"--for {text} is longer than {LONGEST.days} days: change the settings instead.")
    return duration
