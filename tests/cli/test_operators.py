"""`status`, `silence` and `notify` against what a deployment leaves: a stack, a table, topics, a function."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from demo.clients import Clients
from demo.embedded_aws import EmbeddedAws
from enigap.aws.deployment import Subscription
from enigap.aws.state_table import StateTable
from enigap.cli import notify, status
from enigap.cli.screen import Screen
from enigap.core.counting.rules import EvidencePolicy
from enigap.core.counting.window import GRID, Window
from enigap.core.incidents.incident import ClusterState, Incident, News, NewsKind, NewsReason
from enigap.core.incidents.state import Remembered
from enigap.settings import Settings
from tests.cli.accounts import clients_of
from tests.cli.conftest import Enigap, Ran

REGION = "us-east-2"
EVIL = "[bold red]evil[/]\x1b[31m\nname"
SHOWN = r"[bold red]evil[/]\x1b[31m\nname"

SETTINGS = {"runbook_url": "https://wiki.example", "clusters": ["watched"]}
FUNCTION = {
    "Runtime": "python3.13",
    "Handler": "index.handler",
    "Role": "arn:aws:iam::123456789012:role/plan",
    "Code": {"ZipFile": "def handler(event, context): pass"},
    "Environment": {"Variables": Settings.from_mapping(SETTINGS).to_env()},
}
TABLE = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
TEMPLATE = {
    "Resources": {
        "Findings": {"Type": "AWS::SNS::Topic"},
        "Pipeline": {"Type": "AWS::SNS::Topic"},
        "State": {"Type": "AWS::DynamoDB::Table", "Properties": TABLE},
        "Plan": {"Type": "AWS::Lambda::Function", "Properties": FUNCTION},
    },
    "Outputs": {
        "TopicArn": {"Value": {"Ref": "Findings"}},
        "PipelineTopicArn": {"Value": {"Ref": "Pipeline"}},
        "StateTableName": {"Value": {"Ref": "State"}},
        "PlanFunctionName": {"Value": {"Ref": "Plan"}},
        "DashboardUrl": {"Value": "https://console.example/#dashboards/dashboard/enigap"},
    },
}
EVERY_COMMAND = pytest.mark.parametrize(
    "command",
    [["status"], ["silence", "prod", "--for", "2h", "--why", "an upgrade"], ["notify", "--test"]],
    ids=lambda command: str(command[0]),
)


class FreshDeployment:
    """A fresh deployment in a region of its own."""

    def __init__(self, client: Clients, run: Enigap) -> None:
        self.client, self._run = client, run
        self.now = datetime.now(UTC)
        self.newest = Window.newest_settled(self.now, timedelta(minutes=10))
        name = f"enigap-{REGION}"
        client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
        client("cloudformation").get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0.1}
        )
        [stack] = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.states = StateTable(client("dynamodb"), self.outputs["StateTableName"], now=self.now)

    def run(self, *arguments: str) -> Ran:
        return self._run(*arguments, "--region", REGION)

    def remember(self, cluster: str, *incidents: Incident, **different: Any) -> None:
        state = ClusterState(cluster, done=self.newest, nodes=3, nodes_judged=3, incidents=incidents)
        self.states.write(Remembered(ClusterState(**{**vars_of(state), **different}), None))

    def incident(self, incident_id: str, reason: str | None = None) -> Incident:
        since = self.newest.end - 2 * GRID
        verdict = incident_id.rsplit("/", 1)[-1]
        return Incident(incident_id, verdict, None, since, 1, (), None, self.newest.end, reason)

    def set(self, **settings: Any) -> None:
        """Deploy these settings instead."""
        variables = Settings.from_mapping(settings).to_env()
        self.client("lambda").update_function_configuration(
            FunctionName=self.outputs["PlanFunctionName"], Environment={"Variables": variables}
        )

    def subscribe(self, protocol: str, endpoint: str) -> None:
        for topic in ("TopicArn", "PipelineTopicArn"):
            self.client("sns").subscribe(TopicArn=self.outputs[topic], Protocol=protocol, Endpoint=endpoint)

    def subscribe_queue(self) -> str:
        """A queue that gets what programs get."""
        sqs = self.client("sqs")
        url: str = sqs.create_queue(QueueName=f"programs-{next(_numbers)}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.client("sns").subscribe(
            TopicArn=self.outputs["TopicArn"],
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        return url

    def received(self, url: str) -> list[dict[str, Any]]:
        found = self.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]


_numbers = count(1)


def vars_of(state: ClusterState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ClusterState.__dataclass_fields__}


@pytest.fixture
def deployed(aws: EmbeddedAws, enigap: Enigap) -> Iterator[FreshDeployment]:
    client = clients_of(aws, REGION)
    yield FreshDeployment(client, enigap)
    client("cloudformation").delete_stack(StackName=f"enigap-{REGION}")
    client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=f"enigap-{REGION}", WaiterConfig={"Delay": 0.1}
    )


@EVERY_COMMAND
def test_where_nothing_is_deployed_it_says_what_to_do(enigap: Enigap, command: list[str]) -> None:
    assert enigap(*command).problem == (
        "There is no stack enigap in eu-west-1: deploy it with `cdk deploy`, or give the region it is in."
    )


# --- status


def test_a_new_deployment_has_nothing_to_show_and_says_that_nobody_is_told(deployed: FreshDeployment) -> None:
    ran = deployed.run("status")
    assert ran.status == 2
    assert " ".join(ran.stdout.split()) == (
        "No cluster has been judged yet. The first results come within half an hour of the deployment. "
        "there is no subscriber: set `email` or `slack` and deploy "
        "dashboard: https://console.example/#dashboards/dashboard/enigap"
    )


def test_a_stack_of_an_earlier_version_beside_this_one_is_named(deployed: FreshDeployment) -> None:
    cloudformation = deployed.client("cloudformation")
    cloudformation.create_stack(StackName="enigap", TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="enigap", WaiterConfig={"Delay": 0.1})
    try:
        ran = deployed.run("status")
    finally:
        cloudformation.delete_stack(StackName="enigap")
    assert ran.status == 2
    assert f"The stack enigap-{REGION} is of an earlier version" in " ".join(ran.stdout.split())


def test_a_stack_is_one_of_deployed_settings(deployed: FreshDeployment) -> None:
    asked = ("explain", "i-0123456789abcdef0", "--stack", "net-gap")
    assert deployed.run(*asked).problem.endswith("give --settings deployed, too.")
    said = deployed.run(*asked, "--settings", "deployed").problem
    assert said.startswith(f"There is no stack net-gap in {REGION}")


def test_all_well_is_exit_status_0(deployed: FreshDeployment) -> None:
    deployed.remember("prod")
    deployed.subscribe("email", "ann@example.com")
    ran = deployed.run("status")
    judged = f"{deployed.newest.end:%Y-%m-%d %H:%M} UTC"
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[0] == f"prod: judged up to {judged}, 3 nodes, no open incidents"


def test_what_is_open_is_exit_status_1(deployed: FreshDeployment) -> None:
    deployed.remember("prod", deployed.incident("prod/*/not_collected", "No node has published anything."))
    deployed.subscribe("email", "ann@example.com")
    ran = deployed.run("status")
    assert ran.status == 1
    assert "3 nodes, 1 open incident\n" in ran.stdout
    assert "  prod/*/not_collected: 1 node since " in ran.stdout
    assert "    No node has published anything.\n" in ran.stdout


def test_a_cluster_that_the_settings_leave_out_is_neither_open_nor_overdue(deployed: FreshDeployment) -> None:
    deployed.subscribe("email", "ann@example.com")
    long_ago = deployed.newest.previous(10)
    deployed.remember("old", deployed.incident("old/i-1/os_deficit"), done=long_ago)
    ran = deployed.run("status", "--format", "json")
    [cluster] = ran.document["clusters"]
    assert (ran.status, cluster["watched"], cluster["overdue"]) == (0, False, False)
    assert deployed.run("status").stdout.startswith("old: no longer watched, judged up to ")
    deployed.set(clusters=["old"])
    assert deployed.run("status").status == 1


def test_what_is_damaged_and_what_was_missed_is_said(deployed: FreshDeployment) -> None:
    deployed.subscribe("email", "ann@example.com")
    deployed.remember("prod", missed=(deployed.newest.previous(2), deployed.newest.previous()))
    deployed.client("dynamodb").update_item(
        TableName=deployed.outputs["StateTableName"],
        Key={"id": {"S": "silences"}},
        UpdateExpression="SET silences = :some",
        ExpressionAttributeValues={":some": {"M": {"prod/i-1": {"S": "until noon"}}}},
    )
    ran = deployed.run("status", "--format", "json")
    assert ran.status == 2
    [said] = ran.document["damaged"]
    assert said.startswith("The silence of 'prod/i-1' is damaged")
    assert len(ran.document["clusters"][0]["missed"]) == 2
    text = " ".join(deployed.run("status").stdout.split())
    assert "2 windows missed: plan them again" in text
    assert said in text


def test_a_cluster_that_is_overdue_or_unsaid_is_exit_status_2(deployed: FreshDeployment) -> None:
    deployed.set(clusters=["prod", "old"])
    deployed.subscribe("email", "ann@example.com")
    over = deployed.incident("prod/i-1/os_deficit")
    news = News(NewsKind.RESOLVED, NewsReason.NODE_GONE, over, deployed.newest)
    deployed.remember("prod", outbox=(news,))
    deployed.remember("old", done=deployed.newest.previous(10))
    ran = deployed.run("status", "--format", "json")
    assert ran.status == 2
    clusters = {each["cluster"]: each for each in ran.document["clusters"]}
    assert {name: (each["overdue"], each["unsaid"]) for name, each in clusters.items()} == {
        "prod": (False, 1),
        "old": (True, 0),
    }
    text = " ".join(deployed.run("status").stdout.split())
    assert "no open incidents, 1 still to be sent" in text
    assert "no open incidents, overdue: look at the alarms and at the reconcile function's log" in text


def test_who_has_not_confirmed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Not to be had of the embedded AWS, which lists everybody as confirmed."""
    told = [
        Subscription("email", "ann@example.com", is_confirmed=True),
        Subscription("email", EVIL, is_confirmed=False),
    ]
    found = status.Status(
        datetime.now(UTC), [], [], [], told, "https://console.example", EvidencePolicy.ROTATE
    )
    status.show(Screen(), found)
    text = " ".join(capsys.readouterr().out.split())
    assert f"not confirmed: email {SHOWN}: the link in AWS's email is still to be followed" in text
    assert "ann@example.com" not in text
    assert found.exit_status == 2
    assert status.document(found)["subscriptions"] == [
        {"protocol": "email", "endpoint": "ann@example.com", "confirmed": True},
        {"protocol": "email", "endpoint": EVIL, "confirmed": False},
    ]


@pytest.mark.parametrize(
    ("nodes", "policy", "said"),
    [
        (12, EvidencePolicy.ROTATE, "the devices of each node are looked at every 60 min"),
        (2240, EvidencePolicy.ROTATE, "looked at every 60 min"),
        (
            5000,
            EvidencePolicy.ROTATE,
            "every 180 min: 3 times as rarely as in a small cluster, for that many nodes",
        ),
        (12, EvidencePolicy.SUSPECTS, None),
        (0, EvidencePolicy.ROTATE, None),
    ],
)
def test_how_often_each_nodes_devices_are_looked_at_is_said(
    nodes: int, policy: EvidencePolicy, said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    states = [ClusterState("prod", nodes=nodes, nodes_judged=nodes)]
    found = status.Status(datetime.now(UTC), states, [], [], [], "https://console.example", policy)
    status.show(Screen(), found)
    text = " ".join(capsys.readouterr().out.split())
    assert (said in text) if said else ("looked at" not in text)
    [cluster] = status.document(found)["clusters"]
    assert (cluster["minutes_between_looks"] is None) is (said is None)


def test_a_convention_is_shown_and_is_no_open_incident(capsys: pytest.CaptureFixture[str]) -> None:
    remark = Incident(
        "prod/*/counts_differ",
        "counts_differ",
        None,
        datetime(2026, 1, 1, tzinfo=UTC),
        12,
        (),
        None,
        reason="EC2 counts 14 bytes a frame less.",
    )
    told = [Subscription("email", "ann@example.com", is_confirmed=True)]
    states = [ClusterState("prod", nodes=12, nodes_judged=12, incidents=(remark,))]
    found = status.Status(
        datetime.now(UTC), states, [], [], told, "https://console.example", EvidencePolicy.ROTATE
    )
    status.show(Screen(), found)
    text = " ".join(capsys.readouterr().out.split())
    assert "no open incidents" in text
    assert "counts_differ (no fault): EC2 counts 14 bytes a frame less." in text
    assert found.exit_status == 0
    [cluster] = status.document(found)["clusters"]
    assert cluster["incidents"] == []
    assert cluster["findings"] == [
        {"finding": "counts_differ", "reason": remark.reason, "since": "2026-01-01T00:00:00Z"}
    ]


def test_no_name_gets_at_the_terminal(deployed: FreshDeployment) -> None:
    deployed.remember(EVIL, deployed.incident(f"{EVIL}/*/not_collected", EVIL))
    deployed.run("silence", EVIL, "--for", "2h", "--why", EVIL)
    ran = deployed.run("status")
    assert "\x1b" not in ran.stdout
    assert f"{SHOWN}: judged up to" in ran.stdout
    assert f"  {SHOWN}/*/not_collected: 1 node since " in ran.stdout
    assert f"    {SHOWN}\n" in ran.stdout
    assert f"muted: {SHOWN} until " in ran.stdout
    [cluster] = deployed.run("status", "--format", "json").document["clusters"]
    assert cluster["cluster"] == EVIL


# --- silence


def test_a_silence_holds_for_its_time_and_can_be_ended(deployed: FreshDeployment) -> None:
    deployed.remember("prod", deployed.incident("prod/i-1/os_deficit"))
    ran = deployed.run("silence", "prod/*/os_deficit", "--for", "30m", "--why", "an upgrade")
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout.startswith("prod/*/os_deficit is muted until ")
    sooner = f"enigap silence 'prod/*/os_deficit' --region {REGION} --for 0m --why done\n"
    assert f"To end that sooner: {sooner}" in ran.stdout
    assert "No open incident" not in ran.stdout
    [silence] = deployed.run("status", "--format", "json").document["silences"]
    assert (silence["target"], silence["why"]) == ("prod/*/os_deficit", "an upgrade")
    left = datetime.fromisoformat(silence["until"]) - deployed.now
    assert timedelta(minutes=29, seconds=59) <= left < timedelta(minutes=35)
    assert ", muted until " in " ".join(deployed.run("status").stdout.split())

    ran = deployed.run("silence", "prod/*/os_deficit", "--for", "0m", "--why", "done")
    assert (ran.status, ran.stdout) == (0, "prod/*/os_deficit is no longer muted.\n")
    assert deployed.run("status", "--format", "json").document["silences"] == []


def test_what_mutes_nothing_that_is_open_may_be_a_slip_and_is_said(deployed: FreshDeployment) -> None:
    deployed.remember("prod", deployed.incident("prod/i-1/os_deficit"))
    ran = deployed.run("silence", "prod/i-1/os_defict", "--for", "30m", "--why", "an upgrade")
    assert ran.status == 0
    assert "No open incident matches it now, so it mutes what opens until then." in " ".join(
        ran.stdout.split()
    )


def test_a_state_that_cannot_be_read_is_an_error_and_it_is_muted_all_the_same(
    deployed: FreshDeployment,
) -> None:
    deployed.remember("prod")
    deployed.client("dynamodb").update_item(
        TableName=deployed.outputs["StateTableName"],
        Key={"id": {"S": "cluster#prod"}},
        UpdateExpression="SET #state = :none",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":none": {"S": "none"}},
    )
    ran = deployed.run("silence", "prod", "--for", "30m", "--why", "an upgrade")
    assert (ran.status, "delete its item in the state table." in ran.stderr) == (2, True)
    assert ran.stdout.startswith("prod is muted until ")
    assert [silence.target for silence in deployed.states.silences()] == ["prod"]


def test_the_channels_are_told_what_is_muted_and_when_that_is_ended_by_hand(
    deployed: FreshDeployment,
) -> None:
    url = deployed.subscribe_queue()
    target = "prod/i-07/os_deficit"
    assert deployed.run("silence", target, "--for", "2h", "--why", "we know").status == 0
    assert deployed.run("silence", target, "--for", "0m", "--why", "fixed").status == 0
    muted, ended = deployed.received(url)
    assert (muted["schema"], muted["notice"], muted["incident"]) == ("enigap.notice/1", "muted", target)
    assert (muted["why"], ended["why"], ended["notice"]) == ("we know", "fixed", "unmuted")
    assert muted["by"] == deployed.client("sts").get_caller_identity()["Arn"].split(":")[-1].split("/")[-1]
    assert deployed.run("silence", "neverthere", "--for", "0m", "--why", "done").status == 2
    assert deployed.received(url) == []


def test_a_silence_that_is_not_there_cannot_be_ended(deployed: FreshDeployment) -> None:
    ran = deployed.run("silence", "neverthere", "--for", "0m", "--why", "done")
    assert ran.problem == "There is no silence of 'neverthere': `enigap status` lists those there are."


def test_a_cluster_of_which_nothing_could_be_judged_is_not_called_well(deployed: FreshDeployment) -> None:
    deployed.subscribe("email", "ann@example.com")
    deployed.remember("odd", nodes=1, nodes_judged=0)
    ran = deployed.run("status")
    assert ran.status == 2
    said = " ".join(ran.stdout.split())
    assert "1 node, no open incidents, none of them could be judged: see `enigap check`" in said


def test_how_many_nodes_were_judged_is_said_where_it_is_not_all(deployed: FreshDeployment) -> None:
    deployed.remember("odd", nodes=5, nodes_judged=4)
    said = " ".join(deployed.run("status").stdout.split())
    assert "5 nodes, no open incidents, 4 of them judged the devices of each node" in said
    [cluster] = deployed.run("status", "--format", "json").document["clusters"]
    assert (cluster["nodes"], cluster["nodes_judged"]) == (5, 4)


ANN, BEN = "ann@example.com", "ben+alerts@example.com"


def test_an_address_that_was_unsubscribed_is_told_with_the_command_that_subscribes_it(
    deployed: FreshDeployment,
) -> None:
    deployed.set(email=[ANN, BEN])
    deployed.subscribe("email", ANN.upper())
    deployed.client("sns").subscribe(
        TopicArn=deployed.outputs["PipelineTopicArn"], Protocol="email", Endpoint=BEN
    )
    topic = deployed.outputs["TopicArn"]
    again = (
        f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {BEN} "
        f"--region {REGION}"
    )
    for command in (["status"], ["notify", "--test"]):
        ran = deployed.run(*command)
        assert ran.status == 2
        [line] = [each for each in ran.stdout.splitlines() if each.startswith("not subscribed: ")]
        assert line.startswith(f"not subscribed: email {BEN} to {topic.rsplit(':', 1)[-1]}; ")
        assert line.endswith(f": {again}")
    document = deployed.run("status", "--format", "json").document
    assert document["unsubscribed"] == [{"protocol": "email", "endpoint": BEN, "topic_arn": topic}]


@pytest.mark.parametrize(
    ("settings", "nodes", "said"),
    [
        ({"clusters": ["prod", "shop-*"]}, 3, "no cluster matches shop-*"),
        ({"clusters": ["prod"]}, 0, "cluster prod has no running node"),
        ({"node_tags": {"team": "web"}}, 0, "no running node carries the tags in `node_tags`"),
    ],
    ids=["a pattern", "a name", "tags"],
)
def test_what_the_settings_ask_for_in_vain_is_a_line_and_exit_status_2(
    deployed: FreshDeployment, settings: dict[str, Any], nodes: int, said: str
) -> None:
    deployed.subscribe_queue()
    deployed.set(**settings)
    deployed.remember("prod", nodes=nodes, nodes_judged=nodes)
    ran = deployed.run("status")
    assert ran.status == 2
    assert f"not found: {said}: correct the setting, or" in " ".join(ran.stdout.split())
    assert deployed.run("status", "--format", "json").document["not_found"] == [said]
    deployed.set()
    assert deployed.run("status").status == 0


@pytest.mark.parametrize(("minutes_ago", "exit_status"), [(35, 0), (45, 2)])
def test_a_deployment_that_finds_no_cluster_at_all_is_not_well_for_ever(
    minutes_ago: int, exit_status: int
) -> None:
    now = datetime.now(UTC)
    told = [Subscription("email", "ann@example.com", is_confirmed=True)]
    found = status.Status(
        now,
        [],
        [],
        [],
        told,
        "https://console.example",
        EvidencePolicy.ROTATE,
        deployed_at=now - timedelta(minutes=minutes_ago),
    )
    assert found.exit_status == exit_status
    assert found.found_nothing == (("no cluster with a running node",) if exit_status else ())


def test_check_judges_by_the_settings_that_are_deployed_if_told_to(deployed: FreshDeployment) -> None:
    """Which watch a cluster that is not there; by the defaults there is none at all."""
    said = deployed.run("check", "--settings", "deployed").problem
    assert said.startswith("There is no cluster 'watched'")
    assert deployed.run("check").problem.startswith("There is no cluster in ")


def test_what_it_says_to_type_can_be_typed(deployed: FreshDeployment) -> None:
    ran = deployed.run("silence", "it's; reboot", "--for", "1d", "--why", "a test")
    assert f"enigap silence 'it'\"'\"'s; reboot' --region {REGION} --for 0m" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prod", "--for", "soon", "--why", "x"], "--for takes a time such as 30m, 2h or 3d, not 'soon'."),
        (["prod", "--for", "-2h", "--why", "x"], "--for takes a time such as"),
        (["prod", "--for", "2w", "--why", "x"], "--for takes a time such as"),
        (["prod", "--for", "91d", "--why", "x"], "--for 91d is longer than 90 days"),
        (["prod", "--for", "999999d", "--why", "x"], "is longer than 90 days: change the settings instead."),
        (["prod", "--for", "2h", "--why", " "], "--why is empty: say why, for whoever finds it muted."),
        ([" ", "--for", "2h", "--why", "x"], "A silence takes what to mute: name an incident"),
        (["prod", "--for", "2h"], "needs --why, the reason"),
        (["prod", "--why", "x"], "needs --for, how long"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_silence_that_cannot_be_meant(enigap: Enigap, arguments: list[str], said: str) -> None:
    assert said in enigap("silence", *arguments).problem


# --- notify


def test_only_a_test_message_can_be_sent(enigap: Enigap) -> None:
    assert "say `enigap notify --test`." in enigap("notify").problem


def test_a_test_message_is_marked_as_one_and_opens_nothing(deployed: FreshDeployment) -> None:
    url = deployed.subscribe_queue()
    ran = deployed.run("notify", "--test")
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Sent. It should arrive within a minute at:\n  sqs  arn:aws:sqs:us-east-2:")
    [event] = deployed.received(url)
    assert (event["test"], event["cluster"], event["region"]) == (True, "test", REGION)
    assert event["runbook_url"] == "https://wiki.example"
    assert deployed.run("status", "--format", "json").document["clusters"] == []


def test_who_will_not_get_it_is_named() -> None:
    assert notify.subscriber(Subscription("email", EVIL, is_confirmed=True), None) == f"  email  {SHOWN}"
    assert notify.subscriber(Subscription("email", EVIL, is_confirmed=False), None) == (
        f"  email  {SHOWN}  not confirmed: the link in AWS's email is still to be followed"
    )


def test_the_queue_before_slack_is_called_slack() -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:any-name"
    for_slack = Subscription("sqs", queue, is_confirmed=True)
    assert notify.subscriber(for_slack, queue) == "  Slack, through the queue any-name"
    assert notify.subscriber(for_slack, None) == f"  sqs  {queue}"
    assert notify.subscriber(for_slack, f"{queue}-2") == f"  sqs  {queue}"


def test_a_message_to_nobody_is_no_success(deployed: FreshDeployment) -> None:
    ran = deployed.run("notify", "--test")
    assert (ran.status, ran.stdout) == (2, "Sent, but there is no subscriber.\n")


def test_what_agents_of_known_versions_do_not_write_is_told(deployed: FreshDeployment) -> None:
    deployed.remember("odd", unknown_devices=2, events_with_missing_fields=1)
    said = " ".join(deployed.run("status").stdout.split())
    assert "2 devices of no known class and 1 event with missing fields: see `enigap doctor`" in said
    [cluster] = deployed.run("status", "--format", "json").document["clusters"]
    assert (cluster["unknown_devices"], cluster["events_with_missing_fields"]) == (2, 1)
