"""Draws the split of a node as SVG: as strips for a page, or as one picture with its legend for documents.

Neither needs anything from elsewhere: no font, no script, no style. Text takes the colour of its surroundings
(`currentColor`), so that it shows on light and dark pages alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from enigap.cli.drawing import Bar, Drawing, Entry, Part, Piece
from enigap.core.counting.units import ByteRate

WIDTH: Final = 1000
_BAR_HEIGHT: Final = 26
_LINE: Final = 20
_KEY: Final = "Solid: certain. Hatched: likely. Both bars are on one scale."
_SLIVER_PERCENT: Final = 0.2
"""The least width of a piece, so that what is there shows, however little."""
_CHARACTER: Final = 7.6
"""About the width of a character at 13 pixels: a name is written into a piece that is longer."""
_NARROW: Final = 420
"""The width in pixels at which names in a page's strip must fit."""
_SWATCH: Final = 24
_ON_A_PAGE: Final = "part"


def strip(bar: Bar, longest: ByteRate, *, is_named: bool = True) -> str:
    """One bar as wide as the page has room; `hatchings` have to be on the page. With names in its pieces it
    is as high as text."""
    height, room = (_BAR_HEIGHT, _NARROW) if is_named else (9, 0)
    pieces = "".join(_bar(bar, longest, height, room, _ON_A_PAGE))
    return f'<svg class="strip" width="100%" height="{height}" aria-hidden="true">{pieces}</svg>'


def hatchings() -> str:
    """The hatching of every part, once for all strips of a page."""
    return f'<svg width="0" height="0" aria-hidden="true">{_defs(_ON_A_PAGE)}</svg>'


def swatch(part: Part) -> str:
    """The part as the legend shows it, with its letter."""
    piece = Piece(part, ByteRate(1.0), ByteRate(1.0))
    drawn = "".join(_piece(piece, 0.0, 100.0, 18, _SWATCH, _ON_A_PAGE))
    return f'<svg class="swatch" width="{_SWATCH}" height="18" aria-hidden="true">{drawn}</svg>'


def svg_of(drawing: Drawing, identity: str) -> str:
    """The two bars, and below them the legend with every figure.

    `identity` makes the picture's own ids unique on a page; letters, digits and hyphens.
    """
    y, body = 0, []
    for bar in drawing.bars:
        body.append(_text(0, y + 14, bar.sentence[0].upper() + bar.sentence[1:]))
        pieces = "".join(_bar(bar, drawing.longest, _BAR_HEIGHT, WIDTH, identity))
        body.append(f'<svg y="{y + _LINE}" width="{WIDTH}" height="{_BAR_HEIGHT}">{pieces}</svg>')
        y += _LINE + _BAR_HEIGHT + 12
    for number, entry in enumerate(drawing.legend):
        body += _entry(entry, y + number * _LINE)
    y += len(drawing.legend) * _LINE
    body.append(_text(30, y + 14, _KEY, opacity=0.75))
    height = y + _LINE + 4
    words = escape(drawing.in_words)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f"aria-labelledby={quoteattr(identity + '-words')} "
        'font-family="system-ui, sans-serif" font-size="13" fill="currentColor">'
        f"<title id={quoteattr(identity + '-words')}>{words}</title>{_defs(identity)}{''.join(body)}</svg>"
    )


def _defs(identity: str) -> str:
    return f"<defs>{''.join(_pattern(part, identity) for part in Part)}</defs>"


def _pattern(part: Part, identity: str) -> str:
    """The hatching of a part, for what is likely and not certain."""
    colour = part.value.colour
    return (
        f'<pattern id={quoteattr(_hatching(part, identity))} width="6" height="6" '
        'patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        # White below it, or names are not legible on a dark page.
        '<rect width="6" height="6" fill="#ffffff"/>'
        f'<rect width="6" height="6" fill="{colour}" fill-opacity="0.35"/>'
        f'<rect width="3" height="6" fill="{colour}"/></pattern>'
    )


def _hatching(part: Part, identity: str) -> str:
    return f"{identity}-{part.name.lower().replace('_', '-')}"


def _bar(bar: Bar, longest: ByteRate, height: int, room: int, identity: str) -> Iterator[str]:
    x = 0.0
    for piece in bar.pieces:
        width = max(_SLIVER_PERCENT, 100 * (piece.length / longest))
        yield from _piece(piece, x, width, height, room, identity)
        x += width


def _piece(  # noqa: PLR0917 - a piece, where it is and how it looks
    piece: Piece, x: float, width: float, height: int, room: int, identity: str
) -> Iterator[str]:
    """`x` and `width` in percent of the bar, `room` is how many pixels that bar has at least for names."""
    style = piece.part.value
    title = f"<title>{escape(style.label)}</title>" if room > _SWATCH else ""
    if piece.part is Part.MISSING:
        yield (
            f'<rect x="{x:.4g}%" y="1" width="{width:.4g}%" height="{height - 2}" fill="none" '
            f'stroke="{style.colour}" stroke-width="2" stroke-dasharray="5 3">{title}</rect>'
        )
    else:
        certain = width * (piece.certain / piece.length)
        yield _rect(x, certain, height, style.colour, title)
        yield _rect(x + certain, width - certain, height, f"url(#{_hatching(piece.part, identity)})", title)
    pixels = width * room / 100
    name = style.short if pixels > len(style.short) * _CHARACTER + 12 else style.letter
    if pixels > len(name) * _CHARACTER + 8:
        is_plain = piece.part is Part.MISSING
        colour = "currentColor" if is_plain else style.text_colour
        # A halo keeps the name legible on the hatching.
        halo = "" if is_plain else f' stroke="{style.colour}" stroke-width="5" paint-order="stroke"'
        yield (
            f'<text x="{x:.4g}%" dx="6" y="{height / 2 + 4.5:g}" font-size="13" fill="{colour}"{halo}>'
            f"{escape(name)}</text>"
        )


def _rect(x: float, width: float, height: int, fill: str, title: str) -> str:
    if width < 0.005:
        return ""
    return f'<rect x="{x:.4g}%" width="{width:.4g}%" height="{height}" fill="{fill}">{title}</rect>'


def _entry(entry: Entry, y: float) -> Iterator[str]:
    style = entry.part.value
    swatch = f'x="0" y="{y + 3}" width="22" height="12"'
    if entry.part is Part.MISSING:
        yield f'<rect {swatch} fill="none" stroke="{style.colour}" stroke-width="2" stroke-dasharray="5 3"/>'
    else:
        yield f'<rect {swatch} fill="{style.colour}"/>'
    yield _text(30, y + 14, f"{style.short}: {style.label}")
    yield _text(510, y + 14, entry.likely, "end")
    yield _text(526, y + 14, f"({entry.bounds})" if entry.bounds else "", opacity=0.75)


def _text(x: float, y: float, text: str, anchor: str = "start", opacity: float = 1.0) -> str:
    faint = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{faint}>{escape(text)}</text>'
