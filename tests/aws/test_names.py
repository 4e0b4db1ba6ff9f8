"""What each service takes for a cluster's name."""

import pytest

from enigap.aws.names import refusing, takes
from enigap.wiring import notes_on_name


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("prod", ()),
        ("a" * 100, ()),
        ("a" * 101, ("EKS",)),
        ("shop_eu", ()),
        ("shop.eu", ("EKS",)),
        ("{{cluster_name}}", ("Logs", "EKS")),
        ("two words", ("Logs", "EKS")),
        ("müller", ("CloudWatch", "Logs", "EKS")),
        ("店", ("CloudWatch", "Logs", "EKS")),
        ("prod\n", ("CloudWatch", "Logs", "EKS")),
        ("\u202eprod", ("CloudWatch", "Logs", "EKS")),
        (":prod", ("CloudWatch", "Logs", "EKS")),
        (" ", ("CloudWatch", "Logs", "EKS")),
        ("", ("CloudWatch", "Logs", "EKS")),
    ],
    ids=ascii,
)
def test_a_name_is_refused_by_the_services_that_cannot_have_it(name: str, refused: tuple[str, ...]) -> None:
    assert refusing(name) == refused
    notes = notes_on_name(name)
    assert [name for note in notes for name in refused if name not in note] == []
    assert bool(notes) is bool(refused)


@pytest.mark.parametrize(("name", "is_taken"), [("prod", True), ("two words", False), ("x" * 129, False)])
def test_other_names_than_sqs_takes_get_a_digest_for_a_message_group(name: str, *, is_taken: bool) -> None:
    assert takes("SQS", name) is is_taken
