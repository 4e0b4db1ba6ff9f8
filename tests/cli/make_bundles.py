"""Makes the bundles in tests/bundles anew, and what `enigap check` says of each."""

import subprocess
import sys
from pathlib import Path

from demo.embedded_aws import EmbeddedAws
from tests.cli.accounts import CLUSTERS, Account, clients_of

FOLDER = Path(__file__).parents[1] / "bundles"
ENIGAP = Path(sys.prefix) / "bin" / "enigap"
WANTED = {
    "mixed-traffic": ("calm", "twin.internal"),
    "moved-device": ("moved", "g1-moved-device.internal"),
    "silent-agent": ("silent", "silent.internal"),
}
"""The cluster and the node of each."""


def main() -> None:
    with EmbeddedAws() as aws:
        account = Account(clients_of(aws), CLUSTERS)
        for name, (cluster, node) in WANTED.items():
            file = FOLDER / f"{name}.zip"
            given = ("--cluster", cluster, "--node", account.ids[cluster, node], "--output", str(file))
            subprocess.run([str(ENIGAP), "record", *given], env=aws.environment(), check=True)
            again = [str(ENIGAP), "check", "--replay", str(file), "--format", "json"]
            said = subprocess.run(again, stdout=subprocess.PIPE, check=False).stdout
            (FOLDER / f"{name}.json").write_bytes(said)


if __name__ == "__main__":
    main()
