"""Runs a Python module as process 1 of network, mount and PID namespaces that nothing gets out of.

As root, or in a user namespace where the kernel allows them. However the process ends, the kernel ends
everything in its PID namespace and takes the networks down with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from lab.network import LabError, sh

_TOOLS: Final = {"ip": "iproute2", "iperf3": "iperf3", "nsenter": "util-linux", "unshare": "util-linux"}
_NAMESPACES: Final = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def why_not() -> str | None:
    """Why the lab cannot run on this machine, in one sentence; None if it can."""
    if not sys.platform.startswith("linux"):
        return "The lab needs Linux: it builds a node from network namespaces."
    missing = {package for tool, package in _TOOLS.items() if shutil.which(tool) is None}
    if missing:
        return (
            f"The lab needs {' and '.join(sorted(missing))}: install them with the system's package manager."
        )
    tried = subprocess.run(_wrapped(["true"]), capture_output=True, text=True, check=False)
    if tried.returncode:
        said = tried.stderr.strip()
        return f"The lab needs root, or a kernel that allows unprivileged user namespaces: {said}."
    return None


def _wrapped(command: list[str]) -> list[str]:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [str(shutil.which("unshare")), *user, *_NAMESPACES, *command]


class Isolated:
    """A running `python -m MODULE` in namespaces of its own."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            _wrapped([sys.executable, "-m", module, *arguments]),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait(self, seconds: float) -> None:
        """Until it ends. Raises LabError with its last words where it failed or took longer."""
        try:
            _, said = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError(f"The scenario was not done after {seconds:.0f} s.") from None
        if self._process.returncode:
            raise LabError((said.strip().splitlines() or ["The scenario ended without a word."])[-1])

    def kill(self) -> None:
        """End it and everything in it."""
        # The whole group: unshare may not have told the kernel yet that its child is to end with it.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def enter() -> None:
    """What process 1 does first. Raises LabError outside of namespaces of its own."""
    links = sh("ip", "-o", "link", "show", "up")
    if os.getpid() != 1 or links:
        raise LabError("This builds networks only as process 1 of namespaces of its own: run make lab.")
    # Process 1 has no default handlers, so a signal would do nothing.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    Path("/run/netns").mkdir()
