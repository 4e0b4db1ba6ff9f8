"""A strict CloudWatch for tests and benchmarks: it refuses what AWS refuses and never guesses.

    fake = StrictCloudWatch(now=datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
    fake.load(metric("AWS/EC2", "NetworkIn", InstanceId="i-1"), first=..., values=[...], unit="Bytes")
    fake.faults.throttle("GetMetricData", times=2)
    client = client_of(fake)                            # boto3 in process, no socket
    with serve(fake, latency_seconds=0.1) as server:    # or HTTP behind AWS_ENDPOINT_URL=server.url
        ...
    assert fake.counters.billed_metrics == 3

What it models, and where that is known from:

* botocore's service model of CloudWatch (1.44): awsJson1.0 with query-compatible errors, the shapes and
  error codes, 500 queries and the pattern of their ids, 150 values, 30 dimensions and 10 dimension filters,
  values within 2^360, datum timestamps from two weeks ago to two hours ahead, 1,000 datums and 1 MB per
  PutMetricData (the MB counted after decompression), StartTime rounded down and inclusive, EndTime
  exclusive, the periods that still have data after 15 and 63 days, retention, 100,800 datapoints per
  answer (1,440 of GetMetricStatistics, and in no order), newest datapoints first, units that are never
  converted, 500 listed metrics per page, the two weeks that ListMetrics remembers a metric and its
  three-hour option, alarms' initial state and limits.
* The CloudWatch quota page (September 2026): that the datapoint quota counts estimated points, range over
  period.
* AWS's price list: GetMetricData bills metrics, up to five statistics of one in a call as one.
* The CloudWatch User Guide: how alarms treat missing data (see `alarms`).
* Error messages that AWS is on public record with; where there is none the wording is this fake's own.

Chosen where nothing is documented: buckets of a period lie on whole multiples of it since the epoch, also
when StartTime does not, and then the first bucket holds only what lies at or after StartTime; datapoints
are dealt out over pages query by query; the default label is the metric's name; a token counts only for the
request it was issued for.

What it does not model: expressions, percentiles, periods under a minute, dynamic labels, entities, other
accounts, and alarms of a kind that this project does not deploy are refused in words that say so. The delays
before data can be read or listed, throttling by rate (script it with `faults`), IAM, signatures and prices
in money are left out.
"""

from tests.fakes.strict_cloudwatch.alarms import Alarm, AlarmBook, Transition
from tests.fakes.strict_cloudwatch.cloudwatch import StrictCloudWatch
from tests.fakes.strict_cloudwatch.counters import Counters
from tests.fakes.strict_cloudwatch.faults import ALWAYS, ANY, FaultScript, matching
from tests.fakes.strict_cloudwatch.fleet import NodeRates, SyntheticFleet
from tests.fakes.strict_cloudwatch.in_process import attach, client_of
from tests.fakes.strict_cloudwatch.protocol import Answer, AwsError, Request
from tests.fakes.strict_cloudwatch.queries import datum, metric_of, query
from tests.fakes.strict_cloudwatch.server import CloudWatchServer, serve
from tests.fakes.strict_cloudwatch.store import (
    MetricIdentity,
    Points,
    SeriesSource,
    StatisticSet,
    metric,
    regular_seconds,
)

__all__ = [
    "ALWAYS",
    "ANY",
    "Alarm",
    "AlarmBook",
    "Answer",
    "AwsError",
    "CloudWatchServer",
    "Counters",
    "FaultScript",
    "MetricIdentity",
    "NodeRates",
    "Points",
    "Request",
    "SeriesSource",
    "StatisticSet",
    "StrictCloudWatch",
    "SyntheticFleet",
    "Transition",
    "attach",
    "client_of",
    "datum",
    "matching",
    "metric",
    "metric_of",
    "query",
    "regular_seconds",
    "serve",
]
