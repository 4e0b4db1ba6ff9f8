import ssl
import subprocess
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import botocore.session
import pytest
import trustme
from botocore.awsrequest import AWSResponse

from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem, ProblemKind, calling
from tests.aws.worlds import NOW, SPAN, load, node, os_metric, tuned_client, world
from tests.fakes.strict_cloudwatch import StrictCloudWatch, query, serve


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


@pytest.mark.parametrize(
    ("variables", "given", "asked"),
    [
        (("ap-south-1", "ap-south-2"), "us-east-2", "us-east-2"),
        (("ap-south-1", "ap-south-2"), None, "ap-south-1"),
        (("ap-south-1", None), None, "ap-south-1"),
        ((None, "ap-south-2"), None, "ap-south-2"),
        (("", "ap-south-2"), None, "ap-south-2"),
        ((None, None), None, "eu-north-1"),
    ],
)
def test_the_region_is_the_one_that_the_aws_command_would_ask(
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: tuple[str | None, ...],
    given: str | None,
    asked: str,
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile ann]\nregion = eu-north-1\n")
    environment.setenv("AWS_CONFIG_FILE", str(config))
    for name, value in zip(REGIONS, variables, strict=True):
        environment.delenv(name) if value is None else environment.setenv(name, value)
    aws = Aws(profile="ann", region=given)
    assert aws.region == asked
    assert aws.client("logs").meta.region_name == asked


def test_without_any_region_the_sentence_says_how_to_give_one(environment: pytest.MonkeyPatch) -> None:
    for name in REGIONS:
        environment.delenv(name)
    with pytest.raises(AwsProblem, match="give --region, set AWS_REGION, or put one") as problem:
        Aws()
    assert problem.value.kind is ProblemKind.REGION


class MetadataService(BaseHTTPRequestHandler):
    """The instance metadata service of an instance in Stockholm."""

    def do_PUT(self) -> None:
        self._answer(b"token")

    def do_GET(self) -> None:
        self._answer(b"eu-north-1a")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep quiet."""


def test_on_an_instance_its_own_region_is_the_last_resort(environment: pytest.MonkeyPatch) -> None:
    for name in (*REGIONS, "AWS_EC2_METADATA_DISABLED"):
        environment.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), MetadataService) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environment.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
        assert Aws().region == "eu-north-1"
        server.shutdown()


def test_a_certificate_that_is_not_trusted_names_the_variable_for_one(
    environment: pytest.MonkeyPatch,
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), MetadataService) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        Thread(target=server.serve_forever, daemon=True).start()
        environment.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.server_port}")
        ec2 = Aws(attempts=1).client("ec2")
        with (
            pytest.raises(AwsProblem, match=r"127\.0\.0\.1 .*set AWS_CA_BUNDLE"),
            calling("ec2:Describe", ec2),
        ):
            ec2.describe_instances()
        server.shutdown()


def test_a_profile_that_is_not_there_is_named(environment: pytest.MonkeyPatch) -> None:
    for name in REGIONS:
        environment.delenv(name)
    with pytest.raises(AwsProblem, match="'prdo'") as problem:
        Aws(profile="prdo")
    assert problem.value.kind is ProblemKind.PROFILE


def test_a_profile_that_is_not_there_is_named_even_where_a_region_is_given() -> None:
    with pytest.raises(AwsProblem, match="'prdo'"):
        Aws(profile="prdo", region="eu-west-1")


def test_a_region_that_cannot_be_one_is_named() -> None:
    with pytest.raises(AwsProblem, match="'eu west 1' is no AWS region"):
        Aws(region="eu west 1").client("ec2")


def test_an_endpoint_that_is_no_url_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "localhost")
    with pytest.raises(AwsProblem, match="set AWS_ENDPOINT_URL"):
        Aws().client("ec2")


def test_an_endpoint_that_nobody_serves_is_unreachable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    ec2 = Aws(attempts=1).client("ec2")
    said = r"127\.0\.0\.1 cannot be reached for ec2:DescribeInstances"
    with pytest.raises(AwsProblem, match=said) as problem, calling("ec2:DescribeInstances", ec2):
        ec2.describe_instances()
    assert problem.value.kind is ProblemKind.UNREACHABLE


def test_aws_endpoint_url_is_followed(environment: pytest.MonkeyPatch) -> None:
    with serve(world([node(1)])) as server:
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        listed = Aws().client("cloudwatch").list_metrics(Namespace="AWS/EC2")
    assert {metric["MetricName"] for metric in listed["Metrics"]} == {"NetworkIn", "NetworkOut"}


def test_a_client_is_made_once_and_fits_the_parallelism() -> None:
    aws = Aws(parallelism=7)
    logs = aws.client("logs")
    assert aws.client("logs") is logs
    assert logs.meta.config.max_pool_connections == 7
    assert logs.meta.config.retries == {"mode": "adaptive", "total_max_attempts": 6}
    assert logs.meta.config.connect_timeout <= 10
    assert logs.meta.config.read_timeout <= 60


# --- the tuning ---


def answer_with(client: Any, service: str, body: bytes) -> None:
    """Let this be the body of every answer the client gets."""

    class Raw:
        def stream(self) -> Any:
            yield body

    client.meta.events.register_first(
        f"before-send.{service}", lambda request, **_: AWSResponse(request.url, 200, {}, Raw())
    )


def datapoints(client: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.get_metric_data(
        MetricDataQueries=[query(os_metric(node(1)), "Average")], StartTime=SPAN.start, EndTime=SPAN.end
    )
    return answer


def test_the_numbers_of_metrics_are_taken_as_they_are() -> None:
    fake = world([node(1)])
    answer = datapoints(tuned_client(fake))
    (result,) = answer["MetricDataResults"]
    assert set(map(type, result["Timestamps"])) <= {int, float}
    assert datetime.fromtimestamp(result["Timestamps"][-1], UTC) == SPAN.start
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_other_calls_of_the_same_client_keep_their_datetimes() -> None:
    fake = StrictCloudWatch(now=NOW)
    client = tuned_client(fake)
    client.put_metric_alarm(
        AlarmName="any",
        Namespace="EniGap",
        MetricName="NodesSilent",
        Statistic="Maximum",
        Period=900,
        EvaluationPeriods=1,
        Threshold=0.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    (alarm,) = client.describe_alarms()["MetricAlarms"]
    assert alarm["StateUpdatedTimestamp"] == NOW


def test_an_error_from_a_tuned_client_is_an_error() -> None:
    fake = StrictCloudWatch(now=NOW)
    fake.faults.access_denied("GetMetricData")
    client = tuned_client(fake)
    with pytest.raises(AwsProblem, match="AWS denied"), calling("cloudwatch:GetMetricData", client):
        datapoints(client)


@pytest.mark.parametrize("body", [b"<html>Welcome to the airport</html>", b"[]", b"12", b"\xff\xfe"])
def test_what_a_proxy_answers_is_not_taken_for_metrics(body: bytes) -> None:
    client = Aws(attempts=1).client("cloudwatch")
    answer_with(client, "cloudwatch", body)
    said = "does not speak AWS's language"
    with pytest.raises(AwsProblem, match=said), calling("cloudwatch:GetMetricData", client):
        datapoints(client)


INSTANCES = b"""<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
 <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
 <reservationSet><item>
  <reservationId>r-1234567890abcdef0</reservationId><ownerId>123456789012</ownerId><groupSet/>
  <instancesSet><item>
   <instanceId>i-1234567890abcdef0</instanceId><imageId>ami-bff32ccc</imageId>
   <instanceState><code>16</code><name>running</name></instanceState>
   <privateDnsName>ip-192-168-1-88.eu-west-1.compute.internal</privateDnsName>
   <instanceType>m5.large</instanceType><launchTime>2026-01-01T08:00:00.000Z</launchTime>
   <placement><availabilityZone>eu-west-1c</availabilityZone><tenancy>default</tenancy></placement>
   <tagSet><item><key>eks:cluster-name</key><value>prod</value></item></tagSet>
   <networkInterfaceSet><item>
    <networkInterfaceId>eni-551ba033</networkInterfaceId>
    <attachment><attachmentId>eni-attach-39697adc</attachmentId>
     <attachTime>2026-01-01T08:00:00.000Z</attachTime></attachment>
   </item></networkInterfaceSet><ebsOptimized>false</ebsOptimized>
  </item><item>
   <instanceId>i-1234567890abcdef1</instanceId><instanceState><name>running</name></instanceState>
   <networkInterfaceSet/><tagSet><item><key>Name</key><value>&lt;networkInterfaceSet&gt;</value></item></tagSet>
  </item></instancesSet>
 </item></reservationSet>
 <nextToken>more</nextToken>
</DescribeInstancesResponse>"""


def test_an_instance_keeps_the_fields_that_discovery_reads_and_loses_the_rest() -> None:
    ec2 = Aws().client("ec2")
    answer_with(ec2, "ec2", INSTANCES)
    answer = ec2.describe_instances()
    assert answer["NextToken"] == "more"
    assert answer["Reservations"] == [
        {
            "OwnerId": "123456789012",
            "Instances": [
                {
                    "InstanceId": "i-1234567890abcdef0",
                    "InstanceType": "m5.large",
                    "LaunchTime": datetime(2026, 1, 1, 8, 0, tzinfo=UTC),
                    "PrivateDnsName": "ip-192-168-1-88.eu-west-1.compute.internal",
                    "State": {"Name": "running"},
                    "Tags": [{"Key": "eks:cluster-name", "Value": "prod"}],
                },
                {
                    "InstanceId": "i-1234567890abcdef1",
                    "State": {"Name": "running"},
                    "Tags": [{"Key": "Name", "Value": "<networkInterfaceSet>"}],
                },
            ],
        }
    ]


def test_of_an_instances_network_interfaces_their_ids_and_types_are_kept() -> None:
    ec2 = Aws().client("ec2")
    item = b"<item><networkInterfaceId>eni-%s</networkInterfaceId><privateIpAddressesSet><item/>%s"
    both = item % (b"1", b"<interfaceType>interface</interfaceType>") + item % (b"2", b"<interfaceType>efa")
    answer_with(
        ec2, "ec2", INSTANCES.replace(b"<networkInterfaceSet><item>", b"<networkInterfaceSet>" + both)
    )
    described = ec2.describe_instances()["Reservations"][0]["Instances"]
    assert described[0]["NetworkInterfaces"] == [
        {"NetworkInterfaceId": "eni-1", "InterfaceType": "interface"},
        {"NetworkInterfaceId": "eni-2", "InterfaceType": "efa"},
    ]
    assert "NetworkInterfaces" not in described[1]


def test_half_an_answer_is_no_answer() -> None:
    ec2 = Aws(attempts=1).client("ec2")
    answer_with(ec2, "ec2", INSTANCES[: INSTANCES.index(b"</networkInterfaceSet>")])
    said = "does not speak AWS's language"
    with pytest.raises(AwsProblem, match=said), calling("ec2:DescribeInstances", ec2):
        ec2.describe_instances()


def test_the_tuning_of_one_client_is_no_others() -> None:
    Aws().client("ec2")
    plain = botocore.session.Session().create_client("ec2", region_name="eu-west-1")
    answer_with(plain, "ec2", INSTANCES)
    (reservation,) = plain.describe_instances()["Reservations"]
    assert reservation["ReservationId"] == "r-1234567890abcdef0"
    assert "NetworkInterfaces" in reservation["Instances"][0]


def test_the_read_side_imports_no_more_than_it_runs() -> None:
    program = (
        "import sys; from enigap.aws import clients, discovery, metrics, device_events; "
        "print(sorted({'rich', 'typer', 'moto'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2] / "functions"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_world_is_readable_through_http_as_deployed(environment: pytest.MonkeyPatch) -> None:
    fake = StrictCloudWatch(now=NOW)
    load(fake, node(1), os_bytes_per_second=[1.5])
    with serve(fake) as server:
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        (result,) = datapoints(Aws().client("cloudwatch"))["MetricDataResults"]
    assert result["Values"] == [1.5]


def test_a_message_is_published_in_one_attempt_for_a_second_could_be_a_copy() -> None:
    assert Aws(region="eu-west-1").client("sns").meta.config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize(
    ("region", "endpoint", "is_genuine"),
    [
        ("eu-west-1", None, True),
        ("cn-north-1", None, True),
        ("us-gov-west-1", None, True),
        ("eu-west-1", "https://vpce-1.monitoring.eu-west-1.vpce.amazonaws.com", True),
        ("eu-west-1", "http://127.0.0.1:4566", False),
        ("eu-west-1", "https://amazonaws.com.example.org", False),
    ],
)
def test_an_emulator_is_told_from_aws(
    environment: pytest.MonkeyPatch, region: str, endpoint: str | None, *, is_genuine: bool
) -> None:
    if endpoint:
        environment.setenv("AWS_ENDPOINT_URL", endpoint)
    assert Aws(region=region).is_genuine is is_genuine
