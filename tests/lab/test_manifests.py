"""The manifests of the experiment on a cluster are what Kubernetes' API takes."""

import subprocess
from pathlib import Path
from string import Template

import pytest

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "lab").glob("*.yaml"))
VALIDATE = ROOT / ".venv-manifests" / "bin" / "kubernetes-validate"
IMAGE = "example.org/iperf3@sha256:" + 64 * "0"


def test_there_is_one_for_one_node_and_one_for_two() -> None:
    assert [path.name for path in MANIFESTS] == ["iperf3-demo.yaml", "iperf3-two-nodes.yaml"]


@pytest.mark.skipif(not VALIDATE.exists(), reason="there is no .venv-manifests: run make setup")
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes_takes_it(manifest: Path, tmp_path: Path) -> None:
    filled = tmp_path / manifest.name
    filled.write_text(Template(manifest.read_text(encoding="utf-8")).substitute(IPERF3_IMAGE=IMAGE))
    done = subprocess.run([VALIDATE, "--strict", filled], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("passed") == 4


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_the_image_is_the_users_and_the_page_says_where_to_name_it(manifest: Path) -> None:
    text = manifest.read_text(encoding="utf-8")
    assert text.count("image: ${IPERF3_IMAGE}") == text.count("image:") == 2
    page = (ROOT / "docs" / "try-it-on-eks.md").read_text(encoding="utf-8")
    assert f"envsubst '$IPERF3_IMAGE' < lab/{manifest.name} | kubectl apply" in page
