"""Logs that a node's role may write: none fails a run, fills the memory, is quoted, or costs another node."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import pytest

from tests.aws.worlds import milliseconds
from tests.fakes.pipeline_ports import CLUSTER, window
from tests.reliability.behaviours import PODS, nic_moved_into_a_pod
from tests.reliability.figures import Figures
from tests.reliability.fleet import worker
from tests.reliability.world import World

FORGER: Final = "i-2"
MOST_MEGABYTES: Final = 300
"""By which a run's forged log may raise the memory of the process."""
ADDRESS: Final = "evil.example"
SENTENCES: Final = (
    f"Your account is suspended: sign in at https://{ADDRESS}/login",
    f"<https://{ADDRESS}|click here>",
    f"<!channel> see https://{ADDRESS}",
    f"eth0\n\nhttps://{ADDRESS}",
    f"\u202e{ADDRESS}\u0000\x1b[31m",
    f"\ud800{ADDRESS}",
    f"*{ADDRESS}*\r\n@here",
)


def event(at: datetime, device: Any = "eth0", rate: Any = 1e9, **more: Any) -> str:
    """An event of the forger's own devices, as the agent writes it."""
    document = {
        "Type": "NodeNet",
        "InstanceId": FORGER,
        "ClusterName": CLUSTER,
        "Timestamp": str(milliseconds(at)),
        "interface": device,
        "node_interface_network_rx_bytes": rate,
        "node_interface_network_tx_bytes": rate,
    }
    return json.dumps(document | more)


def pod(at: datetime, namespace: str, name: str) -> str:
    about = {"namespace_name": namespace, "pod_name": name}
    return event(at, PODS[0], Type="PodNet", kubernetes=about)


Forgery = Callable[[datetime], list[str]]
"""What stands in the stream of the forger, by the end of the window."""


def _minutes(end: datetime, count: int = 15) -> list[datetime]:
    return [end - timedelta(minutes=number, seconds=30) for number in range(count)]


TIMES: Final[tuple[Any, ...]] = (0, -1, 10**18, "9" * 15, "9" * 5_000, 1.5, None, [])
FORGERIES: Final[dict[str, Forgery]] = {
    "100,000 short events": lambda _: ["{}"] * 100_000,
    "3,000 devices": lambda end: [event(end, f"veth{number}") for number in range(3_000)],
    "100 devices that mirror each other": lambda end: [
        event(at, f"lxc{number:x}", 1e6 + number // 2) for at in _minutes(end) for number in range(100)
    ],
    "one event 3,000 times": lambda end: [event(end)] * 3_000,
    "names of 250 kB": lambda end: [event(end, kind * 250_000) for kind in ("a", "br-a", "vxlan1", "\u00e9")],
    "sentences for names": lambda end: [
        each
        for at in _minutes(end)
        for text in SENTENCES
        for each in (event(at, text), pod(at, text, text), event(at, "eth0", InstanceId=text), text)
    ],
    "sentences for everything": lambda end: [
        event(at, text, text, Timestamp=text, ClusterName=text, NodeName=text)
        for at in _minutes(end)
        for text in SENTENCES
    ],
    "nested deeply": lambda _: [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"Type": "NodeNet", "_aws": ' + "[" * 50_000,
    ],
    "numbers that are none": lambda end: [
        event(at, device, rate)
        for at in _minutes(end)
        for device in ("eth0", "eth1", PODS[0])
        for rate in (float("nan"), float("inf"), -1e300, 1.7e308, "9" * 20, None, [1], True)
    ],
    "numbers without an end": lambda end: [
        event(end, rate="R").replace('"R"', digits)
        for digits in ("9" * 100_000, "1e999999999", "-0.0e-999999")
    ],
    "times that are none": lambda end: [event(end, Timestamp=stamp) for stamp in TIMES],
    "in another node's name": lambda end: [
        event(at, device, 9e9, InstanceId="i-1") for at in _minutes(end, 60) for device in ("eth0", "eth1")
    ],
}


@cache
def in_trouble() -> World:
    """After the window in which the incident of i-1 opened; the forger is in trouble from window 4 on."""
    world = World(worker("i-1"), worker(FORGER), worker("i-3"))
    world.during(2, 30, "i-1", nic_moved_into_a_pod)
    world.during(4, 30, FORGER, nic_moved_into_a_pod)
    world.tells(windows=5)
    assert world.open
    return world


def after(forgery: Forgery) -> World:
    """The world after two windows in which this stands in the forger's stream."""
    world = in_trouble().copy()
    [stream] = [str(each.node.node_name) for each in world.fleet.called(FORGER)]

    def forged(answer: Any) -> Any:
        messages = forgery(window(number).end)
        return answer | {
            "events": [*answer["events"], *({"logStreamName": stream, "message": each} for each in messages)]
        }

    world.process.spoilt["logs.filter_log_events"] = forged
    for number in (5, 6):
        world.quarter(number)
    return world


@cache
def honest() -> World:
    """The world after the same windows with nothing forged."""
    return after(lambda _: [])


def others(world: World) -> list[Any]:
    """What the nodes that forge nothing come to."""
    return [
        (report.newest.node.instance_id, report.newest.verdict, str(report.newest.reason))
        for number in (5, 6)
        for report in world.reports[window(number)].nodes
        if report.newest.node.instance_id != FORGER
    ]


def megabytes() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_log_is_counted_and_nothing_else(name: str, figures: Figures) -> None:
    unspoilt, before = honest(), megabytes()
    world = after(FORGERIES[name])
    grown = megabytes() - before
    assert world.problems == []
    assert grown < MOST_MEGABYTES
    assert others(world) == others(unspoilt)
    told = json.dumps([each.by_protocol for each in world.topic.published], ensure_ascii=False)
    logged = repr(
        [(report.finding, report.findings, report.notes, report.nodes) for report in world.reports.values()]
    )
    assert world.open.keys() >= {"i-1/os_deficit"}
    for text in (told, logged, world.table.items[f"cluster#{CLUSTER}"]["state"]["S"]):
        assert ADDRESS not in text
        assert "<!channel>" not in text
    figures.forged_logs += 1
    figures.events_of_forged_logs += len(FORGERIES[name](window(6).end))
    figures.most_megabytes_of_a_forged_log = max(figures.most_megabytes_of_a_forged_log, int(grown))
