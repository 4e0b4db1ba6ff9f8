"""The lower bound: sign, send, receive and parse the same bytes with the fastest libraries, nothing else.

`python -m bench.contenders.floor NODES`, run in .venv-bench. Building the requests is not timed.
"""

import json
import os
import sys
import time

import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.fleet import calls, span

HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData",
}


def main(nodes: int) -> None:
    """Query so many nodes, sequentially."""
    url = os.environ["AWS_ENDPOINT_URL_CLOUDWATCH"]
    signer = SigV4Auth(Credentials("testing", "testing"), "monitoring", os.environ["AWS_DEFAULT_REGION"])
    pool = urllib3.PoolManager()
    start, end = (instant.timestamp() for instant in span())
    wall = cpu = 0.0
    results = 0
    for queries in calls(nodes):
        body = orjson.dumps({"MetricDataQueries": queries, "StartTime": start, "EndTime": end})
        wall, cpu = wall - time.monotonic(), cpu - time.process_time()
        request = AWSRequest("POST", url, HEADERS, body)
        signer.add_auth(request)
        answer = pool.request("POST", url, body=body, headers=dict(request.headers))
        results += len(orjson.loads(answer.data)["MetricDataResults"])
        wall, cpu = wall + time.monotonic(), cpu + time.process_time()
    if results != 4 * nodes:
        sys.exit(f"{results} results instead of {4 * nodes}: {answer.data[:200]!r}")
    stages = {"sign, send, parse": {"wall_seconds": wall, "cpu_seconds": cpu}}
    json.dump({"nodes": nodes, "stages": stages}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
