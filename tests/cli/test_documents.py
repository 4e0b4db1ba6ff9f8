"""What the commands print for programs holds to the schemas that programs are written against."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from enigap.core.judging.cluster import FindingKind
from tests.cli.accounts import AT, EVIL, Account
from tests.cli.conftest import Enigap

pytestmark = pytest.mark.usefixtures("account")

SCHEMAS = {
    schema["$id"]: schema
    for path in (Path(__file__).parents[2] / "docs" / "schemas").glob("*.json")
    for schema in [json.loads(path.read_text(encoding="utf-8"))]
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (urn, Resource.from_contents(schema)) for urn, schema in SCHEMAS.items()
)


def validator(urn: str) -> Draft202012Validator:
    return Draft202012Validator(SCHEMAS[urn], registry=REGISTRY)


@pytest.mark.parametrize("evidence", ["suspects", "always", "off"])
def test_a_whole_account_holds_to_the_schema(enigap: Enigap, evidence: str) -> None:
    document = enigap("check", "--at", AT, "--evidence", evidence, "--format", "json").document
    assert len(document["clusters"]) >= 8
    validator("urn:enigap:check:1").validate(document)


@pytest.mark.parametrize(
    ("cluster", "name"), [("calm", "article.internal"), ("silent", "silent.internal"), ("evil", EVIL)]
)
def test_a_node_holds_to_the_schema(enigap: Enigap, account: Account, cluster: str, name: str) -> None:
    document = enigap("explain", account.ids[cluster, name], "--at", AT, "--format", "json").document
    validator("urn:enigap:explain:1").validate(document)


@pytest.mark.parametrize(
    "broken",
    [
        {"schema": "enigap.check/2"},
        {"billed_metrics": 1.5},
        {"verdicts": {"fine": 1}},
        {"window": {"start": "yesterday", "end": "today"}},
        {"clusters": [{"cluster": "prod", "finding": "lost", "nodes": []}]},
        {"clusters": [{"cluster": "prod", "finding": None, "nodes": [{}]}]},
    ],
    ids=["schema", "bill", "verdict", "window", "finding", "node"],
)
def test_the_schema_refuses_what_check_never_prints(enigap: Enigap, broken: dict[str, object]) -> None:
    document = enigap("check", "--cluster", "calm", "--at", AT, "--format", "json").document
    assert validator("urn:enigap:check:1").is_valid(document)
    assert not validator("urn:enigap:check:1").is_valid(document | broken)


def test_the_schema_names_every_finding() -> None:
    named = SCHEMAS["urn:enigap:check:1"]["$defs"]["cluster"]["properties"]["finding"]["enum"]
    assert set(named) == {*FindingKind, None}
