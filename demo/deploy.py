"""Deploys the stack on the embedded AWS with the CDK's command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from demo.embedded_aws import ACCOUNT, EmbeddedAws, EmbeddedAwsError

PROJECT: Final = Path(__file__).parents[1]
STACK: Final = "enigap"


@contextmanager
def workshop() -> Iterator[Path]:
    """A temporary directory for the CDK's output. Raises EmbeddedAwsError if the CDK is not installed."""
    if not (PROJECT / "cdk.json").exists() or not _cdk().exists():
        raise EmbeddedAwsError(
            "The demo deploys the project's own stack and needs its checkout: run `make demo` in there."
        )
    with tempfile.TemporaryDirectory(prefix="enigap-cdk-") as directory:
        yield Path(directory)


def bootstrap(aws: EmbeddedAws, directory: Path, say: Callable[[str], None]) -> None:
    """Run `cdk bootstrap`, which an account needs once before deployments."""
    _run(aws, directory, say, "bootstrap", f"aws://{ACCOUNT}/{aws.region}")


def deploy(
    aws: EmbeddedAws, directory: Path, settings: Mapping[str, Any], say: Callable[[str], None]
) -> dict[str, str]:
    """Run `cdk deploy` with these settings; returns the stack's outputs."""
    outputs = directory / "outputs.json"
    _run(
        aws,
        directory,
        say,
        "deploy",
        "--require-approval=never",
        f"--outputs-file={outputs}",
        # Roles are not assumed here, and the file-publishing role would be denied access to the bucket.
        "--context=credentials=cli",
        f"--context=enigap={json.dumps(settings)}",
        STACK,
    )
    found: dict[str, str] = json.loads(outputs.read_text(encoding="utf-8"))[STACK]
    return found


def _run(aws: EmbeddedAws, directory: Path, say: Callable[[str], None], *arguments: str) -> None:
    command = [str(_cdk()), *arguments, f"--output={directory / 'cdk.out'}", "--progress=events", "--ci"]
    environment = aws.environment() | {
        "CDK_VALIDATION": "false",  # tested elsewhere; it triples the time of a synth
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": aws.region,
        "NO_COLOR": "1",
    }
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # a process group of its own, to end it with all that it starts
    ) as process:
        try:
            for line in process.stdout or ():
                said.append(line.rstrip())
                if text := line.strip():
                    say(text[:80])
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        tail = "\n".join(said[-25:])
        raise EmbeddedAwsError(f"`cdk {arguments[0]}` failed on the embedded AWS; it said:\n{tail}")


def _cdk() -> Path:
    return Path(sys.prefix) / "bin" / "cdk"
