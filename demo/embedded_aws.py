"""An AWS emulator: starts ministack on loopback, and stops it even if this process is killed.

ministack has an environment of its own (`.venv-aws`), because it pins the SDK and because a function deployed
to it must not import the project's packages by accident. Its state, log and certificate are in one temporary
directory, which is deleted when the emulator stops.
"""

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import trustme  # a certificate authority without the openssl command, which ministack would call

LOOPBACK = "127.0.0.1"
ACCOUNT = "123456789012"
# In ministack the root user's access key is the account number; its signature is not checked.
ACCESS_KEY_ID = ACCOUNT
SECRET_ACCESS_KEY = "unchecked"  # noqa: S105

_START_SECONDS = 60.0

# Environment variables that the emulator and its functions inherit: enough to run, no credentials.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

# Runs the emulator's server until its standard input is closed, which happens when this process ends in any
# way: not even SIGKILL leaves an emulator, a function or a directory behind.
_SERVER = """
import os, runpy, shutil, signal, sys, threading
def go_with_parent(state=sys.argv.pop(1)):
    os.read(0, 1)
    shutil.rmtree(state, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=go_with_parent, daemon=True).start()
runpy.run_module("hypercorn", run_name="__main__", alter_sys=True)
"""


class EmbeddedAwsError(Exception):
    """The embedded AWS failed. `str()` is one sentence, followed by the tail of its log if there is one."""


class EmbeddedAws:
    """An emulator, as a context manager; it runs and answers inside the `with` block.

    Calls made with `environment()` or `client_arguments()` are those of the account's root user. With
    `enforce_iam` all other callers, such as the deployed functions, need a known key, a valid signature and a
    policy that allows the call. With `tls` it serves https only, with a certificate of a private authority.
    """

    region: Final = "eu-west-1"

    def __init__(
        self,
        *,
        tls: bool = False,
        enforce_iam: bool = False,
        python: Path | None = None,
    ) -> None:
        self.port = 0
        self._tls = tls
        self._enforce_iam = enforce_iam
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        python = self._python or interpreter(Path(sys.prefix))
        self._directory = tempfile.TemporaryDirectory(prefix="enigap-aws-", ignore_cleanup_errors=True)
        try:
            self._start(python)
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """A complete environment for a process that uses this AWS and no other.

        It is `base` (by default this process's environment) without its AWS variables, so that no profile and
        no session of the user is used.
        """
        base = os.environ if base is None else base
        nowhere = str(self._state / "nowhere")
        environment = {name: value for name, value in base.items() if not name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name in ("NO_PROXY", "no_proxy"):
            environment[name] = ",".join(filter(None, (base.get(name), LOOPBACK, "localhost")))
        if self._tls:
            environment |= {"AWS_CA_BUNDLE": str(self._ca), "NODE_EXTRA_CA_CERTS": str(self._ca)}
        return environment

    def client_arguments(self) -> dict[str, str]:
        """Keyword arguments for `boto3.client(service, ...)` in this process."""
        arguments = {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": SECRET_ACCESS_KEY,
        }
        return arguments | {"verify": str(self._ca)} if self._tls else arguments

    def log_tail(self) -> str:
        """The last lines of the emulator's log, for error messages; functions log to CloudWatch Logs."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    @property
    def process_group(self) -> int:
        """The emulator's process group; its functions run in it too."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmbeddedAwsError("The embedded AWS is not running: use it inside its `with` block.")
        return self._process

    @property
    def _state(self) -> Path:
        if self._directory is None:
            raise EmbeddedAwsError("The embedded AWS is not running: use it inside its `with` block.")
        return Path(self._directory.name)

    @property
    def _log(self) -> Path:
        return self._state / "log"

    @property
    def _ca(self) -> Path:
        return self._state / "ca.pem"

    def _start(self, python: Path) -> None:
        command = [str(python), "-P", "-c", _SERVER, str(self._state)]
        command += ["ministack.app:app", "--workers", "0", "--keep-alive", "75"]
        if self._tls:
            certificate, key = self._issue_certificate()
            command += ["--certfile", str(certificate), "--keyfile", str(key)]
        # The server gets a bound socket, so that no other process can take the port in between. ministack's
        # own start-up is not used: in TLS mode it listens on port 443, too, if it is permitted.
        with socket.create_server((LOOPBACK, 0)) as listener, self._log.open("wb") as log:
            self.port = listener.getsockname()[1]
            self._process = subprocess.Popen(
                [*command, "--bind", f"fd://{listener.fileno()}"],
                env=self._own_environment(),
                cwd=self._state,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )

    def _own_environment(self) -> dict[str, str]:
        """The emulator's environment, which the functions it runs inherit."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment = inherited | {
            "HOME": str(self._state),
            "TMPDIR": str(self._state),
            "STATE_DIR": str(self._state / "services"),
            "S3_DATA_DIR": str(self._state / "s3"),
            "TZ": "UTC",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": LOOPBACK,
            "MINISTACK_REGION": self.region,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AUTH": "true" if self._enforce_iam else "false",
            # These two services would listen on all addresses.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        if self._tls:
            ca = str(self._ca)
            environment |= {
                "USE_SSL": "1",
                "AWS_CA_BUNDLE": ca,
                "SSL_CERT_FILE": ca,
                "REQUESTS_CA_BUNDLE": ca,
            }
            environment |= {"NODE_EXTRA_CA_CERTS": ca}
        return environment

    def _issue_certificate(self) -> tuple[Path, Path]:
        authority = trustme.CA()
        issued = authority.issue_cert(LOOPBACK, "localhost")
        certificate, key = self._state / "server.pem", self._state / "server.key"
        authority.cert_pem.write_to_path(self._ca)
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return certificate, key

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if self._running.poll() is not None:
                raise EmbeddedAwsError(
                    f"The embedded AWS stopped while it started; it said:\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedAwsError(
                    f"The embedded AWS did not answer within {_START_SECONDS:g} s; "
                    f"it said:\n{self.log_tail()}"
                )
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        connection = (
            HTTPSConnection(
                LOOPBACK, self.port, timeout=5, context=ssl.create_default_context(cafile=self._ca)
            )
            if self._tls
            else HTTPConnection(LOOPBACK, self.port, timeout=5)
        )
        with closing(connection):
            try:
                connection.request("GET", "/_ministack/ready")
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False  # not yet; if it never answers, the log says why

    def _stop(self) -> None:
        if self._process is not None:
            # The group leader is not reaped yet, so its process id cannot have been reused.
            # macOS answers EPERM for a group in which only a zombie is left.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None


def interpreter(environment: Path) -> Path:
    """The Python with ministack: of `.venv-aws` next to `environment`, or else the running one."""
    beside = environment.parent / ".venv-aws" / "bin" / "python"
    if beside.exists():
        return beside
    if find_spec("ministack") is not None:
        return Path(sys.executable)
    raise EmbeddedAwsError(
        "The embedded AWS (ministack) is not installed: run `make demo` in the project's directory, "
        "or install requirements/embedded-aws.txt beside enigap."
    )
