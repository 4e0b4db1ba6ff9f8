"""Makes bundles in tests/bundles anew, all or those named, and what `enigap check` says of each."""

import subprocess
import sys
from pathlib import Path

from demo.embedded_aws import EmbeddedAws
from tests.cli import counters
from tests.cli.accounts import CLUSTERS, Account, clients_of

FOLDER = Path(__file__).parents[1] / "bundles"
ENIGAP = Path(sys.prefix) / "bin" / "enigap"
WANTED = {
    "mixed-traffic": ("calm", "twin.internal"),
    "counters": counters.ONLY,
    "moved-device": ("moved", "g1-moved-device.internal"),
    "silent-agent": ("silent", "silent.internal"),
}
"""The cluster and the node of each."""


def main() -> None:
    with EmbeddedAws() as aws:
        account = Account(clients_of(aws), CLUSTERS)
        for name in sys.argv[1:] or WANTED:
            cluster, node = WANTED[name]
            file = FOLDER / f"{name}.zip"
            given = ("--cluster", cluster, "--node", account.ids[cluster, node], "--output", str(file))
            with counters.counted(aws, account) as more:
                subprocess.run([str(ENIGAP), "record", *given], env=aws.environment() | more, check=True)
            again = [str(ENIGAP), "check", "--replay", str(file), "--format", "json"]
            said = subprocess.run(again, stdout=subprocess.PIPE, check=False).stdout
            (FOLDER / f"{name}.json").write_bytes(said)


if __name__ == "__main__":
    main()
