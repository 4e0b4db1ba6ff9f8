"""Messages that were posted are remembered for an hour."""

from datetime import timedelta
from typing import Any

import pytest

from enigap.aws.errors import AwsProblem
from enigap.aws.posted_messages import PostedMessages
from tests.fakes.pipeline_ports import FIRST
from tests.reliability.services import FakeDynamoDb

NOW = FIRST.end


def test_a_message_is_known_for_an_hour_though_its_item_is_still_there() -> None:
    table: Any = FakeDynamoDb("state", NOW)
    PostedMessages(table, "state", now=NOW).add("a")
    after = {
        minutes: PostedMessages(table, "state", now=NOW + timedelta(minutes=minutes))
        for minutes in (0, 59, 60)
    }
    assert [after[minutes].has("a") for minutes in after] == [True, True, False]
    assert not after[0].has("b")
    assert table.items.keys() == {"posted#a"}


def test_a_table_that_is_not_there_is_a_problem() -> None:
    table: Any = FakeDynamoDb("state", NOW)
    with pytest.raises(AwsProblem):
        PostedMessages(table, "another", now=NOW).add("a")
