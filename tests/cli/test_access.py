"""The policy that `enigap policy` prints: enough to look, and nothing in it is too much."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.embedded_aws import EmbeddedAws
from tests.cli.accounts import AT, CLUSTERS, Account, clients_of, user_with
from tests.cli.conftest import Enigap
from tests.cli.test_operators import REGION, FreshDeployment

NUMBERS = itertools.count()
WITHOUT_IT_NOTHING = ("ec2:DescribeInstances", "cloudwatch:ListMetrics", "cloudwatch:GetMetricData")
WITHOUT_IT_NO_CLUSTER_BY_NAME = "ec2:DescribeTags"


@pytest.fixture(scope="module")
def strict_aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(enforce_iam=True) as running:
        Account(clients_of(running), {name: CLUSTERS[name] for name in ("calm", "moved")})
        yield running


@pytest.fixture
def policy(enigap: Enigap) -> dict[str, Any]:
    ran = enigap("policy")
    assert (ran.status, ran.stderr) == (0, "")
    return ran.document


@pytest.fixture
def as_user(strict_aws: EmbeddedAws, enigap: Enigap) -> Any:
    """Runs a command as an IAM user who has a policy and nothing else.

    A log group's ARN ends with `:*` where AWS checks it (CloudWatch Logs user guide, "resources and
    operations"); the embedded AWS checks it without.
    """

    def run(policy: dict[str, Any], *arguments: str) -> Any:
        name = f"user{next(NUMBERS)}"
        where = {"AWS_ENDPOINT_URL": strict_aws.endpoint_url}
        as_embedded = json.loads(json.dumps(policy).replace("/performance:*", "/performance*"))
        return enigap(*arguments, env=where | user_with(strict_aws, name, as_embedded))

    return run


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    """The policy with one action less."""
    kept = [
        {**statement, "Action": [each for each in statement["Action"] if each != action]}
        for statement in policy["Statement"]
    ]
    return {**policy, "Statement": [statement for statement in kept if statement["Action"]]}


def test_it_reads_and_nothing_else(policy: dict[str, Any]) -> None:
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == {
        *WITHOUT_IT_NOTHING,
        WITHOUT_IT_NO_CLUSTER_BY_NAME,
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeTrafficMirrorSessions",
        "eks:DescribeAddon",
        "logs:FilterLogEvents",
    }


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("more", [(), ("--operator",)], ids=["reading", "operator"])
def test_its_arns_are_of_the_partition_asked_for(
    enigap: Enigap, partition: str, more: tuple[str, ...]
) -> None:
    ran = enigap("policy", "--partition", partition, *more)
    arns = [arn for statement in ran.document["Statement"] for arn in statement["Resource"] if arn != "*"]
    assert arns
    assert all(arn.startswith(f"arn:{partition}:") for arn in arns)


@pytest.mark.parametrize(
    ("partition", "logs"),
    [("aws", "logs.eu-west-1.amazonaws.com"), ("aws-cn", "logs.cn-north-1.amazonaws.com.cn")],
)
def test_the_keys_policy_lets_each_service_use_it_for_this_account(
    enigap: Enigap, partition: str, logs: str
) -> None:
    region, account = logs.split(".")[1], "111122223333"
    asked = ("--partition", partition, "--region", region, "--account", account, "--stack", "net")
    statements = enigap("policy", "--key", *asked).document["Statement"]
    by_service = {each["Principal"]["Service"]: each for each in statements if "Service" in each["Principal"]}
    assert by_service.keys() == {logs, "cloudwatch.amazonaws.com", "sns.amazonaws.com"}
    [group] = by_service[logs]["Condition"]["ArnLike"].values()
    assert group == f"arn:{partition}:logs:{region}:{account}:log-group:net-*"
    by_callers = {
        each["Condition"]["StringLike"]["kms:ViaService"] for each in statements if "AWS" in each["Principal"]
    }
    assert by_callers == {"dynamodb.*", "sns.*", "sqs.*"}
    assert all(account in str(each["Condition"]) for each in statements)


@pytest.mark.parametrize("other", ["--operator", "--doctor"])
def test_one_policy_is_printed_at_a_time(enigap: Enigap, other: str) -> None:
    assert "ask for one of them" in enigap("policy", "--key", other).problem


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--key", "--region", "us-east-1a"), "--region takes one such as eu-west-1, not 'us-east-1a'."),
        (("--key", "--region", ""), "--region takes one such as eu-west-1, not ''."),
        (
            ("--key", "--account", "1111-2222-3333"),
            "--account takes the account's 12 digits, not '1111-2222-3333'.",
        ),
        (
            ("--key", "--partition", "aws", "--region", "cn-northwest-1"),
            "cn-northwest-1 is in the partition aws-cn: give that, or leave --partition out.",
        ),
        (("--region", "eu-west-1"), "--region and --account are for --key: give it, too, or leave them out."),
        (("--operator", "--account", "111122223333"), "--region and --account are for --key"),
        (("--stack", "net-gap"), "--stack is for --operator and --key: give one of them, or leave it out."),
        (
            ("--operator", "--stack", ""),
            "--stack takes a CloudFormation stack's name such as enigap, not ''.",
        ),
        (("--key", "--stack", "net_gap"), "--stack takes a CloudFormation stack's name"),
    ],
)
def test_what_contradicts_itself_or_has_no_effect_is_refused(
    enigap: Enigap, arguments: tuple[str, ...], said: str
) -> None:
    assert enigap("policy", *arguments).problem.startswith(said)


def test_the_keys_partition_is_its_regions(enigap: Enigap) -> None:
    asked = ("--region", "us-gov-east-1", "--account", "111122223333")
    [logs] = [
        each
        for each in enigap("policy", "--key", *asked).document["Statement"]
        if str(each["Principal"].get("Service")).startswith("logs.")
    ]
    assert logs["Principal"] == {"Service": "logs.us-gov-east-1.amazonaws.com"}
    assert "arn:aws-us-gov:logs:us-gov-east-1:111122223333:" in str(logs["Condition"])


def test_what_is_left_for_you_to_fill_in_is_said(enigap: Enigap) -> None:
    ran = enigap("policy", "--key", "--region", "eu-west-1")
    assert ran.stderr == "Put your own in place of ACCOUNT, or give --account.\n"
    assert "ACCOUNT" in str(ran.document)


def test_it_is_enough_for_check(as_user: Any, policy: dict[str, Any]) -> None:
    ran = as_user(policy, "check", "--cluster", "calm", "--at", AT, "--format", "json")
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.document["verdicts"] == {"idle": 1, "agree": 1, "pod_edge": 1, "node_local": 2}


def test_it_is_enough_for_explain(as_user: Any, policy: dict[str, Any]) -> None:
    ran = as_user(policy, "explain", "g1-moved-device", "--at", AT, "--format", "json")
    assert (ran.status, ran.stderr) == (1, "")
    assert ran.document["node"]["evidence"]["usable"] is True


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        *((action, ()) for action in WITHOUT_IT_NOTHING),
        (WITHOUT_IT_NO_CLUSTER_BY_NAME, ("--cluster", "calm")),
    ],
)
def test_what_is_denied_is_named(
    as_user: Any, policy: dict[str, Any], action: str, arguments: tuple[str, ...]
) -> None:
    said = as_user(without(policy, action), "check", "--at", AT, *arguments).problem
    assert said.startswith(f"AWS denied {action} in eu-west-1")
    assert said.endswith(f": allow {action} in the policy of these credentials.")


def test_without_the_logs_the_surplus_stays_unverified_and_the_reason_names_the_action(
    as_user: Any, policy: dict[str, Any]
) -> None:
    ran = as_user(
        without(policy, "logs:FilterLogEvents"), "check", "--cluster", "calm", "--at", AT, "--format", "json"
    )
    assert ran.document["verdicts"] == {"idle": 1, "agree": 1, "pod_edge": 1, "unverified": 2}
    reason = ran.nodes()["article.internal"]["reason"]
    assert "AWS denied logs:FilterLogEvents" in reason
    assert "/aws/containerinsights/calm/performance" in reason


def test_without_the_instance_types_a_note_says_what_goes_unnoticed(
    as_user: Any, policy: dict[str, Any]
) -> None:
    ran = as_user(without(policy, "ec2:DescribeInstanceTypes"), "check", "--at", AT, "--cluster", "calm")
    assert ran.status == 0
    text = " ".join(ran.stdout.split())
    assert "Note: AWS denied ec2:DescribeInstanceTypes in eu-west-1" in text
    assert "rates above what the instance types can carry go unnoticed" in text


def test_the_logs_may_be_read_of_container_insights_only(policy: dict[str, Any]) -> None:
    (resources,) = (s["Resource"] for s in policy["Statement"] if "logs:FilterLogEvents" in s["Action"])
    group = "arn:aws:logs:*:*:log-group:/aws/containerinsights/*/performance"
    assert resources == [group, f"{group}:*"]


# --- of those who operate a deployment

OPERATING = (
    ("status",),
    ("silence", "prod", "--for", "2h", "--why", "an upgrade"),
    ("notify", "--test"),
)


@pytest.fixture(scope="module")
def deployed(strict_aws: EmbeddedAws) -> FreshDeployment:
    def nothing(*_: str) -> Any:
        raise AssertionError("the commands run as a user")

    deployed = FreshDeployment(clients_of(strict_aws, REGION), nothing)
    deployed.remember("prod", deployed.incident("prod/i-1/os_deficit"))
    deployed.subscribe("email", "ann@example.com")
    return deployed


@pytest.fixture
def operators_policy(enigap: Enigap) -> dict[str, Any]:
    ran = enigap("policy", "--operator")
    assert (ran.status, ran.stderr) == (0, "")
    return ran.document


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("arguments", OPERATING, ids=lambda arguments: str(arguments[0]))
def test_an_operator_needs_no_more_than_the_operators_policy(
    as_user: Any, operators_policy: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    ran = as_user(operators_policy, *arguments, "--region", REGION)
    assert (ran.status, ran.stderr) == (1 if arguments == ("status",) else 0, "")


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("cloudformation:DescribeStacks", OPERATING[0]),
        ("lambda:GetFunctionConfiguration", OPERATING[0]),
        ("sns:ListSubscriptionsByTopic", OPERATING[0]),
        ("dynamodb:Scan", OPERATING[0]),
        ("dynamodb:GetItem", OPERATING[0]),
        ("dynamodb:PutItem", OPERATING[1]),
    ],
)
def test_an_operator_needs_no_less(
    as_user: Any, operators_policy: dict[str, Any], action: str, arguments: tuple[str, ...]
) -> None:
    """Publishing and its key are not among them: the embedded AWS lets every user publish."""
    said = as_user(without(operators_policy, action), *arguments, "--region", REGION).problem
    assert said.startswith(f"AWS denied {action} in {REGION}")


def test_an_operator_may_touch_what_enigap_deployed_and_nothing_else(
    operators_policy: dict[str, Any],
) -> None:
    for statement in operators_policy["Statement"]:
        if statement["Resource"] == ["*"]:
            assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
            assert statement["Condition"] == {"StringLike": {"kms:ViaService": "sns.*"}}
        else:
            assert all("enigap" in resource for resource in statement["Resource"])


@pytest.mark.parametrize("whose", [(), ("--operator",)])
def test_it_can_be_pasted(enigap: Enigap, whose: tuple[str, ...]) -> None:
    text = enigap("policy", *whose).stdout
    assert json.dumps(json.loads(text), indent=2) + "\n" == text


def test_doctor_needs_no_more_and_names_what_it_may_not_ask(as_user: Any, policy: dict[str, Any]) -> None:
    ran = as_user(policy, "doctor", "--cluster", "moved", "--format", "json")
    assert ran.status in {0, 1}, ran.stderr
    checks = {check["id"]: check for check in ran.document["checks"]}
    assert {checks[name]["status"] for name in ("eni-samples", "os-sum", "log-stream")} == {"PASS"}
    assert "cloudformation:DescribeStacks" in checks["deployed-plans"]["seen"]
    assert checks["log-quota"]["status"] == "CAN'T TELL"


def test_what_doctor_may_not_read_of_the_rest_is_told_by_its_action(
    as_user: Any, policy: dict[str, Any]
) -> None:
    ran = as_user(without(policy, "logs:FilterLogEvents"), "doctor", "--cluster", "moved", "--format", "json")
    assert ran.status == 2
    checks = {check["id"]: check for check in ran.document["checks"]}
    assert checks["log-stream"]["status"] == "CAN'T TELL"
    assert "logs:FilterLogEvents" in checks["log-stream"]["seen"]
    assert checks["eni-samples"]["status"] == "PASS"


def test_doctors_policy_adds_optional_reads(enigap: Enigap, policy: dict[str, Any]) -> None:
    def actions(document: dict[str, Any]) -> set[str]:
        return {action for statement in document["Statement"] for action in statement["Action"]}

    more = actions(enigap("policy", "--doctor").document) - actions(policy)
    of_cloudwatch = {"DescribeAlarmHistory", "DescribeAlarms", "GetDashboard", "ListDashboards"}
    assert more == {f"cloudwatch:{name}" for name in of_cloudwatch} | {"servicequotas:ListServiceQuotas"}
