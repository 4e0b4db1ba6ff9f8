"""What the calls so far came to: for cost assertions and benchmarks."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Counters:
    """Counts since the fake was made or `fake.counters` was last replaced.

    `billed_metrics` follows AWS's price list for GetMetricData: a call bills each distinct metric it names
    once for every five statistics or part thereof. `estimated_datapoints` is what the datapoint quota
    counts: the time range divided by the period, whether or not there is data. Refused and failed calls add
    to neither.
    """

    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    billed_metrics: int = 0
    estimated_datapoints: int = 0
    returned_datapoints: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    slowed_seconds: float = 0.0
    max_concurrent_calls: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON can have it."""
        return {
            name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()
        }
