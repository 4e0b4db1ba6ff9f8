"""`enigap doctor` against the embedded AWS."""

import json

import pytest
from jsonschema import Draft202012Validator

from enigap.aws.clients import Aws
from enigap.cli.desk import Desk
from enigap.cli.doctor import document, head
from enigap.core.doctor.beliefs import diagnose
from enigap.settings import Settings
from tests.cli.accounts import Account
from tests.cli.conftest import Enigap
from tests.core.doctor.worlds import CONTRADICTED, NOW
from tests.docs.test_schemas import schema

SCHEMA = Draft202012Validator(schema("doctor-1"))


def test_the_beliefs_hold_on_the_embedded_aws_and_the_price_comes_first(
    enigap: Enigap, account: Account
) -> None:
    ran = enigap("doctor", "--cluster", "calm", "--deep", env={"COLUMNS": "80"})
    assert (ran.status, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    said = " ".join(ran.stdout.split())
    assert said.startswith("Looking at up to 10 of 5 nodes in ")
    assert "metrics, which cost $0.00" in said
    paragraph = said[said.index("paste this into a report.") :]
    assert "enigap doctor on 5 nodes: PASS 2" in paragraph
    names = [name.partition(".")[0] for _, name in account.ids] + [*account.ids.values(), "calm", "eu-west"]
    assert not [name for name in names if name in paragraph]


def test_its_document_holds_to_its_schema() -> None:
    o = CONTRADICTED["eni-settles"]()
    judged = diagnose(o)
    written = {**head(Desk(Aws(region="eu-west-1"), Settings(), NOW), 99, 400_000), **document(o, judged)}
    SCHEMA.validate(json.loads(json.dumps(written, allow_nan=False)))
    check = schema("doctor-1")["$defs"]["check"]
    assert set(written["checks"][0]) == set(check["properties"])
    [failed] = [each for each in written["checks"] if each["id"] == "eni-settles"]
    assert failed["to_do"] == "raise `settle_minutes`"


@pytest.mark.usefixtures("account")
def test_a_node_that_is_not_there_is_told(enigap: Enigap) -> None:
    assert "There is no running node i-0 in these clusters" in enigap("doctor", "--node", "i-0").problem
