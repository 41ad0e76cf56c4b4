"""Which precision a run has, and which wishes are refused before anything is trained."""

import pytest
import torch

from saticl.engine import seed
from saticl.engine.device import make_accelerator, mixed_precision, peak_memory_mb
from saticl.errors import InvalidOptions
from saticl.options import ModelOptions, TrainerOptions


@pytest.mark.parametrize(
    ("trainer", "norm", "cuda", "name"),
    [
        ({}, "std", False, None),
        ({}, "iabn", True, None),
        ({"amp": True}, "std", False, "bf16"),
        ({"amp": True}, "abn", False, "bf16"),
        ({"amp": True}, "iabn", False, "no"),
        ({"amp": True}, "iabn_sync", True, "fp16"),
        ({"precision": "float32", "amp": True}, "std", True, "no"),
        ({"precision": "float32"}, "iabn", False, "no"),
        ({"precision": "bf16"}, "std", False, "bf16"),
        ({"precision": "fp16"}, "std", True, "fp16"),
        ({"precision": "fp16"}, "iabn_sync", True, "fp16"),
    ],
)
def test_precision_is_what_is_asked_for_else_what_the_network_can(
    trainer: dict[str, object], norm: str, cuda: bool, name: str | None
) -> None:
    model = ModelOptions.model_validate({"norm": norm})

    assert mixed_precision(TrainerOptions.model_validate(trainer), model, cuda) == name


@pytest.mark.parametrize(("supported", "name"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_without_bf16_takes_fp16(supported: bool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)

    assert mixed_precision(TrainerOptions(amp=True), ModelOptions(), cuda=True) == name


@pytest.mark.parametrize("norm", ["iabn", "iabn_sync"])
def test_in_place_abn_refuses_bf16(norm: str) -> None:
    with pytest.raises(InvalidOptions, match="has no bfloat16 kernels"):
        mixed_precision(TrainerOptions(precision="bf16"), ModelOptions.model_validate({"norm": norm}), cuda=True)


def test_fp16_without_a_gpu_is_refused() -> None:
    with pytest.raises(InvalidOptions, match="needs a CUDA device"):
        mixed_precision(TrainerOptions(precision="fp16"), ModelOptions(), cuda=False)


def test_processes_that_do_not_know_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr("saticl.engine.device.Accelerator", LoneAccelerator)

    with pytest.raises(InvalidOptions, match="started 3 processes without a connection"):
        make_accelerator(TrainerOptions(), ModelOptions())


class LoneAccelerator:
    """What accelerate makes where a launcher tells it nothing."""

    device = torch.device("cpu")
    num_processes = 1
    mixed_precision = "no"

    def __init__(self, **kwargs: object) -> None: ...


@pytest.mark.parametrize("norm", ["iabn", "iabn_sync"])
def test_a_launcher_cannot_ask_for_bf16_with_in_place_abn(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saticl.engine.device.Accelerator", LoneAccelerator)
    monkeypatch.setattr(LoneAccelerator, "mixed_precision", "bf16")

    with pytest.raises(InvalidOptions, match=f"asks for bf16, but --model.norm {norm} has no bfloat16 kernels"):
        make_accelerator(TrainerOptions(), ModelOptions.model_validate({"norm": norm}))


@pytest.mark.parametrize(
    ("kind", "norm", "refused"), [("cpu", "std", True), ("cuda", "std", False), ("cuda", "abn", True)]
)
def test_norms_of_all_processes_need_gpus_and_plain_batch_norm(
    kind: str, norm: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("saticl.engine.device.Accelerator", LoneAccelerator)
    monkeypatch.setattr(LoneAccelerator, "num_processes", 2)
    monkeypatch.setattr(LoneAccelerator, "device", torch.device(kind))
    options = TrainerOptions(sync_norms=True), ModelOptions.model_validate({"norm": norm})

    if refused:
        with pytest.raises(InvalidOptions, match=r"^--trainer\.sync-norms needs GPUs and --model\.norm std"):
            make_accelerator(*options)
    else:
        make_accelerator(*options)


def test_one_process_needs_no_gpu_for_the_norms_of_all() -> None:
    make_accelerator(TrainerOptions(sync_norms=True), ModelOptions())


def test_memory_is_told_in_mebibytes() -> None:
    assert 50 < peak_memory_mb(torch.device("cpu")) < 1e6


def test_everything_that_draws_numbers_is_seeded() -> None:
    import random

    import numpy as np

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), torch.rand(()).item()  # noqa: NPY002 - the global one

    seed.seed_everything(3, 4)
    first = draw()
    seed.seed_everything(3, 4)
    again = draw()
    seed.seed_everything(4, 3)
    other = draw()

    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_generators_of_the_same_numbers_agree_and_leave_the_global_one_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)

    drawn = [torch.rand(3, generator=seed.generator(7, 8)) for _ in range(2)]

    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], torch.rand(3, generator=seed.generator(8, 7)))
    assert torch.equal(torch.rand(3), expected)
