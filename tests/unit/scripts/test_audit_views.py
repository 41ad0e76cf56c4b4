"""The audit of views: what it keeps, in which order, and what it counts as right."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from saticl.engine.checkpoint import save_model
from saticl.geo import raster
from saticl.models.segmenter import Segmenter
from saticl.runs.folder import MODEL_FILE
from saticl.tiles.index import read_index
from tests.prepared import write_prepared
from tests.trained import info

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "scripts")
        import audit_views
    module: ModuleType = audit_views
    return module


def test_the_surest_pixels_of_an_old_class_are_counted_background_is_not(audit: ModuleType) -> None:
    labels = torch.tensor([1, 1, 2, 2, 0, 1])
    truth = torch.tensor([1, 0, 2, 1, 1, 1])
    sureness = torch.tensor([0.9, 0.8, 0.7, 0.6, 1.0, 0.5])

    assert audit.precisions(labels, sureness, 4, truth) == pytest.approx([1 / 2, 2 / 3, 2 / 4])


def test_entropies_are_compared_with_the_median_of_their_label(audit: ModuleType) -> None:
    entropies = torch.tensor([0.1, 0.2, 0.3, 1.0, 2.0, 3.0])
    labels = torch.tensor([2, 2, 2, 0, 0, 0])

    assert audit.by_median(entropies, labels).tolist() == pytest.approx([0.5, 1, 1.5, 0.5, 1, 1.5])


def test_views_that_agree_are_surer_than_views_that_do_not(audit: ModuleType) -> None:
    same = torch.tensor([0.2, 0.8]).expand(8, 2)
    torn = torch.stack([torch.tensor([0.0, 1.0]), torch.tensor([0.4, 0.6])]).repeat(4, 1)

    found = audit.criteria(torch.stack([same, torn]))

    mean, wavering = torch.tensor([0.2, 0.8]), torch.tensor([0.4, 0.6])
    _, sure, classes = found["eight views: least disagreement"]
    assert classes == 2
    assert sure.tolist() == pytest.approx([0, (audit.entropy(wavering) / 2 - audit.entropy(mean)).item()], abs=1e-6)
    assert found["one view: score"][1].tolist() == pytest.approx([0.8, 1.0])
    assert found["eight views: score of the mean"][1].tolist() == pytest.approx([0.8, 0.8])


def test_it_looks_at_training_pixels_that_the_next_step_has_no_label_for(audit: ModuleType, tmp_path: Path) -> None:
    manifest = write_prepared(tmp_path)
    classes = manifest.class_names
    colours = tuple((label, 0, 0) for label in range(len(classes)))
    about = info(classes=classes, colours=colours, groups=(classes[:2], classes[2:3], classes[3:]))
    torch.manual_seed(0)
    network = Segmenter(about.model, 3, about.task.head_sizes, about.image_size)
    save_model(tmp_path / "run/step-0" / MODEL_FILE, network.state_dict(), about)
    masks = [raster.read(tmp_path / tile.mask)[0] for tile in read_index(tmp_path) if tile.split == "train"]
    labels = np.concatenate([mask[::4, ::4].ravel() for mask in masks])

    views, truth = (torch.cat(parts) for parts in zip(*audit.seen(tmp_path / "run", tmp_path), strict=True))

    later = np.isin(labels, range(3, len(classes))).sum()
    assert [(truth == index).sum().item() for index in range(3)] == [later, (labels == 0).sum(), (labels == 1).sum()]
    assert views.shape == (len(truth), 8, 3)
    torch.testing.assert_close(views.sum(-1), torch.ones(len(truth), 8))
