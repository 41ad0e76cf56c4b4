"""Time training iterations and evaluation: MiB-CD against plain fine-tuning, same network and tiles, in one process.

    python scripts/bench_train.py [--encoder resnet34] [--size 256] [--batch 4] [--precision float32 bf16]

Prints JSON: seconds per iteration of each method (median over interleaved rounds, so that a machine whose speed drifts
slows both), their ratio (the arithmetic minimum is 7/3: two student passes with gradients and one teacher pass
without, against one student pass), images per second, and the share of the network's forward pass in evaluation.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from saticl.allocator import keep_freed_memory
from saticl.engine import fit
from saticl.engine.episode import Episode, Group, train_iteration
from saticl.engine.evaluate import predictions
from saticl.engine.learner import Learner
from saticl.engine.step import Step
from saticl.methods import find, load
from saticl.methods.criterion import build_criterion
from saticl.methods.phases import Phase
from saticl.methods.rotation import Rotated
from saticl.metrics.confusion import Confusion
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import (
    AugOptions,
    CEOptions,
    KDOptions,
    ModelOptions,
    OptimizerOptions,
    SchedulerOptions,
    TrainerOptions,
)
from saticl.runs.journal import Journal
from saticl.tasks import Protocol, Task
from saticl.transforms.normalize import Normalize
from saticl.types import Batch

TASK = Task(("a", "b", "c"), Protocol("bench", (("a", "b"), ("c",))), 1)
METHODS = {"ft": ("ft", AugOptions()), "mib-cd": ("mib", AugOptions(factor=0.1, factor_icl=0.1))}


def make_step(name: str, accelerator: Accelerator, arguments: argparse.Namespace) -> Episode:
    """The second step of a small protocol, ready to run iterations."""
    kind, aug = METHODS[name]
    options = ModelOptions(encoder=arguments.encoder)
    previous = Segmenter(options, 3, TASK.at(0).head_sizes, arguments.size)
    student = Segmenter(options, 3, TASK.at(0).head_sizes, arguments.size)
    student.load_state_dict(previous.state_dict())
    student.grow(TASK.num_new)
    for network in (previous, student):
        network.to(accelerator.device, memory_format=torch.channels_last)
    kd = KDOptions(decoder_factor=float(find(kind).defaults.get("kd.decoder_factor", 0.0)))  # type: ignore[arg-type]
    method = load(kind)(TASK, build_criterion(CEOptions()), kd)
    step = Step(
        task=TASK, options=TrainerOptions(), optimizer=OptimizerOptions(), scheduler=SchedulerOptions(), seed=0,
        folder=Path(), accelerator=accelerator, student=student, teacher=Teacher(previous),
        method=Rotated(method, aug) if aug.factor > 0 else method,
        normalize=Normalize((0.0,) * 3, (1.0,) * 3).to(accelerator.device), training=range(100), validation=None,  # type: ignore[arg-type]
        targets=None, journal=Journal(Path("unused.jsonl"), enabled=False),
    )  # fmt: skip
    episode = fit.start(step, Phase(), Learner(student, step.method))
    episode.learner.train()
    return episode


def make_batch(accelerator: Accelerator, arguments: argparse.Namespace) -> Batch:
    """Random pixels: convolutions take the same time on any."""
    shape = (arguments.batch, 3, arguments.size, arguments.size)
    image = torch.randn(shape, device=accelerator.device).contiguous(memory_format=torch.channels_last)
    return Batch(image, torch.randint(0, 4, (shape[0], *shape[2:]), device=accelerator.device))


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call, waiting for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def bench_iterations(precision: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Median seconds per training iteration of every method, taken in turn."""
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision="no" if precision == "float32" else precision)
    episodes = {name: make_step(name, accelerator, arguments) for name in METHODS}
    batch, generator = make_batch(accelerator, arguments), torch.Generator().manual_seed(0)
    times: dict[str, list[float]] = {name: [] for name in METHODS}
    for index in range(arguments.rounds + 2):
        for name, episode in episodes.items():
            spent = seconds(lambda episode=episode: train_iteration(episode, batch, generator, Group(1, True)))  # type: ignore[misc]
            if index >= 2:  # the first rounds allocate and choose kernels
                times[name].append(spent)
    ratios = [b / a for a, b in zip(times["ft"], times["mib-cd"], strict=True)]
    return {
        "seconds_per_iteration": {name: round(statistics.median(values), 4) for name, values in times.items()},
        "ratio_mib_cd_to_ft": round(statistics.median(ratios), 3),
        "images_per_second": {
            name: round(arguments.batch / statistics.median(values), 2) for name, values in times.items()
        },
        "evaluation_forward_share": round(bench_evaluation(episodes["ft"].step, accelerator, arguments), 3),
    }


def bench_evaluation(step: Step, accelerator: Accelerator, arguments: argparse.Namespace) -> float:
    """Share of the bare network's time in counting a confusion matrix over the same tiles."""
    raw = torch.randint(0, 256, (arguments.batch, 3, arguments.size, arguments.size), dtype=torch.uint8)
    target = torch.randint(0, 4, (arguments.batch, arguments.size, arguments.size), dtype=torch.uint8)
    batches = [Batch(raw, target)] * 4
    image = step.normalize(raw.to(accelerator.device))
    network = step.student

    def evaluate() -> None:
        counts = Confusion(TASK.num_seen, accelerator.device)
        for prediction, truth in predictions(step.student, batches, step.normalize, accelerator):
            counts.update(prediction, truth)

    @torch.no_grad()
    def forward() -> None:
        network.eval()
        with accelerator.autocast():
            for _ in batches:
                network(image)

    pairs = [(seconds(forward), seconds(evaluate)) for _ in range(arguments.rounds + 1)][1:]
    return statistics.median(alone / whole for alone, whole in pairs)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--precision", nargs="+", default=["float32", "bf16"])
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        keep_freed_memory()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    result = {precision: bench_iterations(precision, arguments) for precision in arguments.precision}
    print(
        json.dumps(
            {
                "device": device,
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                **vars(arguments),
                **result,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
