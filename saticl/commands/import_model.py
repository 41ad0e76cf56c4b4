"""`import`: a model that another program has trained becomes step 0 of a run, which `train` continues."""

from pathlib import Path

from rich.table import Table

import saticl
from saticl.commands.described import Described, describe_model
from saticl.config import ImportConfig, TrainConfig
from saticl.display.console import console
from saticl.engine import checkpoint
from saticl.errors import InvalidOptions
from saticl.files import write_atomically
from saticl.methods import find
from saticl.models.foreign import ARCHITECTURES
from saticl.models.foreign.adopt import adopt
from saticl.models.segmenter import Segmenter
from saticl.options import TaskOptions
from saticl.runs.folder import MODEL_FILE, is_finished, step_folder
from saticl.runs.lock import lock_step
from saticl.runs.step import StepInfo
from saticl.runs.trained import CONFIG_FILE
from saticl.tasks import offline

METHOD = "ft"
"""Such a step was trained as fine-tuning trains step 0: one softmax over all classes, nothing left for the next."""


def import_model(config: ImportConfig) -> None:
    """Write the folder of a finished step 0; nothing is written before the model is known to fit.

    Raises:
        SaticlError: options that contradict each other or the model, a file that cannot be used, or a folder that
            holds a step already.
    """
    described = describe_model(config)
    folder = step_folder(_run_folder(config), 0)
    _require_free(folder)
    segmenter = adopt(
        config.checkpoint,
        ARCHITECTURES[config.architecture],
        config.encoder,
        described.channels,
        len(described.bands),
        config.image_size,
        config.output_stride,
    )
    info = _info(config, described, segmenter)
    lock = lock_step(folder)
    try:
        _require_free(folder)
        write_atomically(folder / CONFIG_FILE, _as_trained(config, info).to_yaml())
        checkpoint.save_model(folder / MODEL_FILE, segmenter.state_dict(), info)
    except BaseException:
        (folder / CONFIG_FILE).unlink(missing_ok=True)  # options without a model would look like a step in training
        raise
    finally:
        lock.release()
    console.print(_summary(config, info, segmenter))
    console.print(f"[dim]{folder}[/]", soft_wrap=True)


def _run_folder(config: ImportConfig) -> Path:
    return config.output_folder / config.dataset / "offline" / (config.name or config.checkpoint.stem)


def _require_free(folder: Path) -> None:
    if is_finished(folder) or (folder / CONFIG_FILE).is_file():
        raise InvalidOptions(f"{folder} already holds a step: give another --name, or delete the folder.")


def _info(config: ImportConfig, described: Described, segmenter: Segmenter) -> StepInfo:
    """What the checkpoint says of itself; all classes are learned in one step."""
    channels = described.channels
    protocol = offline(channels.classes, channels.background)
    return StepInfo(
        version=saticl.__version__,
        dataset=config.dataset,
        classes=channels.classes,
        colours=described.colours,
        protocol_name=protocol.name,
        groups=protocol.groups,
        background=protocol.background,
        step=0,
        method=find(METHOD).reference,
        model=segmenter.options,
        bands=described.bands,
        mean=described.mean,
        std=described.std,
        image_size=config.image_size,
        precision="no",
    )


def _as_trained(config: ImportConfig, info: StepInfo) -> TrainConfig:
    """The options that a later step, `test` and comparisons of runs read; as far as they are known."""
    return TrainConfig(
        data_root=config.data_root,
        method=METHOD,
        name=config.name or config.checkpoint.stem,
        output_folder=config.output_folder,
        comment=f"imported from {config.checkpoint.name} ({config.architecture}, {config.encoder})",
        image_size=config.image_size,
        task=TaskOptions(name=info.protocol_name),
        model=info.model,
    )


def _summary(config: ImportConfig, info: StepInfo, segmenter: Segmenter) -> Table:
    """What was imported, in a small table."""
    weights = sum(tensor.numel() for tensor in segmenter.parameters())
    scale = (f"{band} {mean:g} ± {std:g}" for band, mean, std in zip(info.bands, info.mean, info.std, strict=True))
    rows = {
        "model": f"{config.checkpoint} ({config.architecture}, {config.encoder}, {weights / 1e6:.1f} million weights)",
        "background": info.background or "none of the classes: index 0 never wins",
        "classes": ", ".join(info.task.seen),
        "normalisation": ", ".join(scale),
        "network": f"--model.encoder {info.model.encoder} --model.decoder {info.model.decoder} "
        f"--model.act {info.model.act} --model.norm {info.model.norm} "
        f"--model.output-stride {info.model.output_stride}",
    }
    table = Table(show_header=False, box=None)
    for label, value in rows.items():
        table.add_row(f"[bold]{label}[/]", value)
    return table
