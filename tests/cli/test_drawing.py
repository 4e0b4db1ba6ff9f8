"""The drawing of a split: where each byte was counted, as two bars on one scale."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from enigap.cli.bars import SplitBars, widths
from enigap.cli.drawing import Drawing, Part, drawing_of
from enigap.cli.svg import strip, svg_of
from enigap.core.counting.node import Node
from enigap.core.counting.split import Split
from enigap.core.counting.units import NOTHING, ZERO, ByteRate, RateSpan
from enigap.core.counting.window import Window
from enigap.core.judging.verdict import Judgement, Reason, Verdict

WINDOW = Window(datetime(2026, 1, 1, 12, 15, tzinfo=UTC))
SVG = "{http://www.w3.org/2000/svg}"

rates = st.floats(0, 1e11).map(ByteRate)
spans = st.tuples(rates, rates, rates).map(sorted).map(lambda three: RateSpan(*three))


def mb(low: float, likely: float, high: float) -> RateSpan:
    return RateSpan(ByteRate(low * 1e6), ByteRate(likely * 1e6), ByteRate(high * 1e6))


def judged(split: Split | None, os: ByteRate | None, eni: ByteRate | None) -> Judgement:
    return Judgement(
        Node("prod", "i-1", "node-1"), WINDOW, Verdict.AGREE, Reason("seen"), os=os, eni=eni, split=split
    )


@st.composite
def judgements(draw: st.DrawFn) -> Judgement:
    """The split of an explained or an excessive window, or of one in which the OS lacks bytes."""
    host, pods, again, inside, inside_again = (draw(spans) for _ in range(5))
    off_node = host.middle + pods.middle
    if draw(st.booleans()):
        amount = draw(rates)
        gap = RateSpan(amount, amount, amount)
    else:
        amount = off_node * draw(st.floats(0, 1))
        gap = RateSpan(ZERO - amount, ZERO - amount, ZERO - amount)
    split = Split(host, pods, again, inside, inside_again, gap)
    return judged(split, max(ZERO, split.likely_total), off_node)


MIX = judged(
    Split(mb(0, 11.8, 29.4), mb(0, 17.6, 29.4), mb(0, 17.6, 40), mb(31, 44.6, 97), mb(10, 35.1, 60)),
    ByteRate(126.7e6),
    ByteRate(29.4e6),
)
LACKING = judged(
    Split(mb(0, 20, 46.8), mb(0, 26.8, 46.8), NOTHING, NOTHING, NOTHING, mb(-44, -42.8, -40)),
    ByteRate(4e6),
    ByteRate(46.8e6),
)


def drawn(judgement: Judgement) -> Drawing:
    drawing = drawing_of(judgement)
    assert drawing is not None
    return drawing


def on_a_terminal(drawing: Drawing, width: int = 80, *, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=width, highlight=False, force_terminal=False).print(SplitBars(drawing))
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


@given(judgements())
def test_the_bars_are_as_long_as_what_each_side_says(judgement: Judgement) -> None:
    drawing = drawing_of(judgement)
    assert judgement.os is not None
    assert judgement.eni is not None
    if drawing is None:
        assert max(judgement.os, judgement.eni) == ZERO
        return
    missing = sum((p.length for p in drawing.os.pieces if p.part is Part.MISSING), ZERO)
    assert (drawing.os.length - missing).bytes_per_second == pytest.approx(
        judgement.os.bytes_per_second, abs=1
    )
    assert drawing.eni.length.bytes_per_second == pytest.approx(judgement.eni.bytes_per_second, abs=1)
    assert all(ZERO <= piece.certain <= piece.length for bar in drawing.bars for piece in bar.pieces)


@given(judgements(), st.integers(20, 160))
def test_no_bar_is_longer_than_its_room(judgement: Judgement, columns: int) -> None:
    if (drawing := drawing_of(judgement)) is not None:
        for bar in drawing.bars:
            each = widths(bar, drawing.longest, columns)
            assert all(width >= 0 for width in each)
            assert sum(each) <= columns


@given(judgements())
def test_the_legend_says_the_figures_of_the_split_and_leaves_none_out(judgement: Judgement) -> None:
    if (drawing := drawing_of(judgement)) is None:
        return
    split = judgement.split
    assert split is not None
    shown = {entry.part: entry.span.middle for entry in drawing.legend if entry.span.middle > ZERO}
    gap = split.unexplained.middle
    assert shown == {
        part: rate
        for part, rate in {
            Part.HOST: split.host_off_node.middle,
            Part.PODS: split.pod_off_node.middle,
            Part.PODS_AGAIN: split.pod_off_node_again.middle,
            Part.INSIDE: split.inside_node.middle,
            Part.INSIDE_AGAIN: split.inside_node_again.middle,
            Part.UNEXPLAINED: gap,
            Part.MISSING: ZERO - gap,
        }.items()
        if rate > ZERO
    }


@pytest.mark.parametrize(
    ("split", "os", "eni"),
    [(None, ByteRate(1.0), ByteRate(1.0)), (MIX.split, None, ByteRate(1.0)), (MIX.split, ZERO, ZERO)],
)
def test_what_was_not_compared_is_not_drawn(
    split: Split | None, os: ByteRate | None, eni: ByteRate | None
) -> None:
    assert drawing_of(judged(split, os, eni)) is None


def test_on_a_terminal_each_part_begins_with_its_letter_and_is_hatched_where_it_is_not_certain() -> None:
    os, eni, *_ = on_a_terminal(drawn(MIX))
    assert os.startswith("OS    127 MB/s  H░░")
    assert [letter for letter in os[16:] if letter not in "█░"] == list("HPpIi")
    assert "I████" in os
    assert eni.startswith("ENI  29.4 MB/s  H░░")
    assert len(eni.rstrip()) < len(os) / 2, "both bars are on one scale"


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_letters_and_strokes_can_be_seen_on_the_colours_of_their_parts_and_what_is_solid_has_none() -> None:
    """What is solid would look empty on its own colour."""
    console = Console(width=80, force_terminal=True, color_system="truecolor")
    lettered = [
        (segment.text, style.color.name, style.bgcolor.name)
        for segment in console.render(SplitBars(drawn(MIX)))
        if (style := segment.style) and style.color and style.bgcolor
    ]
    assert {text[0] for text, _, _ in lettered} <= {part.value.letter for part in Part} | {"░"}
    assert lettered
    for letter, text, ground in lettered:
        darker, lighter = sorted(map(luminance, (text, ground)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, letter


def test_what_the_os_lacks_is_an_outline() -> None:
    lines = on_a_terminal(drawn(LACKING))
    assert "M......" in lines[0]
    assert any("42.8 MB/s" in line and line.startswith("M") for line in lines[2:])


def test_a_terminal_without_blocks_gets_other_characters() -> None:
    lines = on_a_terminal(drawn(MIX), encoding="ascii")
    assert "I####" in lines[0]
    assert "/" in lines[0]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(width: int) -> None:
    lines = on_a_terminal(drawn(MIX), width)
    assert max(map(len, lines)) <= width
    assert all("…" not in line for line in lines)
    assert "44.6 MB/s" in " ".join(lines)


@pytest.mark.parametrize("judgement", [MIX, LACKING])
def test_the_picture_is_well_formed_names_itself_and_needs_nothing_from_elsewhere(
    judgement: Judgement,
) -> None:
    text = svg_of(drawn(judgement), "node-1")
    root = ET.fromstring(text)  # noqa: S314 - the product's own
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == drawn(judgement).in_words
    assert root.get("aria-labelledby") == title.get("id")
    for word in ("http://", "https://"):
        assert text.count(word) == (1 if word == "http://" else 0), "only the namespace"
    assert not {"script", "style", "image", "foreignObject"} & {
        each.tag.removeprefix(SVG) for each in root.iter()
    }


def test_in_the_picture_lengths_are_in_proportion_and_all_figures_are_there() -> None:
    root = ET.fromstring(svg_of(drawn(MIX), "n"))  # noqa: S314 - the product's own
    rects = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert max(percent(rect, "x") + percent(rect, "width") for rect in rects) == pytest.approx(100, abs=0.1)
    of_host = [
        percent(rect, "width")
        for rect in rects
        if (title := rect.find(f"{SVG}title")) is not None and title.text == Part.HOST.value.label
    ]
    assert of_host == pytest.approx([100 * 11.8 / 126.7] * 2, abs=0.02)
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"The OS counted 127 MB/s", "44.6 MB/s", "(31 MB/s to 97 MB/s)"} <= texts


def percent(rect: ET.Element, attribute: str) -> float:
    return float(rect.get(attribute, "").removesuffix("%"))


@given(judgements())
def test_a_pages_strip_ends_where_its_bar_ends(judgement: Judgement) -> None:
    if (drawing := drawing_of(judgement)) is not None:
        for bar in drawing.bars:
            rects = list(ET.fromstring(strip(bar, drawing.longest, is_named=False)).iter("rect"))  # noqa: S314
            end = max((percent(rect, "x") + percent(rect, "width") for rect in rects), default=0.0)
            # A piece that is too short to be seen is drawn all the same.
            assert 100 * (bar.length / drawing.longest) - 0.2 <= end <= 101.6
