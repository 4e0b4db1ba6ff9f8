"""Creates all AWS clients. Profile, region, AWS_ENDPOINT_URL and so on work as in every AWS SDK.

Three optimisations save CPU time for large clusters. The adapters work with unmodified boto3 clients, too:

* GetMetricData requests are serialized by `json`. botocore would validate and copy their 500 queries member
  by member (77 to 51 µs per node, including reading the answer);
* GetMetricData responses keep the timestamps as numbers. botocore would convert each to a datetime, which
  takes 70 % of the time of reading metrics (814 to 120 µs per node with 56 datapoints);
* DescribeInstances responses are parsed only for the fields that the adapters need, not for all 8 KB of an
  instance (1.0 to 0.15 ms per instance).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError
from botocore.utils import IMDSRegionProvider

from enigap.aws.deadline import ATTEMPT_SECONDS, CONNECT_SECONDS, Deadline
from enigap.aws.errors import AwsProblem, ProblemKind, calling, no_region, one_line, wrong_region
from enigap.aws.signing_in import get_credentials
from enigap.core.console import is_region

DEFAULT_PARALLELISM: Final = 6
"""Concurrent calls of one client."""
DEFAULT_ATTEMPTS: Final = 6
"""The SDK's attempts, retries included, of a call that is throttled or gets no answer."""
METRIC_CALLS_UNDER_WAY: Final = 24
"""Concurrent GetMetricData calls. AWS's quota of 180,000 datapoints a second allows about 22 full calls of
8,000 in a second, to which `Pace` limits them; with so many threads a call may take up to a second."""


class Aws:
    """The clients of one profile and region, each created once.

    Raises AwsProblem if profile, region, configuration or endpoint are invalid. Credentials are got by
    `sign_in`, or else at the first call. Clients are thread-safe; creating them is not.
    """

    sleep = staticmethod(time.sleep)
    """How calls wait for the rate limit (`Pace`)."""

    def __init__(
        self,
        *,
        profile: str | None = None,
        region: str | None = None,
        parallelism: int = DEFAULT_PARALLELISM,
        attempts: int = DEFAULT_ATTEMPTS,
        attach: Callable[[Any], None] = lambda _: None,
        session: boto3.session.Session | None = None,
    ) -> None:
        """`attach` is called with each client that is created, such as to record its calls. A `session` is
        used in place of that of the profile.
        """
        self.parallelism = parallelism
        self._attach = attach
        self._attempts = attempts
        self._clients: dict[str, Any] = {}
        with calling("AWS"):
            self._session = session or _session(profile, region)
            # Of the session: the SDK's own clients that get credentials are made of it as well.
            self._session.events.register_first("before-parse", _refuse_what_is_not_awss, _NOT_AWSS)
            self.region = str(region or self._session.region_name or "")
        if not self.region or region == "":
            raise no_region()
        if not is_region(self.region):
            raise wrong_region(self.region)

    @cached_property
    def deadline(self) -> Deadline:
        """The deadline of every call of every client; endless until its `seconds_left` is set."""
        return Deadline()

    def sign_in(self, *, may_ask: bool = True) -> None:
        """Get the credentials now: it may ask for an MFA code or run a program that asks for a password.

        Commands call it before they draw anything on the terminal. Raises AwsProblem, also where a code is
        needed and must not be asked for.
        """
        get_credentials(self._session, may_ask=may_ask)

    def at(self, region: str) -> Aws:
        """The clients of another region, with the same credentials: nothing is asked for again."""
        return Aws(session=self._session, region=region)

    def caller(self) -> str:
        """Whose credentials they are: the last part of the caller's ARN, a user's or a session's name.

        Needs no permission. Raises AwsProblem.
        """
        sts = self.client("sts")
        with calling("sts:GetCallerIdentity", sts):
            arn: str = sts.get_caller_identity()["Arn"]
        return re.split("[:/]", arn)[-1]

    def client(self, service: str) -> Any:
        """The boto3 client of a service, such as "logs"."""
        if service not in self._clients:
            self._clients[service] = self._make(service)
        return self._clients[service]

    @property
    def is_genuine(self) -> bool:
        """Whether it is AWS that is asked, and no emulator, of which AWS's console shows nothing."""
        host = urlsplit(str(self.client("cloudwatch").meta.endpoint_url)).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    def _make(self, service: str) -> Any:
        with calling(service):
            try:
                client: Any = self._session.client(
                    service, region_name=self.region, config=self._config(service)
                )
                _require_url(client.meta.endpoint_url)
            except BotoCoreError:
                raise  # some are ValueErrors, too
            except ValueError as error:
                if "endpoint" not in str(error).lower():
                    raise AwsProblem(
                        ProblemKind.PROFILE,
                        f"The SDK refuses the AWS configuration ({one_line(str(error))})",
                        "correct the profile, or the environment variable that has this value",
                    ) from None
                raise AwsProblem(
                    ProblemKind.UNREACHABLE,
                    f"The endpoint set for {service} is no URL",
                    "set AWS_ENDPOINT_URL to one such as http://127.0.0.1:4566, or unset it",
                ) from error
        self.deadline.attach(client)
        if service == "cloudwatch":
            events = client.meta.events
            events.register("provide-client-params.cloudwatch.GetMetricData", _write_queries_as_they_are)
            events.register("before-call.cloudwatch.GetMetricData", _send_what_was_written)
            events.register("before-parse.cloudwatch.GetMetricData", _take_numbers_as_they_are)
        elif service == "ec2":
            client.meta.events.register("before-parse.ec2.DescribeInstances", _read_only_what_discovery_reads)
        self._attach(client)
        return client

    def _config(self, service: str) -> Config:
        return Config(
            # Adaptive: after throttling, all threads of the client slow down together.
            retries={
                "mode": "adaptive",
                # SNS may have taken a message whose answer is lost: the SDK would send another one.
                "total_max_attempts": 1 if service == "sns" else self._attempts,
            },
            max_pool_connections=METRIC_CALLS_UNDER_WAY if service == "cloudwatch" else self.parallelism,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ATTEMPT_SECONDS,
            tcp_keepalive=True,
            user_agent_extra="enigap",
            # Validating 500 queries a call takes a fifth of the time of reading; they are built in one place.
            parameter_validation=service != "cloudwatch",
        )


def _require_url(endpoint: str) -> None:
    """Raise ValueError for what the SDK takes for an endpoint, and stumbles over at each call."""
    url = urlsplit(endpoint)
    if url.scheme not in {"http", "https"}:
        raise ValueError("the scheme of the endpoint")
    try:
        _ = url.port
    except ValueError:
        raise ValueError("the port of the endpoint") from None


def _session(profile: str | None, region: str | None) -> boto3.session.Session:
    """A session in the region that the `aws` command would ask.

    That is the given one, or that of AWS_REGION, AWS_DEFAULT_REGION, the profile or, last, of the instance
    this runs on. Of these boto3 does not know AWS_REGION, which the CDK and the other SDKs read, nor the
    instance.
    """
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
    session = boto3.session.Session(profile_name=profile, region_name=region)
    if session.region_name:
        return session
    of_instance = IMDSRegionProvider(session._session).provide()  # noqa: SLF001 - boto3 has no name for it
    return boto3.session.Session(profile_name=profile, region_name=of_instance) if of_instance else session


def _refuse_what_is_not_awss(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Raise ResponseParserError for a web page, or nothing, as a proxy or portal answers in AWS's place.

    botocore takes these with status 200 for answers without members: no instances, no state, a message sent.
    """
    body = response_dict["body"]
    if response_dict["status_code"] >= 300 or not isinstance(body, bytes):
        return
    is_page = "html" in response_dict["headers"].get("content-type", "").lower()
    if is_page or body[:100].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ResponseParserError("a web page")
    if not body and operation_model.output_shape and operation_model.output_shape.members:
        raise ResponseParserError("an empty body")


_NOT_AWSS: Final = "enigap-not-awss"
"""The id of the handler, which a session that several `Aws` share has once."""


def _write_queries_as_they_are(
    params: dict[str, Any], model: Any, context: dict[str, Any], **_: object
) -> dict[str, Any] | None:
    """Serialize a GetMetricData request here instead of in botocore."""
    if model.service_model.resolved_protocol != "json":
        return None
    context[_WRITTEN] = json.dumps(params, default=_epoch_second, separators=(",", ":")).encode()
    return {}


def _send_what_was_written(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _WRITTEN in context:
        params["body"] = context.pop(_WRITTEN)


_WRITTEN: Final = "enigap.request_body"


def _epoch_second(instant: datetime) -> int:
    return int(instant.timestamp())


def _take_numbers_as_they_are(
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Parse a GetMetricData response here instead of in botocore, and leave its numbers unconverted."""
    if response_dict["status_code"] >= 300 or operation_model.service_model.resolved_protocol != "json":
        return
    try:
        answer = json.loads(response_dict["body"])
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ResponseParserError("an answer that is no JSON object")
    customized_response_dict.update(answer)
    response_dict["body"] = b"{}"


def _read_only_what_discovery_reads(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Parse a DescribeInstances response here: only the fields of an instance that discovery needs."""
    if response_dict["status_code"] >= 300:
        return
    # The addresses of all pods are two thirds of the XML; cut them out before parsing.
    before, *parts = response_dict["body"].split(b"<networkInterfaceSet>")
    after = b"".join(map(_without_addresses, parts))
    try:
        # As safe as botocore, which parses the same text with the same parser.
        answer = ET.fromstring(_NAMESPACE.sub(b"", before + after, count=1))  # noqa: S314
        found = answer.find("reservationSet")
        if found is None:
            raise ResponseParserError("an answer without reservations")
        reservations = [
            {
                "OwnerId": reservation.findtext("ownerId"),
                "Instances": [_instance(item) for item in reservation.iterfind("instancesSet/item")],
            }
            for reservation in found.iterfind("item")
        ]
    except (ET.ParseError, ValueError):
        return  # botocore parses it and raises the error
    customized_response_dict["Reservations"] = reservations
    if token := answer.findtext("nextToken"):
        customized_response_dict["NextToken"] = token
    response_dict["body"] = b"<DescribeInstancesResponse/>"


_NAMESPACE: Final = re.compile(rb' xmlns="[^"]*"')


def _without_addresses(part: bytes) -> bytes:
    """The XML from a set of network interfaces on, with nothing of the set but their ids and types."""
    enis, _, after = part.partition(b"</networkInterfaceSet>")
    return b"<enis>" + b" ".join(_ids_and_types(enis)) + b"</enis>" + after


def _ids_and_types(enis: bytes) -> Iterator[bytes]:
    """Each network interface's id and type, where it has one. A pattern over all of it takes 2 ms."""
    for interface in enis.split(b"<networkInterfaceId>")[1:]:
        eni, _, rest = interface.partition(b"<")
        kind, _, _ = rest.partition(b"<interfaceType>")[2].partition(b"<")
        if kind:
            yield eni
            yield kind


def _network_interfaces(words: Sequence[str]) -> list[dict[str, str]]:
    """Network interfaces in botocore's form, from their ids, each followed by its type."""
    pairs = zip(words[::2], words[1::2], strict=True)
    return [{"NetworkInterfaceId": eni, "InterfaceType": kind} for eni, kind in pairs]


def _instance(item: ET.Element) -> dict[str, Any]:
    """An instance in botocore's form, without unused fields. Raises ValueError for an invalid time."""
    instance: dict[str, Any] = {"Tags": []}
    for child in item:
        match child.tag:
            case "instanceId":
                instance["InstanceId"] = child.text
            case "instanceType":
                instance["InstanceType"] = child.text
            case "privateDnsName":
                instance["PrivateDnsName"] = child.text
            case "instanceState":
                instance["State"] = {"Name": child.findtext("name")}
            case "launchTime":
                instance["LaunchTime"] = datetime.fromisoformat(child.text or "")
            case "enis" if child.text:
                instance["NetworkInterfaces"] = _network_interfaces(child.text.split())
            case "tagSet":
                instance["Tags"] = [
                    {"Key": tag.findtext("key") or "", "Value": tag.findtext("value") or ""} for tag in child
                ]
    return instance
