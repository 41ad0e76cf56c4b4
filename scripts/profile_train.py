"""Where an iteration of MiB-CD spends its time: operators with their own share of it, and how often they are called.

    python scripts/profile_train.py [--method mib-cd] [--encoder resnet34] [--size 256] [--batch 4] [--precision bf16]

Prints a table and JSON of the operators that take most. On a GPU it is the time of the device that counts.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_train import METHODS, make_batch, make_step

from saticl.allocator import keep_freed_memory
from saticl.engine.episode import Group, train_iteration


def operators(arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Operators of some iterations, those that take most first; shares are of the time of all."""
    accelerator = Accelerator(mixed_precision="no" if arguments.precision == "float32" else arguments.precision)
    episode = make_step(arguments.method, accelerator, arguments)
    batch, generator = make_batch(accelerator, arguments), torch.Generator().manual_seed(0)
    on_gpu = torch.cuda.is_available()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    for _ in range(2):  # the first ones allocate and choose kernels
        train_iteration(episode, batch, generator, Group(1, True))
    with profile(activities=activities) as seen:
        for _ in range(arguments.rounds):
            train_iteration(episode, batch, generator, Group(1, True))
    events = seen.key_averages()
    own = [event.self_device_time_total if on_gpu else event.self_cpu_time_total for event in events]
    rows = [
        {
            "operator": event.key,
            "share": round(time / sum(own), 4),
            "ms_per_iteration": round(time / 1000 / arguments.rounds, 2),
            "calls_per_iteration": round(event.count / arguments.rounds, 1),
        }
        for event, time in zip(events, own, strict=True)
    ]
    return sorted(rows, key=lambda row: -float(str(row["share"])))[: arguments.rows]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=sorted(METHODS), default="mib-cd")
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--precision", default="bf16")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        keep_freed_memory()
    rows = operators(arguments)
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(stderr=True).print(table)
    print(json.dumps({**vars(arguments), "torch": torch.__version__, "operators": rows}, indent=2))


if __name__ == "__main__":
    main()
