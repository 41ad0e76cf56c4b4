"""Memory on the CPU: keep freed blocks instead of handing them back to the system at once.

The activations of an iteration are freed and allocated again by the next, and so are the tiles of `prepare`. glibc
maps each large block anew and returns it at once, so the kernel clears the same hundreds of megabytes over and over,
and a virtual machine may hand them back to its host in between: this made a ResNet-34 iteration three times slower
(docs/benchmarks.md).
"""

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8
"""Parameters of glibc's mallopt."""


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep what is freed, for this process; False where there is another allocator."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**28, ARENA_MAX: 1}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())
