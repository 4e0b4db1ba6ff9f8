"""Builds the Lambda asset: one directory with enigap (without its command line) and its dependencies.

uv installs the dependencies for Lambda's Python version and processor; Docker is not needed. The build is
reproducible: the same sources and lock file give the same bytes on every machine, so an unchanged asset is
not deployed again.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from enigap.settings import Settings
from scripts.environments import uv

PYTHON_VERSION: Final = "3.13"
PLATFORMS: Final = {"arm64": "aarch64-manylinux2014", "x86_64": "x86_64-manylinux2014"}
"""The platform of the dependencies, in uv's words, by the architecture, in Lambda's."""

PROJECT: Final = Path(__file__).parent.parent
SOURCE: Final = PROJECT / "functions" / "enigap"
LOCK: Final = PROJECT / "requirements" / "functions.txt"
BUILD: Final = PROJECT / "build" / "asset"

ASSETS_KEPT: Final = 5
"""Older builds are deleted: each has 15 MB, and every change of the sources makes a new one."""

FOR_THE_DESK: Final = ("cli/", "aws/bundle/", "aws/observe", "core/doctor/")

SERVICES: Final = frozenset(
    {
        "cloudformation",
        "cloudwatch",
        "dynamodb",
        "ec2",
        "eks",
        "kms",
        "lambda",
        "logs",
        "secretsmanager",
        "sns",
        "sqs",
        "sts",
    }
)
"""The AWS services that the deployed modules name; sts is for commands alone. botocore ships API models of
400 services; without the others the asset, which Lambda fetches and unpacks before each cold start, has a
fifth of the size.
"""

# Files of the installer that differ between machines and would make the build irreproducible: scripts start
# with the interpreter's path, and RECORD has their hashes. They are needed only for uninstalling.
TRACES: Final = ("bin", ".lock", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")

UNUSED: Final = ("yaml/_yaml.*.so",)
"""PyYAML's compiled part, a sixth of the asset: enigap.aws.strict_yaml builds on the one in Python."""


def build(into: Path = BUILD, *, architecture: str = Settings().architecture) -> Path:
    """The directory to deploy; it is built unless one with the same fingerprint exists."""
    platform = PLATFORMS[architecture]
    asset = into / _fingerprint(platform)
    if asset.exists():
        return asset
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        packed = Path(scratch) / "packed"
        _install(packed, platform)
        _drop(packed, (*TRACES, *UNUSED))
        _keep(packed / "botocore" / "data", SERVICES)
        for source in _sources():
            target = packed / SOURCE.name / source.relative_to(SOURCE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        _let_everybody_read(packed)
        try:
            packed.rename(asset)
        except OSError:
            # Another process has built the same asset in the meantime.
            if not asset.exists():
                raise
    _forget_all_but_newest(into)
    return asset


def _sources() -> Iterator[Path]:
    """The files of enigap that are deployed, always in the same order."""
    for path in sorted(SOURCE.rglob("*")):
        inside = path.relative_to(SOURCE)
        if (
            path.is_file()
            and not inside.as_posix().startswith(FOR_THE_DESK)
            and "__pycache__" not in inside.parts
        ):
            yield path


def _fingerprint(platform: str) -> str:
    digest = hashlib.sha256(platform.encode())
    for path in (Path(__file__), LOCK, *_sources()):
        for part in (path.relative_to(PROJECT).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _install(target: Path, platform: str) -> None:
    wheels = ("--python-version", PYTHON_VERSION, "--python-platform", platform, "--only-binary", ":all:")
    exact = ("--require-hashes", "--no-compile-bytecode", "--requirements", LOCK)
    # Copies, not links into uv's cache: the permissions of these files are changed below.
    uv("pip", "install", "--quiet", "--link-mode", "copy", "--target", target, *wheels, *exact)


def _drop(directory: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for path in directory.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _let_everybody_read(directory: Path) -> None:
    """Set permissions explicitly: Lambda runs as another user, and this machine's umask may be strict."""
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _forget_all_but_newest(directory: Path) -> None:
    for old in sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime)[:-ASSETS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _keep(directory: Path, names: frozenset[str]) -> None:
    """Delete the subdirectories that are not in `names`; files stay."""
    for path in directory.iterdir():
        if path.is_dir() and path.name not in names:
            shutil.rmtree(path)
