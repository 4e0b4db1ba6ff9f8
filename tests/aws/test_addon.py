import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
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
    ["containerInsights:\n  enabled: false", "[]", "null", "{", '{"containerInsights": 3}', "[" * 99_999],
)
def test_a_configuration_that_cannot_be_read_is_the_default(configuration: str) -> None:
    why = why_not_collected(FakeEks(configuration), "prod")
    assert why is not None
    assert "with Container Insights on" in why
