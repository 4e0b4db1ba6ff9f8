"""The fake itself: one account's CloudWatch in one region, with a clock of its own."""

import itertools
import math
import threading
from array import array
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from tests.fakes.strict_cloudwatch.alarms import AlarmBook, Transition
from tests.fakes.strict_cloudwatch.counters import Counters
from tests.fakes.strict_cloudwatch.faults import CallFaults, FaultScript, Result, emptied
from tests.fakes.strict_cloudwatch.protocol import (
    Answer,
    AwsError,
    Request,
    decode,
    encode,
    encode_error,
    fingerprint,
    next_token,
)
from tests.fakes.strict_cloudwatch.queries import metric_of
from tests.fakes.strict_cloudwatch.statistics import get_metric_statistics
from tests.fakes.strict_cloudwatch.store import (
    NO_UNIT,
    MetricIdentity,
    Points,
    SeriesSource,
    StatisticSet,
    Store,
    epoch_second,
    regular_seconds,
)
from tests.fakes.strict_cloudwatch.validation import (
    ListMetricsRequest,
    MetricDataRequest,
    Query,
    get_metric_data,
    list_metrics,
    put_metric_data,
)

METRICS_PER_PAGE: Final = 500
STATISTICS_PER_BILLED_METRIC: Final = 5
_LISTINGS_KEPT: Final = 8

Clock = Callable[[], datetime]
_Operation = Callable[[Request, CallFaults], dict[str, Any]]


def do_not_sleep(_: float) -> None:
    """In process, slowness is recorded and nobody waits."""


class StrictCloudWatch:
    """See the package's docstring. `now` is an instant to start from, or a clock to follow."""

    def __init__(
        self,
        now: datetime | Clock,
        *,
        region: str = "eu-west-1",
        account_id: str = "123456789012",
        aws_namespaces_writable: bool = False,
        keep_requests: int = 100,
    ) -> None:
        self.region = region
        self.account_id = account_id
        self.store = Store()
        self.faults = FaultScript()
        self.counters = Counters()
        self.alarms = AlarmBook(self.store)
        self.requests: deque[Request] = deque(maxlen=keep_requests)
        self._clock: Clock = _stopped_at(now) if isinstance(now, datetime) else now
        self._aws_namespaces_writable = aws_namespaces_writable
        self._lock = threading.RLock()
        self._calls_in_flight = 0
        self._request_numbers = itertools.count(1)
        self._listings: OrderedDict[str, list[MetricIdentity]] = OrderedDict()
        self._operations: Mapping[str, _Operation] = {
            "PutMetricData": self._put_metric_data,
            "GetMetricData": self._get_metric_data,
            "GetMetricStatistics": self._get_metric_statistics,
            "ListMetrics": self._list_metrics,
            "PutMetricAlarm": lambda request, _: self.alarms.put(request, self.now),
            "DescribeAlarms": lambda request, _: self.alarms.describe(request),
        }

    # --- the clock ---

    @property
    def now(self) -> datetime:
        """What time it is for this CloudWatch; assign a datetime to stop its clock there."""
        return self._clock()

    @now.setter
    def now(self, instant: datetime) -> None:
        self._clock = _stopped_at(instant)

    def advance(self, by: timedelta) -> None:
        self.now = self.now + by

    # --- data, without the limits of PutMetricData (any age, AWS namespaces too) ---

    def put(
        self, identity: MetricIdentity, at: datetime, samples: float | StatisticSet, *, unit: str = NO_UNIT
    ) -> None:
        """Add one sample, or a set of them, to the minute of `at`."""
        if not isinstance(samples, StatisticSet):
            samples = StatisticSet.of([samples])
        with self._lock:
            self.store.add(identity, at, samples, unit)

    def load(
        self,
        identity: MetricIdentity,
        first: datetime,
        values: Sequence[float],
        *,
        every: timedelta = timedelta(minutes=1),
        samples_per_point: float = 1.0,
        unit: str = NO_UNIT,
    ) -> None:
        """Add a datapoint every so often from `first` on, each of `samples_per_point` samples of that value.

        A node's NetworkIn under basic monitoring is `every=timedelta(minutes=5), samples_per_point=5` with
        the bytes of one minute as value: its Sum over five minutes is then five times that.
        """
        start, step = epoch_second(first), round(every.total_seconds())
        if start % 60 or step % 60 or step <= 0:
            raise ValueError(f"datapoints lie on whole minutes, not every {every} from {first}")
        column = array("d", values)
        if not all(map(math.isfinite, column)):
            raise ValueError("datapoints are finite numbers: leave out what was not measured")
        points = Points.even(unit, regular_seconds(start, step, len(column)), column, samples_per_point)
        with self._lock:
            self.store.add_points(identity, points)

    def add_source(self, source: SeriesSource) -> None:
        """Serve series that are computed on demand beside the stored ones."""
        with self._lock:
            self.store.add_source(source)

    # --- alarms ---

    def evaluate_alarms(self, now: datetime | None = None) -> list[Transition]:
        """Evaluate all alarms (at `now`, by default the fake's own time); the changes of state this made."""
        with self._lock:
            return self.alarms.evaluate(now or self.now)

    # --- calls ---

    def handle(
        self, headers: Mapping[str, str], body: bytes, *, sleep: Callable[[float], None] = do_not_sleep
    ) -> Answer:
        """Answer one HTTP request. Raises ConnectionResetError where the script resets the connection."""
        request_id = f"00000000-0000-4000-8000-{next(self._request_numbers):012x}"
        with self._in_flight():
            try:
                answer = encode(self._call(decode(headers, body), sleep), request_id)
            except AwsError as error:
                answer = encode_error(error, request_id)
                self._count_error(error.code)
            except ConnectionResetError:
                self._count_error("ConnectionReset")
                raise
            with self._lock:
                self.counters.bytes_in += len(body)
                self.counters.bytes_out += len(answer.body)
            return answer

    def _count_error(self, code: str) -> None:
        with self._lock:
            self.counters.errors[code] += 1

    def _call(self, request: Request, sleep: Callable[[float], None]) -> dict[str, Any]:
        operation = self._operations.get(request.operation)
        if operation is None:
            known = ", ".join(self._operations)
            message = f"strict_cloudwatch does not model {request.operation}; it has {known}."
            raise AwsError("UnknownOperationException", message)
        with self._lock:
            self.requests.append(request)
            self.counters.calls[request.operation] += 1
            faults = self.faults.meet(request.operation)
            self.counters.slowed_seconds += faults.delay_seconds
        sleep(faults.delay_seconds)
        if faults.failure is not None:
            raise faults.failure
        with self._lock:
            return operation(request, faults)

    @contextmanager
    def _in_flight(self) -> Iterator[None]:
        with self._lock:
            self._calls_in_flight += 1
            most = max(self.counters.max_concurrent_calls, self._calls_in_flight)
            self.counters.max_concurrent_calls = most
        try:
            yield
        finally:
            with self._lock:
                self._calls_in_flight -= 1

    # --- operations ---

    def _put_metric_data(self, request: Request, _: CallFaults) -> dict[str, Any]:
        data = put_metric_data(request, self.now, aws_namespaces=self._aws_namespaces_writable)
        for datum in data:
            self.store.add(datum.identity, datum.at, datum.samples, datum.unit)
        return {}

    def _list_metrics(self, request: Request, _: CallFaults) -> dict[str, Any]:
        wanted = list_metrics(request.parameters)
        found = self._listing(request, wanted)
        beyond = wanted.offset + METRICS_PER_PAGE
        page = [metric_of(identity) for identity in found[wanted.offset : beyond]]
        resume = (beyond,) if beyond < len(found) else None
        return {"Metrics": page} | next_token(request.parameters, resume)

    def _listing(self, request: Request, wanted: ListMetricsRequest) -> list[MetricIdentity]:
        """The metrics that match; later pages of a listing come from what its first page found."""
        key = fingerprint(request.parameters)
        if wanted.offset and key in self._listings:
            return self._listings[key]
        found = self.store.listing(
            self.now,
            namespace=wanted.namespace,
            name=wanted.name,
            dimensions=wanted.dimensions,
            recently_active=wanted.recently_active,
        )
        self._listings[key] = found
        if len(self._listings) > _LISTINGS_KEPT:
            self._listings.popitem(last=False)
        return found

    def _get_metric_data(self, request: Request, faults: CallFaults) -> dict[str, Any]:
        wanted = get_metric_data(request.parameters, self.now)
        results, resume = self._page(wanted)
        self._count(wanted, results)
        answer = {"MetricDataResults": faults.apply(results), "Messages": faults.messages}
        return answer | next_token(request.parameters, resume)

    def _get_metric_statistics(self, request: Request, _: CallFaults) -> dict[str, Any]:
        answer = get_metric_statistics(request.parameters, self.store, self.now)
        with self._lock:
            self.counters.returned_datapoints += len(answer["Datapoints"])
        return answer

    def _page(
        self, wanted: MetricDataRequest
    ) -> tuple[list[tuple[MetricIdentity, Result]], tuple[int, int] | None]:
        """Results up to MaxDatapoints, query by query, and where the next page resumes.

        The series that the limit cuts is PartialData here and goes on in the next page; series that the
        page does not reach are not in it. How AWS itself deals datapoints out over pages is not documented.
        """
        results: list[tuple[MetricIdentity, Result]] = []
        room = wanted.max_datapoints
        for number, query in enumerate(wanted.queries[wanted.resume_query :], wanted.resume_query):
            if not query.return_data:
                continue
            seconds, values = self._series(wanted, query, resumed=number == wanted.resume_query)
            if len(seconds) > room:
                if room:
                    results.append(
                        (query.identity, _result(query, seconds[:room], values[:room], "PartialData"))
                    )
                return results, (number, seconds[room])
            room -= len(seconds)
            result = _result(query, seconds, values, "Complete")
            if query.account_id not in {None, self.account_id}:
                result = emptied(result, "Forbidden")
            results.append((query.identity, result))
        return results, None

    def _series(
        self, wanted: MetricDataRequest, query: Query, *, resumed: bool
    ) -> tuple[list[int], list[float]]:
        """A query's datapoints in the order asked for, from where the last page left off."""
        if query.period % wanted.finest_period or query.account_id not in {None, self.account_id}:
            return [], []
        start, end = wanted.start, wanted.end
        if resumed and wanted.resume_second is not None:
            if wanted.newest_first:
                end = min(end, wanted.resume_second + query.period)
            else:
                start = max(start, wanted.resume_second)
        seconds, values = self.store.read(
            query.identity, query.statistic, unit=query.unit, start=start, end=end, period=query.period
        )
        if wanted.newest_first:
            seconds.reverse()
            values.reverse()
        return seconds, values

    def _count(self, wanted: MetricDataRequest, results: Sequence[tuple[MetricIdentity, Result]]) -> None:
        statistics = Counter(query.identity for query in wanted.queries)
        self.counters.billed_metrics += sum(
            math.ceil(number / STATISTICS_PER_BILLED_METRIC) for number in statistics.values()
        )
        self.counters.estimated_datapoints += sum(
            math.ceil((wanted.end - wanted.start) / query.period) for query in wanted.queries
        )
        self.counters.returned_datapoints += sum(len(result["Values"]) for _, result in results)


def _result(query: Query, seconds: list[int], values: list[float], status_code: str) -> Result:
    return {
        "Id": query.id,
        "Label": query.label,
        "Timestamps": seconds,
        "Values": values,
        "StatusCode": status_code,
    }


def _stopped_at(instant: datetime) -> Clock:
    epoch_second(instant)  # refuses a datetime without a time zone
    return lambda: instant
