import json
import re
import shlex
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # of the tests alone
from botocore.exceptions import ClientError

from enigap.aws.addon import why_not_collected


class FakeEks:
    def __init__(self, configuration: object = None, error: str | None = None) -> None:
        self.configuration, self.error = configuration, error
        self.meta = SimpleNamespace(region_name="eu-west-1")

    def describe_addon(self, **request: Any) -> dict[str, Any]:
        assert request == {"clusterName": "prod", "addonName": "amazon-cloudwatch-observability"}
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "DescribeAddon")
        addon = {"addonVersion": "v6.5.0-eksbuild.1", "configurationValues": self.configuration}
        return {"addon": addon if self.configuration is not None else {"addonVersion": "v6.5.0-eksbuild.1"}}


def switched(**switches: bool) -> str:
    return json.dumps({kind: {"enabled": on} for kind, on in switches.items()})


@pytest.mark.parametrize(
    ("eks", "says", "remedy"),
    [
        (FakeEks(error="ResourceNotFoundException"), "not installed", "aws eks create-addon"),
        (FakeEks(), "with Container Insights on", "kubectl -n amazon-cloudwatch logs"),
        (FakeEks(switched(containerInsights=True)), "with Container Insights on", "kubectl"),
        (
            FakeEks(switched(containerInsights=False)),
            "switched off",
            '{"containerInsights":{"enabled":true}}',
        ),
        (
            FakeEks(switched(containerInsights=False, otelContainerInsights=True)),
            "only its OTel successor",
            '{"containerInsights":{"enabled":true},"otelContainerInsights":{"enabled":true}}',
        ),
    ],
    ids=["none", "on by default", "on", "classic off", "otel only"],
)
def test_the_add_on_says_which_case_it_is_and_the_remedy_is_a_command(
    eks: FakeEks, says: str, remedy: str
) -> None:
    why = why_not_collected(eks, "prod")
    assert why is not None
    assert says in why
    assert remedy in why
    [command] = re.findall("`(.*)`", why)
    if command.startswith("aws "):
        assert " --cluster-name prod --region eu-west-1 --addon-name " in command


def test_a_client_that_does_not_say_its_region_leaves_it_to_the_callers_own() -> None:
    eks = FakeEks(error="ResourceNotFoundException")
    eks.meta.region_name = None
    assert "`aws eks create-addon --cluster-name prod --addon-name amazon" in str(
        why_not_collected(eks, "prod")
    )


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ServerException"])
def test_where_eks_cannot_be_asked_nothing_is_guessed(code: str) -> None:
    assert why_not_collected(FakeEks(error=code), "prod") is None


@pytest.mark.parametrize(
    "configuration",
    [
        "[]",
        "3",
        "{",
        "[" * 99_999,
        "agent: &a\n  b: *c",
        "--- a\n--- b",
        "a: b: c",
        "a:\n\tb: c",
        "a: 1\na: 2",
        '{"containerInsights":{"enabled":false},"containerInsights":{"enabled":true}}',
        "containerInsights: {enabled: false, enabled: true}",
        "[" * 99_999 + "a: b",
        f"a: {chr(39) + 'x' * 999} # b",
        "containerInsights:\n  enabled: 'false'",
        '{"containerInsights":{"enabled":0}}',
        '{"containerInsights":false}',
        '{"agent":{"enabled":"no"}}',
        "containerInsights:\n  enabled: !!bool false",
        *(
            f"containerInsights: {{enabled: false}}\nx: {value}"
            for value in ("0x1F", "12:30:45", ".inf", "+1")
        ),
    ],
)
def test_a_configuration_that_cannot_be_read_is_said_to_be_unknown(configuration: str) -> None:
    why = why_not_collected(FakeEks(configuration), "prod")
    assert why is not None
    assert "enigap cannot read its configuration" in why
    assert "its agent fails" not in why


def values_in(why: str) -> Any:
    """The configuration in the command, as the shell passes it on."""
    [command] = re.findall("`(.*)`", why)
    words = shlex.split(command)
    return json.loads(words[words.index("--configuration-values") + 1])


YOURS = {
    "tolerations": [{"operator": "Exists", "key": "it's"}],
    "agent": {"resources": {"limits": {"cpu": "1"}}},
}
OFF = {"containerInsights": {"enabled": False, "more": 1}}


def test_the_remedy_keeps_everything_else_that_is_configured() -> None:
    why = why_not_collected(FakeEks(json.dumps({**YOURS, **OFF})), "prod")
    assert values_in(str(why)) == {**YOURS, "containerInsights": {"enabled": True, "more": 1}}


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump], ids=["JSON", "YAML"])
@pytest.mark.parametrize(
    ("given", "says", "changed"),
    [
        (OFF, "it is switched off", {"containerInsights": {"enabled": True, "more": 1}}),
        (
            {"agent": {"enabled": False, "a": "b"}},
            "agent is switched off",
            {"agent": {"enabled": True, "a": "b"}},
        ),
        (
            {"agent": {"config": {"logs": {"x": "z"}}}},
            "a configuration of your own",
            {
                "agent": {
                    "config": {
                        "logs": {
                            "x": "z",
                            "metrics_collected": {"kubernetes": {"enhanced_container_insights": True}},
                        }
                    }
                }
            },
        ),
    ],
    ids=["switched off", "no agent", "an agent's own configuration"],
)
def test_a_configuration_is_read_as_it_may_be_written(
    dump: Callable[[Any], str], given: Any, says: str, changed: Any
) -> None:
    extra = {"tolerations": [{"operator": "Exists"}, {"key": "gpu", "effect": "NoSchedule"}]}
    why = str(why_not_collected(FakeEks(dump({**given, **extra})), "prod"))
    assert says in why
    assert values_in(why) == {**changed, **extra}


def test_an_agent_whose_own_configuration_has_container_insights_is_not_called_failing() -> None:
    own = {"agents": [{"name": "cloudwatch-agent", "config": {}}]}
    why = str(why_not_collected(FakeEks(json.dumps(own)), "prod"))
    assert "enigap does not know enough of" in why


def test_a_configuration_that_a_message_would_cut_is_shown_by_a_command_instead() -> None:
    why = str(why_not_collected(FakeEks(json.dumps({**OFF, "x": "z" * 2000})), "prod"))
    assert "into the whole configuration, which the update replaces" in why
    assert "`aws eks describe-addon" in why
    assert len(why) < 600


@pytest.mark.parametrize(
    ("written", "rest"),
    [
        ("\ufeffcontainerInsights:\n  enabled: false\n", {}),
        ("containerInsights:\r\n  enabled: false\r\n", {}),
        ("---\ncontainerInsights:\n  enabled: FALSE\n...\n", {}),
        ("containerInsights: {enabled: false}\n", {}),
        (
            "{containerInsights: {enabled: false}, x: [b, 'c, d', {e: \"f\"},],}\n",
            {"x": ["b", "c, d", {"e": "f"}]},
        ),
        ("containerInsights: { # all of it\n  enabled: false\n}\nx: [\n  a,\n  b ]\n", {"x": ["a", "b"]}),
        ("# it's ours\ncontainerInsights: # off\n  enabled: false # it's \"dear\"\n", {}),
        ("x: 'a # b' # it's\ncontainerInsights: # off\n  enabled: false\n", {"x": "a # b"}),
        ("containerInsights :\n    enabled :   false   \n", {}),
        (
            "x: {cpu: 0.5, image: 1.2.3}\ncontainerInsights: {enabled: false}\n",
            {"x": {"cpu": 0.5, "image": "1.2.3"}},
        ),
        ("x: 'it''s'\ncontainerInsights: {enabled: false}\n", {"x": "it's"}),
        ("x: http://a.b/c?d=e&f=g\ncontainerInsights: {enabled: false}\n", {"x": "http://a.b/c?d=e&f=g"}),
        (
            "x: |\n  a: 'b'\n   # c\ny2: >-\n  d\n  e\ncontainerInsights:\n  enabled: false\n",
            {"x": "a: 'b'\n # c\n", "y2": "d e"},
        ),
        (
            "x: &all\n- operator: Exists\nz: {tolerations: *all}\ncontainerInsights: {enabled: false}\n",
            {"x": [{"operator": "Exists"}], "z": {"tolerations": [{"operator": "Exists"}]}},
        ),
        ("? x\n: a\n  b\n\n  c\n? containerInsights\n: enabled: false\n", {"x": "a b\nc"}),
        ('x: "a\\x41\\\n  b"\ncontainerInsights: {enabled: false}\n', {"x": "aAb"}),
        ("x: Größe\nz: nUll\ncontainerInsights: {enabled: false}\n", {"x": "Größe", "z": "nUll"}),
    ],
)
def test_what_yaml_allows_is_read_and_nothing_of_it_is_lost(written: str, rest: dict[str, Any]) -> None:
    why = str(why_not_collected(FakeEks(written), "prod"))
    assert values_in(why) == {"containerInsights": {"enabled": True}, **rest}
    assert yaml.safe_load(written) == {"containerInsights": {"enabled": False}, **rest}


def own_configuration(kubernetes: object) -> dict[str, Any]:
    return {"agent": {"config": {"logs": {"metrics_collected": {"kubernetes": kubernetes}}, "x": "z"}}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"agent": {"config": {}}}, "with Container Insights on, so its agent fails"),
        (own_configuration({"enhanced_container_insights": True}), "on in a configuration of your own"),
        (own_configuration(["a"]), "which enigap does not know enough of"),
        ({**own_configuration({}), "agents": [{"name": "a"}]}, "which enigap does not know enough of"),
    ],
    ids=["an empty one", "that has it", "of another shape", "one of several agents"],
)
def test_a_configuration_of_ones_own_is_judged_by_what_is_in_it(given: dict[str, Any], said: str) -> None:
    why = str(why_not_collected(FakeEks(json.dumps(given)), "prod"))
    assert said in why
    assert "update-addon" not in why


@pytest.mark.parametrize("before", [{"enhanced_container_insights": False, "y": 1}, {"y": 1}])
def test_a_configuration_of_ones_own_without_container_insights_gets_them(before: dict[str, Any]) -> None:
    why = str(why_not_collected(FakeEks(json.dumps(own_configuration(before))), "prod"))
    assert values_in(why) == own_configuration({"enhanced_container_insights": True, "y": 1})


def test_a_clusters_name_is_quoted_for_the_shell() -> None:
    class NotInstalled:
        def describe_addon(self, **_: Any) -> dict[str, Any]:
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}
            raise ClientError(error, "DescribeAddon")

    why = why_not_collected(NotInstalled(), "a; rm -rf $HOME")
    assert why is not None
    assert "--cluster-name 'a; rm -rf $HOME' --addon-name" in why
