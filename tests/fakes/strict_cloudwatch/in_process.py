"""boto3 without a socket: the fake answers a client's requests as botocore is about to send them."""

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from tests.fakes.strict_cloudwatch.cloudwatch import StrictCloudWatch


def attach(fake: StrictCloudWatch, client: Any) -> None:
    """Let the fake answer this client. Serialising, signing, retrying and parsing stay botocore's own."""

    def answer(request: Any, **_: Any) -> Any:
        headers = {name: _decoded(value) for name, value in request.headers.items()}
        try:
            status, fields, body = fake.handle(headers, request.body)
        except ConnectionResetError as reset:
            raise ConnectionClosedError(endpoint_url=request.url, error=reset) from reset
        return AWSResponse(request.url, status, fields, _Raw(body))

    client.meta.events.register_first("before-send.cloudwatch", answer)


def client_of(fake: StrictCloudWatch, config: Config | None = None) -> Any:
    """A boto3 CloudWatch client of made-up credentials that the fake answers in process."""
    client = boto3.client(
        "cloudwatch",
        region_name=fake.region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        endpoint_url="https://strict-cloudwatch.invalid",
        config=config,
    )
    attach(fake, client)
    return client


class _Raw:
    """The part of a urllib3 response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _decoded(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
