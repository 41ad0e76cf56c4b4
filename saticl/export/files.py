"""The content of exported files, with the facts inside, and how such a content is run."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from saticl.errors import InvalidOptions
from saticl.export import deepness
from saticl.export.check import Run
from saticl.export.facts import Facts
from saticl.export.portable import Portable

KEY = "saticl_export"
"""Name of the facts in the metadata of ONNX and safetensors files, and of the extra file of TorchScript."""
INPUT, OUTPUT = "input", "output"
OPSET = 17
"""Of ONNX: old enough for any onnxruntime in use, new enough for layer norms."""
ODD = (70, 61)
"""Height and width while tracing: padding must happen, or it would not be in the graph."""


def require_packages() -> None:
    """Refuse early where ONNX files cannot be made.

    Raises:
        InvalidOptions: naming the command that installs what is missing.
    """
    if not _is_there("onnx"):
        raise InvalidOptions("--format onnx needs the package onnx: run `pip install onnx onnxruntime`.")


def can_run_onnx() -> bool:
    """Whether ONNX files can be checked here."""
    return _is_there("onnxruntime")


def onnx_content(step: Portable, facts: Facts) -> bytes:
    """An ONNX file; its metadata are the facts, and what Deepness reads.

    Raises:
        InvalidOptions: the network has an operation that ONNX has not.
    """
    import onnx

    axes = {0: "batch"} if facts.tile_size else {0: "batch", 2: "height", 3: "width"}
    buffer = io.BytesIO()
    try:
        with _quiet_tracing():
            torch.onnx.export(
                step,
                (_example(step, facts),),
                buffer,  # type: ignore[arg-type]  # the exporter for TorchScript takes open files, too
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: axes, OUTPUT: axes},
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise _not_traceable(facts, error) from error
    model = onnx.load_from_string(buffer.getvalue())
    # The exporter leaves the shape of the output open; Deepness counts classes there.
    sides = model.graph.output[0].type.tensor_type.shape.dim
    sides[1].dim_value = len(facts.classes)
    for side in sides[2:] if facts.tile_size else ():
        side.dim_value = facts.tile_size
    onnx.helper.set_model_props(model, {KEY: facts.model_dump_json(), **deepness.properties(facts)})
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def run_onnx(content: bytes) -> Run:
    """The file at work in onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures are raised and become a sentence
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda tiles: torch.from_numpy(session.run([OUTPUT], {INPUT: tiles.numpy()})[0])


def torchscript_content(step: Portable, facts: Facts) -> bytes:
    """A traced module; `torch.jit.load(path, _extra_files={"saticl_export": ""})` gives the facts, too.

    Raises:
        InvalidOptions: the network cannot be traced.
    """
    buffer = io.BytesIO()
    try:
        with _quiet_tracing():
            traced = torch.jit.trace(step, _example(step, facts), check_trace=False)  # we check at other sizes, too
            torch.jit.save(traced, buffer, _extra_files={KEY: facts.model_dump_json()})
    except RuntimeError as error:
        raise _not_traceable(facts, error) from error
    return buffer.getvalue()


def run_torchscript(content: bytes) -> Run:
    """The file at work."""
    with _quiet_tracing():
        loaded: Run = torch.jit.load(io.BytesIO(content))
    return loaded


def safetensors_content(model: Path, facts: Facts) -> bytes:
    """The checkpoint with its own metadata, and the facts beside them: it can still be opened as a step."""
    with safe_open(model, framework="numpy") as archive:
        metadata: Mapping[str, str] = archive.metadata()
    content: bytes = save(load_file(model), {**metadata, KEY: facts.model_dump_json()})
    return content


def _is_there(package: str) -> bool:
    return find_spec(package) is not None


def _example(step: Portable, facts: Facts) -> Tensor:
    return step.tiles(2, *((facts.tile_size,) * 2 if facts.tile_size else ODD))


def _not_traceable(facts: Facts, error: Exception) -> InvalidOptions:
    if facts.tile_size is None:
        which = "for tiles of every size"
        remedy = "Add --tile-size with the side of its training views, or choose another --format."
    else:
        which, remedy = f"for tiles of {facts.tile_size} pixels", "Choose another --format."
    return InvalidOptions(f"{facts.encoder} cannot be exported {which} ({_first_line(error)}). {remedy}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def _quiet_tracing() -> Iterator[None]:
    """Without torch's warnings that a trace may not hold for other sizes: other sizes are what `check` tries.

    It also warns that this exporter is old; docs/decisions/0027 says why it is used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
