"""One shard of `prepare` that learns late what the others do: tests/unit/cutting/test_race.py starts several.

python -m tests.shards RAW DST SHARD DELAY [overwrite]: waits DELAY seconds between looking at the folder and beginning
to work in it, as a slow file system would.
"""

import sys
import time
from pathlib import Path
from typing import Any

from saticl.commands import prepare as command
from tests.cutting import config

look = command.state_of


def main(raw: str, dst: str, shard: str, delay: str, *flags: str) -> None:
    """Prepare one shard."""

    def late(*arguments: Any) -> str:
        found = look(*arguments)
        time.sleep(float(delay))
        return found

    command.state_of = late
    command.prepare(config(Path(raw), Path(dst), shard=shard, overwrite="overwrite" in flags))


if __name__ == "__main__":
    main(*sys.argv[1:])
