"""The strict fake CloudWatch at noon, and boto3's client of it."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.fakes.strict_cloudwatch import StrictCloudWatch, client_of

NOON: Final = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def fake() -> StrictCloudWatch:
    return StrictCloudWatch(NOON)


@pytest.fixture
def client(fake: StrictCloudWatch) -> Any:
    return client_of(fake)
