"""What `cdk` runs: one stack for each region, made from the settings in cdk.json and on the command line.

    cdk deploy -c enigap='{"email": ["a@example.com"]}'

puts that object over the one in cdk.json. With `-c credentials=cli` assets are published and stacks
deployed with the credentials at hand instead of the roles that `cdk bootstrap` made.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aws_cdk import App, CliCredentialsStackSynthesizer, Environment

from enigap.settings import Settings, SettingsError, object_from_json
from infra import asset
from infra.asset import PROJECT
from infra.stack import EnigapStack

SETTINGS_KEY: Final = "enigap"
CREDENTIALS_KEY: Final = "credentials"


def build(app: App, settings: Settings, functions: Path) -> list[EnigapStack]:
    """The stacks of all regions, with the functions in that directory.

    The first is called `enigap`, the others have their region's name in theirs. Without `regions` there is
    one, for the account and region that the command line is used with.
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
    """What cdk.json says, and over it what the command line says. Raises SettingsError."""
    configured = json.loads((PROJECT / "cdk.json").read_text())["context"].get(SETTINGS_KEY, {})
    given = app.node.try_get_context(SETTINGS_KEY)
    if isinstance(given, str):
        given = object_from_json(given)
    if isinstance(configured, Mapping) and isinstance(given, Mapping):
        return Settings.from_mapping({**configured, **given})
    return Settings.from_mapping(configured if given is None else given)


def _synthesizer(app: App) -> CliCredentialsStackSynthesizer | None:
    """None is the usual one."""
    match app.node.try_get_context(CREDENTIALS_KEY):
        case None:
            return None
        case "cli":
            return CliCredentialsStackSynthesizer()
        case other:
            raise SettingsError(f'{CREDENTIALS_KEY}: {other!r} is not allowed; it takes "cli".')


def main() -> None:
    app = App()
    try:
        build(app, settings_for(app), asset.build())
    except SettingsError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
