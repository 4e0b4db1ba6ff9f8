"""enigap itself, as it is deployed: `python -m bench.contenders.enigap CLUSTER EVIDENCE`, run in .venv."""

import json
import sys
import time
from datetime import UTC, datetime

from enigap.aws.clients import Aws
from enigap.aws.discovery import discover
from enigap.aws.placement import Wanted
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import Window
from enigap.gc_pause import collect_seldom
from enigap.settings import Settings
from enigap.wiring import assess_found


class Stopwatch:
    """Measures wall and CPU seconds of each stage."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def lap(self, stage: str) -> None:
        wall, cpu = time.monotonic(), time.process_time()
        self.stages[stage] = {"wall_seconds": wall - self._wall, "cpu_seconds": cpu - self._cpu}
        self._wall, self._cpu = wall, cpu


def main(cluster: str, evidence: str) -> None:
    """Discover the nodes of a cluster, read both sides and the devices of this policy, and judge them."""
    collect_seldom()
    watch = Stopwatch()
    settings, aws = Settings(evidence=EvidencePolicy(evidence)), Aws()
    window = Window.newest_settled(datetime.now(UTC), settings.settle)
    found = discover(aws.client("ec2"), aws.client("cloudwatch"), Wanted(clusters=(cluster,)))
    watch.lap("discover")
    report = assess_found(aws, settings, found.clusters[0], window)
    watch.lap("fetch to verdict")
    verdicts = {verdict.value: count for verdict, count in report.verdicts.items()}
    json.dump({"nodes": len(report.nodes), "verdicts": verdicts, "stages": watch.stages}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
