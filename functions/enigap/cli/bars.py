"""Draws the split of a node on a terminal: two bars of characters, and the legend with every figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text

from enigap.cli.drawing import Bar, Drawing, Part, Piece
from enigap.core.counting.units import ByteRate

_LABEL_COLUMNS: Final = 16
_FEWEST_COLUMNS: Final = 20
_MOST_COLUMNS: Final = 160
_ROOM_FOR_LABELS: Final = 72

_SOLID, _HATCHED = "█", "░"
_SOLID_IN_ASCII, _HATCHED_IN_ASCII = "#", "/"


class SplitBars:
    """The two bars and the legend, as wide as there is room."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_LABEL_COLUMNS + _FEWEST_COLUMNS, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fills = (_SOLID, _HATCHED) if _can_show_blocks(options) else (_SOLID_IN_ASCII, _HATCHED_IN_ASCII)
        columns = max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, options.max_width) - _LABEL_COLUMNS)
        for bar in self._drawing.bars:
            yield _line(bar, self._drawing.longest, columns, fills)
        yield Text()
        yield _legend(self._drawing, in_short=options.max_width < _ROOM_FOR_LABELS)
        yield Text(f"{fills[0]} certain, {fills[1]} likely; both bars are on one scale", "dim")


def _can_show_blocks(options: ConsoleOptions) -> bool:
    return not options.ascii_only


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
        text = "M" + "." * (width - 1)
        return Text(text, style)
    inner = fills[0] * certain + fills[1] * (width - certain)
    letter = Text(piece.part.value.letter, Style(color=piece.part.value.colour, reverse=True, bold=True))
    return letter.append(inner[1:], style)


def _legend(drawing: Drawing, *, in_short: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(no_wrap=True)
    table.add_column("where the bytes were counted")
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
            Text(style.letter, Style(color=style.colour, bold=True)),
            Text(style.short if in_short else style.label),
            Text(entry.likely),
            *(map(Text, [entry.bounds] if in_short else entry.ends)),
        )
