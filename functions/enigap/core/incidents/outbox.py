"""The outbox: news that are still to be said, one entry for each incident, and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from enigap.core.incidents.incident import WORST_NODES, Incident, News, NewsKind, NewsReason


def merge(news: Iterable[News]) -> tuple[News, ...]:
    """One entry for each incident: what has not been said yet is said once.

    An incident that opened and resolved unsaid is still told, as resolved: nothing is lost.
    """
    latest: dict[str, News] = {}
    for item in news:
        before = latest.pop(item.incident.id, None)
        if before and before.kind is NewsKind.OPENED and item.kind is NewsKind.REMINDER:
            latest[item.incident.id] = replace(item, kind=NewsKind.OPENED, why=before.why)
        else:
            latest[item.incident.id] = item
    return tuple(latest.values())


def as_it_stands(news: Iterable[News], incidents: Iterable[Incident]) -> Iterator[News]:
    """News of open incidents with their newest figures; of those a cluster-wide incident took in, none."""
    by_id = {incident.id: incident for incident in incidents}
    for item in news:
        if item.kind is NewsKind.RESOLVED:
            yield item
        elif item.incident.id in by_id:
            yield replace(item, incident=by_id[item.incident.id])


def endings_together(
    news: Iterable[News], incidents: Iterable[Incident], most: int, *, is_tight: bool = False
) -> tuple[News, ...]:
    """Merges resolved news of one verdict that could not be sent, to bound the outbox.

    Of a verdict with an open incident of the whole cluster they stay, unless room is tight: that incident,
    which people hear of, took the place of those of its nodes.
    """
    unsaid = list(news)
    open_ids = {incident.id for incident in incidents}
    endings: dict[str, list[News]] = {}
    for item in unsaid:
        if item.kind is NewsKind.RESOLVED:
            endings.setdefault(item.incident.verdict, []).append(item)
    for verdict, over in endings.items():
        cluster = over[0].incident.id.rsplit("/", 2)[0]
        wide_id = f"{cluster}/*/{verdict}"
        if len(over) > most and (wide_id not in open_ids or is_tight):
            joined = [] if wide_id in open_ids else [_joined(over, wide_id)]
            unsaid = [item for item in unsaid if item not in over] + joined
    return tuple(unsaid)


def _joined(endings: Sequence[News], wide_id: str) -> News:
    incident = together([ending.incident for ending in reversed(endings)], wide_id)
    why = reason_of_all(ending.why for ending in endings)
    return replace(endings[-1], incident=replace(incident, members=None), why=why)


def together(incidents: Sequence[Incident], wide_id: str) -> Incident:
    """One incident of the whole cluster instead of several of one verdict."""
    told = [incident.told_at for incident in incidents if incident.told_at is not None]
    seen = [incident.seen for incident in incidents if incident.seen is not None]
    return replace(
        incidents[0],
        id=wide_id,
        cause=cause_of_all(incident.cause for incident in incidents),
        alternative_cause=None,
        since=min(incident.since for incident in incidents),
        node_count=sum(incident.node_count for incident in incidents),
        nodes=tuple(node for incident in incidents for node in incident.nodes)[:WORST_NODES],
        members=tuple(key for incident in incidents for key in incident.members or ()),
        told_at=max(told, default=None),
        seen=max(seen, key=lambda each: each.told) if seen else None,
        calm_since=None,
    )


def reason_of_all(reasons: Iterable[NewsReason]) -> NewsReason:
    """The reason of all; that they are explained where they differ."""
    several = set(reasons)
    return several.pop() if len(several) == 1 else NewsReason.EXPLAINED_AGAIN


def cause_of_all(causes: Iterable[str | None]) -> str | None:
    """The cause of all; None where they differ."""
    several = set(causes)
    return several.pop() if len(several) == 1 else None
