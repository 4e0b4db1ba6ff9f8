"""An AWS of one's own: starts ministack on loopback and stops it whatever happens.

ministack has an environment of its own (`.venv-aws`), because it pins the SDK and because a function deployed
to it must not find the project's packages by accident. Nothing of it is kept: state, log and certificate live
in one temporary directory that goes when the emulator goes.
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
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme  # a certificate authority in three lines; ministack itself would need the openssl command

LOOPBACK = "127.0.0.1"
ACCOUNT = "123456789012"
# ministack takes an account's number for the access key of its root user, whose signature it does not check.
ACCESS_KEY_ID = ACCOUNT
SECRET_ACCESS_KEY = "unchecked"  # noqa: S105

# What the emulator and the functions in it may see of the user's environment: enough to run, no credentials.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

# Runs the emulator's server until the other end of its standard input is gone, which is when this process is,
# however it ended: not even SIGKILL leaves an emulator, a function or a directory behind.
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
    """The embedded AWS cannot be had: one sentence, and the tail of its log where there is one."""


class EmbeddedAws:
    """A running emulator, as a context manager; it is up and answering inside the `with` block.

    Calls made with `environment()` or `client_arguments()` are those of the account's root user. With
    `enforce_iam` everyone else, the deployed functions among them, needs a known key, a valid signature and a
    policy that allows the call. With `tls` it speaks https only, with a certificate that nobody else trusts.
    """

    def __init__(
        self,
        *,
        region: str = "eu-west-1",
        tls: bool = False,
        enforce_iam: bool = False,
        start_within: timedelta = timedelta(seconds=60),
        python: Path | None = None,
    ) -> None:
        self.region = region
        self.port = 0
        self._tls = tls
        self._enforce_iam = enforce_iam
        self._start_within = start_within
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
        """The whole environment for a process that is to use this AWS and no other.

        It is `base` (this process's environment unless given) without its AWS variables, so that neither a
        profile nor a session of the user can get in.
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

    def log_tail(self, lines: int = 20) -> str:
        """The last lines the emulator wrote, for the message of a failure; functions write to its Logs."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

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
        # The server is handed a socket that is bound already: nobody can take the port in between, and
        # ministack's own start-up, which in TLS mode takes port 443 as well where it may, is not used.
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
        """What the emulator sees; the functions it runs inherit all of it."""
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
            # These two would listen on every address.
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
        deadline = time.monotonic() + self._start_within.total_seconds()
        while not self._is_ready():
            if self._running.poll() is not None:
                raise EmbeddedAwsError(
                    f"The embedded AWS stopped while it started; it said:\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                seconds = self._start_within.total_seconds()
                raise EmbeddedAwsError(
                    f"The embedded AWS did not answer within {seconds:.0f} s; it said:\n{self.log_tail()}"
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
                return False  # not yet; if it is never, the log says why

    def _stop(self) -> None:
        if self._process is not None:
            # The leader is not reaped before, so its number still belongs to this group.
            # macOS answers EPERM for a group of which nothing but a zombie is left.
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
    """The Python that has ministack: of `.venv-aws` beside `environment`, or else the running one."""
    beside = environment.parent / ".venv-aws" / "bin" / "python"
    if beside.exists():
        return beside
    if find_spec("ministack") is not None:
        return Path(sys.executable)
    raise EmbeddedAwsError(
        "The embedded AWS (ministack) is not installed: run `make demo` in the project's directory, "
        "or install requirements/embedded-aws.txt beside enigap."
    )
