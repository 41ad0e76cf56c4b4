"""Peak memory and time of a training iteration with many classes, per method, against plain fine-tuning.

    python scripts/bench_memory.py [--classes 150] [--size 512] [--batch 2] [--encoder resnet34] [--methods ft mib ...]

Each method runs in a process of its own, because a process does not forget its peak: the second step of an order with
two thirds of the classes in the first. Prints a table and JSON: MiB that an iteration adds to what the networks and
their gradients take, seconds per iteration, and both relative to the first method.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from saticl.allocator import keep_freed_memory
from saticl.config import TrainConfig
from saticl.engine.device import forget_peak_memory, peak_memory_mb
from saticl.engine.learner import Learner
from saticl.methods import find, load
from saticl.methods.criterion import build_criterion
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import CEOptions, KDOptions, ModelOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch

METHODS = ("ft", "mib", "lwf", "lgkd", "plop")


def task_of(classes: int) -> Task:
    """The second of two steps."""
    names = tuple(f"class {number}" for number in range(classes))
    first = 2 * classes // 3
    return Task(names, Protocol("bench", (names[:first], names[first:])), 1)


def learner_of(name: str, arguments: argparse.Namespace) -> tuple[Learner, Teacher]:
    """Student and method, and the teacher."""
    task, spec = task_of(arguments.classes), find(name)
    networks = [
        Segmenter(ModelOptions(encoder=arguments.encoder), 3, task.at(0).head_sizes, arguments.size) for _ in range(2)
    ]
    networks[0].grow(task.num_new)
    weight = float(spec.defaults.get("kd.decoder_factor", 0.0))  # type: ignore[arg-type]
    own = getattr(TrainConfig(), name.replace("-", "_"), None)
    words = [task, build_criterion(CEOptions()), KDOptions(decoder_factor=weight), *([] if own is None else [own])]
    return Learner(networks[0], load(name)(*words)), Teacher(networks[1])  # type: ignore[arg-type]


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """One method, in this process."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        keep_freed_memory()
    learner, teacher = learner_of(name, arguments)
    learner.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = (arguments.batch, 3, arguments.size, arguments.size)
    image = torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last)
    new = torch.randint(learner.method.task.num_old, learner.method.task.num_seen, (shape[0], *shape[2:]))
    target = new.where(torch.rand(new.shape) < 0.3, 0).to(device)
    generator, times = torch.Generator(), []
    learner.train()
    for parameter in learner.parameters():
        parameter.grad = torch.zeros_like(parameter)
    forget_peak_memory(device)
    before = peak_memory_mb(device)
    for _ in range(arguments.rounds + 1):
        started = time.perf_counter()
        terms = learner(Batch(image, target), teacher, generator)
        torch.stack([term.float() for term in terms.values()]).sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return {"MiB": peak_memory_mb(device) - before, "seconds": statistics.median(times[1:])}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments)))
        return
    found = {name: in_its_own_process(name) for name in arguments.methods}
    first = found[arguments.methods[0]]
    table = Table("method", "MiB", "relative", "seconds", "relative")
    for name, each in found.items():
        shares = {key: each[key] / first[key] for key in ("MiB", "seconds")}
        table.add_row(
            name, f"{each['MiB']:.0f}", f"{shares['MiB']:.2f}", f"{each['seconds']:.2f}", f"{shares['seconds']:.2f}"
        )
    Console(stderr=True).print(table)
    print(json.dumps({**vars(arguments), "torch": torch.__version__, "methods": found}, indent=2))


def in_its_own_process(name: str) -> dict[str, float]:
    """What `measure` says there."""
    words = [sys.executable, __file__, *sys.argv[1:], f"--one={name}"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
