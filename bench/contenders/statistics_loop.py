"""The naive script: GetMetricStatistics for each metric of each node, sequentially.

`python -m bench.contenders.statistics_loop NODES`, run in .venv-bench.
"""

import json
import sys

import boto3

from bench.fleet import metrics_of, span


def main(nodes: int) -> None:
    """Query so many nodes, three calls each, and keep the answers."""
    cloudwatch = boto3.client("cloudwatch")
    start, end = span()
    datapoints = 0
    for index in range(nodes):
        for namespace, name, dimensions, period, statistic in metrics_of(index):
            if statistic == "SampleCount":
                continue  # the call for the sum returns it, too
            statistics = ["Sum", "SampleCount"] if name == "NetworkIn" else [statistic]
            answer = cloudwatch.get_metric_statistics(
                Namespace=namespace,
                MetricName=name,
                Dimensions=dimensions,
                Period=period,
                Statistics=statistics,
                StartTime=start,
                EndTime=end,
            )
            datapoints += len(answer["Datapoints"])
    if not datapoints:
        sys.exit("No datapoints: the server has another fleet.")
    json.dump({"nodes": nodes}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
