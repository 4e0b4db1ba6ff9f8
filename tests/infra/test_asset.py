"""The asset: the same bytes wherever it is built, whole by itself, and without what is for the desk."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from enigap.settings import ARCHITECTURES
from infra import asset
from tests.infra.conftest import functions


@pytest.fixture(scope="module")
def built() -> Path:
    return functions()


def content(directory: Path) -> dict[str, str]:
    """A digest of each file and its permissions, by its path."""
    return {
        path.relative_to(directory).as_posix(): (
            f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        )
        for path in directory.rglob("*")
        if path.is_file()
    }


def deployed_modules() -> list[str]:
    modules = [
        ".".join(path.relative_to(asset.SOURCE.parent).with_suffix("").parts) for path in asset._sources()
    ]
    return [module.removesuffix(".__init__") for module in modules]


def services_asked_for() -> set[str]:
    """The first argument of every `client(...)` in what is deployed."""
    return {
        str(call.args[0].value)
        for path in asset._sources()
        if path.suffix == ".py"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "client"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def run_in(directory: Path, code: str) -> str:
    """What a Python that knows nothing but its standard library and this directory prints."""
    program = f"import sys; sys.path.insert(0, {str(directory)!r})\n{code}"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_it_is_the_same_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    first = asset.build(tmp_path / "first")
    (asset.SOURCE / "core" / "__pycache__").mkdir(exist_ok=True)
    umask = os.umask(0o077)
    try:
        again = asset.build(tmp_path / "again")
    finally:
        os.umask(umask)
    assert again.name == first.name
    assert content(again) == content(first)
    assert {path.stat().st_mode & 0o777 for path in again.rglob("*")} == {0o644, 0o755}
    assert not [path for path in content(again) if "__pycache__" in path or path.endswith(".pyc")]


def test_what_is_there_already_is_not_built_again(tmp_path: Path) -> None:
    mark = asset.build(tmp_path) / "mark"
    mark.touch()
    asset.build(tmp_path)
    assert mark.exists()


def test_assets_of_earlier_sources_do_not_pile_up(tmp_path: Path) -> None:
    for age in range(asset.ASSETS_KEPT + 3):
        earlier = tmp_path / f"earlier-{age}"
        earlier.mkdir()
        os.utime(earlier, (age, age))
    newest = asset.build(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {newest.name, *(f"earlier-{age}" for age in range(4, asset.ASSETS_KEPT + 3))}


def test_a_changed_source_or_lock_is_another_asset(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements" / "functions.txt"
    lock.parent.mkdir()
    shutil.copy(asset.LOCK, lock)
    lock.write_text(lock.read_text() + "# another comment\n")
    with monkeypatch.context() as changed:
        changed.setattr(asset, "LOCK", lock)
        changed.setattr(asset, "PROJECT", Path("/"))
        assert asset._fingerprint(asset.PLATFORMS["arm64"]) != built.name


def test_another_processor_is_another_asset_with_libraries_for_it(built: Path, tmp_path: Path) -> None:
    other = asset.build(tmp_path, architecture="x86_64")
    assert other.name != built.name
    wheels = "\n".join(path.read_text() for path in other.glob("*.dist-info/WHEEL"))
    assert "aarch64" not in wheels
    assert not [path for path in other.rglob("*.so") if "aarch64" in path.name]


def test_every_architecture_that_can_be_set_has_a_platform() -> None:
    assert set(asset.PLATFORMS) == set(ARCHITECTURES)


def test_it_holds_no_trace_of_the_machine_it_was_built_on(built: Path) -> None:
    paths = content(built)
    assert not [
        path for path in paths if path.startswith("bin/") or Path(path).name in {"RECORD", "INSTALLER"}
    ]
    here = str(asset.PROJECT).encode()
    assert not [path for path in paths if here in (built / path).read_bytes()]


def test_the_desk_stays_at_home(built: Path) -> None:
    assert not list(built.glob("enigap/cli*"))
    for library in ("rich", "typer", "aws_cdk", "trustme"):
        assert not (built / library).exists()


def test_it_holds_the_locked_versions(built: Path) -> None:
    locked = {
        line.split(" ")[0].replace("-", "_").lower()
        for line in asset.LOCK.read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    }
    packed = {
        path.name.removesuffix(".dist-info").replace("-", "==").lower() for path in built.glob("*.dist-info")
    }
    assert packed == locked


def test_every_module_imports_from_it_alone(built: Path) -> None:
    code = f"import importlib; [importlib.import_module(m) for m in {deployed_modules()}]; print('all')"
    assert run_in(built, code) == "all"


def test_the_sdk_knows_every_service_that_is_asked_for(built: Path) -> None:
    asked = services_asked_for()
    assert asked == asset.SERVICES
    code = f"""
import boto3.session
session = boto3.session.Session()
clients = [session.client(name, region_name="eu-west-1") for name in {sorted(asked)}]
print(len(clients))
"""
    assert run_in(built, code) == str(len(asked))


def test_the_sdk_in_it_is_the_one_that_is_loaded(built: Path) -> None:
    assert run_in(built, "import boto3; print(boto3.__file__)").startswith(str(built))
    assert run_in(built, "import botocore; print(botocore.__file__)").startswith(str(built))
