"""boto3's GetMetricData untuned: `python -m bench.contenders.metric_data NODES`, run in .venv-bench."""

import json
import sys

import boto3

from bench.fleet import calls, span


def main(nodes: int) -> None:
    """Query so many nodes, 500 queries a call, sequentially, and keep the answers."""
    cloudwatch = boto3.client("cloudwatch")
    start, end = span()
    datapoints = 0
    for queries in calls(nodes):
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=start, EndTime=end
        )
        datapoints += sum(len(result["Values"]) for page in pages for result in page["MetricDataResults"])
    if not datapoints:
        sys.exit("No datapoints: the server has another fleet.")
    json.dump({"nodes": nodes}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
