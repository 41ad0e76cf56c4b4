"""The accelerator of a run: precision, and a guard against launchers that start independent copies."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs

from saticl.allocator import keep_freed_memory
from saticl.errors import InvalidOptions
from saticl.options import ModelOptions, TrainerOptions


def mixed_precision(trainer: TrainerOptions, model: ModelOptions, cuda: bool) -> str | None:
    """Name of the precision in accelerate: no, bf16 or fp16; None leaves it to the launcher.

    In-Place ABN has no bfloat16 kernels, and on the CPU no half ones at all, so `amp` means fp16 with it on a GPU and
    float32 without one.

    Raises:
        InvalidOptions: an explicit precision that cannot work.
    """
    in_place = model.norm in ("iabn", "iabn_sync")
    wanted = trainer.precision
    if wanted == "bf16" and in_place:
        raise InvalidOptions(
            f"--trainer.precision bf16 does not work with --model.norm {model.norm}, which has no bfloat16 kernels: "
            "choose --trainer.precision fp16 (GPU) or float32, or --model.norm abn."
        )
    if wanted == "fp16" and not cuda:
        raise InvalidOptions("--trainer.precision fp16 needs a CUDA device; choose bf16 or float32.")
    if wanted != "auto":
        return "no" if wanted == "float32" else wanted
    if not trainer.amp:
        return None
    if in_place:
        return "fp16" if cuda else "no"
    return "fp16" if cuda and not torch.cuda.is_bf16_supported() else "bf16"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The precision of that name (no, bf16, fp16) on a device, or float32 where the device does not have it."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    if precision == "fp16" and device.type == "cuda":
        return torch.autocast(device.type, torch.float16)
    return nullcontext()


def leave_together(accelerator: Accelerator) -> None:
    """End a command on all processes at once: one that exits while another still works may abort both."""
    accelerator.wait_for_everyone()
    accelerator.end_training()


def make_accelerator(trainer: TrainerOptions, model: ModelOptions) -> Accelerator:
    """The accelerator, with as many processes as the launcher says.

    Raises:
        InvalidOptions: precision or norms that cannot work, or a launcher whose processes do not know each other.
    """
    accelerator = Accelerator(
        mixed_precision=mixed_precision(trainer, model, torch.cuda.is_available()),
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world != accelerator.num_processes:
        raise InvalidOptions(
            f"The launcher started {world} processes without a connection; they would all write the same files. "
            "Without GPUs: ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes N run.py train ..."
        )
    if trainer.sync_norms and world > 1 and (accelerator.device.type != "cuda" or model.norm != "std"):
        raise InvalidOptions(
            "--trainer.sync-norms needs GPUs and --model.norm std: leave it out, or choose --model.norm iabn_sync."
        )
    if accelerator.mixed_precision == "bf16" and model.norm in ("iabn", "iabn_sync"):
        raise InvalidOptions(
            f"The launcher asks for bf16, but --model.norm {model.norm} has no bfloat16 kernels: "
            "give --trainer.precision fp16 or float32."
        )
    return accelerator


def peak_memory_mb(device: torch.device) -> float:
    """The most memory so far, in MiB: of tensors on a GPU since `forget_peak_memory`, else of this process for ever.

    NaN where the system does not say (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return float("nan")
    import resource  # not on Windows

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


def forget_peak_memory(device: torch.device) -> None:
    """Start counting anew, where that is possible: on a GPU."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
