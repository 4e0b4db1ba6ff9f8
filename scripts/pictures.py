"""Makes the pictures of README.md and docs/ from the recordings: `.venv/bin/python -m scripts.pictures`.

Each is there for light and for dark pages. Drawings are SVG of their own markup, without fonts or anything
else from elsewhere; what a browser shows is photographed by this machine's Chromium. `made_from.json` has a
digest of what each picture was made from, by which a test tells that one is out of date.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar
from xml.sax.saxutils import escape

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from demo.recorded import RecordedNode, hold_constant, recorded_nodes
from demo.slack import MARKUP
from enigap.cli import explain
from enigap.cli.chart import Course, course_of, spec_of
from enigap.cli.drawing import drawing_of
from enigap.cli.page import Contents, page
from enigap.cli.svg import WIDTH, svg_of
from enigap.core.console import home
from enigap.core.counting.reading import Readings
from enigap.core.counting.window import PERIOD, FetchSpan
from enigap.core.incidents.incident import Incident, News, NewsKind, NewsReason
from enigap.core.judging.verdict import Judgement
from enigap.core.messages import notification_document, slack_message
from enigap.core.messages.words import words_for
from enigap.settings import Settings
from scripts.readme import CONTENDERS, ROOT, SHOWN, judged, runs_compared, show_check

PICTURES: Final = ROOT / "docs" / "pictures"
MADE_FROM: Final = PICTURES / "made_from.json"

T = TypeVar("T")

_REGION, _ACCOUNT = "eu-west-1", "123456789012"
_FAULTY, _BEFORE, _HEALTHY = "g1", "c", "e"
_HOURS: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture looks on a light or on a dark page."""

    name: str
    text: str
    bar: str
    terminal: TerminalTheme


# Black, red, green, yellow, blue, magenta, cyan, white: legible on each background.
_ON_LIGHT: Final = "24292f b22222 116329 7a4e00 0950ae 8250df 1b7c83 57606a"
_ON_DARK: Final = "484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4"


def _theme(background: str, text: str, colours: str) -> TerminalTheme:
    def rgb(colour: str) -> tuple[int, int, int]:
        red, green, blue = bytes.fromhex(colour)
        return red, green, blue

    return TerminalTheme(rgb(background), rgb(text), [rgb(each) for each in colours.split()])


LOOKS: Final = (
    Look("light", "#1f2328", "#0072b2", _theme("f6f8fa", "1f2328", _ON_LIGHT)),
    Look("dark", "#e6edf3", "#56b4e9", _theme("0d1117", "e6edf3", _ON_DARK)),
)


@dataclass(frozen=True, slots=True)
class Photograph:
    """A page for the browser to photograph."""

    html: str
    size: tuple[int, int]
    scale: float
    made_from: str
    """What the page follows from, if its own text also depends on the machine, by its fonts."""


# --- the recordings, judged


@cache
def _cluster() -> Mapping[str, Judgement]:
    report = judged(*SHOWN, _HEALTHY)
    return dict(zip((*SHOWN, _HEALTHY), (node.newest for node in report.nodes), strict=True))


# --- where the bytes were counted


def split(look: Look) -> str:
    """A healthy node and a faulty one, each with its two bars."""
    healthy, faulty = _cluster()[_HEALTHY], _cluster()[_FAULTY]
    times = _known(healthy.os) / _known(healthy.eni)
    words = _known(words_for(faulty.verdict, faulty.cause, faulty.alternative_cause))
    panels = (
        (
            faulty,
            f"A faulty node: at least {_known(faulty.unexplained).rounded_down} were carried and not counted",
            [
                f"{faulty.node.name}: {faulty.verdict.value}. Likely: {words.likely}.",
                f"Next: {words.next_step.replace('`', '')}",
            ],
        ),
        (
            healthy,
            f"A healthy node: the OS counted {times:.1f} times what was carried, and counting explains it",
            [f"{healthy.node.name}: {healthy.verdict.value}. No message is sent."],
        ),
    )
    body, y = [], 0
    for judgement, title, lines in panels:
        body.append(f'<text y="{y + 18}" font-size="17" font-weight="bold">{escape(title)}</text>')
        y += 26
        for said in (each for line in lines for each in textwrap.wrap(line, 125)):
            body.append(f'<text y="{y + 14}" font-size="14">{escape(said)}</text>')
            y += 20
        inner = svg_of(_known(drawing_of(judgement)), judgement.node.name or "")
        [height] = re.findall(rf'viewBox="0 0 {WIDTH} (\d+)"', inner)
        body.append(inner.replace("<svg ", f'<svg y="{y + 8}" width="{WIDTH}" height="{height}" ', 1))
        y += int(height) + 32
    return _svg(look, y - 24, "".join(body))


def _known(value: T | None) -> T:
    if value is None:
        raise ValueError("The recordings no longer have what this picture shows: choose other ones here.")
    return value


def _svg(look: Look, height: int, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" color="{look.text}" '
        f'fill="currentColor" font-family="system-ui, sans-serif" font-size="14">{body}</svg>\n'
    )


# --- the terminal

_TERMINAL: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono",
 monospace; font-size: {char_height}px; line-height: {line_height}px }}
.{unique_id}-title {{ font-size: 18px; font-family: system-ui, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def _terminal(look: Look, columns: int, command: str, show: Callable[[Console], None]) -> str:
    screen = Console(
        record=True,
        width=columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    show(screen)
    return screen.export_svg(
        title=command, theme=look.terminal, code_format=_TERMINAL, unique_id=f"enigap-{look.name}"
    )


def check(look: Look) -> str:
    """`enigap check` on a terminal."""
    return _terminal(look, 110, "enigap check", show_check)


def one_node(look: Look) -> str:
    """`enigap explain` on a terminal, about the node that is unexplained."""
    judgement = _cluster()[_FAULTY]
    command = f"enigap explain {judgement.node.instance_id}"
    return _terminal(look, 110, command, lambda screen: explain.show(screen, _REGION, judgement))


# --- what was measured


def speed(look: Look) -> str:
    """The time of enigap and of the alternatives, as bars."""
    compared = runs_compared()
    longest = max(run["wall_seconds"] for run in compared.values())
    body = [
        '<text y="16" font-weight="bold">Seconds for 500 nodes, with 100 ms a call (less is better)</text>'
    ]
    y = 34
    for name, what in CONTENDERS.items():
        seconds = compared[name]["wall_seconds"]
        width = 520 * seconds / longest
        weight, colour = (' font-weight="bold"', look.bar) if name.startswith("enigap") else ("", "#8c959f")
        body += [
            f'<text x="360" y="{y + 16}" text-anchor="end"{weight}>{escape(what.replace("`", ""))}</text>',
            f'<rect x="372" y="{y}" width="{width:.1f}" height="22" fill="{colour}"/>',
            f'<text x="{380 + width:.1f}" y="{y + 16}"{weight}>{seconds:.1f} s</text>',
        ]
        y += 32
    return _svg(look, y, "".join(body))


# --- in the browser


def slack() -> Photograph:
    """The message about the node that is unexplained, about as Slack draws it."""
    judgement = _cluster()[_FAULTY]
    incident = Incident(
        id=f"demo/{judgement.node.instance_id}/{judgement.verdict.value}",
        verdict=judgement.verdict.value,
        cause=judgement.cause,
        since=judgement.since or judgement.window.start,
        node_count=1,
        nodes=(judgement.figures,),
        members=None,
        alternative_cause=judgement.alternative_cause,
    )
    document = notification_document(
        [News(NewsKind.OPENED, NewsReason.CONFIRMED, incident, judgement.window)],
        account=_ACCOUNT,
        region=_REGION,
        cluster="demo",
        dashboard_url=f"{home(_REGION, 'cloudwatch')}#dashboards/dashboard/enigap",
        runbook_url=None,
        settle=Settings().settle,
    )
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    html = pages.get_template("slack.html.jinja").render(
        blocks=slack_message(json.dumps(document))["blocks"], parts=_parts
    )
    return Photograph(html, (760, 200), 1.25, html)


def _parts(text: str) -> Iterator[Mapping[str, Any]]:
    """The parts of a line of Slack's `mrkdwn`."""
    end = 0
    for found in MARKUP.finditer(text):
        yield _part(text[end : found.start()])
        said = found["label"] or found["bold"] or found["code"]
        yield _part(said, url=found["url"], is_bold=found["bold"], is_code=found["code"])
        end = found.end()
    yield _part(text[end:])


def _part(text: str, **kind: Any) -> Mapping[str, Any]:
    return {"text": text, "url": None, "is_bold": None, "is_code": None, **kind}


def report() -> Photograph:
    """The page of `enigap report` about the same nodes."""
    cluster = judged(*SHOWN)
    judgement = _cluster()[_FAULTY]
    settings = Settings()
    contents = Contents(
        region=_REGION,
        account=_ACCOUNT,
        reports=[cluster],
        settings=settings,
        written=cluster.window.end + settings.settle,
        charted=_HOURS,
        has_console=True,
    )
    course = _course(judgement)
    spec = spec_of(course, cluster.window, settings.rules().max_counts_per_byte)
    courses = {judgement.node.instance_id: course}
    # The size of a chart's text is that of the machine's fonts.
    made_from = page(contents) + json.dumps(spec)
    return Photograph(page(replace(contents, courses=courses)), (1100, 1215), 0.8, made_from)


def _course(judgement: Judgement) -> Course:
    """Both sides over hours: well, until the trouble began."""
    end = judgement.window.end
    span = FetchSpan(end - _HOURS - PERIOD, end + PERIOD)
    recorded = {node.key: node for node in recorded_nodes()}
    well, ill = (_readings(recorded[key], span) for key in (_BEFORE, _FAULTY))
    share = (_known(judgement.since) - span.start) / (span.end - span.start)

    def spliced(
        before: tuple[float | None, ...], after: tuple[float | None, ...]
    ) -> tuple[float | None, ...]:
        return (*before[: round(share * len(before))], *after[round(share * len(before)) :])

    readings = Readings(
        span,
        spliced(well.os_bytes_per_second, ill.os_bytes_per_second),
        spliced(well.network_in_bytes, ill.network_in_bytes),
        spliced(well.network_out_bytes, ill.network_out_bytes),
        spliced(well.network_in_samples, ill.network_in_samples),
    )
    return course_of(readings, end - _HOURS, end)


def _readings(node: RecordedNode, span: FetchSpan) -> Readings:
    return hold_constant(node, span)[0]


# --- made


DRAWN: Final[Mapping[str, Callable[[Look], str]]] = {
    "split": split,
    "check": check,
    "explain": one_node,
    "speed": speed,
}
PHOTOGRAPHED: Final[Mapping[str, Callable[[], Photograph]]] = {"slack": slack, "report": report}


def made_from() -> dict[str, str]:
    """By the name of each file: the digest of what it is made from."""
    drawn = {f"{name}-{look.name}.svg": draw(look) for name, draw in DRAWN.items() for look in LOOKS}
    taken = {name: take() for name, take in PHOTOGRAPHED.items()}
    photographed = {
        f"{name}-{look.name}.png": f"{each.size} {look.name} {each.made_from}"
        for name, each in taken.items()
        for look in LOOKS
    }
    return {name: digest(text.encode()) for name, text in sorted({**drawn, **photographed}.items())}


def digest(content: bytes) -> str:
    """The SHA-256 of what a picture is made from, or of the picture."""
    return hashlib.sha256(content).hexdigest()


def make() -> None:
    """Draw and photograph all of them."""
    PICTURES.mkdir(exist_ok=True)
    for name, draw in DRAWN.items():
        for look in LOOKS:
            (PICTURES / f"{name}-{look.name}.svg").write_text(draw(look), encoding="utf-8")
    _photograph({name: take() for name, take in PHOTOGRAPHED.items()})
    sources = made_from()
    made = {
        name: {"made_from": source, "picture": digest((PICTURES / name).read_bytes())}
        for name, source in sources.items()
    }
    MADE_FROM.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


def _photograph(pages: Mapping[str, Photograph]) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit(
            "There is no Chromium: install one, such as Debian's package chromium, to make the pictures."
        )
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        # Chromium's sandbox does not start for root.
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False)
        for name, each in pages.items():
            file = Path(folder) / f"{name}.html"
            file.write_text(each.html, encoding="utf-8")
            width, height = each.size
            for look in LOOKS:
                window = browser.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme="dark" if look.name == "dark" else "light",
                    device_scale_factor=each.scale,
                )
                window.goto(file.as_uri())
                window.screenshot(path=PICTURES / f"{name}-{look.name}.png", full_page=name == "slack")
                window.close()
        browser.close()


if __name__ == "__main__":
    make()
