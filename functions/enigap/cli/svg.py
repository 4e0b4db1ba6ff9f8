"""Draws the split of a node as SVG, for pages and for the pictures of the documents.

The picture needs nothing from elsewhere: no font, no script, no style of the page. Text takes the colour of
its surroundings (`currentColor`), so that it shows on light and dark pages alike.
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
_SLIVER: Final = 2.0
"""The least width of a piece, so that what is there shows, however little."""
_CHARACTER: Final = 7.2
"""About the width of a character at 13 pixels: a name is written into a piece that is longer."""


def svg_of(drawing: Drawing, identity: str) -> str:
    """The two bars, and below them the legend with every figure.

    `identity` makes the picture's own ids unique on a page; letters, digits and hyphens.
    """
    y, body = 0, []
    for bar in drawing.bars:
        body.append(_text(0, y + 14, bar.sentence[0].upper() + bar.sentence[1:]))
        body += _bar(bar, drawing.longest, y + _LINE, identity)
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
        f"<title id={quoteattr(identity + '-words')}>{words}</title>"
        f"<defs>{''.join(_pattern(part, identity) for part in Part)}</defs>{''.join(body)}</svg>"
    )


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


def _bar(bar: Bar, longest: ByteRate, y: float, identity: str) -> Iterator[str]:
    x = 0.0
    for piece in bar.pieces:
        width = max(_SLIVER, WIDTH * (piece.length / longest))
        yield from _piece(piece, x, y, width, identity)
        x += width


def _piece(piece: Piece, x: float, y: float, width: float, identity: str) -> Iterator[str]:
    style = piece.part.value
    title = f"<title>{escape(style.label)}</title>"
    if piece.part is Part.MISSING:
        yield (
            f'<rect x="{x + 1:.1f}" y="{y + 1}" width="{max(0.5, width - 2):.1f}" height="{_BAR_HEIGHT - 2}" '
            f'fill="none" stroke="{style.colour}" stroke-width="2" stroke-dasharray="5 3">{title}</rect>'
        )
    else:
        certain = width * (piece.certain / piece.length)
        yield _rect(x, y, certain, style.colour, title)
        yield _rect(x + certain, y, width - certain, f"url(#{_hatching(piece.part, identity)})", title)
    name = style.short if width > len(style.short) * _CHARACTER + 12 else style.letter
    if width > len(name) * _CHARACTER + 8:
        is_plain = piece.part is Part.MISSING
        colour = "currentColor" if is_plain else "#10151d" if style.has_dark_text else "#ffffff"
        # A halo keeps the name legible on the hatching.
        halo = "" if is_plain else f' stroke="{style.colour}" stroke-width="5" paint-order="stroke"'
        yield f'<text x="{x + 6:.1f}" y="{y + 17}" fill="{colour}"{halo}>{escape(name)}</text>'


def _rect(x: float, y: float, width: float, fill: str, title: str) -> str:
    if width < 0.05:
        return ""
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR_HEIGHT}" fill="{fill}">{title}</rect>'
    )


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
