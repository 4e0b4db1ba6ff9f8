"""Theory of operation: where a window's bytes were counted, part by part, and how surely.

`traffic` says how often the OS counts a byte of each kind. The split says how many bytes of each kind there
were. Its six parts add up to what the OS counted, and every figure about a node's traffic is one of theirs:

    host_off_node         H, between the node's own processes and elsewhere
    pod_off_node          P, between pods and elsewhere
    pod_off_node_again    the same counted again: at the pods' devices, on gateway, overlay and branch devices
    inside_node           L + N, between the pods of the node and between a pod and the node, once
    inside_node_again     the same counted again: at the other pod's device, on gateway devices
    unexplained           what counting does not account for; negative where the OS lacks it

Per direction the devices say three things. The ENI devices count what leaves the node and what comes to it,
`E_out` and `E_in`. The pods' devices count what the pods sent, `S` (the node receives it there), and what
they received, `R`:

    E_out = H_out + P_out        S = P_out + L + N_out
    E_in  = H_in  + P_in         R = P_in  + L + N_in

Four sums and seven unknowns: the parts are not known, and they are bounded. With nothing below zero,

    P_out <= min(S, E_out)       P_in <= min(R, E_in)       H = E - P
    max(0, S - E_out, R - E_in) <= L + N <= S + R           L <= min(S, R)

Counters that are exact allow no tighter bounds: for each of them there is traffic that reaches it. The
device events that straddle the edges of the window widen them (`RateSpan`).

**The low end of L + N** is the claim that messages make, so it pays for no edge. All devices of a node are
read in one go, so over the interval between two samples the counters are exact: each interval is bounded by
itself, and the bounds are added up. An interval counts only where every ENI device has a rate over exactly
that interval; any other contributes nothing. A driver may leave the 14 bytes of a received frame's Ethernet
header uncounted that a pod's device counts, so the second term gives up 14 B for each packet that an ENI
device received. A device of unknown class may be an ENI: its bytes are taken off like an ENI device's. What
a packet filter or a full queue on the node drops behind a pod's device is counted there and never leaves, so
L + N includes it.

**Without devices** there are the two totals, V = O - E = P + 2L + N and what gateways and overlays add:

    P <= min(E, V)               (O - cE) / 2 <= L + N <= V

**The likely figures** are one way it may have been, for pictures. What is known to be between two pods is L.
Of the rest of S and R each direction leaves the node as far as the ENIs carried it, and what is beyond that
stayed. A gateway device carries no more off-node traffic than the ENIs did, and what it counted beyond that
is traffic inside the node. All is scaled to add up to O.

What a verdict adds: where counting explains the window, host and pod traffic are what the ENI devices
counted and nothing is unexplained. Where it does not (`os_deficit`, `os_excess`), they are what the
interfaces carried and what is left of O is unexplained. Where it is unknown, all that O has beyond E may be
a fault, and nothing is known to be inside the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from enum import Enum
from itertools import pairwise
from typing import Final

from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import DeviceEvents, DeviceRates, Evidence
from enigap.core.counting.rules import Rules
from enigap.core.counting.track import CounterTrack, Direction, NoTracks, tracks_of
from enigap.core.counting.traffic import explained_up_to
from enigap.core.counting.units import NOTHING, ZERO, ByteRate, RateSpan
from enigap.core.counting.window import GRID, Window

ETHERNET_HEADER_BYTES: Final = 14.0
MOST_MERGED_HEADERS: Final = 0.125
"""Of what pods receive: an ENI device counts the 66 bytes of headers of each frame, a pod's device those of
many frames merged into one once. The least segment that hosts agree on unasked is 536 bytes (RFC 9293)."""
SHORTEST_FRAME_BYTES: Final = 60.0
"""Where an event names no packets there may be one for each so many bytes."""
_AROUND: Final = timedelta(minutes=5)
"""How far around the window events are read: more than a sample on both sides."""


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of what one node's OS counted in a window. The likely figures (`middle`) add up to it."""

    host_off_node: RateSpan
    pod_off_node: RateSpan
    pod_off_node_again: RateSpan
    inside_node: RateSpan
    inside_node_again: RateSpan
    unexplained: RateSpan = NOTHING

    @property
    def likely_total(self) -> ByteRate:
        """What the OS counted."""
        return sum((getattr(self, part.name).middle for part in fields(self)), ZERO)

    def proving(self, at_least: ByteRate) -> Split:
        """With no more unexplained for certain than `at_least`, which a verdict has proven.

        The split takes EC2's periods as exact. What a verdict proves allows for where their edges lie and
        for headers that one side leaves uncounted.
        """
        known = self.unexplained
        if known.middle < ZERO:
            return replace(self, unexplained=replace(known, high=max(known.high, ZERO - at_least)))
        return replace(self, unexplained=replace(known, low=min(known.low, at_least)))


class Outcome(Enum):
    """What the verdict says about the gap, as far as it changes the split."""

    EXPLAINED = "explained"
    UNEXPLAINED = "unexplained"
    """Both sides were compared, and contradict counting."""
    OPEN = "open"
    """Traffic inside the node or a fault, and it is not known which."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Both sides over the same periods."""

    os: RateSpan
    eni_in: ByteRate
    eni_out: ByteRate
    rules: Rules

    @property
    def eni(self) -> ByteRate:
        return self.eni_in + self.eni_out

    @property
    def counts_per_byte(self) -> int:
        return self.rules.max_counts_per_byte

    @property
    def inside_at_least(self) -> ByteRate:
        """(O - cE) / 2, with the tolerance; zero below the floor."""
        most = (1 + self.rules.tolerance) * explained_up_to(self.eni, self.counts_per_byte)
        return _above_floor(self.os.above(most) / 2, self.rules)


@dataclass(frozen=True, slots=True)
class Crossed:
    """What the devices of one node counted over the judged periods, by what their bytes mean."""

    eni_in: RateSpan
    eni_out: RateSpan
    pods_sent: RateSpan
    """S: received on the pods' devices."""
    pods_received: RateSpan
    """R: sent on the pods' devices."""
    overlay_out: RateSpan
    """Sent on overlay and branch devices. Of pods whose own devices are not counted it may be more than S."""
    overlay: RateSpan
    gateways: tuple[RateSpan, ...]
    """Each by itself, both directions."""
    unknown_in: RateSpan
    unknown_out: RateSpan
    inside_at_least: ByteRate
    """L + N, interval by interval; zero below the floor."""
    conversations: ByteRate = ZERO
    """What is known to have gone from one pod of the node to another."""
    pods_are_whole: bool = True
    """Whether each pod's device has rates all through the window. One that came, went or was made anew
    carried bytes that are in no event of it."""

    @classmethod
    def of(cls, evidence: Evidence, events: DeviceEvents, window: Window, rules: Rules) -> Crossed:
        inside = inside_at_least(events, window, rules.classifier)
        pods, overlays = evidence.of_kind(DeviceKind.POD), evidence.of_kind(DeviceKind.COUNTED_AGAIN)
        unknown = evidence.of_kind(DeviceKind.UNKNOWN)
        return cls(
            eni_in=evidence.physical_rx,
            eni_out=evidence.physical_tx,
            pods_sent=sum((device.rx for device in pods), NOTHING),
            pods_received=sum((device.tx for device in pods), NOTHING),
            overlay_out=sum((device.tx for device in overlays), NOTHING),
            overlay=sum((device.total for device in overlays), NOTHING),
            gateways=tuple(device.total for device in evidence.of_kind(DeviceKind.GATEWAY)),
            unknown_in=sum((device.rx for device in unknown), NOTHING),
            unknown_out=sum((device.tx for device in unknown), NOTHING),
            inside_at_least=_above_floor(inside, rules),
            conversations=_talked(pods),
            pods_are_whole=_pods_are_whole(events, window, rules.classifier),
        )

    @property
    def again(self) -> RateSpan:
        """Whatever is neither an ENI's nor a pod's."""
        return sum(self.gateways, self.overlay) + self.unknown_in + self.unknown_out

    @property
    def virtual(self) -> ByteRate:
        """At the likeliest."""
        return (self.pods_sent + self.pods_received + self.again).middle


def _talked(pods: Sequence[DeviceRates]) -> ByteRate:
    """What pods in conversation exchanged: what one sent and the other received."""
    by_name = {device.device: device for device in pods}
    pairs = ((device, by_name.get(device.conversation_with or "")) for device in pods)
    return sum((min(one.rx.middle, other.tx.middle) for one, other in pairs if other), ZERO)


def split_of(totals: Totals, crossed: Crossed | None, outcome: Outcome) -> Split:
    """Where the bytes of one window were counted. `crossed` is None where not all devices are known."""
    if outcome is Outcome.OPEN:
        return _open(totals)
    if crossed is None:
        return _explained_totals(totals) if outcome is Outcome.EXPLAINED else _unexplained_totals(totals)
    return _explained(totals, crossed) if outcome is Outcome.EXPLAINED else _unexplained(totals, crossed)


# --- with devices


def _explained(totals: Totals, crossed: Crossed) -> Split:
    # What an ENI carried before its device had rates is in EC2's figure alone.
    eni_in = replace(crossed.eni_in, high=max(crossed.eni_in.high, totals.eni_in))
    eni_out = replace(crossed.eni_out, high=max(crossed.eni_out.high, totals.eni_out))
    split = _of_devices(crossed, eni_in, eni_out, crossed.inside_at_least)
    return _consistent(_scaled(split, totals.os.middle))


def _unexplained(totals: Totals, crossed: Crossed) -> Split:
    """Host and pod traffic are what the interfaces carried; what the devices lack of it, or have more of it,
    is unexplained."""
    eni_in, eni_out = _exactly(totals.eni_in), _exactly(totals.eni_out)
    # Either side may be the wrong one, so traffic inside the node is what is beyond both.
    frames = crossed.eni_in.high * (ETHERNET_HEADER_BYTES / SHORTEST_FRAME_BYTES)
    inside = max(
        ZERO,
        crossed.pods_sent.low - max(totals.eni_out, crossed.eni_out.high),
        crossed.pods_received.low - max(totals.eni_in, crossed.eni_in.high) - frames,
    )
    # What no ENI device counted may be pods' traffic that no device counted.
    unseen_in = max(ZERO, totals.eni_in - crossed.eni_in.low)
    unseen_out = max(ZERO, totals.eni_out - crossed.eni_out.low)
    split = _of_devices(crossed, eni_in, eni_out, min(inside, crossed.inside_at_least), unseen_in, unseen_out)
    counted = crossed.eni_in + crossed.eni_out
    unexplained = RateSpan(
        counted.low - totals.eni, totals.os.middle - totals.eni - crossed.virtual, counted.high - totals.eni
    )
    return _consistent(replace(split, unexplained=unexplained))


def _of_devices(  # noqa: PLR0917 - each figure of both directions side by side
    crossed: Crossed,
    eni_in: RateSpan,
    eni_out: RateSpan,
    inside_low: ByteRate,
    unseen_in: ByteRate = ZERO,
    unseen_out: ByteRate = ZERO,
) -> Split:
    """All parts but the unexplained one, before they are scaled.

    `eni_*` is what left and came, and `unseen_*` how much of it no ENI device counted.
    """
    sent, received, again = crossed.pods_sent, crossed.pods_received, crossed.again
    most_sent = max(sent.high, crossed.overlay_out.high) + crossed.unknown_in.high
    most_received = max(received.high, crossed.overlay.high - crossed.overlay_out.low)
    most_received += crossed.unknown_out.high
    pods_out, pods_in = eni_out.high, eni_in.high
    if crossed.pods_are_whole:
        pods_out = min(most_sent + unseen_out, eni_out.high)
        pods_in = min((1 + MOST_MERGED_HEADERS) * most_received + unseen_in, eni_in.high)
    pods_high = pods_out + pods_in
    host_low = max(ZERO, eni_out.low - pods_out) + max(ZERO, eni_in.low - pods_in)
    likely = _likely(crossed, eni_in.middle, eni_out.middle, inside_low)
    eni = eni_in + eni_out
    return Split(
        host_off_node=RateSpan(host_low, max(ZERO, eni.middle - likely.pods), eni.high),
        pod_off_node=RateSpan(ZERO, likely.pods, pods_high),
        pod_off_node_again=RateSpan(ZERO, likely.pods_again, pods_high + again.high),
        inside_node=RateSpan(
            inside_low,
            likely.inside,
            sent.high + received.high + crossed.unknown_in.high + crossed.unknown_out.high,
        ),
        inside_node_again=RateSpan(ZERO, likely.inside_again, min(most_sent, most_received) + again.high),
    )


@dataclass(frozen=True, slots=True)
class _Likely:
    """With the ENIs' bytes, all that the devices counted."""

    pods: ByteRate
    pods_again: ByteRate
    inside: ByteRate
    inside_again: ByteRate


def _likely(crossed: Crossed, eni_in: ByteRate, eni_out: ByteRate, inside_low: ByteRate) -> _Likely:
    sent, received = crossed.pods_sent.middle, crossed.pods_received.middle
    talked = min(crossed.conversations, sent, received)
    stayed_sent = max(ZERO, sent - talked - eni_out)
    stayed_received = max(ZERO, received - talked - eni_in)
    inside = talked + max(stayed_sent, stayed_received)
    inside_again = talked + min(stayed_sent, stayed_received)
    if inside < inside_low:
        # Intervals bound it higher than their sum does: bytes between two pods, for there is no other way.
        inside_again = min(inside_again + inside_low - inside, sent + received - inside_low)
        inside = inside_low
    pods = max(ZERO, sent + received - inside - inside_again)
    gateways = [gateway.middle for gateway in crossed.gateways]
    stayed_on_gateways = sum((max(ZERO, gateway - eni_in - eni_out) for gateway in gateways), ZERO)
    return _Likely(
        pods, pods + crossed.again.middle - stayed_on_gateways, inside, inside_again + stayed_on_gateways
    )


# --- from the totals alone


def _explained_totals(totals: Totals) -> Split:
    return _consistent(_scaled(_of_totals(totals, totals.inside_at_least), totals.os.middle))


def _unexplained_totals(totals: Totals) -> Split:
    """The OS's figure is less than the interfaces carried: how much of it is virtual devices' is unknown."""
    eni, os = totals.eni, totals.os
    anything = RateSpan(ZERO, ZERO, os.high)
    return _consistent(
        Split(
            host_off_node=RateSpan(ZERO, eni, eni),
            pod_off_node=RateSpan(ZERO, ZERO, eni),
            pod_off_node_again=anything,
            inside_node=anything,
            inside_node_again=RateSpan(ZERO, ZERO, os.high / 2),
            unexplained=RateSpan(ZERO - eni, os.middle - eni, os.high - eni),
        )
    )


def _open(totals: Totals) -> Split:
    gap = totals.os.middle - totals.eni
    split = replace(_of_totals(totals, ZERO), unexplained=RateSpan(min(ZERO, gap), ZERO, max(ZERO, gap)))
    return _consistent(_scaled(split, totals.os.middle))


def _of_totals(totals: Totals, inside_low: ByteRate) -> Split:
    eni = totals.eni
    virtual = RateSpan(*(max(ZERO, rate - eni) for rate in (totals.os.low, totals.os.middle, totals.os.high)))
    # With macvlan a pod's traffic crosses no device besides the ENI's.
    pods_high = eni if totals.counts_per_byte < 2 else min(eni, virtual.high)
    # As much as may have left the node did, and the rest was counted at two pods' devices.
    pods_again = min(virtual.middle, (totals.counts_per_byte - 1) * eni)
    pods = min(pods_again, eni)
    rest = virtual.middle - pods_again
    if inside_low > rest / 2:
        rest = min(virtual.middle, 2 * inside_low)
        pods_again = virtual.middle - rest
        pods = min(pods_again, eni)
    return Split(
        host_off_node=RateSpan(eni - pods_high, eni - pods, eni),
        pod_off_node=RateSpan(ZERO, pods, pods_high),
        pod_off_node_again=RateSpan(ZERO, pods_again, virtual.high),
        inside_node=RateSpan(inside_low, rest / 2, virtual.high),
        inside_node_again=RateSpan(ZERO, rest / 2, virtual.high),
    )


# --- one sum


def _scaled(split: Split, os: ByteRate) -> Split:
    """With likely figures that add up to what the OS counted."""
    total = split.likely_total
    if total <= ZERO:
        return replace(split, host_off_node=replace(split.host_off_node, middle=os))
    factor = os / total
    return _with_each(split, lambda span: replace(span, middle=factor * span.middle))


def _consistent(split: Split) -> Split:
    """With bounds that hold the likely figures: those are scaled to the OS's readings, which have another
    phase than EC2's periods and the devices' events."""
    return _with_each(
        split,
        lambda span: replace(span, low=min(span.low, span.middle), high=max(span.high, span.middle)),
    )


def _with_each(split: Split, change: Callable[[RateSpan], RateSpan]) -> Split:
    return replace(split, **{part.name: change(getattr(split, part.name)) for part in fields(split)})


def _above_floor(rate: ByteRate, rules: Rules) -> ByteRate:
    """Below the floor it is ARP and probes, and not worth a claim."""
    return rate if rate >= rules.floor else ZERO


def _exactly(rate: ByteRate) -> RateSpan:
    return RateSpan(rate, rate, rate)


# --- the low end of what is inside the node


def inside_at_least(events: DeviceEvents, window: Window, classifier: Classifier) -> ByteRate:
    """A lower bound of L + N over a window, from intervals that lie in it and all ENI devices share.

    Where the events can be read as one agent's or as two agents' it holds for each reading.
    """
    near = _near(events, window)
    enis = {s.device for s in near.samples if classifier.kind(s.device) is DeviceKind.PHYSICAL}
    tracks = tracks_of(near, classifier)
    if isinstance(tracks, NoTracks) or not enis:
        return ZERO
    least = min(
        sum(interval.stayed_at_least for interval in _intervals(reading, enis, window))
        for reading in tracks.readings
    )
    return ByteRate.from_total(least, GRID)


def _near(events: DeviceEvents, window: Window) -> DeviceEvents:
    return DeviceEvents(events.within(window.start - _AROUND, window.end + _AROUND))


def _pods_are_whole(events: DeviceEvents, window: Window, classifier: Classifier) -> bool:
    near = _near(events, window)
    if any(
        not sample.is_rated and classifier.kind(sample.device) is DeviceKind.POD for sample in near.samples
    ):
        return False
    tracks = tracks_of(near, classifier, lambda name: classifier.kind(name) is DeviceKind.POD)
    start, end = window.start.timestamp(), window.end.timestamp()
    if isinstance(tracks, NoTracks):
        return not any(classifier.kind(sample.device) is DeviceKind.POD for sample in near.samples)
    return all(
        track.times[0] <= start
        and track.times[-1] - track.age >= end
        and not any(begin < end and over > start for begin, over in track.gaps)
        for reading in tracks.readings
        for track in reading
        if track.times[0] < end and track.times[-1] > start
    )


@dataclass(slots=True)
class _Interval:
    """Between two samples of a node: bytes."""

    eni_in: float = 0.0
    eni_out: float = 0.0
    frames_in: float = 0.0
    pods_sent: float = 0.0
    pods_received: float = 0.0

    @property
    def stayed_at_least(self) -> float:
        headers = ETHERNET_HEADER_BYTES * self.frames_in
        return max(0.0, self.pods_sent - self.eni_out, self.pods_received - self.eni_in - headers)


def _intervals(tracks: Sequence[CounterTrack], enis: set[str], window: Window) -> Iterator[_Interval]:
    """The intervals inside the window over which every ENI device has a rate."""
    begin, over = window.start.timestamp(), window.end.timestamp()
    age = max((track.age for track in tracks), default=0.0)
    by_name = {track.device: _by_interval(track) for track in tracks}
    if not enis <= by_name.keys():
        return
    first, *others = (by_name[name] for name in enis)
    for ends in first:
        start, end = ends
        if not all(ends in other for other in others):
            continue
        if start - age < begin or end > over:
            continue
        interval = _Interval()
        for track in tracks:
            if (index := by_name[track.device].get(ends)) is not None:
                _add(interval, track, index)
        yield interval


def _by_interval(track: CounterTrack) -> Mapping[tuple[float, float], int]:
    """The index of the later sample for each two with a rate between them."""
    gaps = set(track.gaps)
    return {ends: number for number, ends in enumerate(pairwise(track.times), start=1) if ends not in gaps}


def _add(interval: _Interval, track: CounterTrack, index: int) -> None:
    received, sent = track.counters[Direction.RECEIVED], track.counters[Direction.SENT]
    rx = received.bytes[index] - received.bytes[index - 1]
    tx = sent.bytes[index] - sent.bytes[index - 1]
    if track.kind is DeviceKind.POD:
        interval.pods_sent += rx
        interval.pods_received += tx
    elif track.kind in (DeviceKind.PHYSICAL, DeviceKind.UNKNOWN):
        interval.eni_in += rx
        interval.eni_out += tx
        packets = received.packets
        interval.frames_in += (
            rx / SHORTEST_FRAME_BYTES if packets is None else packets[index] - packets[index - 1]
        )
