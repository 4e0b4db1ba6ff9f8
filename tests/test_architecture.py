"""Which way the arrows point: the core knows nobody, deployed code no desk, infrastructure the product."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "functions" / "enigap"

DESK_ONLY = (
    "cli",
    "aws/bundle",
    "aws/observe",
    "aws/observe_documents",
    "aws/observe_otel",
    "aws/observe_uses",
    "core/doctor",
)
OUTSIDE = {"bench", "demo", "infra", "lab", "tests"}
DESK_LIBRARIES = {
    "aws_cdk",
    "cdk_nag",
    "constructs",
    "hypothesis",
    "jinja2",
    "ministack",
    "moto",
    "pytest",
    "rich",
    "trustme",
    "typer",
}


def modules(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"{folder} holds no module: has it been renamed?"
    return found


def imports(module: Path) -> Iterator[str]:
    """The full names of everything a module imports, inside functions and type-checking blocks too."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def deployed_modules() -> list[Path]:
    folders = tuple(f"{part}{end}" for part in DESK_ONLY for end in ("/", ".py"))
    return [m for m in modules(PACKAGE) if not m.relative_to(PACKAGE).as_posix().startswith(folders)]


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", modules(PACKAGE / "core"), ids=ids)
def test_the_core_imports_the_standard_library_and_itself_only(module: Path) -> None:
    foreign = {
        name
        for name in imports(module)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("enigap.core")
    }
    assert not foreign


@pytest.mark.parametrize("module", modules(PACKAGE / "core"), ids=ids)
def test_the_core_reads_no_clock_environment_or_file_and_writes_no_log(module: Path) -> None:
    impure = {"io", "logging", "os", "pathlib", "random", "socket", "subprocess", "time", "urllib", "uuid"}
    assert not {name.split(".")[0] for name in imports(module)} & impure
    clocks = {"now", "today", "utcnow", "open", "print", "input"}
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not called & clocks


@pytest.mark.parametrize("module", deployed_modules(), ids=ids)
def test_deployed_code_imports_no_desk_development_or_infrastructure_library(module: Path) -> None:
    names = set(imports(module))
    assert not {name.split(".")[0] for name in names} & DESK_LIBRARIES
    assert not {name for name in names if name.split(".")[0] in OUTSIDE}
    desk = tuple(f"enigap.{folder.replace('/', '.')}" for folder in DESK_ONLY)
    assert not {name for name in names if name.startswith(desk)}


@pytest.mark.parametrize("module", modules(PACKAGE), ids=ids)
def test_whatever_knows_the_sdk_is_in_aws(module: Path) -> None:
    if module.relative_to(PACKAGE).parts[0] == "aws":
        return
    assert not {name for name in imports(module) if name.split(".")[0] in {"boto3", "botocore"}}


@pytest.mark.parametrize("module", modules(PACKAGE / "aws"), ids=ids)
def test_adapters_know_the_core_and_not_the_pipeline_the_handlers_or_the_settings(module: Path) -> None:
    own = {name for name in imports(module) if name.startswith("enigap.")}
    assert all(name.startswith(("enigap.core", "enigap.aws")) for name in own), own


@pytest.mark.parametrize("module", modules(ROOT / "infra"), ids=ids)
def test_infrastructure_imports_the_product_and_the_product_never_infrastructure(module: Path) -> None:
    others = {"bench", "boto3", "demo", "lab", "tests"}
    assert not {name for name in imports(module) if name.split(".")[0] in others}


def test_the_command_line_starts_with_what_its_extra_brings_and_nothing_of_the_demos() -> None:
    """`pip install 'enigap[desk]'` has no certificate authority, no CDK and no embedded AWS."""
    code = "import sys; import enigap.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"trustme", "aws_cdk", "jinja2"} & set(loaded.split())
