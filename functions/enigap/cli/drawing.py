"""The drawing of a node's split: two bars on one linear scale, the OS's above the ENIs'.

    OS    127 MB/s  H░░░░░P░░░░░░░░░p░░░░░░░░░I███████████░░░░░░░░░i█████░░░░░░░░░░░░
    ENI  29.4 MB/s  H░░░░░P░░░░░░░░░

This module decides the parts of both bars, their order, letters, colours and words. `bars` draws them on a
terminal and `svg` on pages and in pictures. Each part is as long as its likely rate: solid as far as it is
certain, hatched beyond. What the OS lacks (`os_deficit`) is an outline in its bar, cut out of
what the interfaces carried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from enigap.core.counting.split import Split
from enigap.core.counting.units import ZERO, ByteRate, RateSpan
from enigap.core.judging.verdict import Judgement


@dataclass(frozen=True, slots=True)
class Style:
    """How a part is drawn. The colours stay apart for people who are colour-blind (Okabe and Ito, 2008)."""

    letter: str
    short: str
    label: str
    colour: str
    has_dark_text: bool = False

    @property
    def text_colour(self) -> str:
        """Of text on the part, which is readable where the background is light and where it is dark."""
        return "#10151d" if self.has_dark_text else "#ffffff"


class Part(Enum):
    """A part of the bars, in the order in which they are drawn."""

    HOST = Style("H", "host", "host traffic off the node", "#0072b2")
    PODS = Style("P", "pods", "pod traffic off the node", "#56b4e9", has_dark_text=True)
    MISSING = Style("M", "missing", "carried, and counted by no device the OS sees", "#d55e00")
    PODS_AGAIN = Style(
        "p", "pods again", "the same pod traffic, counted again", "#b9dff7", has_dark_text=True
    )
    INSIDE = Style("I", "inside", "traffic inside the node", "#009e73", has_dark_text=True)
    INSIDE_AGAIN = Style(
        "i", "inside again", "the same traffic inside the node, counted again", "#8fd6c1", has_dark_text=True
    )
    UNEXPLAINED = Style(
        "U", "unexplained", "counted, and not explained by counting", "#d55e00", has_dark_text=True
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """A part within one bar."""

    part: Part
    length: ByteRate
    certain: ByteRate


@dataclass(frozen=True, slots=True)
class Bar:
    """One side's bytes a second: the OS's or the ENIs'."""

    name: str
    total: ByteRate
    """What this side counted in all."""
    sentence: str
    """Such as `the OS counted 127 MB/s`."""
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> ByteRate:
        return sum((piece.length for piece in self.pieces), ZERO)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the legend says of a part."""

    part: Part
    span: RateSpan
    """At least, likely and at most. What is missing is positive here."""

    @property
    def likely(self) -> str:
        return str(self.span.middle)

    @property
    def ends(self) -> tuple[str, str]:
        """At least and at most."""
        return self.span.low.rounded_down, self.span.high.rounded_up

    @property
    def bounds(self) -> str:
        """`31.2 MB/s to 97.3 MB/s`; empty where both are the likely figure."""
        low, high = self.ends
        return "" if low == high == self.likely else f"{low} to {high}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Both bars, to be drawn on one scale, and their legend."""

    os: Bar
    eni: Bar
    legend: tuple[Entry, ...]

    @property
    def bars(self) -> tuple[Bar, Bar]:
        return self.os, self.eni

    @property
    def longest(self) -> ByteRate:
        return max(bar.length for bar in self.bars)

    @property
    def in_words(self) -> str:
        """The drawing in words, for screen readers."""
        parts = "; ".join(f"{entry.part.value.label}: {entry.likely}" for entry in self.legend)
        return f"{self.os.sentence}, {self.eni.sentence}. Of these, {parts}."


def drawing_of(judgement: Judgement) -> Drawing | None:
    """The drawing of a node's window; None where nothing was compared, or nothing flowed."""
    split, os, eni = judgement.split, judgement.os, judgement.eni
    if split is None or os is None or eni is None or max(os, eni) <= ZERO:
        return None
    return Drawing(
        Bar("OS", os, f"The OS counted {os}", tuple(_counted(split))),
        Bar("ENI", eni, f"the network interfaces carried {eni}", tuple(_carried(split, eni))),
        tuple(_legend(split)),
    )


_SPANS: Final = (
    (Part.HOST, "host_off_node"),
    (Part.PODS, "pod_off_node"),
    (Part.PODS_AGAIN, "pod_off_node_again"),
    (Part.INSIDE, "inside_node"),
    (Part.INSIDE_AGAIN, "inside_node_again"),
)


def _legend(split: Split) -> Iterator[Entry]:
    """Every part that there may be, though it is likely that there is none."""
    for part, name in _SPANS:
        span = getattr(split, name)
        if (span.low, span.high) != (ZERO, ZERO):
            yield Entry(part, span)
    gap = split.unexplained
    if gap.middle >= ZERO and (gap.low, gap.high) != (ZERO, ZERO):
        yield Entry(Part.UNEXPLAINED, gap)
    elif gap.middle < ZERO:
        yield Entry(Part.MISSING, RateSpan(*(max(ZERO, ZERO - r) for r in (gap.high, gap.middle, gap.low))))


def _counted(split: Split) -> Iterator[Piece]:
    """The OS's bar. In a deficit host and pod traffic are what was carried: what the OS lacks is cut out."""
    missing = max(ZERO, ZERO - split.unexplained.middle)
    from_pods = min(missing, split.pod_off_node.middle)
    from_host = min(missing - from_pods, split.host_off_node.middle)
    yield from _piece(Part.HOST, split.host_off_node, from_host)
    yield from _piece(Part.PODS, split.pod_off_node, from_pods)
    if missing > ZERO:
        yield Piece(Part.MISSING, missing, ZERO)
    for part, name in _SPANS[2:]:
        yield from _piece(part, getattr(split, name), ZERO)
    yield from _piece(Part.UNEXPLAINED, split.unexplained, ZERO)


def _carried(split: Split, eni: ByteRate) -> Iterator[Piece]:
    """The ENIs' bar: host and pod traffic in their proportion, as long as EC2's figure."""
    likely = split.host_off_node.middle + split.pod_off_node.middle
    if likely <= ZERO:
        yield Piece(Part.HOST, eni, ZERO)
        return
    for part, name in _SPANS[:2]:
        span = getattr(split, name)
        if span.middle > ZERO:
            yield Piece(part, span.middle * (eni / likely), min(span.low, span.middle) * (eni / likely))


def _piece(part: Part, span: RateSpan, cut: ByteRate) -> Iterator[Piece]:
    length = span.middle - cut
    if length > ZERO:
        yield Piece(part, length, min(max(ZERO, span.low), length))
