"""`enigap explain` names pods and conversations."""

from io import StringIO

import pytest
from rich.console import Console

from enigap.cli.explain import show
from enigap.core.counting.pods import PodSample
from tests.core.messages.test_talkers import FRONT, PODS, a_deficit


@pytest.mark.parametrize("width", [60, 100, 160])
def test_explain_shows_each_devices_pod_and_the_conversations(width: int) -> None:
    paper = StringIO()
    show(Console(file=paper, width=width), "eu-west-1", a_deficit())
    text = " ".join(paper.getvalue().split())
    assert "shop/front-7d9c5 and shop/store-0 exchanged 32 MB/s." in text
    rows = [line.split() for line in paper.getvalue().splitlines()]
    if width > 60:
        assert [FRONT, "shop/front-7d9c5", "virtual", "30", "MB/s", "2", "MB/s"] in rows
        assert ["eth0", "physical", "9", "MB/s", "4", "MB/s"] in rows


def test_explain_names_the_pods_on_the_nodes_own_network() -> None:
    agent = PodSample("kube-system", "aws-node-x7k2p", FRONT, 30e6, 2e6)
    paper = StringIO()
    show(Console(file=paper, width=120), "eu-west-1", a_deficit(pods=(*PODS, agent)))
    assert "On the node's own network, in no figure of their own: kube-system/aws-node-x7k2p." in (
        " ".join(paper.getvalue().split())
    )
