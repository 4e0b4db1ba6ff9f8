"""The bench of both sources counts what was made of each life, and shows it as tables."""

from bench import detection_report
from bench.sources import Seen, document, seen
from tests.detection.both_sources import Difference

SAME = Seen(
    seed=0,
    difference=Difference.NONE,
    is_faulty=False,
    proven=(False, False),
    broken=(),
    holds=(True, True),
    relative_width=0.5,
    pods_come_back=False,
)
FAULTY = SAME._replace(
    seed=1, difference=Difference.BY_COUNTERS, is_faulty=True, proven=(False, True), relative_width=0.7
)
COMES_BACK = SAME._replace(
    seed=2, difference=Difference.OPEN, holds=(False, True), relative_width=1.5, pods_come_back=True
)
UNKNOWN = SAME._replace(
    seed=3,
    difference=Difference.TOO_LITTLE,
    is_faulty=True,
    broken=("it broke",),
    holds=(None, True),
    relative_width=None,
)


def shown(*lives: Seen) -> list[str]:
    return detection_report.sources(document(list(lives), "a machine")).splitlines()


def test_a_life_is_counted_by_how_its_verdicts_differ_and_whether_it_is_faulty() -> None:
    lines = shown(SAME, FAULTY, COMES_BACK, UNKNOWN)
    assert "| the same verdict | 50 % (1 of 2) | 0 % (0 of 2) |" in lines
    assert "| only the counters prove the fault that is there | 0 % (0 of 2) | 50 % (1 of 2) |" in lines
    assert "| faults that are there, proven in this window | 0 % (0 of 2) | 50 % (1 of 2) |" in lines


def test_intervals_are_counted_where_they_are_known() -> None:
    lines = shown(SAME, FAULTY, COMES_BACK, UNKNOWN)
    assert "| windows with an interval | 75 % (3 of 4) | 100 % (4 of 4) |" in lines
    assert "| intervals without the truth | 33.3 % (1 of 3) | 0 % (0 of 4) |" in lines
    assert (
        "0.7 times as wide as the classic one at the median, and wider in 1; of these, 0 are not" in lines[-3]
    )


def test_what_does_not_hold_is_told_with_the_seeds() -> None:
    assert shown(SAME, UNKNOWN)[-1].startswith("Broken: it broke: 1 (3). Seeds 0 to 3, ")
    assert shown(SAME, COMES_BACK)[-1].startswith("Broken: nothing. Seeds 0 to 2, ")


def test_a_life_is_judged_from_both_sources() -> None:
    assert seen(0).seed == 0
    assert seen(0).broken == ()
