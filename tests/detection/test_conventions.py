"""Fleets on which EC2 counts otherwise by design: left alone, told of once, and their faults found."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.units import ByteRate
from enigap.core.judging.cluster import FindingKind
from tests.detection.fleets import CLUSTER, Fleet
from tests.fakes.node_life import Mishap, Ways, Wrong
from tests.fakes.node_simulator import Ec2

Convention = Callable[[Random, int], Ways]
CONVENTIONS: dict[str, Convention] = {
    "IP bytes only": lambda _, __: Ways(ec2=Ec2(bytes_per_frame=-14.0)),
    "preamble and gap counted": lambda _, __: Ways(ec2=Ec2(bytes_per_frame=24.0)),
    "resolver left out": lambda random, _: Ways(resolver=ByteRate(random.uniform(100e3, 1e6))),
    "mirrored traffic counted": lambda _, __: Ways(mirrored=0.5),
    "mirrored by other filters": lambda random, _: Ways(mirrored=random.uniform(0.2, 0.8)),
    "EFA on some": lambda random, number: Ways(
        efa=ByteRate(random.uniform(0.3e6, 5e6) if number % 3 == 0 else 0.0)
    ),
}
A_FIFTH = Mishap(Wrong.DEFICIT, 0.2, timedelta(hours=1.5))


@pytest.mark.parametrize("policy", [EvidencePolicy.ROTATE, EvidencePolicy.ALWAYS])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_node_is_told_of_that_only_follows_a_convention(convention: str, policy: EvidencePolicy) -> None:
    fleet = Fleet.drawn(CONVENTIONS[convention], seed=len(convention))
    fleet.judge(policy)
    assert not fleet.unexplained
    assert not fleet.incidents
    assert fleet.told_of_the_convention <= 1


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_fifth_missing_is_found_on_such_nodes(convention: str) -> None:
    fleet = Fleet.drawn(
        CONVENTIONS[convention], hours=7.5, mishap=A_FIFTH, faulty=lambda number: number % 4 == 1
    )
    fleet.judge()
    wrong = {f"{CLUSTER}/i-{number:017x}/os_deficit" for number in (1, 5, 9)}
    assert fleet.incidents == wrong
    assert fleet.told_of_the_convention <= 1


@pytest.mark.parametrize("mishap", [A_FIFTH, Mishap(Wrong.MOVED, 0.5, timedelta(hours=1.5))])
def test_a_fault_of_most_nodes_that_fits_no_convention_is_told(mishap: Mishap) -> None:
    fleet = Fleet.drawn(
        CONVENTIONS["resolver left out"], hours=7.5, mishap=mishap, faulty=lambda number: number < 8
    )
    fleet.judge()
    wrong = {f"{CLUSTER}/i-{number:017x}/os_deficit" for number in range(8)}
    assert wrong <= fleet.incidents


def test_mirrored_traffic_is_told_once_as_a_convention_and_never_again() -> None:
    fleet = Fleet.drawn(CONVENTIONS["mirrored traffic counted"])
    fleet.judge(EvidencePolicy.ALWAYS)
    assert set(fleet.findings) == {FindingKind.COUNTS_DIFFER}
    assert len(fleet.findings) > 1
    assert fleet.told_of_the_convention == 1


def test_mirrored_traffic_whose_sessions_may_not_be_read_is_an_ordinary_incident() -> None:
    fleet = Fleet.drawn(CONVENTIONS["mirrored traffic counted"], hours=3.0)
    fleet.sessions_are_readable = False
    fleet.judge()
    assert len(fleet.incidents) > 6
    assert not fleet.told_of_the_convention
