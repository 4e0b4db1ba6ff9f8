"""Words of causes that are said together."""

from enigap.core.judging.verdict import Cause
from enigap.core.messages.words import CAUSE_WORDS, words_for


def test_two_causes_of_which_one_names_the_other_are_said_once() -> None:
    both = words_for("os_deficit", Cause.WRONG_NAMESPACE, Cause.MOVED_DEVICE)
    assert both is not None
    assert both.likely == CAUSE_WORDS[Cause.MOVED_DEVICE].likely
    assert "hostNetwork" in both.to_do
    assert "ip -br link" in both.to_do
