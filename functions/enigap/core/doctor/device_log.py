"""Beliefs about the agent's events of devices and about CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from enigap.core.counting.devices import DeviceKind
from enigap.core.counting.evidence import (
    AMBIGUOUS_INTERVAL,
    LONGEST_INTERVAL,
    DeviceEvents,
    DeviceSample,
    NoEvidence,
    surprises_in,
)
from enigap.core.counting.pods import digits_in, pods_by_device
from enigap.core.counting.rules import Rules
from enigap.core.counting.track import SAME_TICK_SECONDS
from enigap.core.doctor.belief import Belief, Outcome, cannot_tell, most, told
from enigap.core.doctor.observed import NodeSeen, NotSeen, Observations, RawEvents, seen_of, why_not
from enigap.core.text import count, listed, percent, printable

CLOCKS_APART: Final = 60.0
_RULES: Final = Rules()


def _events(o: Observations) -> list[tuple[NodeSeen, DeviceEvents]]:
    return [(e, e.events) for e in o.nodes if isinstance(e.events, DeviceEvents) and e.events.samples]


def _no_events(o: Observations) -> Outcome:
    return cannot_tell(why_not((each.events for each in o.nodes), "no node of the sample has device events"))


def _raw(o: Observations) -> list[RawEvents]:
    return [raw for raw in seen_of(each.raw for each in o.nodes) if raw.events]


def _no_raw(o: Observations) -> Outcome:
    reasons = (value for each in o.nodes for value in (each.raw, each.events))
    return cannot_tell(why_not(reasons, "no node of the sample has device events"))


def in_own_stream(o: Observations) -> Outcome:
    raw = _raw(o)
    if not raw:
        return _no_raw(o)
    share = sum(each.in_stream_of_node for each in raw) / sum(each.events for each in raw)
    said = f"{percent(share)} of {count(sum(each.events for each in raw), 'event')}"
    return told(not most([2 * each.in_stream_of_node < each.events for each in raw]), said, share=share)


def fields(o: Observations) -> Outcome:
    events = _events(o)
    if not events:
        read = [each for each in seen_of(each.events for each in o.nodes) if each.malformed or each.anonymous]
        if not read:
            return _no_events(o)
        events = [(o.nodes[0], each) for each in read]
    odd = sum(surprises_in(each, o.rules.classifier).events for _, each in events)
    total = sum(len(each.samples) + each.malformed for _, each in events)
    rated_ones = [each for _, of in events for each in of.samples if each.rx_bytes_per_second is not None]
    packets = sum(each.rx_packets_per_second is not None for each in rated_ones) / max(1, len(rated_ones))
    said = f"{odd:,} of {count(total, 'event')} lacked one; {percent(packets)} had packets"
    return told(odd == 0, said, lacking=odd / max(1, total), packets=packets)


def _of_enis(o: Observations, events: DeviceEvents) -> list[DeviceSample]:
    kind = o.rules.classifier.kind
    return [each for each in events.samples if kind(each.device) is DeviceKind.PHYSICAL]


def rated(o: Observations) -> Outcome:
    samples = [each for _, events in _events(o) for each in _of_enis(o, events)]
    if not samples:
        return _no_events(o)
    with_rates = sum(each.rx_bytes_per_second is not None for each in samples) / len(samples)
    said = f"{percent(with_rates)} of {count(len(samples), 'event')} of ENI devices had rates"
    return told(with_rates >= 0.9, said, share=with_rates)


def interval(o: Observations) -> Outcome:
    gaps = []
    for _, events in _events(o):
        times = sorted({each.at for each in events.samples})
        ticks = [after - before for before, after in pairwise(times)]
        gaps += [tick.total_seconds() for tick in ticks if tick.total_seconds() > SAME_TICK_SECONDS]
    if not gaps:
        return _no_events(o)
    low, high = AMBIGUOUS_INTERVAL.total_seconds(), LONGEST_INTERVAL.total_seconds()
    said = f"{median(gaps):.0f} s between the samples of a node, in the middle"
    return told(low <= median(gaps) <= high, said, seconds=median(gaps))


def times(o: Observations) -> Outcome:
    apart = [each for raw in _raw(o) for each in raw.seconds_apart]
    if not apart:
        return _no_raw(o)
    furthest = max(apart)
    said = f"at most {furthest:.1f} s between the time in an event and that of CloudWatch Logs"
    return told(furthest <= CLOCKS_APART, said, seconds=furthest)


def late(o: Observations) -> Outcome:
    raw = _raw(o)
    seconds = sorted(each for one in raw if not one.was_written_at_once for each in one.seconds_late)
    if raw and not seconds:
        return cannot_tell("all events of a node were written in one go, as in a replay")
    if not seconds:
        return _no_raw(o)
    said = f"after {median(seconds):.0f} s in the middle, {seconds[-1]:.0f} s at most"
    in_time = sum(each <= o.rules.settle.total_seconds() for each in seconds) / len(seconds)
    return told(in_time >= 0.99, said, median_seconds=median(seconds), most_seconds=seconds[-1])


def sizes(o: Observations) -> Outcome:
    longest = [raw.characters for raw in _raw(o)]
    if not longest:
        return _no_raw(o)
    page = o.page_events if isinstance(o.page_events, int) else 0
    said = f"{max(longest):,} characters at most, {count(page, 'event')} a page"
    is_within = max(longest) <= o.limits.event_characters and page <= o.limits.page_events
    return told(is_within, said, characters=max(longest), page_events=page)


def pattern(o: Observations) -> Outcome:
    if isinstance(o.filtered, NotSeen):
        return cannot_tell(o.filtered.why)
    if not o.filtered.without:
        return cannot_tell("no event was found without a pattern either")
    said = f"{count(o.filtered.by_pattern, 'event')} by the pattern, {o.filtered.without:,} without one"
    share = o.filtered.by_pattern / o.filtered.without
    return told(o.filtered.by_pattern == o.filtered.without, said, share=share)


def batched(o: Observations) -> Outcome:
    if isinstance(o.batch, NotSeen):
        return cannot_tell(o.batch.why)
    if o.batch.asked < 2:
        return cannot_tell("no request named the streams of several nodes")
    said = f"one request named {o.batch.asked} nodes' streams and got the events of {o.batch.answered}"
    return told(not 2 * o.batch.answered < o.batch.asked, said, nodes=o.batch.asked, got=o.batch.answered)


def same_enis(o: Observations) -> Outcome:
    pairs = [
        (set(_of_enis(o, events)), {each for each in seen.enis_events.samples if _within(each, events)})
        for seen, events in _events(o)
        if isinstance(seen.enis_events, DeviceEvents)
    ]
    if not pairs:
        reasons = (value for each in o.nodes for value in (each.enis_events, each.events))
        return cannot_tell(why_not(reasons, "no node of the sample has device events"))
    everything = sum(len(all_of_them) for all_of_them, _ in pairs)
    both = sum(len(all_of_them & alone) for all_of_them, alone in pairs)
    said = f"{both:,} of {count(everything, 'event')} of ENI devices came by the pattern for their names, too"
    return told(both == everything, said, share=both / max(1, everything))


def _within(sample: DeviceSample, events: DeviceEvents) -> bool:
    times = [each.at for each in events.samples]
    return min(times) <= sample.at <= max(times)


def missing(o: Observations) -> Outcome:
    if isinstance(o.missing_stream, NotSeen):
        return cannot_tell(o.missing_stream.why)
    said = f"asked for a stream that is not there: {o.missing_stream.value.replace('_', ' ')}"
    expected = {NoEvidence.STREAM_MISSING, NoEvidence.LOG_GROUP_MISSING}
    return told(o.missing_stream in expected, said)


def quota(o: Observations) -> Outcome:
    if isinstance(o.log_calls_per_second, NotSeen):
        return cannot_tell(o.log_calls_per_second.why)
    said = f"{o.log_calls_per_second:g} a second"
    return told(
        o.log_calls_per_second >= o.limits.log_calls_per_second, said, a_second=o.log_calls_per_second
    )


def _carrying(o: Observations) -> dict[str, DeviceKind]:
    return {
        each.device: o.rules.classifier.kind(each.device)
        for _, events in _events(o)
        for each in events.samples
        if each.rx_bytes_per_second or each.tx_bytes_per_second
    }


def names(o: Observations) -> Outcome:
    kinds = _carrying(o)
    if not kinds:
        return _no_events(o)
    unknown = sorted(name for name, kind in kinds.items() if kind is DeviceKind.UNKNOWN)
    said = f"{len(kinds) - len(unknown)} of {count(len(kinds), 'name')} of devices that carry traffic"
    if unknown:
        said += f"; not {listed([printable(name) for name in unknown])}"
    return told(not unknown, said, names=len(kinds), unknown=len(unknown))


def host_seen(o: Observations) -> Outcome:
    if not (events := _events(o)):
        return _no_events(o)
    blind = [not _of_enis(o, each) for _, each in events]
    alone = [len({sample.device for sample in each.samples}) == 1 for _, each in events]
    said = f"{blind.count(False)} of {count(len(events), 'node')} with a physical device, "
    said += f"{alone.count(False)} with others beside it"
    # A node may have no pods with devices of their own; several will not.
    is_alone = len(alone) > 2 and all(alone)
    return told(not most(blind) and not is_alone, said, physical=blind.count(False), nodes=len(events))


def every_eni_has_one(o: Observations) -> Outcome:
    pairs = [
        (len({each.device for each in _of_enis(o, events)}), seen.enis)
        for seen, events in _events(o)
        if isinstance(seen.enis, int)
    ]
    if not pairs:
        reasons = (value for each in o.nodes for value in (each.enis, each.events))
        return cannot_tell(why_not(reasons, "no node of the sample has device events"))
    devices, enis = sum(found for found, _ in pairs), sum(enis for _, enis in pairs)
    said = f"{count(devices, 'physical device')}, {count(enis, 'ENI')} of {count(len(pairs), 'node')}"
    return told(not most([found < enis for found, enis in pairs]), said, devices=devices, enis=enis)


def crossings(o: Observations) -> Outcome:
    if not (events := _events(o)):
        return _no_events(o)
    again = sorted(
        name
        for name, kind in _carrying(o).items()
        if kind is DeviceKind.COUNTED_AGAIN and _mean(name, events) > o.rules.floor.bytes_per_second
    )
    counts = o.rules.max_counts_per_byte
    said = f"{count(len(again), 'device')} that count pods' traffic once more carry more than the floor"
    return told(counts >= 3 or not again, f"{said}; the setting is {counts}", devices=len(again))


def _mean(name: str, events: Sequence[tuple[NodeSeen, DeviceEvents]]) -> float:
    rates = [
        (each.rx_bytes_per_second or 0.0) + (each.tx_bytes_per_second or 0.0)
        for _, of_node in events
        for each in of_node.samples
        if each.device == name
    ]
    return sum(rates) / len(rates)


def pods_named(o: Observations) -> Outcome:
    with_pods = [(each, events) for each, events in _events(o) if events.pods]
    digits = [
        ({name for name in {s.device for s in events.samples} if digits_in(name)}, events.pods)
        for _, events in with_pods
    ]
    wanted = sum(len(names) for names, _ in digits)
    if not wanted:
        return cannot_tell(why_not((each.events for each in o.nodes), "no events of pods with such devices"))
    found = sum(len(pods_by_device(names, pods)) for names, pods in digits)
    said = f"{found} of {count(wanted, 'device')} with eleven digits were named after a pod in the events"
    return told(2 * found >= wanted, said, share=found / wanted)


def _belief(  # noqa: PLR0917 - a table
    id_: str,
    claim: str,
    depends: str,
    relies_on: str,
    judge: Callable[[Observations], Outcome],
    to_do: str,
) -> Belief:
    return Belief(id_, claim, depends, tuple(relies_on.split()), judge, to_do)


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"


BELIEFS: Final = (
    _belief(
        "log-stream",
        "A node's events are in the stream that is called as the node is, of the cluster's log group.",
        "Nodes are looked for by instance id, which costs calls; some stay `unverified`.",
        "enigap.aws.device_events.log_group",
        in_own_stream,
        "nothing, if `enigap check` has evidence; else let the agents write streams called after nodes",
    ),
    _belief(
        "log-fields",
        "NodeNet events have an instance id, the cluster, the device, a time and bytes, under known names.",
        "Device evidence is incomplete: `unverified`, or wider margins.",
        "enigap.aws.node_net.read_event",
        fields,
        "report it, with the agent's version; without instance ids, let agents reach the instance metadata",
    ),
    _belief(
        "log-rates",
        "Events have rates in bytes a second; a rate is absent only after a counter was reset.",
        "Gaps in the devices' counters: `unverified`.",
        "enigap.core.counting.track.tracks_of",
        rated,
        "look at the agents' restarts",
    ),
    _belief(
        "agent-interval",
        f"An agent samples once a minute: its samples are {_seconds(AMBIGUOUS_INTERVAL)} to "
        f"{_seconds(LONGEST_INTERVAL)} apart.",
        "Longer: nothing can be judged (`long_interval`). Shorter: events are ambiguous.",
        "enigap.core.counting.evidence.AMBIGUOUS_INTERVAL enigap.core.counting.evidence.LONGEST_INTERVAL "
        "enigap.core.counting.track.SHORTEST_INTERVAL_SECONDS",
        interval,
        "set the agent's metrics_collection_interval to 60",
    ),
    _belief(
        "log-times",
        "The time in an event (`_aws.Timestamp` or `Timestamp`, in milliseconds) is that of its sample.",
        "Events count in the wrong window.",
        "enigap.aws.node_net.read_event",
        times,
        "look at the nodes' clocks; report it",
    ),
    _belief(
        "log-late",
        f"Events can be read {_RULES.settle // timedelta(minutes=1)} minutes after their samples.",
        "The newest window is judged without its last events.",
        "enigap.core.counting.rules.Rules.settle enigap.aws.device_events.MARGIN",
        late,
        "raise `settle_minutes`",
    ),
    _belief(
        "log-sizes",
        "No event has more characters, and no page more events, than CloudWatch Logs is said to take.",
        "Events are left out as malformed.",
        "enigap.aws.node_net.LONGEST_MESSAGE_CHARACTERS enigap.aws.device_events.EVENTS_PER_PAGE",
        sizes,
        "report it",
    ),
    _belief(
        "log-pattern",
        "The filter pattern for NodeNet events lets all of them through.",
        "No evidence: `unverified`.",
        "enigap.aws.device_events.PATTERN_CHARACTERS",
        pattern,
        "report it",
    ),
    _belief(
        "log-pattern-enis",
        "The filter pattern for the names of ENI devices lets all of their events through.",
        "Nodes are cleared or followed by a part of their events.",
        "enigap.core.counting.devices.name_prefixes",
        same_enis,
        "report it",
    ),
    _belief(
        "log-batches",
        "A request that names several streams gets the events of each.",
        "Nodes of a batch are without evidence.",
        "enigap.aws.device_events.nodes_per_batch",
        batched,
        "report it",
    ),
    _belief(
        "log-missing-stream",
        "That a stream is not there can be told from AWS's error.",
        "A reason says that logs failed, where there are none.",
        "enigap.aws.device_events.ContainerInsightsDevices",
        missing,
        "report it",
    ),
    _belief(
        "log-quota",
        "FilterLogEvents may be called as often as it is in the smallest regions.",
        "Looks at devices take longer: fewer nodes in a run.",
        "enigap.wiring.CALLS_PER_SECOND_AT_A_DESK enigap.aws.device_events.CALLS_PER_SECOND",
        quota,
        "ask AWS to raise the quota, or lower `evidence_max_nodes`",
    ),
    _belief(
        "device-names",
        "Each device that carries traffic has a name of a known class.",
        "Nodes are `unverified` where the class would decide.",
        "enigap.core.counting.devices.PHYSICAL_PATTERN enigap.core.counting.devices.POD_PATTERNS",
        names,
        "add them to `physical_devices` or `virtual_devices`, and report the names",
    ),
    _belief(
        "agent-on-host",
        "The agent sees the node's own network: a physical device, and others beside it.",
        "`os_deficit`, with the cause wrong network namespace.",
        "enigap.core.judging.causes",
        host_seen,
        "let the agent's DaemonSet have `hostNetwork: true`",
    ),
    _belief(
        "device-for-each-eni",
        "Each ENI has a device among the events.",
        "False `os_deficit`.",
        "enigap.core.counting.evidence.weigh",
        every_eni_has_one,
        "look for ENIs that were moved into pods (Multus), or report it",
    ),
    _belief(
        "counts-per-byte",
        f"A byte that leaves the node is counted by {_RULES.max_counts_per_byte} devices at most, unless the "
        "setting says more.",
        "Honest traffic is suspect, and evidence is read for it.",
        "enigap.core.counting.rules.Rules.max_counts_per_byte",
        crossings,
        "set `max_counts_per_byte` to 3",
    ),
    _belief(
        "pod-names",
        "A pod's device is named after the pod: eleven digits of the SHA-1 of namespace and name.",
        "Devices are shown without their pods; no verdict depends on it.",
        "enigap.core.counting.pods.digits_of",
        pods_named,
        "nothing; report it, with the CNI",
    ),
)
