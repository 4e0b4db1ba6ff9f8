"""Worlds for the beliefs: one in which all of them hold, and for each one in which it does not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from math import pi, sin
from typing import Any

from enigap.core.counting.bypass import Bypass
from enigap.core.counting.comparison import Carried, EniHistory
from enigap.core.counting.evidence import DeviceEvents, DeviceSample, DeviceScope, NoEvidence
from enigap.core.counting.node import Node
from enigap.core.counting.pods import PodSample, digits_of
from enigap.core.counting.reading import OsSource, Readings
from enigap.core.counting.rules import Rules
from enigap.core.counting.units import ByteRate
from enigap.core.counting.window import MINUTE, PERIOD, FetchSpan, Window
from enigap.core.doctor.observed import (
    Answers,
    Batch,
    Day,
    Deployment,
    Filtered,
    Held,
    Kept,
    Limits,
    Matched,
    NodeSeen,
    Observations,
    OtelNode,
    OtelSeen,
    RawEvents,
)

WINDOW = Window(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
NOW = WINDOW.end + timedelta(minutes=14)
SPAN = FetchSpan(WINDOW.end - timedelta(hours=3), WINDOW.end + timedelta(minutes=10))
FRAME = 1000.0
POD = f"eni{digits_of('shop', 'web-1')}"
LIMITS = Limits(event_characters=1_048_576, page_events=10_000, log_calls_per_second=5.0)


def rate(at: datetime, busy: float = 2e6) -> float:
    """Received, and as much sent, by the ENI device: never steady."""
    return busy * (1 + 0.5 * sin(at.timestamp() / 1800 * 2 * pi) + 0.4 * sin(at.timestamp() / 420 * 2 * pi))


def sample(
    at: datetime, device: str, bytes_per_second: float | None, packets: float | None = None
) -> DeviceSample:
    known = None if bytes_per_second is None else bytes_per_second / FRAME if packets is None else packets
    return DeviceSample(at, device, bytes_per_second, bytes_per_second, known, known)


def minutes(start: datetime, end: datetime, every: timedelta = MINUTE) -> list[datetime]:
    return [start + n * every for n in range((end - start) // every)]


def events(
    busy: float = 2e6,
    *,
    devices: Sequence[str] = ("ens5", "ens6", POD),
    every: timedelta = MINUTE,
    scope: DeviceScope = DeviceScope.ALL,
    **more: Any,
) -> DeviceEvents:
    """Of the newest window, a second before each minute ends: the ENI devices' halves and a pod's device."""
    samples = [
        sample(at + MINUTE - timedelta(seconds=1), device, rate(at, busy) / (2 if device != POD else 4))
        for at in minutes(SPAN.end - timedelta(minutes=32), SPAN.end - timedelta(minutes=2), every)
        for device in devices
    ]
    return DeviceEvents(tuple(samples), scope=scope, **more)


def of_enis(of: DeviceEvents) -> DeviceEvents:
    return replace(of, samples=tuple(each for each in of.samples if each.device.startswith("ens")))


def readings(
    busy: float = 2e6, *, eni: float = 1.0, os: float = 1.0, samples: float = 5.0, shift: int = 0
) -> Readings:
    """Both sides: the pod's device carries a quarter of what the ENI devices do."""
    periods = [SPAN.start + n * PERIOD for n in range(SPAN.periods)]
    of_period = tuple(eni * sum(60 * rate(at, busy) for at in minutes(p, p + PERIOD)) for p in periods)
    return Readings(
        SPAN,
        tuple(os * 2.5 * rate(at - shift * MINUTE, busy) for at in minutes(SPAN.start, SPAN.end)),
        of_period,
        of_period,
        (samples,) * SPAN.periods,
    )


def history(frame: float = FRAME) -> EniHistory:
    of = readings()
    packets = tuple(None if each is None else each / frame for each in of.network_in_bytes)
    side = Carried(of.network_in_bytes, packets)
    return EniHistory(SPAN.start, side, side)


RAW = RawEvents(60, 60, (5.0, 9.0), (0.1,), 800)
PODS = (PodSample("shop", "web-1", "eth0", 1.0, 1.0),)


def node(number: int = 0, busy: float = 2e6, **more: Any) -> NodeSeen:
    of = Node(
        "prod",
        f"i-{number:017x}",
        f"ip-10-0-0-{number}.internal",
        launched_at=NOW - timedelta(days=20),
        instance_type="m5.large",
        bandwidth=ByteRate(1e9),
        is_windows=number == 3,
    )
    every = events(busy, pods=PODS)
    given: dict[str, Any] = {
        "readings": readings(busy),
        "os_samples": (1.0,) * SPAN.minutes,
        "eni": history(),
        "events": every,
        "enis_events": of_enis(every),
        "raw": RAW,
        "enis": 2,
        "bypass": Bypass(mirror_sessions=1) if number == 2 else Bypass(),
    }
    return NodeSeen(of, **given | more)


@cache
def day(*, shift: float = 0.0, extra: float = 0.0, off: float = 1.0) -> Day:
    """24 hours: EC2's periods `shift` seconds later than the events, `extra` bytes more for each packet."""
    start = WINDOW.end - timedelta(hours=24)
    at = minutes(start, WINDOW.end)
    samples = tuple(sample(each + MINUTE, "ens5", rate(each)) for each in at)
    lag = timedelta(seconds=shift)
    of_period = []
    for n in range(24 * 12):
        begin = start + n * PERIOD + lag
        of_period.append(sum(rate(begin + k * MINUTE) * 60 for k in range(5)))
    packets = tuple(each / FRAME for each in of_period)
    counted = tuple(off * each + extra * count for each, count in zip(of_period, packets, strict=True))
    side = Carried(counted, packets)
    return Day(EniHistory(start, side, side), DeviceEvents(samples))


def of_counters(busy: float = 2e6, **more: Any) -> OtelNode:
    """As OpenTelemetry has one of the nodes: two pods that stand for it, each with both ENI devices."""
    given: dict[str, Any] = {
        "clusters": frozenset({"prod"}),
        "anchors": {
            pod: {"ens5": 1e12 + 1e6 * n, "ens6": 1e12} for n, pod in enumerate(("aws-node", "fluent-bit"))
        },
        "readings": replace(readings(busy), os_source=OsSource.OTEL),
        "events": of_enis(events(busy)),
        "grown": {"ens5": 1e9, "ens6": 1e9, POD: 5e8},
        "of_kubelet": {"ens5": 1e9, "ens6": 1e9},
    }
    return OtelNode(**given | more)


SECONDS = tuple(range(0, 300, 30))
HELD = (Held("aws-node", SECONDS, (10,) * 10), Held("fluent-bit", tuple(s + 7 for s in SECONDS), (10,) * 10))


def counters(**more: Any) -> OtelSeen:
    given: dict[str, Any] = {
        "queries": 20,
        "nodes": {each.node.instance_id: of_counters(_busy_as(each)) for each in HEALTHY_NODES},
        "range_seconds": 10,
        "held": HELD,
        "ranges": Matched(14, 14),
        "by_pattern": Matched(4, 4),
        "long_answer": Matched(0, 1700),
    }
    return OtelSeen(**given | more)


def _otel(**different: Any) -> Observations:
    return world(otel=counters(**different))


def _of_each(**different: Any) -> Observations:
    """Something is different of each node's counters."""
    return _otel(
        nodes={each.node.instance_id: of_counters(_busy_as(each), **different) for each in HEALTHY_NODES}
    )


DEPLOYED = Deployment(15, 5.0, 0, 2, 0, 3, 0, 12.0)


HEALTHY_NODES = [node(0), node(1), node(2), node(3), *(node(n, 5e3) for n in (4, 5, 6))]


def world(change: Callable[[NodeSeen], NodeSeen] = lambda each: each, **more: Any) -> Observations:
    """All beliefs hold, unless something is changed in each node, or in the whole."""
    given: dict[str, Any] = {
        "nodes": tuple(map(change, HEALTHY_NODES)),
        "otel": counters(),
        "missing_stream": NoEvidence.STREAM_MISSING,
        "batch": Batch(7, 7),
        "filtered": Filtered(20, 20),
        "kept": Kept(60, 12),
        "answers": Answers(20, 20, 20, 20),
        "page_events": 400,
        "log_calls_per_second": 10.0,
        "day": day(),
        "deployment": DEPLOYED,
    }
    return Observations(NOW, WINDOW, Rules(), LIMITS, **given | more)


def _all(**different: Any) -> Observations:
    return world(lambda each: replace(each, **different))


def _events(of: DeviceEvents) -> Observations:
    return _all(events=of)


def _busy_as(each: NodeSeen) -> float:
    return 5e3 if each.node.instance_id > "i-00000000000000003" else 2e6


def _read(**different: Any) -> Observations:
    return world(lambda each: replace(each, readings=readings(_busy_as(each), **different)))


def _of_node(**different: Any) -> Observations:
    return world(lambda each: replace(each, node=replace(each.node, **different)))


def _of_the_idle() -> Observations:
    """EC2 has next to nothing, the devices a lot of DNS."""
    return world(
        lambda each: (
            replace(each, readings=readings(5e3, os=200.0), events=events(1e6))
            if _busy_as(each) < 1e6
            else each
        )
    )


def _silent_windows() -> Observations:
    nothing = replace(readings(), os_bytes_per_second=(None,) * SPAN.minutes)
    return world(lambda each: replace(each, readings=nothing) if each.node.is_windows else each)


def _deployment(**different: Any) -> Observations:
    return world(deployment=replace(DEPLOYED, **different))


RENAMED = tuple(replace(each, device="foo0") for each in events().samples)
EVERY_OTHER = replace(
    readings(),
    os_bytes_per_second=tuple(
        value if n % 3 == 0 else None for n, value in enumerate(readings().os_bytes_per_second)
    ),
)
WITHOUT_RATES = tuple(sample(each.at, each.device, None) for each in events().samples)

CONTRADICTED: dict[str, Callable[[], Observations]] = {
    "eni-samples": lambda: _read(samples=1.0),
    "eni-settles": lambda: _read(samples=4.0),
    "eni-bytes": lambda: _read(eni=1.5),
    "eni-all": lambda: _read(eni=0.5),
    "eni-link-local": _of_the_idle,
    "eni-bypass": lambda: _read(eni=0.5),
    "eni-bandwidth": lambda: _of_node(bandwidth=ByteRate(1e6)),
    "minutes-kept": lambda: world(kept=Kept(0, 12)),
    "eni-packets": lambda: _all(eni=history(frame=30_000.0)),
    "instances-read": lambda: _of_node(instance_type=None),
    "eni-minutes": lambda: world(day=day(shift=150.0)),
    "eni-headers": lambda: world(day=day(extra=80.0)),
    "eni-hours": lambda: world(day=day(off=1.2)),
    "os-series": lambda: _of_node(node_name=None),
    "os-reports": lambda: _all(readings=EVERY_OTHER),
    "os-one-value": lambda: _all(os_samples=(2.0,) * SPAN.minutes),
    "os-sum": lambda: _read(os=2.0),
    "os-label": lambda: _read(shift=1),
    "os-windows": _silent_windows,
    "metric-answers": lambda: world(answers=Answers(20, 3, 3, 20)),
    "log-stream": lambda: _all(raw=replace(RAW, in_stream_of_node=0)),
    "log-fields": lambda: _events(events(malformed=9)),
    "log-rates": lambda: _events(DeviceEvents(WITHOUT_RATES)),
    "agent-interval": lambda: _events(events(every=timedelta(minutes=5))),
    "log-times": lambda: _all(raw=replace(RAW, seconds_apart=(3600.0,))),
    "log-late": lambda: _all(raw=replace(RAW, seconds_late=(900.0, 1000.0))),
    "log-sizes": lambda: _all(raw=replace(RAW, characters=2_000_000)),
    "log-pattern": lambda: world(filtered=Filtered(0, 20)),
    "log-pattern-enis": lambda: _all(enis_events=DeviceEvents(())),
    "log-batches": lambda: world(batch=Batch(7, 1)),
    "log-missing-stream": lambda: world(missing_stream=NoEvidence.FAILED),
    "log-quota": lambda: world(log_calls_per_second=1.0),
    "device-names": lambda: _events(DeviceEvents((*events().samples, *RENAMED))),
    "agent-on-host": lambda: _events(events(devices=("ens5",))),
    "device-for-each-eni": lambda: _all(enis=4),
    "counts-per-byte": lambda: _events(events(devices=("ens5", "ens6", "flannel.1"))),
    "pod-names": lambda: _events(events(pods=(PodSample("shop", "other"),))),
    "otel-asked": lambda: world(otel=OtelSeen(0, denied="AWS denied cloudwatch:GetMetricData by PromQL")),
    "otel-host-id": lambda: world(otel=OtelSeen(1, under_other_ids=12)),
    "otel-cluster-name": lambda: _of_each(clusters=frozenset({"arn:aws:eks:cluster/prod"})),
    "otel-devices": lambda: _of_each(events=of_enis(events(1e4))),
    "otel-anchors": lambda: _of_each(anchors={"aws-node": {"ens5": 1e12}, "fluent-bit": {"eth0": 5.0}}),
    "otel-range": lambda: _otel(ranges=Matched(3, 14)),
    "otel-age": lambda: _otel(held=tuple(replace(each, for_seconds=(30,) * 10) for each in HELD)),
    "otel-interval": lambda: _otel(held=(Held("aws-node", (0, 60, 120, 180), (10,) * 4),)),
    "otel-times": lambda: _otel(held=tuple(replace(each, at=SECONDS) for each in HELD)),
    "otel-cut": lambda: _otel(long_answer=Matched(499, 1700)),
    "otel-regex": lambda: _otel(by_pattern=Matched(0, 4)),
    "otel-sum": lambda: _of_each(readings=replace(readings(os=2.0), os_source=OsSource.OTEL)),
    "otel-kubelet": lambda: _of_each(of_kubelet={"ens5": 9e9}),
    "deployed-plans": lambda: _deployment(minutes_since_plan=200.0),
    "deployed-judges": lambda: _deployment(overdue=1),
    "deployed-tells": lambda: _deployment(not_told=1),
    "deployed-alarms": lambda: _deployment(alarm_actions_failed=1),
    "deployed-queues": lambda: _deployment(queue_seconds=7200.0),
}
"""By the id of the belief."""
