"""One shard of `prepare` that learns late what the others do: started several times by tests/unit/cutting/test_race.py.

python -m tests.shards RAW DST SHARD DELAY OVERLAP [overwrite]: waits DELAY seconds between looking at the folder and
beginning to work in it, as a slow file system would.
"""

import sys
import time
from pathlib import Path
from typing import Any

from saticl.commands import prepare as command
from saticl.config import PrepareConfig

look = command.state_of


def main(raw: str, dst: str, shard: str, delay: str, overlap: str, *flags: str) -> None:
    """Prepare one shard."""

    def late(*arguments: Any) -> str:
        found = look(*arguments)
        time.sleep(float(delay))
        return found

    command.state_of = late
    options = {
        "tile_size": 32,
        "overlap": overlap,
        "jobs": 1,
        "allow_missing": True,
        "overwrite": "overwrite" in flags,
    }
    command.prepare(PrepareConfig.model_validate({"src": Path(raw), "dst": Path(dst), "shard": shard} | options))


if __name__ == "__main__":
    main(*sys.argv[1:])
