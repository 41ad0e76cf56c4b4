"""Parts of the work, one for each job of an array."""

from saticl.errors import InvalidOptions


def parse_shard(text: str | None) -> tuple[int, int]:
    """Index from 0, and number of shards: 2/8 is (1, 8), and no text (0, 1).

    Raises:
        InvalidOptions: something else.
    """
    first, _, last = (text or "1/1").partition("/")
    if first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last):
        return int(first) - 1, int(last)
    raise InvalidOptions(f"--shard {text} is not valid: write i/n, for example 2/8 for the second of eight parts.")
