"""`make lab`: real traffic, judged by the deployed pipeline and held against the counting model."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo.embedded_aws import EmbeddedAwsError
from enigap.cli.bars import SplitBars
from enigap.cli.drawing import drawing_of
from enigap.cli.main import run as run_command
from enigap.cli.screen import Screen
from enigap.core.judging.verdict import Judgement
from enigap.core.messages.talkers import talkers
from lab.cloudwatch import MINUTES, LabRun
from lab.compare import claims, parts, traffic_of, window_of
from lab.isolation import Isolated, why_not
from lab.judged import deployed, judged_here, newest_window
from lab.network import LabError
from lab.recording import slimmed
from lab.scenarios import SCENARIOS, Scenario

AT_A_TIME: Final = 3
_LONGEST_SECONDS: Final = 60.0
"""A scenario takes about 25."""

Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: everything came out as the model and the recordings say. 1: something did not."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended by a signal."))
    screen = Screen()
    if problem := why_not():
        raise LabError(problem)
    scenarios = [SCENARIOS[name] for name in asked.scenarios or SCENARIOS]
    screen.print(
        Text(
            f"{len(scenarios)} scenarios, {AT_A_TIME} at a time: each a node, pods and a remote host out of "
            f"network namespaces, with real traffic for {MINUTES} seconds. A second here is a minute for "
            "CloudWatch.\n"
        )
    )
    window = newest_window()
    with ExitStack() as stack:
        there = None
        if not asked.in_process:
            with _step(screen, "Deploying the stack on an embedded AWS") as say:
                there = stack.enter_context(deployed(say))
        with _step(screen, "Sending traffic and reading the counters") as say:
            recordings = record(scenarios, say)
        runs = {name: LabRun(recording, window) for name, recording in recordings.items()}
        judged: Mapping[str, Mapping[str, Any]] = {}
        if there is not None:
            with _step(screen, "Judging them by the deployed pipeline"):
                judged = there.judged(runs, window)
    held = [_shown(screen, each, runs[each.name], judged.get(each.name)) for each in scenarios]
    if asked.record:
        _kept(screen, recordings, asked.record)
    screen.print(Text(f"\n{sum(held)} of {len(held)} scenarios came out as the counting model says.", "bold"))
    return 0 if all(held) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", choices=[[], *SCENARIOS], metavar="SCENARIO", help=", ".join(SCENARIOS)
    )
    parser.add_argument("--in-process", action="store_true", help="judge without an embedded AWS")
    parser.add_argument("--record", type=Path, metavar="DIRECTORY", help="keep each run as a recording")
    return parser


@contextmanager
def _step(screen: Screen, text: str) -> Iterator[Say]:
    started = time.monotonic()
    with screen.status(Text(text)) as status:
        yield lambda detail: status.update(Text(f"{text}: {detail[:60]}"))
    screen.print(Text.assemble((text, "bold"), (f"  {time.monotonic() - started:.0f} s", "dim")))


def record(scenarios: Sequence[Scenario], say: Say) -> dict[str, dict[str, Any]]:
    """Play the scenarios, some at a time; each one's recording by its name. Raises LabError."""
    done = 0

    def played(scenario: Scenario, folder: str) -> dict[str, Any]:
        nonlocal done
        file = Path(folder) / f"{scenario.name}.json"
        run = Isolated("lab.traffic", scenario.name, str(MINUTES), str(file))
        running.append(run)
        if is_ended.is_set():
            run.kill()
        run.wait(_LONGEST_SECONDS)
        done += 1
        say(f"{done} of {len(scenarios)} done, {scenario.name}")
        recording: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return recording

    running: list[Isolated] = []
    is_ended = Event()
    with tempfile.TemporaryDirectory(prefix="enigap-lab-") as folder, ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            made = pool.map(lambda scenario: played(scenario, folder), scenarios)
            return {scenario.name: recording for scenario, recording in zip(scenarios, made, strict=True)}
        finally:
            is_ended.set()  # one may just be starting
            pool.shutdown(wait=False, cancel_futures=True)
            for run in running:
                run.kill()


def _shown(screen: Screen, scenario: Scenario, run: LabRun, there: Mapping[str, Any] | None) -> bool:
    """Print what the model says of a run beside what was counted. Returns whether all of it holds."""
    here = judged_here(scenario.name, run)
    made = list(claims(scenario, traffic_of(run.recording, run.recording["samples"])))
    split = list(parts(scenario, window_of(run), here.split)) if here.split else []
    verdicts = {here.verdict.value, *([there["verdict"]] if there else [])}
    as_expected = verdicts == {scenario.verdict.value}
    screen.print(Text(f"\n{scenario.name}", "bold"), Text(scenario.title))
    for remark in (scenario.breaks_the_model, scenario.stand_in):
        if remark:
            screen.print(Padding(Text(f"({remark})", "dim"), (0, 0, 0, 2)))
    screen.print(Padding(_claims_table(made), (0, 0, 0, 2)))
    if drawing := drawing_of(here):
        screen.print(Padding(SplitBars(drawing), (0, 0, 0, 2)))
    if said := talkers(here.evidence, most=3):
        screen.print(Padding(Text(f"who: {'; '.join(said)}"), (0, 0, 0, 2)))
    for part in split:
        if not part.holds:
            screen.print(f"  {part.name}: really {part.true}, not within {part.span.low} to {part.span.high}")
    who = "the deployed pipeline" if there else "the code of the functions"
    screen.print(Padding(_verdict(scenario, here, who, as_expected=as_expected), (0, 0, 0, 2)))
    return as_expected and all(claim.holds for claim in made) and all(part.holds for part in split)


def _verdict(scenario: Scenario, here: Judgement, who: str, *, as_expected: bool) -> Text:
    said = Text(f"{here.verdict.value}, says {who}: {here.reason}")
    if not as_expected:
        said.append(f" Expected: {scenario.verdict.value}.", "bold")
    return said


def _claims_table(made: Sequence[Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("the model says")
    for name in ("predicted, bytes", "counted, bytes", "apart, bytes"):
        table.add_column(name, justify="right")
    table.add_column("")
    for claim in made:
        table.add_row(
            claim.says,
            f"{claim.predicted:,}",
            f"{claim.counted:,}",
            f"{claim.counted - claim.predicted:,}",
            "holds" if claim.holds else "DOES NOT HOLD",
        )
    return table


def _kept(screen: Screen, recordings: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, recording in recordings.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(slimmed(recording), indent=1) + "\n", encoding="utf-8")
        screen.print(Text(f"Recorded {file}"))


if __name__ == "__main__":
    run_command(main, (EmbeddedAwsError, LabError))
