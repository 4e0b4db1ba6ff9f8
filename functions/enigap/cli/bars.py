"""Draws the split of a node on a terminal: two bars of characters, and the legend with every figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text

from enigap.cli.drawing import Bar, Drawing, Part, Piece
from enigap.core.counting.units import ZERO, ByteRate

_LABEL_COLUMNS: Final = 16
_FEWEST_COLUMNS: Final = 20
_MOST_COLUMNS: Final = 160
_ROOM_FOR_LABELS: Final = 72

_SOLID, _HATCHED = "█", "░"
_SOLID_IN_ASCII, _HATCHED_IN_ASCII = "#", "/"


class SplitBars:
    """The two bars and the legend, as wide as there is room."""

    def __init__(self, drawing: Drawing, *, has_legend: bool = True) -> None:
        self._drawing, self._has_legend = drawing, has_legend

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_LABEL_COLUMNS + _FEWEST_COLUMNS, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fills = fills_of(options)
        columns = max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, options.max_width) - _LABEL_COLUMNS)
        for bar in self._drawing.bars:
            yield _line(bar, self._drawing.longest, columns, fills)
        if not self._has_legend:
            return
        yield Text()
        yield _legend(self._drawing, in_short=options.max_width < _ROOM_FOR_LABELS)
        yield Text(f"{fills[0]} certain, {fills[1]} likely; both bars are on one scale", "dim")


def fills_of(options: ConsoleOptions) -> tuple[str, str]:
    """The characters for what is certain and for what is likely."""
    return (_SOLID_IN_ASCII, _HATCHED_IN_ASCII) if options.ascii_only else (_SOLID, _HATCHED)


def strip(drawing: Drawing, columns: int, fills: tuple[str, str]) -> Text:
    """The OS's bar alone, so many columns long, whatever it comes to: what shares it has."""
    bar = drawing.os
    if bar.length <= ZERO:
        return Text()
    parts = (
        _filled(piece, width, fills)
        for piece, width in zip(bar.pieces, widths(bar, bar.length, columns), strict=True)
    )
    return Text("", no_wrap=True).join(parts)


def key_of(drawings: Iterable[Drawing], fills: tuple[str, str]) -> str:
    """What the letters and fills of these bars stand for, in one line."""
    drawn = {piece.part for drawing in drawings for piece in drawing.os.pieces}
    letters = ", ".join(f"{part.value.letter} {part.value.short}" for part in Part if part in drawn)
    return f"{letters}; {fills[0]} certain, {fills[1]} likely"


def _line(bar: Bar, longest: ByteRate, columns: int, fills: tuple[str, str]) -> Text:
    line = Text(f"{bar.name:<4}{bar.total!s:>10}  ", no_wrap=True)
    for piece, width in zip(bar.pieces, widths(bar, longest, columns), strict=True):
        line.append_text(_filled(piece, width, fills))
    return line


def widths(bar: Bar, longest: ByteRate, columns: int) -> list[int]:
    """The columns of each piece, which ends where it ends on the scale. One may be too short for a column."""
    ends, reached = [0], 0.0
    for piece in bar.pieces:
        reached += piece.length / longest
        ends.append(round(reached * columns))
    return [after - before for before, after in pairwise(ends)]


def _filled(piece: Piece, width: int, fills: tuple[str, str]) -> Text:
    """The part's letter, then as many solid columns as are certain, and hatched ones."""
    if width == 0:
        return Text()
    style = Style(color=piece.part.value.colour)
    certain = round(width * (piece.certain / piece.length))
    if piece.part is Part.MISSING:
        return Text.assemble(_letter(piece.part), ("." * (width - 1), style))
    # Each with a style of its own: one of the whole text would be behind the fills, too.
    likely = (fills[1] * min(width - certain, width - 1), _hatched(piece.part))
    return Text.assemble(_letter(piece.part), (fills[0] * (certain - 1), style), likely)


def _hatched(part: Part) -> Style:
    """Strokes of a pale colour are lost on a light terminal: there, the strokes are dark on that colour."""
    of = part.value
    return Style(color=of.text_colour, bgcolor=of.colour) if part in _PALE else Style(color=of.colour)


_PALE: Final = (Part.PODS_AGAIN, Part.INSIDE_AGAIN)


def _letter(part: Part) -> Text:
    of = part.value
    # A missing part is an outline.
    style = Style(color=of.colour) if part is Part.MISSING else Style(color=of.text_colour, bgcolor=of.colour)
    return Text(of.letter, style + Style(bold=True))


def _legend(drawing: Drawing, *, in_short: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(no_wrap=True)
    table.add_column("where the bytes were counted", overflow="fold")
    table.add_column("likely", justify="right", no_wrap=True)
    if in_short:
        table.add_column("at least, at most")
    else:
        table.add_column("at least", justify="right", no_wrap=True)
        table.add_column("at most", justify="right", no_wrap=True)
    for row in _rows(drawing, in_short=in_short):
        table.add_row(*row)
    return table


def _rows(drawing: Drawing, *, in_short: bool) -> Iterator[Sequence[Text]]:
    for entry in drawing.legend:
        style = entry.part.value
        yield (
            _letter(entry.part),
            Text(style.short if in_short else style.label),
            Text(entry.likely),
            *(map(Text, [entry.bounds] if in_short else entry.ends)),
        )
