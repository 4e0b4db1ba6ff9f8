"""Writes an SBOM of the deployed functions, and looks up known vulnerabilities in their dependencies.

    .venv/bin/python scripts/audit.py [--all]

build/sbom.json   CycloneDX: every package of the deployed code, with its version and the hashes it may have
build/desk.json   with --all: every package in .venv, with its licence

The SBOMs are made offline. Vulnerabilities are looked up in PyPI's advisories; if these cannot be reached,
the script prints that and does not fail. Exit status: 1 if a vulnerability is found or a tool fails; else 0.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "build"
TOOLS: Final = ROOT / ".venv-audit" / "bin"
DEPLOYED: Final = ROOT / "requirements" / "functions.txt"
DESK: Final = ROOT / ".venv"

UNREACHABLE: Final = re.compile(
    r"Could not connect to|^requests\.exceptions\.\w+: |^pip_audit\.\S+\.ServiceError", re.MULTILINE
)
"""stderr of pip-audit when the index cannot be reached or answers with an error. Other failures are bugs."""


@dataclass(frozen=True)
class Ended:
    """A finished process: exit status and output."""

    status: int
    stdout: str
    stderr: str


Run = Callable[[Sequence[str]], Ended]


def main(arguments: Sequence[str], run: Run) -> int:
    """Make the lists and the look-up, print the results, and return the exit status."""
    if not set(arguments) <= {"--all"}:
        print("scripts/audit.py takes --all or nothing.")
        return 1
    BUILD.mkdir(exist_ok=True)
    lists = [sbom("requirements", DEPLOYED, BUILD / "sbom.json", run)]
    if "--all" in arguments:
        lists.append(sbom("environment", DESK, BUILD / "desk.json", run))
    return max(*lists, advisories(DEPLOYED, run))


def sbom(kind: str, of: Path, to: Path, run: Run) -> int:
    """Write the CycloneDX SBOM of a lock file (kind "requirements") or an environment; the exit status."""
    ended = run(
        [
            str(TOOLS / "cyclonedx-py"),
            kind,
            str(of),
            "--output-reproducible",
            "--output-format",
            "JSON",
            "--output-file",
            str(to),
        ]
    )
    if ended.status != 0:
        print(f"{_named(of)} could not be listed: {_last_line(ended.stderr)}")
        return 1
    print(f"{_named(to)} lists what is in {_named(of)}.")
    return 0


def advisories(lock: Path, run: Run) -> int:
    """Look up every locked version with pip-audit, print the results, and return the exit status."""
    ended = run(
        [
            str(TOOLS / "pip-audit"),
            "--requirement",
            str(lock),
            "--require-hashes",
            "--disable-pip",
            "--format",
            "json",
            "--progress-spinner",
            "off",
        ]
    )
    packages = _packages(ended.stdout)
    if packages is None:
        if UNREACHABLE.search(ended.stderr):
            print(f"{_named(lock)} was not looked up: the advisories cannot be reached.")
            return 0
        print(f"{_named(lock)} could not be looked up: {_last_line(ended.stderr)}")
        return 1
    found = [(package, each) for package in packages for each in package.get("vulns", ())]
    for package, each in found:
        fixed_in = ", ".join(each["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {each['id']}, fixed in {fixed_in}")
    # pip-audit prints "no known vulnerabilities" also when the index knows none of the packages.
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if unknown:
        print(f"The index does not know {', '.join(unknown)}: these were not looked up.")
    looked_up = len(packages) - len(unknown)
    if looked_up:
        print(
            f"{looked_up} of {len(packages)} packages were looked up, {len(found)} vulnerabilities are known."
        )
    else:
        print(f"None of {len(packages)} packages was looked up: whether they are vulnerable is not known.")
    return 1 if found else 0


def _packages(report: str) -> list[Mapping[str, Any]] | None:
    """The packages in pip-audit's JSON report; None if there is no report."""
    try:
        packages: list[Mapping[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, TypeError, KeyError):
        return None
    return packages


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it does not say why"])[-1]


def _named(path: Path) -> Path:
    return path.relative_to(ROOT)


def run_tool(command: Sequence[str]) -> Ended:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return Ended(done.returncode, done.stdout, done.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run_tool))
