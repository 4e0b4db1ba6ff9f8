"""News as a run would make it, about nodes that were really judged; and any news that there could be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from enigap.core.counting.node import Node
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import GRID, Window
from enigap.core.documents import Document
from enigap.core.incidents.incident import Incident, News, NewsKind, NewsReason
from enigap.core.judging.cluster import FindingKind
from enigap.core.judging.judge import judge
from enigap.core.judging.verdict import Cause, Judgement, Reason, Verdict
from enigap.core.messages import amazon_q, letter_of, notification_document, prose, slack
from tests.fakes.readings import WINDOW, Devices, events, steady

DASHBOARD: Final = (
    "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/enigap"
)
RUNBOOK: Final = "https://wiki.example.com/node-network"

HOSTILE_NAMES: Final = (
    "<!channel>",
    "<!here|here>",
    "<@U012AB3CD>",
    "<#C012AB3CD>",
    "<https://evil.example.com|Dashboard>",
    "@here",
    "*bold* _italic_ ~struck~ `code`",
    "```",
    "&lt;!channel&gt;",
    "a\nResolved: everything is fine",
    "a\r\n\r\nResolved: everything is fine",
    "line\u2028separator\u2029",
    "\u202eevitcefed si tnega eht",
    "\u2066isolated\u2069",
    "\x1b[2J\x1b[31mred",
    "nul\x00bell\x07",
    "zero\u200bwidth",
    "\ud800 alone",
    "$(reboot); `reboot`",
    "'; reboot; '",
    "🦊" * 300,
    "Z\u0351\u036b\u0343" * 50,
    '{"schema": "enigap.notification/1"}',
    "x" * 100_000,
    "\n" * 5_000,
)


def node(number: int) -> Node:
    """A node with a name as EKS gives them."""
    return Node("prod", f"i-0{number:016x}", f"ip-10-0-3-{number}.eu-west-1.compute.internal")


def judged(
    number: int,
    os: float | None,
    eni_in: float | None,
    eni_out: float | None,
    devices: Devices | None = None,
) -> Judgement:
    """A node whose rates, in bytes per second, never changed."""
    readings = steady(os, eni_in, eni_out)
    return judge(node(number), readings, None if devices is None else events(devices), WINDOW, Rules())


def incident(judgements: Sequence[Judgement], *, windows: int = 2, wide: bool = False) -> Incident:
    """An incident of these nodes, worst first, that has lasted for so many windows."""
    worst = judgements[0]
    target = "*" if wide else worst.node.instance_id
    return Incident(
        id=f"{worst.node.cluster}/{target}/{worst.verdict.value}",
        verdict=worst.verdict.value,
        cause=worst.cause,
        since=WINDOW.end - windows * GRID,
        node_count=len(judgements),
        nodes=tuple(judgement.figures for judgement in judgements[:10]),
        members=None,
    )


def finding(kind: FindingKind, nodes: int, reason: str | None = None) -> Incident:
    """An incident of a whole cluster."""
    since = WINDOW.end - 2 * GRID
    return Incident(f"prod/*/{kind.value}", kind.value, None, since, nodes, (), None, reason=reason)


def opened(incident: Incident, why: NewsReason = NewsReason.CONFIRMED) -> News:
    return News(NewsKind.OPENED, why, incident, WINDOW)


def reminder(incident: Incident) -> News:
    return News(NewsKind.REMINDER, NewsReason.REMIND_INTERVAL, incident, WINDOW)


def resolved(incident: Incident, why: NewsReason = NewsReason.EXPLAINED_AGAIN) -> News:
    return News(NewsKind.RESOLVED, why, incident, WINDOW)


def event(*news: News, **different: Any) -> Document:
    """The event of these news."""
    circumstances = {
        "account": "123456789012",
        "region": "eu-west-1",
        "cluster": "prod",
        "dashboard_url": DASHBOARD,
        "runbook_url": RUNBOOK,
        "settle": timedelta(minutes=10),
    }
    return notification_document(news, **{**circumstances, **different})


def subject_of(document: Document) -> str:
    return letter_of(document).subject


def as_email(document: Document) -> str:
    return prose(letter_of(document))


def as_slack(document: Document) -> Document:
    return slack(letter_of(document))


def as_amazon_q(document: Document) -> Document:
    return amazon_q(letter_of(document))


# --- any news

names = st.text(st.characters(), min_size=1, max_size=20) | st.sampled_from(
    [name for name in HOSTILE_NAMES if len(name) < 1_000]
)
rates = st.none() | st.floats(0, 1e19).map(ByteRate)
windows = st.integers(0, 5_000).map(WINDOW.previous)

UNEXPLAINED: Final = tuple(verdict for verdict in Verdict if verdict.explained is False)


@st.composite
def judgements(draw: st.DrawFn, verdict: Verdict) -> Judgement:
    return Judgement(
        Node(draw(names), draw(names), draw(st.none() | names)),
        draw(windows),
        verdict,
        Reason(draw(names), draw(st.just("") | names)),
        os=draw(rates),
        eni=draw(rates),
        unexplained=draw(rates),
    )


@st.composite
def any_news(draw: st.DrawFn, cluster: str) -> News:
    verdict = draw(st.sampled_from([*UNEXPLAINED, *FindingKind]))
    different = draw(st.lists(judgements(verdict), max_size=2)) if isinstance(verdict, Verdict) else []
    nodes = [node for node in different for _ in range(draw(st.integers(1, 5)))]
    window: Window = draw(windows)
    incident = Incident(
        id=f"{cluster}/{draw(names | st.just('*'))}/{verdict.value}",
        verdict=verdict.value,
        cause=draw(st.sampled_from([None, *(cause.value for cause in Cause)])),
        since=window.end - draw(st.integers(0, 1_000)) * GRID,
        node_count=len(nodes) + draw(st.integers(0, 100_000)),
        nodes=tuple(judgement.figures for judgement in nodes),
        members=None,
        reason=draw(st.none() | names),
    )
    return News(draw(st.sampled_from(NewsKind)), draw(st.sampled_from(NewsReason)), incident, window)


@st.composite
def any_event(draw: st.DrawFn) -> Document:
    """Any event at all: hostile names everywhere, and from one incident to a hundred."""
    cluster = draw(names)
    different = draw(st.lists(any_news(cluster), min_size=1, max_size=5))
    news = [item for item in different for _ in range(draw(st.sampled_from([1, 1, 1, 2, 20])))]
    document = event(
        *news, cluster=cluster, region=draw(names), dashboard_url=draw(st.just(DASHBOARD) | names)
    )
    if draw(st.booleans()):
        # What comes out of a queue may have been put there by anybody.
        for incident in document["incidents"]:
            incident["summary"] = draw(names)
    return document
