"""The one place where clients are made: profile, region, AWS_ENDPOINT_URL and the rest work as everywhere.

It uses botocore itself: boto3 adds nothing to clients but 30 ms to a cold start. Two tunings keep large
clusters cheap; both belong to one client, and the adapters work with any other client as well:

* the numbers of a GetMetricData answer are taken as the JSON has them. botocore would make a datetime of
  every timestamp, which is 70 % of what reading metrics costs (814 to 120 µs per node of 56 datapoints);
* a DescribeInstances answer is parsed for the fields discovery reads, not for all 8 KB about an instance
  (1.0 to 0.35 ms per instance).
"""

from __future__ import annotations

import json
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.parsers import ResponseParserError

from enigap.aws.errors import AwsProblem, ProblemKind, calling

DEFAULT_PARALLELISM: Final = 6
"""Calls of one kind under way at a time."""
DEFAULT_ATTEMPTS: Final = 6
"""How often the SDK tries a call that is throttled or gets no answer."""

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 60

# What discovery reads of an instance. Everything else an answer holds is skipped while parsing.
_INSTANCE_FIELDS: Final = frozenset(
    {"InstanceId", "InstanceType", "LaunchTime", "PrivateDnsName", "State", "Tags"}
)


class Aws:
    """One account and region, as one profile sees it. Makes each client once.

    Raises AwsProblem where profile, region, configuration or endpoint are wrong. Credentials are looked for
    when the first call is made. Clients may be used from many threads; making them may not.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        region: str | None = None,
        parallelism: int = DEFAULT_PARALLELISM,
        attempts: int = DEFAULT_ATTEMPTS,
    ) -> None:
        self.parallelism = parallelism
        self._attempts = attempts
        self._clients: dict[str, Any] = {}
        with calling("AWS"):
            self._session = botocore.session.Session(profile=profile)
            self._session.get_scoped_config()  # raises where there is no such profile
            self.region = str(region or self._session.get_config_variable("region") or "")
        if not self.region:
            raise AwsProblem(
                ProblemKind.REGION,
                "There is no AWS region to ask",
                "give one, set AWS_DEFAULT_REGION, or put one into the profile",
            )

    def client(self, service: str) -> Any:
        """The client of a service, such as "logs". Each adapter's Protocol says what it needs of it."""
        if service not in self._clients:
            self._clients[service] = self._make(service)
        return self._clients[service]

    def _make(self, service: str) -> Any:
        try:
            with calling(service):
                client = self._session.create_client(
                    service, region_name=self.region, config=self._config(service)
                )
        except ValueError as error:  # botocore's word for an endpoint that is no URL
            raise AwsProblem(
                ProblemKind.UNREACHABLE,
                f"The endpoint set for {service} is no URL",
                "set AWS_ENDPOINT_URL to one such as http://127.0.0.1:4566, or unset it",
            ) from error
        if service == "cloudwatch":
            client.meta.events.register("before-parse.cloudwatch.GetMetricData", _take_numbers_as_they_are)
        elif service == "ec2":
            _parse_only_the_fields_read(client)
        return client

    def _config(self, service: str) -> Config:
        return Config(
            # Adaptive: a throttled client slows down as a whole, all its threads together.
            retries={"mode": "adaptive", "total_max_attempts": self._attempts},
            max_pool_connections=self.parallelism,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            tcp_keepalive=True,
            user_agent_extra="enigap",
            # 500 queries a call are a fifth of what reading costs to check, and made in one place.
            parameter_validation=service != "cloudwatch",
        )


def _take_numbers_as_they_are(
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Parse a GetMetricData answer here, so that botocore finds nothing left to convert."""
    if response_dict["status_code"] >= 300 or operation_model.service_model.resolved_protocol != "json":
        return
    try:
        answer = json.loads(response_dict["body"])
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ResponseParserError("an answer that is no JSON object")
    customized_response_dict.update(answer)
    response_dict["body"] = b"{}"


def _parse_only_the_fields_read(ec2: Any) -> None:
    """Take from this client's description of DescribeInstances what nobody reads; what is left it parses
    as ever.
    """
    answer = ec2.meta.service_model.operation_model("DescribeInstances").output_shape
    reservation = answer.members["Reservations"].member
    _keep(reservation, frozenset({"Instances"}))
    _keep(reservation.members["Instances"].member, _INSTANCE_FIELDS)


def _keep(shape: Any, fields: frozenset[str]) -> None:
    for name in set(shape.members) - fields:
        del shape.members[name]
