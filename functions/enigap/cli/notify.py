"""`enigap notify --test`: sends a message marked as a test through every channel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from enigap.aws.clients import Aws
from enigap.aws.deployment import Subscription, Unsubscribed, unsubscribed
from enigap.aws.topic import Topic
from enigap.cli.arguments import Profile, Region, Stack, UsageError
from enigap.cli.deployed import deployed
from enigap.cli.screen import Screen
from enigap.core.counting.window import Window
from enigap.core.incidents.incident import Incident, News, NewsKind, NewsReason
from enigap.core.judging.verdict import Verdict
from enigap.core.messages import notification_document
from enigap.core.text import printable

CLUSTER = "test"


def command(
    test: Annotated[  # noqa: FBT002 - a flag is passed by name
        bool, typer.Option("--test", help="Send a message that says it is a test.")
    ] = False,
    region: Region = None,
    profile: Profile = None,
    stack: Stack = None,
) -> int:
    """Send a test message through every configured channel, and list its subscribers."""
    if not test:
        raise UsageError("There is only the test message to send: say `enigap notify --test`.")
    now = datetime.now(UTC)
    it = deployed(Aws(profile=profile, region=region), now, stack)
    settings = it.settings()
    window = Window.newest_settled(now, settings.settle)
    topic = Topic(
        it.aws.client("sns"),
        it.stack.topic_arn,
        lambda news: notification_document(
            news,
            account=it.stack.account,
            region=it.aws.region,
            cluster=CLUSTER,
            dashboard_url=it.stack.dashboard_url,
            settle=settings.settle,
            runbook_url=settings.runbook_url,
        ),
    )
    topic.notify([News(NewsKind.OPENED, NewsReason.TEST, _nothing_happened(window), window)])
    screen = Screen()
    told = it.subscriptions()
    screen.print(
        "Sent. It should arrive within a minute at:" if told else "Sent, but there is no subscriber."
    )
    for each in told:
        screen.print(subscriber(each, it.stack.slack_queue_arn), soft_wrap=True)
    missing = unsubscribed(settings.email, told, it.stack)
    for address in missing:
        screen.print(Text(not_subscribed(address)), soft_wrap=True)
    return 0 if told and not missing and all(each.is_confirmed for each in told) else 2


def subscriber(subscription: Subscription, slack_queue_arn: str | None) -> str:
    """A subscriber of the topic, and what is still to be done if it is not confirmed."""
    note = "" if subscription.is_confirmed else f"  not confirmed: {subscription.to_confirm}"
    where = printable(subscription.endpoint)
    if subscription.endpoint == slack_queue_arn:
        return f"  Slack, through the queue {where.rsplit(':', 1)[-1]}{note}"
    return f"  {printable(subscription.protocol)}  {where}{note}"


def not_subscribed(missing: Unsubscribed) -> str:
    """An address of the settings that does not get the messages, and what to do."""
    topic = missing.topic_arn.rsplit(":", 1)[-1]
    return (
        f"not subscribed: email {printable(missing.address)} to {printable(topic)}; "
        f"subscribe it again and follow the link: {printable(missing.to_subscribe, most=1000)}"
    )


def _nothing_happened(window: Window) -> Incident:
    return Incident(
        id=f"{CLUSTER}/*/{Verdict.OS_DEFICIT.value}",
        verdict=Verdict.OS_DEFICIT.value,
        cause=None,
        since=window.start,
        node_count=0,
        nodes=(),
        members=None,
    )
