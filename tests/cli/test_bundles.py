"""`enigap record` and `--replay`: the same judgement from a file that names nothing of the account."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.accounts import Account
from tests.cli.conftest import Enigap


def recorded(enigap: Enigap, account: Account, cluster: str, node: str, file: Path) -> str:
    done = enigap("record", "--cluster", cluster, "--node", node, "--output", str(file))
    assert done.status == 0, done.stderr
    return done.stdout


def test_try(enigap: Enigap, account: Account, tmp_path: Path) -> None:
    check = enigap("check", "--format", "json", "--evidence", "all")
    out=[]
    for cluster in check.document["clusters"]:
        for node in cluster["nodes"]:
            file = tmp_path / "bundle.zip"
            recorded(enigap, account, cluster["cluster"], node["instance_id"], file)
            again = enigap("check", "--replay", str(file), "--format", "json")
            if not again.stdout:
                out.append(again.stderr)
                with zipfile.ZipFile(file) as z:
                    out.append(z.read("manifest.json").decode()); out.append("\n".join(l[:900] for l in z.read("calls.jsonl").decode().splitlines() if "DescribeInstances\"" in l))
                break
            if not again.document["clusters"][0]["nodes"]:
                out.append(cluster["cluster"]+again.stdout+again.stderr)
                continue
            [replayed] = again.document["clusters"][0]["nodes"]
            out.append(f"{cluster['cluster']} {node['verdict']} {replayed['verdict']} {replayed['reason']}")
    assert 0, "\n".join(out)
