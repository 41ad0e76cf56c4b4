"""A trained step as an object gives the same numbers however it is asked."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import Tensor

from saticl.engine.checkpoint import load_model, save_model
from saticl.errors import InvalidCheckpoint, InvalidOptions, NonFiniteWeights
from saticl.inference import scoring
from saticl.inference.predictor import Predictor, scoring_accelerator
from saticl.inference.scoring import ScoredTiles
from saticl.inference.sliding import Tiling
from saticl.labels import IGNORE
from saticl.methods.finetuning import FineTuning
from saticl.models.segmenter import Segmenter
from saticl.runs.folder import MODEL_FILE
from saticl.runs.step import KEY, StepInfo
from saticl.tiles.index import read_index
from saticl.tiles.manifest import Manifest
from saticl.transforms.dihedral import Dihedral
from saticl.types import Batch, Output
from tests.prepared import HEIGHT, WIDTH, write_prepared
from tests.trained import COLOURS, info

IMAGES = torch.randint(0, 256, (3, 3, 40, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def segmenter(about: StepInfo) -> Segmenter:
    """An untrained network of that step, with weights that do not depend on the order of tests."""
    torch.manual_seed(0)
    return Segmenter(about.model, len(about.bands), about.task.head_sizes, about.image_size)


@pytest.fixture
def step(tmp_path: Path) -> Path:
    """The folder of a finished second step."""
    about = info(1, mean=(90.0, 100.0, 110.0), std=(40.0, 50.0, 60.0))
    save_model(tmp_path / "step-1" / MODEL_FILE, segmenter(about).state_dict(), about)
    return tmp_path / "step-1"


def by_hand(folder: Path, images: Tensor) -> Tensor:
    """Probabilities without the predictor."""
    network, about = load_model(folder / MODEL_FILE)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (about.mean, about.std))
    with torch.no_grad():
        logits: Tensor = network.eval()((images.float() - mean) / std).logits
    return logits.softmax(1)


def test_an_opened_step_knows_all_about_itself(step: Path) -> None:
    predictor = Predictor.open(step)

    assert predictor.names == ("background", "building", "tree", "car")
    assert predictor.colours == [(166, 169, 173), *COLOURS]
    assert predictor.bands == ("red", "green", "blue")
    assert (predictor.task.step, predictor.info.precision) == (1, "no")


def test_raw_images_become_probabilities_and_class_maps(step: Path) -> None:
    predictor = Predictor.open(step)

    probabilities, classes = predictor.batch(IMAGES), predictor.batch(IMAGES).argmax(1).to(torch.uint8)

    assert probabilities.shape == (3, 4, 40, 24)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.cpu(), by_hand(step, IMAGES), rtol=1e-4, atol=1e-6)
    assert classes.dtype == torch.uint8
    assert classes.equal(probabilities.argmax(1).to(torch.uint8))
    assert not probabilities.requires_grad


def test_a_loader_gives_what_its_batches_give_one_by_one(step: Path) -> None:
    predictor, labels = Predictor.open(step), torch.arange(3)

    given = list(predictor.over([Batch(IMAGES[:2], labels[:2]), Batch(IMAGES[2:], labels[2:])]))

    assert torch.cat([target for _, target in given]).tolist() == [0, 1, 2]
    torch.testing.assert_close(torch.cat([one for one, _ in given]), predictor.batch(IMAGES))


def test_live_objects_give_what_the_folder_gives_and_keep_their_mode(step: Path) -> None:
    opened = Predictor.open(step)
    network, about = load_model(step / MODEL_FILE)
    network.train()

    live = Predictor.of(network, about, scoring_accelerator())

    assert live.batch(IMAGES).equal(opened.batch(IMAGES))
    assert network.training
    assert live.network is network


def test_the_method_that_trained_it_says_how_scores_become_probabilities(
    step: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reversed_scores(cls: type[FineTuning], output: Output) -> Tensor:
        return (-output.logits).softmax(1)

    plain = Predictor.open(step).batch(IMAGES)
    monkeypatch.setattr(FineTuning, "decode", classmethod(reversed_scores))
    other = Predictor.open(step)

    assert other.batch(IMAGES).argmax(1).to(torch.uint8).equal(plain.argmin(1).to(torch.uint8))
    ((probabilities, _),) = other.over([Batch(IMAGES, torch.zeros(3))])
    assert probabilities.argmax(1).equal(plain.argmin(1))


def test_a_step_is_applied_in_the_precision_it_was_trained_in(tmp_path: Path) -> None:
    results = {}
    images = IMAGES.repeat(1, 1, 2, 3)  # torch's bfloat16 convolution on CPUs gives NaN now and then for maps 2 wide
    for precision in ("no", "bf16", "fp16"):
        about = info(1, precision=precision)
        save_model(tmp_path / precision / MODEL_FILE, segmenter(about).state_dict(), about)
        results[precision] = Predictor.open(tmp_path / precision).batch(images)
        assert results[precision].dtype == torch.float32

    assert not results["bf16"].equal(results["no"])
    torch.testing.assert_close(results["bf16"], results["no"], rtol=0.1, atol=0.02)
    if not torch.cuda.is_available():
        assert results["fp16"].equal(results["no"])  # a CPU has none


def test_images_with_other_bands_are_refused(step: Path) -> None:
    predictor = Predictor.open(step)

    for images in (IMAGES[:, :2], IMAGES[0]):
        with pytest.raises(InvalidOptions, match="bands red, green, blue"):
            predictor.batch(images)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_neither_sealed_nor_opened(value: float, tmp_path: Path) -> None:
    about = info(1)
    weights = segmenter(about).state_dict()
    weights["classifier.heads.1.bias"][0] = value
    path = tmp_path / "step-1" / MODEL_FILE

    with pytest.raises(NonFiniteWeights, match=r"heads\.1\.bias .*: lower --optimizer.lr or set --trainer.clip"):
        save_model(path, weights, about)
    assert not path.exists()
    path.parent.mkdir()
    save_file(weights, path, {KEY: about.model_dump_json()})
    with pytest.raises(NonFiniteWeights, match=r"heads\.1\.bias"):
        Predictor.open(path.parent)


def test_a_method_that_cannot_be_imported_is_named_with_what_to_do(tmp_path: Path) -> None:
    about = info(1, method="nowhere_at_all:Thing")
    save_model(tmp_path / MODEL_FILE, segmenter(about).state_dict(), about)

    with pytest.raises(InvalidCheckpoint) as caught:
        Predictor.open(tmp_path)

    said = str(caught.value)
    assert str(tmp_path / MODEL_FILE) in said
    assert "nowhere_at_all:Thing" in said
    assert "PYTHONPATH" in said
    assert "--method" not in said  # `test` has no such flag


def test_weights_that_do_not_fit_point_to_the_method_that_grew_them(tmp_path: Path) -> None:
    about = info(1)
    weights = {**segmenter(about).state_dict(), "adapter.weight": torch.zeros(1)}
    save_model(tmp_path / MODEL_FILE, weights, about)

    with pytest.raises(InvalidCheckpoint, match=r"adapter\.weight.*the method ft"):
        Predictor.open(tmp_path)


def scored(root: Path, batch_size: int = 3) -> ScoredTiles:
    tiles = [tile for tile in read_index(root) if tile.split == "test"]
    return ScoredTiles(root, Manifest.load(root), tiles, "background", "background", batch_size, 0)


def potsdam(tmp_path: Path, root: Path) -> Predictor:
    """A step on the tiles of `write_prepared`."""
    names = Manifest.load(root).class_names
    about = info(1, classes=names, colours=[[0, 0, 0]] * 6, groups=[names[:2], names[2:4]])
    save_model(tmp_path / "step-1" / MODEL_FILE, segmenter(about).state_dict(), about)
    return Predictor.open(tmp_path / "step-1")


def test_every_pixel_counts_once_and_groups_are_counted_among_themselves(tiny_tiles: Path, tmp_path: Path) -> None:
    predictor = potsdam(tmp_path, tiny_tiles)

    whole, pair = scoring.count(predictor, [scored(tiny_tiles)], [range(1, 3)])
    (again,) = scoring.count(predictor, [scored(tiny_tiles, batch_size=1)])

    scenes = json.loads((tiny_tiles / "dataset.json").read_text())["scenes"]
    counts = np.sum([scene["counts"] for scene in scenes if scene["split"] == "test"], axis=0)
    assert whole.sum() == counts.sum()
    assert whole.sum(1)[1:].tolist() == counts[:4].tolist()
    assert pair.sum(1).tolist() == counts[:2].tolist()
    assert np.array_equal(whole, again)


class Rank:
    """An accelerator as one of two processes has it, without the sum over both."""

    num_processes = 2

    def __init__(self, accelerator: Accelerator, rank: int) -> None:
        self.process_index = rank
        self.whole = accelerator

    def __getattr__(self, name: str) -> object:
        return getattr(self.whole, name)


def test_processes_count_each_tile_once_between_them(tiny_tiles: Path, tmp_path: Path) -> None:
    predictor, on = potsdam(tmp_path, tiny_tiles), scored(tiny_tiles, batch_size=1)
    (whole,) = scoring.count(predictor, [on])

    parts = []
    for rank in range(2):
        accelerator: Any = Rank(predictor.accelerator, rank)
        parts += scoring.count(dataclasses.replace(predictor, accelerator=accelerator), [on])

    assert all(part.sum() > 0 for part in parts)
    assert np.array_equal(sum(parts), whole)


def test_the_group_of_all_classes_gives_what_is_counted_for_all(tiny_tiles: Path, tmp_path: Path) -> None:
    whole, group = scoring.count(potsdam(tmp_path, tiny_tiles), [scored(tiny_tiles)], [range(5)])

    assert np.array_equal(whole, group)


def test_maps_have_the_size_of_their_tiles_even_where_a_scene_is_smaller(tmp_path: Path) -> None:
    write_prepared(tmp_path / "tiles", size=128)
    predictor, on = potsdam(tmp_path, tmp_path / "tiles"), scored(tmp_path / "tiles")

    (one,) = scoring.maps(predictor, on)

    assert one.tile is on.tiles[0]
    assert one.predicted.shape == one.truth.shape == (HEIGHT, WIDTH)
    assert one.predicted.dtype == one.truth.dtype == np.uint8


def test_the_ranks_share_the_maps(tiny_tiles: Path, tmp_path: Path) -> None:
    predictor, on = potsdam(tmp_path, tiny_tiles), scored(tiny_tiles)

    whole = {one.tile.id: one.predicted for one in scoring.maps(predictor, on)}
    parts = [{one.tile.id: one.predicted for one in scoring.maps(predictor, on, rank, 2)} for rank in range(2)]

    assert [*whole] == [tile.id for tile in on.tiles]
    assert {*parts[0]} | {*parts[1]} == {*whole}
    assert not {*parts[0]} & {*parts[1]}
    assert all(np.array_equal(whole[name], part[name]) for part in parts for name in part)


def test_an_array_of_any_size_becomes_a_class_map_and_probabilities(step: Path) -> None:
    predictor = Predictor.open(step)
    image = np.random.default_rng(2).integers(0, 256, (3, 90, 70), np.uint8)
    valid = np.ones((90, 70), np.bool_)
    valid[:5, 8:] = False
    tiling = Tiling(size=64, overlap=32)

    classes, probabilities = predictor(image, valid, tiling), predictor.probabilities(image, valid, tiling)

    assert (classes.shape, classes.dtype) == ((90, 70), np.uint8)
    assert (probabilities.shape, probabilities.dtype) == ((4, 90, 70), np.float32)
    assert np.array_equal(classes == IGNORE, ~valid)
    assert np.array_equal(np.isnan(probabilities).all(0), ~valid)
    assert np.array_equal(probabilities.argmax(0)[valid], classes[valid])
    np.testing.assert_allclose(probabilities[:, valid].sum(0), 1, rtol=1e-5)


def test_what_is_not_finite_is_no_data(step: Path) -> None:
    image = np.random.default_rng(2).integers(0, 256, (3, 40, 30)).astype(np.float32)
    image[1, 3, 4] = np.nan

    classes = Predictor.open(step)(image)

    assert np.argwhere(classes == IGNORE).tolist() == [[3, 4]]


def test_an_array_that_fits_into_a_window_gets_what_a_batch_gets(step: Path) -> None:
    predictor, image = Predictor.open(step), IMAGES[0]

    found = predictor.probabilities(image.numpy())

    torch.testing.assert_close(torch.from_numpy(found), predictor.batch(image[None])[0], rtol=1e-5, atol=1e-6)
    assert np.array_equal(predictor(image.numpy()), found.argmax(0))


def test_turned_views_are_averaged(step: Path) -> None:
    predictor, image = Predictor.open(step), IMAGES[0]

    found = predictor.probabilities(image.numpy(), tiling=Tiling(views=8))

    turned = [turn.inverse()(predictor.batch(turn(image[None]))) for turn in Dihedral.group()]
    torch.testing.assert_close(torch.from_numpy(found)[None], torch.stack(turned).mean(0), rtol=1e-4, atol=1e-6)


def test_a_run_opens_at_its_last_step_or_at_the_one_asked_for(step: Path) -> None:
    first = info(0)
    save_model(step.parent / "step-0" / MODEL_FILE, segmenter(first).state_dict(), first)

    assert Predictor.open(step.parent).task.step == 1
    assert Predictor.open(str(step.parent), step=0).task.step == 0
    assert Predictor.open(step.parent, device="cpu").device == torch.device("cpu")
    with pytest.raises(InvalidCheckpoint, match="is the folder of step 1, not of step 0"):
        Predictor.open(step, step=0)


def test_an_encoder_of_one_size_is_given_windows_of_this_size(step: Path) -> None:
    predictor = Predictor.open(step)

    assert predictor.default_tiling == Tiling(512, 128)
    predictor.network.body.encoder.fixed_size = 96
    assert predictor.default_tiling == Tiling(96, 24)


@pytest.mark.parametrize("shape", [(40, 24), (2, 40, 24), (3, 0, 24)])
def test_arrays_of_other_shapes_are_refused(step: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidOptions, match=r"reads \[3, height, width\] with the bands red, green, blue"):
        Predictor.open(step)(np.zeros(shape, np.uint8))
