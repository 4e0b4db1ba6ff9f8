"""`enigap record` and `--replay`: the same judgement from a file that names nothing of the account."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.embedded_aws import EmbeddedAws
from enigap.aws.bundle.archive import unpacked
from tests.cli import counters
from tests.cli.accounts import Account
from tests.cli.conftest import Enigap, Ran

BUNDLES = sorted((Path(__file__).parents[1] / "bundles").glob("*.zip"))

NODES = [
    ("calm", "twin.internal"),
    ("moved", "g1-moved-device.internal"),
    ("silent", "silent.internal"),
    ("[red]odd", "odd.internal"),
    ("evil", "evil.internal"),
]


def record(enigap: Enigap, account: Account, cluster: str, node: str, file: Path) -> Ran:
    instance_id = account.ids[cluster, node]
    done = enigap("record", "--cluster", cluster, "--node", instance_id, "--output", str(file))
    assert done.status == 0, done.stderr
    return done


def strings(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    for each in document.values() if isinstance(document, dict) else ():
        yield from strings(each)
    for each in document if isinstance(document, list) else ():
        yield from strings(each)


def without_text(document: Any) -> Any:
    """The same figures; every text but a verdict's is only told from none."""
    if isinstance(document, dict):
        kept = {"verdict", "kind", "os_source", "direction"}
        return {k: v if k in kept else without_text(v) for k, v in document.items()}
    if isinstance(document, list):
        return [without_text(each) for each in document]
    return "" if isinstance(document, str) else document


@pytest.mark.parametrize(("cluster", "node"), NODES)
def test_a_bundle_is_judged_as_the_account_was_and_holds_no_name_of_it(
    cluster: str, node: str, enigap: Enigap, account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.zip"
    said = record(enigap, account, cluster, node, file).stdout
    instance_id = account.ids[cluster, node]
    live = enigap("explain", instance_id, "--format", "json").document["node"]
    replayed = enigap("check", "--replay", str(file), "--format", "json").document
    [[there]] = [each["nodes"] for each in replayed["clusters"]]
    assert without_text(there) == without_text(live)
    with zipfile.ZipFile(file) as archive:
        written = "".join(archive.read(name).decode() for name in archive.namelist())
    names = {instance_id, node, node.partition(".")[0], cluster} - {"calm", "moved", "silent", "evil"}
    for name in names:
        assert name not in written
    assert f"enigap check --replay {file}" in " ".join(said.split())
    assert re.search(r"Replaced: 1 account, \d cluster", said)


@pytest.mark.parametrize(("of", "source"), [(counters.ONLY, "otel"), (counters.BOTH, "classic")])
def test_a_node_on_opentelemetry_is_judged_from_its_bundle_as_it_was(  # noqa: PLR0917
    of: tuple[str, str], source: str, aws: EmbeddedAws, enigap: Enigap, account: Account, tmp_path: Path
) -> None:
    file, instance_id = tmp_path / "bundle.zip", account.ids[of]
    with counters.counted(aws, account) as env:
        of_node = ("--cluster", of[0], "--node", instance_id)
        assert enigap("record", *of_node, "--output", str(file), env=env).status == 0
        live = enigap("explain", instance_id, "--format", "json", env=env).document["node"]
    replayed = enigap("check", "--replay", str(file), "--format", "json").document
    [[there]] = [each["nodes"] for each in replayed["clusters"]]
    assert (there["verdict"], there["os_source"]) == ("os_deficit", source)
    assert without_text(there) == without_text(live)
    assert enigap("report", "--replay", str(file), "--output", str(tmp_path / "r.html")).status == 1
    assert enigap("doctor", "--replay", str(file), "--format", "json").document["checks"]
    calls = unpacked(file.read_bytes()).calls
    assert sum(call.operation == "QueryPromQL" for call in calls) > 10


def test_explain_and_report_take_a_bundle_too(enigap: Enigap, account: Account, tmp_path: Path) -> None:
    file, page = tmp_path / "bundle.zip", tmp_path / "report.html"
    record(enigap, account, "moved", "g1-moved-device.internal", file)
    [[node]] = [
        each["nodes"]
        for each in enigap("check", "--replay", str(file), "--format", "json").document["clusters"]
    ]
    explained = enigap("explain", node["instance_id"], "--replay", str(file), "--format", "json")
    assert explained.document["node"] == node
    assert enigap("report", "--replay", str(file), "--output", str(page)).status == 1
    doctor = enigap("doctor", "--replay", str(file), "--format", "json")
    statuses = {check["id"]: check["status"] for check in doctor.document["checks"]}
    assert {statuses[name] for name in ("eni-samples", "os-sum", "log-stream", "log-pattern")} == {"PASS"}
    assert node["instance_id"] in page.read_text(encoding="utf-8")
    assert "g1-moved-device" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.stem)
def test_a_committed_bundle_gives_its_json_byte_for_byte_without_an_account(
    bundle: Path, enigap: Enigap
) -> None:
    nowhere: dict[str, str | None] = {
        "AWS_ENDPOINT_URL": None,
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_REGION": None,
        "AWS_DEFAULT_REGION": None,
    }
    done = enigap("check", "--replay", str(bundle), "--format", "json", env=nowhere)
    assert done.stdout == bundle.with_suffix(".json").read_text(encoding="utf-8")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--cluster", "moved", "--node", "i-0123456789abcdef0"], "There is no running node"),
        (["--cluster", "nope", "--node", "i-0123456789abcdef0"], "There is no cluster 'nope'"),
        (["--cluster", "moved", "--node", "i-0", "--for", "3d"], "--for takes a time"),
    ],
)
def test_what_cannot_be_recorded_is_said_and_nothing_is_written(
    given: list[str], says: str, enigap: Enigap, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.zip"
    assert says in enigap("record", *given, "--output", str(file)).problem
    assert not file.exists()


def zipped(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no bundle"),
        (b"PK\x03\x04 and nothing", "no bundle"),
        (zipped(manifest_json="{}"), "other members"),
        (zipped(manifest_json="{}", calls_jsonl="", more_txt=""), "other members"),
        (zipped(manifest_json="{}", calls_jsonl=""), "no bundle"),
        (zipped(manifest_json='{"schema": "enigap.bundle/9"}', calls_jsonl=""), "another version"),
        (zipped(manifest_json="[" * 100_000 + "".join(map(chr, range(33, 127))) * 30, calls_jsonl=""), ""),
        (zipped(manifest_json=" " * 50_000_000, calls_jsonl=""), "too large"),
    ],
    ids=["empty", "cut", "half", "more", "nothing in it", "newer", "deep", "a bomb"],
)
def test_a_file_that_is_no_bundle_is_one_sentence(
    content: bytes, says: str, enigap: Enigap, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.zip"
    file.write_bytes(content)
    assert says in enigap("check", "--replay", str(file)).problem


def test_a_bundle_that_was_changed_is_refused(enigap: Enigap, tmp_path: Path) -> None:
    with zipfile.ZipFile(BUNDLES[0]) as archive:
        manifest, calls = (archive.read(name).decode() for name in ("manifest.json", "calls.jsonl"))
    file = tmp_path / "bundle.zip"
    changed = re.sub(r'"Values":\[(\d+)', r'"Values":[1\1', calls, count=1)
    assert changed != calls
    file.write_bytes(zipped(manifest_json=manifest, calls_jsonl=changed))
    assert "was changed" in enigap("check", "--replay", str(file)).problem


def test_a_bundle_takes_no_other_region_or_settings(enigap: Enigap) -> None:
    problem = enigap("check", "--replay", str(BUNDLES[0]), "--region", "eu-west-1").problem
    assert "leave out" in problem


def test_replaying_needs_no_settings_of_the_sdk_that_make_sense(enigap: Enigap, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = [\nretry_mode = nonsense\nendpoint_url = nowhere\n", encoding="utf-8"
    )
    environment: dict[str, str | None] = {
        "AWS_CONFIG_FILE": str(config),
        "AWS_PROFILE": "nobody",
        "AWS_MAX_ATTEMPTS": "many",
        "AWS_ENDPOINT_URL": "nowhere",
        "HTTPS_PROXY": "http://127.0.0.1:1",
    }
    done = enigap("check", "--replay", str(BUNDLES[0]), "--format", "json", env=environment)
    assert done.stdout == BUNDLES[0].with_suffix(".json").read_text(encoding="utf-8")
