"""What was really uploaded: each function's code, by itself, in the Python that it runs on in AWS."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest

from tests.e2e.deployed import SharedDeployment

AS_IN_AWS = Path(sys.prefix).parent / ".venv-3.13" / "bin" / "python"
PYTHON = AS_IN_AWS if AS_IN_AWS.exists() else Path(sys.executable)


def code_of(deployed: SharedDeployment, function: str) -> bytes:
    """The one upload that has the digest of the function's code."""
    name = deployed.functions[function].name
    digest = deployed.client("lambda").get_function_configuration(FunctionName=name)["CodeSha256"]
    s3 = deployed.client("s3")
    [bucket] = [each["Name"] for each in s3.list_buckets()["Buckets"] if "-assets-" in each["Name"]]
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    uploads = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys if key.endswith(".zip")]
    [code] = [each for each in uploads if b64encode(hashlib.sha256(each).digest()).decode() == digest]
    return bytes(code)


@pytest.mark.parametrize("function", ["plan", "reconcile", "slack", "self_test"])
def test_each_deployed_handler_imports_from_what_was_uploaded_alone(
    deployed: SharedDeployment, tmp_path: Path, function: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(code_of(deployed, function))) as package:
        package.extractall(tmp_path)
    module, name = deployed.functions[function].handler.rsplit(".", 1)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from {module} import {name}
assert callable({name})
"""
    # No site-packages, no environment: the standard library and the upload.
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-B", "-c", program],
        env={"AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
