"""The CDK app that `cdk` runs: one stack for each region, from the settings in cdk.json and `-c enigap=`.

    cdk deploy -c enigap='{"email": ["a@example.com"]}'

merges that object into the one in cdk.json, key by key. With `-c credentials=cli`, assets are published and
stacks deployed with the caller's credentials instead of the roles that `cdk bootstrap` created; with `-c
bucket=NAME`, too, assets go to that bucket and not to the one of `cdk bootstrap`.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from aws_cdk import Annotations, App, CliCredentialsStackSynthesizer, Environment, Token

from enigap.aws.clients import Aws
from enigap.aws.deadline import OPTIONAL_SECONDS
from enigap.aws.deployment import two_stacks
from enigap.aws.errors import AwsProblem
from enigap.settings import Settings, SettingsError, object_from_json
from infra import asset
from infra.asset import PROJECT
from infra.stack import EnigapStack

SETTINGS_KEY: Final = "enigap"
CREDENTIALS_KEY: Final = "credentials"
BUCKET_KEY: Final = "bucket"


def build(app: App, settings: Settings, functions: Path) -> list[EnigapStack]:
    """One stack for each region in `settings.regions`; `functions` is the directory of the Lambda asset.

    All have the same name, `settings.stack_name`; in the CDK's commands the first is `enigap`, each other one
    `enigap-REGION`. Without `regions` there is one stack, for the account and region of the caller's
    credentials.
    """
    return [
        EnigapStack(
            app,
            "enigap" if index == 0 else f"enigap-{region}",
            settings=settings,
            functions=functions,
            env=Environment(region=region) if region else None,
            synthesizer=_synthesizer(app),
        )
        for index, region in enumerate(settings.regions or (None,))
    ]


def settings_for(app: App) -> Settings:
    """The settings in cdk.json, overridden by those on the command line. Raises SettingsError."""
    configured = json.loads((PROJECT / "cdk.json").read_text()).get("context", {}).get(SETTINGS_KEY, {})
    given = app.node.try_get_context(SETTINGS_KEY)
    if isinstance(given, str):
        given = object_from_json(given)
    if not isinstance(configured, Mapping) or given is None:
        return Settings.from_mapping(configured)
    return Settings.from_mapping({**configured, **given} if isinstance(given, Mapping) else given)


def _synthesizer(app: App) -> CliCredentialsStackSynthesizer | None:
    """The synthesizer for `-c credentials=...`; None is the CDK's default."""
    match app.node.try_get_context(CREDENTIALS_KEY):
        case None if app.node.try_get_context(BUCKET_KEY) is not None:
            raise SettingsError(
                f"{BUCKET_KEY}: it is for assets of `-c {CREDENTIALS_KEY}=cli`; give that, too."
            )
        case None:
            return None
        case "cli":
            return CliCredentialsStackSynthesizer(
                file_assets_bucket_name=app.node.try_get_context(BUCKET_KEY)
            )
        case other:
            raise SettingsError(f'{CREDENTIALS_KEY}: {other!r} is not allowed; it takes "cli".')


def warn_of_two(stacks: Sequence[EnigapStack], region: str) -> None:
    """Warn of a stack of an earlier version in the region of each stack, or in `region` where none is set.

    It asks AWS; without an answer at once there is no warning.
    """
    for stack in stacks:
        where = region if Token.is_unresolved(stack.region) else stack.region
        with suppress(AwsProblem):
            aws = Aws(region=where)
            aws.deadline.seconds_left = lambda: OPTIONAL_SECONDS
            aws.sign_in(may_ask=False)  # `cdk` has asked for a code already, and each is good for once
            if found := two_stacks(aws.client("cloudformation"), where, stack.stack_name):
                Annotations.of(stack).add_warning_v2("enigap:two-stacks", found)


def main() -> None:
    app = App()
    try:
        settings = settings_for(app)
        region = os.environ.get("CDK_DEFAULT_REGION")  # which `cdk` sets where it found credentials
        if region and not settings.regions:
            settings.check_region(region)
        stacks = build(app, settings, asset.build(architecture=settings.architecture))
        if region:
            warn_of_two(stacks, region)
    except SettingsError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
