"""Settings: right ones come through unchanged, wrong ones get one sentence that names them."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enigap.aws.placement import Wanted
from enigap.core.counting.devices import (
    COUNTED_AGAIN_PATTERNS,
    GATEWAY_PATTERNS,
    PHYSICAL_PATTERN,
    POD_PATTERNS,
    DeviceKind,
)
from enigap.core.counting.patterns import require_quick
from enigap.core.counting.reading import OsSourceChoice
from enigap.core.counting.rules import EvidencePolicy, Rules
from enigap.core.published import Publish
from enigap.settings import (
    MAX_VARIABLE_BYTES,
    OF_THE_DEPLOYMENT,
    VARIABLE,
    Settings,
    SettingsError,
    SlackChannel,
    SlackWebhook,
    VirtualDevices,
    Vpc,
    rows,
)

EVERYTHING: dict[str, Any] = {
    "clusters": ["prod", "test-*"],
    "regions": ["eu-west-1", "us-gov-west-1"],
    "node_tags": {"team": "net*"},
    "email": ["on-call@example.com"],
    "slack": {"webhook_secret": "enigap/slack"},
    "schedule_minutes": 30,
    "settle_minutes": 15,
    "confirm_windows": 3,
    "resolve_windows": 4,
    "remind_hours": 12,
    "tolerance": 0.1,
    "floor_bytes_per_second": 100_000,
    "max_counts_per_byte": 3,
    "physical_devices": r"eth\d+",
    "virtual_devices": {"pod": ["mypod.*"], "counted_again": [r"myvxlan\d+"], "gateway": [r"mygw\d+"]},
    "os_source": "otel",
    "evidence": "always",
    "look_back_hours": 12,
    "evidence_max_nodes": 50,
    "publish": "flagged",
    "finding_alarm_actions": True,
    "collapse_above": 10,
    "metric_namespace": "Net/Gap",
    "stack_name": "enigap-net",
    "permissions_boundary": "teams/boundary",
    "tags": {"cost-center": "1234"},
    "log_retention_days": 30,
    "architecture": "x86_64",
    "vpc": {
        region: {
            "subnets": [f"subnet-0123456{n}", f"subnet-1123456{n}"],
            "security_groups": [f"sg-0123456{n}"],
        }
        for n, region in enumerate(("eu-west-1", "us-gov-west-1"))
    },
    "kms_key_arn": {
        "eu-west-1": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "us-gov-west-1": "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234",
    },
    "runbook_url": "https://wiki.example.com/enigap?page=1#gap",
    "name_pods": False,
}

NAMES = sorted(EVERYTHING)
SHORT_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def read(value: Any, reader: Callable[[Any], Settings] = Settings.from_mapping) -> Settings | str:
    """The settings, or what is wrong with them."""
    try:
        return reader(value)
    except SettingsError as error:
        return str(error)


def refusal(**settings: Any) -> str:
    came_of_it = read(settings)
    assert isinstance(came_of_it, str)
    return came_of_it


def test_nothing_set_is_the_documented_defaults() -> None:
    assert Settings.from_mapping({}) == Settings()
    rules = Settings().rules()
    assert rules == Rules()


def test_every_setting_reaches_its_attribute() -> None:
    settings = Settings.from_mapping(EVERYTHING)
    assert settings.clusters == ("prod", "test-*")
    assert settings.node_tags == {"team": "net*"}
    assert settings.slack == SlackWebhook("enigap/slack")
    assert settings.virtual_devices == VirtualDevices(("mypod.*",), (r"myvxlan\d+",), (r"mygw\d+",))
    assert settings.os_source is OsSourceChoice.OTEL
    assert settings.evidence is EvidencePolicy.ALWAYS
    assert settings.publish is Publish.FLAGGED
    assert EVERYTHING.keys() == get_type_hints(Settings).keys()
    assert all(getattr(settings, name) != getattr(Settings(), name) for name in EVERYTHING)


def test_rules_are_made_of_the_settings() -> None:
    rules = Settings.from_mapping(EVERYTHING).rules()
    assert (rules.tolerance, rules.floor.bytes_per_second, rules.max_counts_per_byte) == (0.1, 100_000, 3)
    assert (rules.settle, rules.confirm_windows, rules.resolve_windows) == (timedelta(minutes=15), 3, 4)
    kinds = {
        name: rules.classifier.kind(name)
        for name in ("eth0", "ens5", "mypod7", "myvxlan1", "flannel.1", "mygw0")
    }
    assert kinds == {
        "eth0": DeviceKind.PHYSICAL,
        "ens5": DeviceKind.UNKNOWN,
        "mypod7": DeviceKind.POD,
        "myvxlan1": DeviceKind.COUNTED_AGAIN,
        "flannel.1": DeviceKind.COUNTED_AGAIN,
        "mygw0": DeviceKind.GATEWAY,
    }


@pytest.mark.parametrize("given_settings", [{}, EVERYTHING], ids=["nothing", "everything"])
def test_a_function_reads_back_what_was_deployed(given_settings: dict[str, Any]) -> None:
    settings = Settings.from_mapping(given_settings)
    variables = settings.to_env()
    own = {name: getattr(Settings(), name) for name in OF_THE_DEPLOYMENT}
    assert Settings.from_env(variables) == replace(settings, **own)
    assert all(len(value) <= MAX_VARIABLE_BYTES for value in variables.values())


def test_a_function_needs_nobodys_address() -> None:
    settings = Settings.from_mapping(EVERYTHING)
    without = settings.to_env(with_addresses=False)
    assert Settings.from_env(without).email == ()
    assert not [address for address in settings.email if address in str(without)]


def test_only_what_differs_from_the_defaults_is_carried_along() -> None:
    assert Settings().to_env() == {VARIABLE: "{}"}
    assert Settings(tolerance=0.1).to_mapping() == {"tolerance": 0.1}


def test_a_function_without_settings_says_so() -> None:
    with pytest.raises(SettingsError, match=f"^{VARIABLE} is not set"):
        Settings.from_env({})


@given(
    settings=SHORT_JSON
    | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), SHORT_JSON, max_size=6)
)
@example(settings={"physical_devices": "("})
@example(settings={"physical_devices": "a{9999999999}"})
@example(settings={"physical_devices": "[[a]]"})
@example(settings={"physical_devices": "(?i)eth0"})
@example(settings={"tolerance": float("nan"), "floor_bytes_per_second": float("inf")})
@example(settings={"floor_bytes_per_second": 10**400})
@example(settings={"email": [["a@example.com"]], "clusters": [{}]})
@example(settings={"slack": {"webhook_secret": "x", "channel_id": "y"}})
@example(settings={"schedule_minutes": True, "evidence": [], "publish": {}})
def test_any_json_value_is_settings_that_come_back_or_an_error_in_sentences(settings: object) -> None:
    came_of_it = read(settings)
    if isinstance(came_of_it, Settings):
        assert Settings.from_env(came_of_it.to_env()) == came_of_it
        assert came_of_it.rules().classifier.kind("eni1a2b3c4d5e6") is not DeviceKind.PHYSICAL
    else:
        assert all(line.endswith((".", "?")) and line.isprintable() for line in came_of_it.split("\n"))


@given(text=st.text(max_size=40))
@example(text="[" * 100_000)
@example(text="9" * 5_000)
def test_any_text_is_settings_or_an_error(text: str) -> None:
    came_of_it = read(text, Settings.from_json)
    assert isinstance(came_of_it, Settings) or "JSON" in came_of_it or "not a setting" in came_of_it


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tolerance": 5}, "tolerance: 5 is not allowed; it takes a number from 0.01 to 0.5."),
        ({"tolerance": True}, "tolerance: True is not allowed; it takes a number from 0.01 to 0.5."),
        (
            {"confirm_windows": 2.0},
            "confirm_windows: 2.0 is not allowed; it takes a whole number from 1 to 8.",
        ),
        ({"schedule_minutes": 5}, "schedule_minutes: 5 is not allowed; it takes 15, 30 or 60."),
        (
            {"evidence": "sometimes"},
            'evidence: \'sometimes\' is not allowed; it takes "suspects", "rotate", "always" or "off".',
        ),
        (
            {"finding_alarm_actions": "yes"},
            "finding_alarm_actions: 'yes' is not allowed; it takes true or false.",
        ),
        ({"tolerence": 0.1}, "'tolerence' is not a setting; did you mean tolerance?"),
        (
            {"email": "me"},
            "email: 'me' is not allowed; it takes a list of up to 20 different ones, each an email address.",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_takes(settings: dict[str, Any], sentence: str) -> None:
    assert refusal(**settings) == sentence


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"clusters": ["a", "b", "c", "d", "e", "f", "g", "h ", "i"]}, "'h '"),
        ({"email": ["ann@example.com", "bob@"]}, "'bob@'"),
        ({"node_tags": {"team": "net", "stage": ["a", "b"]}}, "['a', 'b']"),
        ({"virtual_devices": {"pod": ["mypod.*"], "gateway": ["gw", "["]}}, "'['"),
        ({"vpc": {"subnets": ["subnet-0a1b2c3d"], "security_groups": ["default"]}}, "'default'"),
        ({"vpc": {"eu-west-1": {"subnets": ["subnet-1"], "security_groups": ["sg-0a1b2c3d"]}}}, "'subnet-1'"),
        ({"kms_key_arn": {"eu-west-1": "alias/own"}}, "'alias/own'"),
        ({"tags": {"cost": "a & b"}}, "'a & b'"),
        ({"tags": {"aWs:own": "x"}}, "'aWs:own'"),
    ],
)
def test_of_a_list_or_object_the_part_that_is_wrong_is_shown(settings: dict[str, Any], shown: str) -> None:
    [name] = settings
    assert refusal(**settings).startswith(f"{name}: {shown} in it is not allowed; it takes ")


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(refusal(tolerance=5, email="me", cluster="prod").split("\n")) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"email": ["a@example.com", "a@example.com"]},
        {"clusters": [""]},
        {"clusters": ["prod cluster"]},
        {"regions": ["Ireland"]},
        {"regions": ["eu-west-1", "eu-west-1"]},
        {"node_tags": {"na\nme": "x"}},
        {"node_tags": {"x" * 129: "x"}},
        {"node_tags": {"": "x"}},
        {"node_tags": {"team": ""}},
        {"slack": {}},
        {"slack": {"webhook_secret": "https://hooks.slack.com/services/T0/B0/x"}},
        {"slack": {"webhook_secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:partial"}},
        {"slack": {"workspace_id": "T0123ABCD"}},
        {"virtual_devices": {"pods": []}},
        {"virtual_devices": {"pod": [r"(a)\1"]}},
        {"virtual_devices": {"pod": ["(?P<name>x)"]}},
        {"virtual_devices": {"pod": ["a)|(b"]}},
        {"physical_devices": ""},
        {"metric_namespace": "AWS/EC2"},
        {"metric_namespace": "ContainerInsights"},
        {"metric_namespace": "it's"},
        {"runbook_url": "http://example.com"},
        {"runbook_url": "https://example.com/<script>"},
    ],
    ids=json.dumps,
)
def test_what_would_go_wrong_later_is_refused_now(settings: dict[str, Any]) -> None:
    [name] = settings
    assert refusal(**settings).startswith(f"{name}: ")


SLOW_ON_SOME_NAMES = (
    "(a+)+",
    "(a*)*b",
    "(a|a)*b",
    "(a|b|ab|ba)*",
    "((x+)+y)?",
    "(a?){15}a{15}",
    "(a?){30}",
    "(){99999}",
    ".*.*.*.*.*.*",
    r"\w*" * 100,
    "(?=(a+)+)b",
    "(?<!x)(?!(a*)*c).*",
    "(a*?)*?b",
    "(?:a{0,15}){0,15}",
    "(?>(a|aa)+)+b",
    "(a|aa)++b",
    "(((((((((a*)*)*)*)*)*)*)*)*)*",
)


@pytest.mark.parametrize("pattern", SLOW_ON_SOME_NAMES, ids=lambda pattern: pattern[:20])
@pytest.mark.parametrize("before", ["", "eth0|"])
def test_a_pattern_that_takes_for_ever_on_some_names_is_refused_and_never_tried(
    pattern: str, before: str
) -> None:
    assert "physical_devices" in refusal(physical_devices=f"{before}{pattern}")
    for kind in ("pod", "counted_again", "gateway"):
        said = refusal(virtual_devices={kind: ["mypod.*", f"{before}{pattern}"]})
        assert "virtual_devices" in said
        assert "quick on every name" in said


@pytest.mark.parametrize(
    "pattern",
    [
        r"eth\d+(\.\d+)*",
        r"\w+-\w+-\w+-\w+",
        ".*.*.*",
        "(a|b)+c|d{3,9}",
        "a{30}",
        "(foo|bar)?x.*",
        "(?!eth).*",
    ],
)
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    settings = Settings.from_mapping({"virtual_devices": {"pod": [pattern]}})
    assert settings.virtual_devices.pod == (pattern,)


@pytest.mark.parametrize(
    "patterns", [POD_PATTERNS, COUNTED_AGAIN_PATTERNS, GATEWAY_PATTERNS, (PHYSICAL_PATTERN,)]
)
def test_the_patterns_that_come_with_it_are_quick_themselves(patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        require_quick(pattern)


def test_names_of_clusters_with_many_stars_are_matched_without_trying_all_ways() -> None:
    settings = Settings.from_mapping({"clusters": ["*a" * 50]})
    assert not settings.watches("a" * 100_000 + "b")


@pytest.mark.parametrize("pattern", ["en.*", "e.*", r"(eth|en)\w+"])
def test_a_pattern_that_takes_pods_devices_for_interfaces_is_refused(pattern: str) -> None:
    assert "must not match eni1a2b3c4d5e6" in refusal(physical_devices=pattern)


@pytest.mark.parametrize("pattern", ["^en", "eth", "ens?"])
def test_a_pattern_of_the_beginning_of_an_interfaces_name_is_refused(pattern: str) -> None:
    """It is matched against whole names, and then no device at all would be physical."""
    assert "for whole device names" in refusal(physical_devices=pattern)


@pytest.mark.parametrize("pattern", [r"Ethernet \d+", r"eth\d+", "ens5"])
def test_a_pattern_of_whole_names_is_taken_whatever_they_are(pattern: str) -> None:
    assert Settings.from_mapping({"physical_devices": pattern}).physical_devices == pattern


def test_a_webhooks_address_that_was_given_by_mistake_is_not_repeated() -> None:
    said = refusal(slack={"webhook_secret": "https://hooks.slack.com/services/T0/B0/sesame"})
    assert "sesame" not in said
    assert said.startswith("slack: this value is not allowed; it takes {")


def test_a_secret_of_one_region_cannot_serve_several() -> None:
    secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:hook-AbCdEf"
    Settings.from_mapping({"slack": {"webhook_secret": secret}, "regions": ["eu-west-1"]})
    assert refusal(slack={"webhook_secret": secret}, regions=["eu-west-1", "us-east-1"]).startswith("slack: ")


def test_more_than_a_functions_environment_takes_is_refused() -> None:
    assert "a function's environment takes 3,000" in refusal(clusters=[f"{n:0100}" for n in range(50)])


def test_slack_is_a_webhook_or_a_channel_of_amazon_q() -> None:
    channel = {"workspace_id": "T0123ABCD", "channel_id": "C0123ABCD"}
    assert Settings.from_mapping({"slack": channel}).slack == SlackChannel("T0123ABCD", "C0123ABCD")


@pytest.mark.parametrize(
    ("clusters", "watched"),
    [
        ((), True),
        (("prod",), True),
        (("pr*",), True),
        (("p?od",), True),
        (("PROD",), False),
        (("pro",), False),
    ],
)
def test_clusters_are_watched_by_name_or_pattern(clusters: tuple[str, ...], watched: bool) -> None:  # noqa: FBT001
    assert Settings(clusters=clusters).watches("prod") is watched


def test_a_cluster_is_asked_for_by_name_only_without_a_wildcard() -> None:
    assert Settings(clusters=("prod", "test-*", "de?")).named_clusters == ("prod",)


def test_the_table_has_every_setting_with_a_default_that_is_allowed() -> None:
    table = rows()
    assert [row.key for row in table] == list(get_type_hints(Settings))
    for row in table:
        assert Settings.from_mapping({row.key: json.loads(row.default)}) == Settings()
        assert row.meaning.endswith(".")
        assert row.takes


@pytest.mark.parametrize(
    "tags",
    [
        {"aws:eks:cluster-name": "prod"},
        {"aws:autoscaling:groupName": "workers-*"},
        {"Équipe": "Büro Zürich"},
        {"команда": "сеть"},
        {"team": "网络"},
        {"cost (old)": "a & b [x], 5 %"},
        {"x" * 128: "y" * 256},
    ],
    ids=["EKS's own", "of an Auto Scaling group", "accents", "Cyrillic", "Chinese", "signs", "long"],
)
def test_whatever_tag_aws_takes_can_be_asked_for(tags: dict[str, str]) -> None:
    settings = Settings.from_mapping({"node_tags": tags})
    assert Settings.from_env(settings.to_env()).node_tags == tags
    assert Wanted(node_tags=tags).tags(tags)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stack_name": "enigap-net"}, "metric_namespace: a stack_name other than enigap takes a namespace"),
        ({"stack_name": "enigap-net", "metric_namespace": "EniGap"}, "takes a namespace of its own"),
        (
            {
                "regions": ["eu-west-1", "us-east-1"],
                "slack": {"workspace_id": "T0123ABCD", "channel_id": "C0123ABCD"},
            },
            "slack: Amazon Q Developer has one configuration for a channel in all regions",
        ),
    ],
    ids=["the default namespace", "the default, spelt out", "one channel, two regions"],
)
def test_what_two_stacks_cannot_share_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        Settings.from_mapping(settings)


REGIONS = ["eu-west-1", "us-east-1"]
A_VPC: dict[str, Any] = {"subnets": ["subnet-0a1b2c3d4e5f60718"], "security_groups": ["sg-0a1b2c3d"]}
A_KEY = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"vpc": A_VPC, "regions": REGIONS}, "vpc: it exists in one region only"),
        ({"kms_key_arn": A_KEY, "regions": REGIONS}, "kms_key_arn: it exists in one region only"),
        ({"vpc": {"eu-west-1": A_VPC}, "regions": REGIONS}, "vpc: there is none for us-east-1"),
        (
            {"kms_key_arn": {REGIONS[0]: A_KEY}, "regions": REGIONS},
            "kms_key_arn: there is none for us-east-1",
        ),
        ({"vpc": {"eu-west-1": A_VPC}}, "vpc: one for each region takes `regions`"),
        ({"kms_key_arn": A_KEY, "regions": ["us-east-1"]}, f"kms_key_arn: {A_KEY} is not a key of us-east-1"),
        (
            {"kms_key_arn": dict.fromkeys(REGIONS, A_KEY), "regions": REGIONS},
            f"kms_key_arn: {A_KEY} is not a key of us-east-1",
        ),
        ({"kms_key_arn": A_KEY.replace("key/", "alias/")}, "kms_key_arn: "),
        ({"kms_key_arn": {}}, "kms_key_arn: {} is not allowed"),
        (
            {"kms_key_arn": A_KEY.replace("eu-west-1", "cn-north-1"), "regions": ["cn-north-1"]},
            "kms_key_arn: arn:aws:kms:cn-north-1:111122223333:key/mrk-1234 is not a key of cn-north-1",
        ),
        (
            {"permissions_boundary": "arn:aws:iam::111122223333:policy/b", "regions": ["us-gov-east-1"]},
            "permissions_boundary: arn:aws:iam::111122223333:policy/b is of another partition",
        ),
        (
            {
                "slack": {
                    "webhook_secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:hook-AbCdEf"
                },
                "regions": ["eu-west-2"],
            },
            "slack: webhook_secret is not a secret of eu-west-2; give one of that region.",
        ),
        ({"vpc": {}}, "vpc: {} is not allowed"),
        (
            {"slack": {"workspace_id": "T0123ABCD", "channel_id": "C0123ABCD"}, "regions": ["cn-north-1"]},
            "slack: Amazon Q Developer is not in cn-north-1; give webhook_secret.",
        ),
        ({"tags": {"owner": ""}}, "tags: '' in it is not allowed"),
        ({"vpc": {**A_VPC, "subnets": []}}, "vpc: "),
        ({"vpc": {"subnets": A_VPC["subnets"]}}, "vpc: "),
    ],
)
def test_what_exists_in_one_region_only_is_given_for_each(settings: dict[str, Any], sentence: str) -> None:
    assert refusal(**settings).startswith(sentence)


def test_one_value_is_enough_for_one_region() -> None:
    settings = Settings.from_mapping({"vpc": A_VPC, "kms_key_arn": A_KEY})
    assert settings.kms_key_in(None) == A_KEY
    assert settings.vpc_in(None) == Vpc(tuple(A_VPC["subnets"]), tuple(A_VPC["security_groups"]))


def test_each_region_has_its_own() -> None:
    other = A_KEY.replace("eu-west-1", "us-east-1")
    settings = Settings.from_mapping(
        {"kms_key_arn": dict(zip(REGIONS, (A_KEY, other), strict=True)), "regions": REGIONS}
    )
    assert [settings.kms_key_in(region) for region in REGIONS] == [A_KEY, other]


@pytest.mark.parametrize(
    "tags", [{"Équipe": "Büro Zürich"}, {"команда": "сеть"}, {"a:b/c=d+e@f-g_h.i": "x y"}]
)
def test_a_deployments_tags_are_what_aws_takes(tags: dict[str, str]) -> None:
    assert Settings.from_mapping({"tags": tags}).tags == tags


@pytest.mark.parametrize("tags", [{"Team": "a", "team": "b"}, {"Application": "x"}])
def test_tags_that_iam_takes_for_one_are_refused(tags: dict[str, str]) -> None:
    assert refusal(tags=tags).startswith("tags: two names differ in upper and lower case alone")
