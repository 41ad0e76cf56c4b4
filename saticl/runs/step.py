"""What a checkpoint says of itself: read from the header of its file, without torch and without its weights."""

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from saticl.errors import InvalidCheckpoint
from saticl.geo.palette import free_grey
from saticl.labels import Colour
from saticl.options import FrozenOptions, ModelOptions
from saticl.runs.records import unusable
from saticl.tasks import Protocol, Task

KEY = "saticl"
"""Name of the description in the metadata of the file."""


class StepInfo(FrozenOptions):
    """Metadata of a checkpoint: all that is needed to rebuild the network and to read its outputs.

    Checkpoints of format 1, written before 2026-11-21, are refused: train those steps again.
    """

    format: Literal[2] = 2
    version: str
    dataset: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    """By dataset label, as `classes`."""
    protocol_name: str
    groups: tuple[tuple[str, ...], ...]
    places: tuple[tuple[str, ...], ...] = ()
    """The groups of scenes that each step may use, as of `Protocol`."""
    background: str | None
    step: int
    method: str
    model: ModelOptions
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    """Per band: what pixels are normalised by. Later steps take both from the first, unless told otherwise."""
    std: tuple[float, ...]
    image_size: int
    """Side of the training views of step 0, which some encoders are built for."""
    ground_size: float | None = None
    """Metres of ground per pixel of the images that step 0 was trained on; None: not known."""
    precision: str
    """accelerate's name of the precision it was trained in; scored in the same one."""

    @property
    def task(self) -> Task:
        """The protocol at the step this checkpoint finished."""
        protocol = Protocol(self.protocol_name, self.groups, self.background, places=self.places)
        return Task(self.classes, protocol, self.step)

    @property
    def output_colours(self) -> list[Colour]:
        """Colours by output index; an artificial background is a grey that no class has."""
        by_name = dict(zip(self.classes, self.colours, strict=True))
        return [by_name.get(name, free_grey(self.colours)) for name in self.task.names]


def read_info(path: Path) -> StepInfo:
    """Metadata of a checkpoint file.

    Raises:
        InvalidCheckpoint: the file is missing, broken, not one of ours, or of another format.
    """
    if not path.is_file():
        raise InvalidCheckpoint(f"There is no checkpoint {path}: train that step first.")
    try:
        with safe_open(path, framework="numpy") as archive:
            text = (archive.metadata() or {})[KEY]
        content = json.loads(text)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InvalidCheckpoint(
            f"{path} is not a checkpoint of this program, or it is damaged ({type(error).__name__}): "
            "delete its folder and train that step again."
        ) from error
    try:
        return StepInfo.model_validate(content)
    except ValidationError as error:
        raise InvalidCheckpoint(f"{path} {unusable(error)}: train that step again.") from error
