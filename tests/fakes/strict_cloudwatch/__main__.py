"""Serve a fleet: `python -m tests.fakes.strict_cloudwatch --port 0 --nodes 1000 --latency-ms 100`.

Prints the port on the first line and serves until it is interrupted or terminated.
"""

import argparse
import signal
import sys
from datetime import UTC, datetime

from tests.fakes.strict_cloudwatch.cloudwatch import StrictCloudWatch
from tests.fakes.strict_cloudwatch.fleet import DepartedNodes, SyntheticFleet
from tests.fakes.strict_cloudwatch.server import serve


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    at: datetime | None = options.at
    fake = StrictCloudWatch(at or (lambda: datetime.now(UTC)), keep_requests=0)
    until = at or datetime.now(UTC)
    fake.add_source(
        SyntheticFleet(options.nodes, until=until, minutes=options.minutes, cluster=options.cluster)
    )
    fake.add_source(DepartedNodes(options.gone, until=until, cluster=options.cluster))
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before the server's threads start, which inherit it
    with serve(fake, port=options.port, latency_seconds=options.latency_ms / 1000) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        signal.sigwait(stop)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("strict_cloudwatch", description="Serve a fleet's CloudWatch metrics.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1, 0 for a free one")
    parser.add_argument("--nodes", type=int, default=100, help="nodes in the fleet")
    parser.add_argument("--gone", type=int, default=0, help="nodes of the last two weeks that are gone")
    parser.add_argument("--minutes", type=int, default=40, help="minutes of data per node")
    parser.add_argument("--cluster", default="prod", help="ClusterName of the fleet")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="milliseconds before every answer")
    parser.add_argument(
        "--at",
        type=_instant,
        default=None,
        help="ISO 8601 instant where the data ends and the clock stands still; default: now, and it runs",
    )
    return parser.parse_args(arguments)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
