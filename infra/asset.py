"""The one directory that all functions are deployed from: enigap without its desk part, and dependencies.

It is built here in plain Python, by uv, for AWS's interpreter and processor whatever this machine has; no
Docker. The same sources and lock give the same bytes on every machine, so what did not change is not
deployed again.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.environments import uv

PYTHON_VERSION: Final = "3.13"
PLATFORM: Final = "aarch64-manylinux2014"

PROJECT: Final = Path(__file__).parent.parent
SOURCE: Final = PROJECT / "functions" / "enigap"
LOCK: Final = PROJECT / "requirements" / "functions.txt"
BUILD: Final = PROJECT / "build" / "asset"

ASSETS_KEPT: Final = 5
"""Each is 14 MB, and every change of the sources is another one."""

FOR_THE_DESK: Final = ("cli",)

SERVICES: Final = frozenset(
    {"cloudwatch", "dynamodb", "ec2", "eks", "lambda", "logs", "secretsmanager", "sns", "sqs"}
)
"""What the functions ask of AWS. The SDK brings descriptions of 400 services; without the rest, the
functions come to a fifth of the size, and so does what is fetched and unpacked before each cold start.
"""

# What an installer leaves behind depends on the machine: scripts start with an interpreter's path, RECORD
# has their hashes, and nobody uninstalls anything from a function.
TRACES: Final = ("bin", ".lock", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")


def build(into: Path = BUILD) -> Path:
    """The directory to deploy, built only if this very one is not there yet."""
    asset = into / _fingerprint()
    if asset.exists():
        return asset
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        packed = Path(scratch) / "packed"
        _install(packed)
        _drop(packed, TRACES)
        _keep(packed / "botocore" / "data", SERVICES)
        for source in _sources():
            target = packed / SOURCE.name / source.relative_to(SOURCE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        _let_everybody_read(packed)
        try:
            packed.rename(asset)
        except OSError:
            # Another process was faster; what it built is the same.
            if not asset.exists():
                raise
    _forget_all_but_newest(into)
    return asset


def _sources() -> Iterator[Path]:
    """The files of enigap that are deployed, always in the same order."""
    for path in sorted(SOURCE.rglob("*")):
        inside = path.relative_to(SOURCE)
        if path.is_file() and inside.parts[0] not in FOR_THE_DESK and "__pycache__" not in inside.parts:
            yield path


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in (Path(__file__), LOCK, *_sources()):
        for part in (path.relative_to(PROJECT).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _install(target: Path) -> None:
    platform = ("--python-version", PYTHON_VERSION, "--python-platform", PLATFORM, "--only-binary", ":all:")
    exact = ("--require-hashes", "--no-compile-bytecode", "--requirements", LOCK)
    # Copies, not links into uv's cache: what is deployed gets permissions of its own.
    uv("pip", "install", "--quiet", "--link-mode", "copy", "--target", target, *platform, *exact)


def _drop(directory: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for path in directory.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _let_everybody_read(directory: Path) -> None:
    """Functions do not run as the user who owns their files, and a strict umask would be deployed, too."""
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _forget_all_but_newest(directory: Path) -> None:
    for old in sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime)[:-ASSETS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _keep(directory: Path, names: frozenset[str]) -> None:
    """Drop the subdirectories that have other names; files stay."""
    for path in directory.iterdir():
        if path.is_dir() and path.name not in names:
            shutil.rmtree(path)
