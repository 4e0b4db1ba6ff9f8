"""`enigap check` on clusters that each show one thing: the contract that people and programs rely on."""

import csv
import io
import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.embedded_aws import EmbeddedAws
from enigap.core.counting.window import Window
from enigap.core.instants import timestamp
from tests.cli.accounts import (
    AT,
    EVIL,
    EVIL_DEVICE,
    SETTLE,
    WINDOW,
    Account,
    Cluster,
    clients_of,
    role,
)
from tests.cli.conftest import Enigap

pytestmark = pytest.mark.usefixtures("account")


# --- exit status ---


@pytest.mark.parametrize(
    ("cluster", "verdict", "status"),
    [
        ("calm", "node_local", 0),
        ("evil", "unverified", 0),
        ("moved", "os_deficit", 1),
        ("silent", "os_silent", 1),
        ("wrapped", "implausible", 1),
        ("half", "partial", 2),
    ],
)
def test_the_exit_status_says_what_the_nodes_came_to(
    enigap: Enigap, cluster: str, verdict: str, status: int
) -> None:
    ran = enigap("check", "--cluster", cluster, "--at", AT, "--format", "json")
    assert (ran.status, ran.stderr) == (status, "")
    assert ran.document["verdicts"][verdict] >= 1


def test_a_cluster_that_is_not_collected_could_not_be_told(enigap: Enigap) -> None:
    ran = enigap("check", "--cluster", "uncollected", "--at", AT, "--format", "json")
    (cluster,) = ran.document["clusters"]
    assert ran.status == 2
    assert (cluster["finding"], cluster["nodes"]) == ("not_collected", [])
    assert "node_network_total_bytes" in cluster["finding_reason"]


def test_an_unexplained_node_outweighs_a_cluster_that_could_not_be_told(enigap: Enigap) -> None:
    both = ("--cluster", "uncollected", "--cluster", "moved")
    assert enigap("check", *both, "--at", AT).status == 1


def test_a_cluster_that_could_not_be_told_outweighs_one_where_all_is_well(enigap: Enigap) -> None:
    both = ("--cluster", "uncollected", "--cluster", "calm")
    assert enigap("check", *both, "--at", AT).status == 2


# --- the document ---


def test_the_document_has_the_fields_of_the_contract_with_their_types(enigap: Enigap) -> None:
    document = enigap("check", "--at", AT, "--format", "json").document

    assert document["schema"] == "enigap.check/1"
    assert (document["region"], document["account"]) == ("eu-west-1", "123456789012")
    assert document["window"] == {"start": timestamp(WINDOW.start), "end": timestamp(WINDOW.end)}
    nodes = [node for cluster in document["clusters"] for node in cluster["nodes"]]
    # The clusters where nothing is collected count too: they were asked about.
    looked_at = sum(node["evidence_missing"] is None or node["evidence"] is not None for node in nodes)
    assert looked_at > 0
    assert document["billed_metrics"] == 3 * len(nodes) - 1 + 2 * 2 + 4 * looked_at
    assert sum(document["verdicts"].values()) == len(nodes)
    for node in nodes:
        assert isinstance(node["instance_id"], str)
        assert isinstance(node["node_name"], str | None)
        assert isinstance(node["explained"], bool | None)
        assert node["reason"].endswith(".")
        for figure in (
            "os_bytes_per_second",
            "eni_bytes_per_second",
            "os_to_eni_ratio",
            "unexplained_bytes_per_second",
            "node_local_at_least_bytes_per_second",
        ):
            assert isinstance(node[figure], float | None), figure
        assert isinstance(node["evidence"], dict | None)


def test_a_node_local_node_has_its_figures_and_its_devices(enigap: Enigap) -> None:
    article = enigap("check", "--cluster", "calm", "--at", AT, "--format", "json").nodes()["article.internal"]

    assert (article["verdict"], article["explained"]) == ("node_local", True)
    assert article["os_bytes_per_second"] == pytest.approx(1_275_566_689)
    # Bytes of 300 seconds, as the article saw them.
    assert article["eni_bytes_per_second"] == pytest.approx((155_698 + 95_259) / 300, rel=1e-3)
    assert article["os_to_eni_ratio"] == pytest.approx(1_524_843, rel=1e-3)
    assert article["unexplained_bytes_per_second"] == 0
    assert 5.7e8 < article["node_local_at_least_bytes_per_second"] < 6.4e8
    evidence = article["evidence"]
    assert evidence["physical_rx_bytes_per_second"] == pytest.approx(155_698 / 300, rel=1e-3)
    assert evidence["physical_tx_bytes_per_second"] == pytest.approx(95_259 / 300, rel=1e-3)
    assert evidence["virtual_bytes_per_second"] == pytest.approx(1_275_565_852, rel=1e-3)
    assert {device["device"]: device["kind"] for device in evidence["devices"]} == {
        "eth0": "physical",
        "eni1a2b3c4d5e6": "virtual",
        "eni6e5d4c3b2a1": "virtual",
    }
    sent = sum(device["tx_bytes_per_second"] for device in evidence["devices"])
    received = sum(device["rx_bytes_per_second"] for device in evidence["devices"])
    assert sent + received == pytest.approx(article["os_bytes_per_second"], rel=1e-3)


def test_what_cannot_be_known_is_null(enigap: Enigap, account: Account) -> None:
    everything = ("--cluster", "silent", "--cluster", "half", "--cluster", "evil", "--cluster", "calm")
    nodes = enigap("check", *everything, "--at", AT, "--format", "json").nodes()

    id_of_silent = account.ids["silent", "silent.internal"]
    (silent,) = (node for node in nodes.values() if node["instance_id"] == id_of_silent)
    assert silent["node_name"].endswith(".internal")  # no series: EC2 knows its name
    assert silent["os_bytes_per_second"] is silent["os_to_eni_ratio"] is None
    assert silent["eni_bytes_per_second"] == pytest.approx(47.7e6, rel=0.01)
    unverified = nodes[EVIL]
    assert unverified["explained"] is unverified["unexplained_bytes_per_second"] is None
    assert unverified["evidence"]["usable"] is False
    assert nodes["f1-idle.internal"]["os_to_eni_ratio"] is None  # nothing over nothing
    assert nodes["b-pod-to-remote.internal"]["evidence"]["usable"] is True


def test_half_a_window_is_not_made_into_a_figure(enigap: Enigap) -> None:
    (node,) = enigap("check", "--cluster", "half", "--at", AT, "--format", "json").nodes().values()
    assert node["verdict"] == "partial"
    assert node["os_bytes_per_second"] is node["eni_bytes_per_second"] is None


def test_the_worst_node_comes_first(enigap: Enigap) -> None:
    (cluster,) = enigap("check", "--cluster", "moved", "--at", AT, "--format", "json").document["clusters"]
    assert [node["verdict"] for node in cluster["nodes"]] == ["os_deficit", "agree"]
    assert cluster["nodes"][0]["unexplained_bytes_per_second"] == pytest.approx(42.8e6, rel=0.01)
    assert cluster["nodes"][0]["cause"] == "moved_device"


# --- which clusters, which window, which evidence ---


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["moved"], ["moved"]),
        (["moved", "calm"], ["calm", "moved"]),
        (["?al*"], ["calm", "half"]),
        (["calm", "m*"], ["calm", "moved"]),
        ([r"[[]red]odd*"], ["[red]odd"]),
    ],
    ids=str,
)
def test_clusters_are_chosen_by_name_or_pattern(enigap: Enigap, asked: list[str], found: list[str]) -> None:
    options = [part for name in asked for part in ("--cluster", name)]
    document = enigap("check", *options, "--at", AT, "--format", "json").document
    assert [cluster["cluster"] for cluster in document["clusters"]] == found


def test_without_a_name_all_clusters_are_looked_at(enigap: Enigap) -> None:
    document = enigap("check", "--at", AT, "--format", "json").document
    assert [cluster["cluster"] for cluster in document["clusters"]] == [
        *("[red]odd", "calm", "evil", "half", "moved", "silent", "uncollected", "wrapped")
    ]


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (["nowhere"], "'nowhere'"),
        (["calm", "nowhere"], "'nowhere'"),
        (["no*", "moved"], "'no*'"),
        (["nowhere", "neither"], "'nowhere', 'neither'"),
    ],
    ids=str,
)
def test_a_cluster_that_is_not_there_is_named_whatever_else_is(
    enigap: Enigap, asked: list[str], missing: str
) -> None:
    options = [part for name in asked for part in ("--cluster", name)]
    problem = enigap("check", *options, "--at", AT).problem
    assert problem.startswith(f"There is no cluster {missing} in eu-west-1:")
    assert (
        "check the name, the region and the account; there are: [red]odd, calm, evil, half and 4" in problem
    )


@pytest.mark.parametrize("asked", ["movd", "Moved ", "arn:aws:eks:eu-west-1:111122223333:cluster/moved"])
def test_a_near_miss_is_answered_with_the_cluster_that_is_there(enigap: Enigap, asked: str) -> None:
    assert enigap("check", "--cluster", asked, "--at", AT).problem.endswith("; did you mean moved?")


@pytest.mark.parametrize(
    "at", [AT, AT.replace("Z", ""), AT.replace("Z", "+00:00")], ids=["Z", "naive", "offset"]
)
def test_at_is_the_time_at_which_the_window_was_the_newest_settled_one(enigap: Enigap, at: str) -> None:
    document = enigap("check", "--cluster", "moved", "--at", at, "--format", "json").document
    assert document["window"]["end"] == timestamp(WINDOW.end)


def test_at_judges_an_earlier_window(enigap: Enigap) -> None:
    earlier = timestamp(WINDOW.end + SETTLE - timedelta(minutes=1))
    document = enigap("check", "--cluster", "moved", "--at", earlier, "--format", "json").document
    assert document["window"]["end"] == timestamp(WINDOW.previous().end)
    assert document["verdicts"] == {"os_deficit": 1, "agree": 1}


def test_without_at_the_newest_settled_window_is_judged(enigap: Enigap) -> None:
    before = datetime.now(UTC)
    end = enigap("check", "--cluster", "moved", "--format", "json").document["window"]["end"]
    after = datetime.now(UTC)
    assert end in {timestamp(Window.newest_settled(at, SETTLE).end) for at in (before, after)}


@pytest.mark.parametrize(
    ("evidence", "verdicts", "with_devices"),
    [
        ("off", {"idle": 1, "agree": 1, "pod_edge": 1, "unverified": 2}, 0),
        ("suspects", {"idle": 1, "agree": 1, "pod_edge": 1, "node_local": 2}, 2),
        ("always", {"idle": 1, "agree": 1, "pod_edge": 1, "node_local": 2}, 5),
    ],
)
def test_evidence_is_read_for_those_it_is_asked_for(
    enigap: Enigap, evidence: str, verdicts: dict[str, int], with_devices: int
) -> None:
    ran = enigap("check", "--cluster", "calm", "--evidence", evidence, "--at", AT, "--format", "json")
    assert ran.status == 0
    assert ran.document["verdicts"] == verdicts
    assert sum(node["evidence"] is not None for node in ran.nodes().values()) == with_devices


def test_settings_are_those_of_the_file(enigap: Enigap, tmp_path: Path) -> None:
    """A floor above what the nodes carry makes all of them idle."""
    cdk = tmp_path / "cdk.json"
    cdk.write_text(json.dumps({"context": {"enigap": {"clusters": ["mov*"], "floor_bytes_per_second": 1e9}}}))
    ran = enigap("check", "--settings", str(cdk), "--at", AT, "--format", "json")
    assert ran.document["verdicts"] == {"idle": 2}
    assert ran.status == 0


def test_a_cluster_on_the_command_line_goes_before_the_settings(enigap: Enigap, tmp_path: Path) -> None:
    cdk = tmp_path / "cdk.json"
    cdk.write_text(json.dumps({"context": {"enigap": {"clusters": ["moved"]}}}))
    ran = enigap("check", "--settings", str(cdk), "--cluster", "calm", "--at", AT, "--format", "json")
    assert [cluster["cluster"] for cluster in ran.document["clusters"]] == ["calm"]


# --- where ---


@pytest.fixture(scope="module")
def overseas(aws: EmbeddedAws) -> None:
    """Another region of the same account, with a cluster of its own."""
    Account(clients_of(aws, "us-east-1"), {"overseas": Cluster([role("c")])})


@pytest.fixture
def profiles(aws: EmbeddedAws, tmp_path: Path) -> dict[str, str | None]:
    """An environment that says nothing of where AWS is: two profiles do."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile home]\nregion = eu-west-1\nendpoint_url = {aws.endpoint_url}\n"
        "aws_access_key_id = 123456789012\naws_secret_access_key = unchecked\n"
        f"[profile away]\nregion = us-east-1\nendpoint_url = {aws.endpoint_url}\n"
        "aws_access_key_id = 123456789012\naws_secret_access_key = unchecked\n"
    )
    gone = (
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    )
    return {**dict.fromkeys(gone), "AWS_CONFIG_FILE": str(config)}


@pytest.mark.usefixtures("overseas")
@pytest.mark.parametrize(
    ("profile", "region", "cluster"), [("home", "eu-west-1", "calm"), ("away", "us-east-1", "overseas")]
)
def test_a_profile_brings_region_endpoint_and_credentials(
    enigap: Enigap, profiles: dict[str, str | None], profile: str, region: str, cluster: str
) -> None:
    options = ("--cluster", cluster, "--at", AT, "--format", "json")
    for ran in (
        enigap("check", "--profile", profile, *options, env=profiles),
        enigap("check", *options, env={**profiles, "AWS_PROFILE": profile}),
    ):
        assert ran.status == 0
        assert ran.document["region"] == region


@pytest.mark.usefixtures("overseas")
def test_a_region_on_the_command_line_goes_before_all_others(
    enigap: Enigap, profiles: dict[str, str | None]
) -> None:
    for ran in (
        enigap("check", "--region", "us-east-1", "--at", AT, "--format", "json"),
        enigap(
            *("check", "--region", "us-east-1", "--profile", "home", "--at", AT, "--format", "json"),
            env=profiles,
        ),
    ):
        assert ran.document["region"] == "us-east-1"
        assert [cluster["cluster"] for cluster in ran.document["clusters"]] == ["overseas"]


# --- for people ---


def test_people_read_the_reason_and_what_to_do_next(enigap: Enigap, account: Account) -> None:
    ran = enigap("check", "--cluster", "moved", "--at", AT)
    lines = ran.stdout.splitlines()
    text = " ".join(ran.stdout.split())
    moved = account.ids["moved", "g1-moved-device.internal"]

    assert f"os_deficit g1-moved-device ({moved})" in text
    assert "at least 42.7 MB/s never crossed a device the OS sees." in text
    assert lines[0].startswith("eu-west-1, account 123456789012, ")
    assert (
        "2 nodes: 1 unexplained, 0 unknown, 1 explained. OS bytes are from classic Container Insights. "
        "CloudWatch bills 14 metrics for this look: $0.00014." in text
    )
    assert ran.stdout.splitlines()[-1] == f"Next: enigap explain {moved} --at {AT}"


def test_the_next_step_names_the_worst_node_of_all_clusters(enigap: Enigap, account: Account) -> None:
    """calm comes first, and has nothing to look at."""
    ran = enigap("check", "--cluster", "calm", "--cluster", "moved", "--at", AT)
    moved = account.ids["moved", "g1-moved-device.internal"]
    assert ran.stdout.splitlines()[-1] == f"Next: enigap explain {moved} --at {AT}"


def test_the_next_step_works(enigap: Enigap, profiles: dict[str, str | None], tmp_path: Path) -> None:
    cdk = tmp_path / "my cdk.json"
    cdk.write_text('{"context": {"enigap": {}}}')
    where = ("--region", "eu-west-1", "--profile", "away", "--settings", str(cdk))
    ran = enigap("check", "--cluster", "moved", "--at", AT, *where, env=profiles)

    (_, *command) = shlex.split(ran.stdout.splitlines()[-1].removeprefix("Next: "))
    assert enigap(*command, "--format", "json", env=profiles).document["node"]["verdict"] == "os_deficit"


def test_where_all_is_well_there_is_no_next_step(enigap: Enigap) -> None:
    assert "Next:" not in enigap("check", "--cluster", "calm", "--at", AT).stdout


def test_nodes_without_verdicts_are_counted_as_unknown(enigap: Enigap) -> None:
    text = enigap("check", "--cluster", "uncollected", "--at", AT).stdout
    assert "not_collected: No node of uncollected" in text
    assert "2 nodes: 0 unexplained, 2 unknown, 0 explained." in text


def test_a_cluster_whose_agents_call_it_otherwise_has_eks_name_and_a_note(enigap: Enigap) -> None:
    ran = enigap("check", "--cluster", "[red]odd", "--at", AT)
    assert ran.status == 1
    text = " ".join(ran.stdout.split())
    assert text.count(r"{{name}}\x1b[31m") == 1
    assert r"is called {{name}}\x1b[31m by the agents on 1 node of it" in text
    said = enigap("check", "--cluster", "{{name}}\x1b[31m", "--at", AT).problem
    assert "it is what the agents of '[red]odd' call it; give this name, which is EKS's." in said


def test_clusters_come_worst_first_each_with_a_line_and_healthy_ones_with_no_more(enigap: Enigap) -> None:
    lines = enigap("check", "--at", AT).stdout.splitlines()
    overview = [line.split()[0] for line in lines[2:10]]
    assert sorted(overview[:4]) == ["[red]odd", "moved", "silent", "wrapped"]
    assert sorted(overview[4:7]) == ["evil", "half", "uncollected"]
    assert overview[7] == "calm"
    assert not [line for line in lines if "article" in line]
    assert [line for line in enigap("check", "--at", AT, "--all").stdout.splitlines() if "article" in line]


def test_a_spreadsheet_has_a_row_for_each_node_with_the_figures_of_its_document(enigap: Enigap) -> None:
    asked = ("check", "--cluster", "calm", "--cluster", "evil", "--cluster", "uncollected", "--at", AT)
    ran, nodes = enigap(*asked, "--format", "csv"), enigap(*asked, "--format", "json").nodes()
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert (ran.status, len(rows)) == (2, len(nodes) + 1)
    uncollected = rows.pop()
    assert (uncollected["finding"], uncollected["instance_id"]) == ("not_collected", "")
    by_id = {node["instance_id"]: node for node in nodes.values()}
    for row in rows:
        node = by_id[row["instance_id"]]
        assert (row["account"], row["explained"]) == (
            "123456789012",
            json.dumps(node["explained"]).strip("nul"),
        )
        for key, value in row.items():
            if key.endswith(("_per_second", "_ratio")):
                assert value == ("" if node[key] is None else str(node[key]))
    assert "\x1b" not in ran.stdout


@pytest.mark.parametrize("wrong", [("--at", AT), ("--format", "csv"), ("--format", "json")], ids=str)
def test_what_cannot_be_watched(enigap: Enigap, wrong: tuple[str, str]) -> None:
    said = enigap("check", "--watch", *wrong).problem
    assert said == "--watch shows a table of now: leave out --at, --replay and --format."


@pytest.mark.parametrize("cluster", ["evil", "[[]red]odd*"])
def test_names_from_outside_are_written_out(enigap: Enigap, cluster: str) -> None:
    ran = enigap("check", "--cluster", cluster, "--at", AT)
    assert ran.status in {0, 1}
    assert "\x1b" not in ran.stdout
    shown = ran.stdout.replace("\n", " ")
    if cluster == "evil":
        assert "evil (i-" in shown
        assert r"none of its devices ([b]<i>&{x}, eni" in shown
    else:
        assert r"{{name}}\x1b[31m " in shown


def test_programs_get_the_names_as_they_are(enigap: Enigap) -> None:
    ran = enigap("check", "--cluster", "evil", "--at", AT, "--format", "json")
    assert "\x1b" not in ran.stdout
    devices = ran.nodes()[EVIL]["evidence"]["devices"]
    assert EVIL_DEVICE in {device["device"] for device in devices}
