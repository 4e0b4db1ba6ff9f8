"""The services that give out credentials, on loopback: STS, IAM Identity Center, a container's agent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final
from urllib.parse import parse_qs

from enigap.core.instants import timestamp

MFA_CODE: Final = "123456"
UNTIL: Final = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


class SignInServices(ThreadingHTTPServer):
    """Answers each request for credentials with those of `key`, whose names are the environment's."""

    def __init__(self, key: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.access_key = key["AWS_ACCESS_KEY_ID"]
        self.secret_key = key["AWS_SECRET_ACCESS_KEY"]
        self.asked: list[dict[str, str]] = []
        """The parameters of the requests to STS."""
        self.page = ""
        """What is answered in place of everything."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve_sign_in(key: Mapping[str, str]) -> Iterator[SignInServices]:
    with SignInServices(key) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: SignInServices

    def do_GET(self) -> None:
        server, until_ms = self.server, int(UNTIL.timestamp() * 1000)
        if self.path.startswith("/federation/credentials"):
            keys = {"accessKeyId": server.access_key, "secretAccessKey": server.secret_key}
            session = {"sessionToken": "token", "expiration": until_ms}
            self._answer("application/json", json.dumps({"roleCredentials": {**keys, **session}}))
        elif self.path == "/refused":
            self._answer("application/json", json.dumps({"message": "no"}), 403)
        else:
            keys = {"AccessKeyId": server.access_key, "SecretAccessKey": server.secret_key}
            role = keys | {"Token": "token", "Expiration": timestamp(UNTIL)}
            self._answer("application/json", json.dumps(role))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.asked.append(asked)
        if asked.get("TokenCode", MFA_CODE) != MFA_CODE:
            said = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
            error = f"<Error><Code>AccessDenied</Code><Message>{said}</Message></Error>"
            self._answer("text/xml", f"<ErrorResponse>{error}</ErrorResponse>", 403)
            return
        self._answer(
            "text/xml",
            f"<{asked['Action']}Response><{asked['Action']}Result><Credentials>"
            f"<AccessKeyId>{self.server.access_key}</AccessKeyId>"
            f"<SecretAccessKey>{self.server.secret_key}</SecretAccessKey>"
            f"<SessionToken>token</SessionToken><Expiration>{timestamp(UNTIL)}</Expiration>"
            f"</Credentials></{asked['Action']}Result></{asked['Action']}Response>",
        )

    def _answer(self, kind: str, text: str, status: int = 200) -> None:
        if self.server.page:
            kind, text = "text/html", self.server.page
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep quiet."""
