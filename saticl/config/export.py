"""What `export` can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from saticl.options import Count, FrozenOptions


class ExportTaskOptions(FrozenOptions):
    """Which step."""

    step: Annotated[int, Field(ge=0)] | None = Field(None, description="step to write (default: the last trained)")


class ExportConfig(FrozenOptions):
    """Write a trained step as a file that other programs can run."""

    run: Path = Field(description="folder of a run: <output>/<dataset>/<task>/<name>, or of one of its steps")
    format: Literal["onnx", "torchscript", "safetensors"] = Field(
        "onnx",
        description="onnx: for onnxruntime and QGIS; torchscript: for torch without this program; safetensors: the "
        "weights alone, described",
    )
    dst: Path | None = Field(None, description="file to write (default: export/model.<suffix> in the step's folder)")
    tile_size: Count | None = Field(
        None,
        description="side of the only tiles that the model will take, in pixels (default: tiles of every size). QGIS "
        "Deepness and some encoders need it",
    )
    task: ExportTaskOptions = ExportTaskOptions()
