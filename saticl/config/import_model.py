"""What `import` can be told."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from saticl.options import (
    Count,
    FolderName,
    FrozenOptions,
    OutputStride,
)


class ImportConfig(FrozenOptions):
    """Make a step 0 out of a model that another program has trained."""

    checkpoint: Path = Field(
        description="file of the model's weights (.safetensors, .pth or .pt; code in it is never run)"
    )
    architecture: Literal["smp-unet", "mib", "erfnet"] = Field(
        description="network of the other program. smp-unet: Unet of segmentation_models_pytorch, default sizes; mib: "
        "DeepLabV3 of MiB, PLOP and others; erfnet: ERFNet"
    )
    encoder: str = Field(
        description="encoder, by the name that the other program has for it: tu-resnet34 for example, resnet101 with "
        "mib, erfnet"
    )
    output_stride: OutputStride | None = Field(
        None,
        description="pixels of the image per pixel of the encoder's smallest map, of mib, as it was trained "
        "(default: 16)",
    )
    classes: str = Field(
        description="names of the classes in the order of the model's outputs, with commas: road,water,other"
    )
    background: str | None = Field(
        None,
        description="the class that stands for everything else (default: none of them; index 0 then never wins)",
    )
    colours: str | None = Field(
        None, description="a colour per class, in the same order, as RRGGBB with commas (default: chosen for you)"
    )
    bands: str = Field("red,green,blue", description="names of the bands that the model reads, in their order")
    normalization: Literal["imagenet", "unit", "raw"] | None = Field(
        None,
        description="how pixels of 0 to 255 were scaled for the model. imagenet: by ImageNet's mean and deviation; "
        "unit: divided by 255; raw: not at all",
    )
    mean: str | None = Field(
        None, description="instead: what was subtracted from the pixels as they are stored, per band, with commas"
    )
    std: str | None = Field(None, description="and by what they were then divided, per band, with commas")
    image_size: Count = Field(
        512, description="side of the images it was trained with, for networks that need it, such as mib"
    )
    dataset: FolderName = Field(
        "imported", description="name of the dataset, as the folder that `prepare` writes has it"
    )
    data_root: Path | None = Field(
        None, description="folder that `prepare` wrote, on which `test` scores the model unless it is told another"
    )
    name: FolderName | None = Field(None, description="name of the run (default: the name of the file)")
    output_folder: Path = Field(
        Path("outputs"), description="folder of all runs; this one goes to <dataset>/offline/<name>/step-0 below it"
    )
