"""Do several views of an image tell better than one which of the previous model's labels are right?

    python scripts/audit_views.py --run outputs/dubai/3s/ft/step-0 --data-root data/dubai [--json audit.json]

The next step sees old classes as background, and the previous model labels them. Here the hidden truth is known. Of
the training pixels that the next step has no label for, each criterion keeps those of an old class that it is most
sure of, as many as a share (the coverage) of the pixels in which a single view sees an old class. Printed is how many
of them are right, in percent. `disagreement` is the entropy of the mean over views minus the mean of their entropies.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from saticl.engine.evaluate import applied
from saticl.files import write_json
from saticl.inference.predictor import Predictor
from saticl.labels import BACKGROUND
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import read_index
from saticl.tiles.loaders import evaluation_loader
from saticl.tiles.manifest import Manifest
from saticl.transforms import Dihedral

COVERAGES = (0.5, 0.7, 0.9)
EVERY = 4
"""Of so many rows one, and of so many pixels in it one, is looked at."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a trained step that is not the last")
    parser.add_argument("--data-root", type=Path, required=True, help="its prepared folder")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    views, truth = (torch.cat(parts) for parts in zip(*seen(options.run, options.data_root), strict=True))
    result = {name: precisions(*chosen, truth) for name, chosen in criteria(views).items()}
    print(f"{len(truth)} pixels, an old class in {float((truth != BACKGROUND).float().mean()):.0%} of them")
    print(f"{'coverage':34}" + "".join(f"{share:8.0%}" for share in COVERAGES))
    for name, values in result.items():
        print(f"{name:34}" + "".join(f"{100 * value:8.2f}" for value in values))
    if options.json:
        write_json(options.json, {"run": str(options.run), "coverages": COVERAGES, "precision": result})


@torch.no_grad()
def seen(run: Path, root: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Per batch: probabilities [N, 8, K] of the eight views, and the hidden truth [N], where there is no label."""
    predictor, manifest = Predictor.open(run), Manifest.load(root)
    following = predictor.task.at(predictor.task.step + 1)
    tiles = [tile for tile in read_index(root) if tile.split == "train"]
    channels, fill = len(predictor.bands), predictor.info.mean
    dataset = TileDataset(root, tiles, following.eval_table(), manifest, channels, fill=fill)
    precision = predictor.accelerator.mixed_precision
    with applied(predictor.network, predictor.normalize, predictor.device, precision) as apply:
        for batch in evaluation_loader(dataset, 16, 0, 0, 1):
            views = [view.inverse()(apply(view(batch.image)).logits.float().softmax(1)) for view in Dihedral.group()]
            stacked = torch.stack(views)[..., ::EVERY, ::EVERY].permute(1, 3, 4, 0, 2).flatten(0, 2)
            truth = batch.target[:, ::EVERY, ::EVERY].flatten().long()
            unlabelled = truth < following.num_old
            yield stacked[unlabelled], truth[unlabelled]


def criteria(views: Tensor) -> dict[str, tuple[Tensor, Tensor, int]]:
    """By name: labels [N], how sure they are [N], and the number of pixels that one view gives a class."""
    one, two, eight = views[:, 0], views[:, [0, 2]].mean(1), views.mean(1)
    disagreement = entropy(eight) - entropy(views).mean(1)
    labels = one.argmax(1)
    classes = int((labels != BACKGROUND).sum())
    return {
        "one view: score": (labels, one.amax(1), classes),
        "one view: entropy by its median": (labels, -by_median(entropy(one), labels), classes),
        "two views: score of the mean": (two.argmax(1), two.amax(1), classes),
        "eight views: score of the mean": (eight.argmax(1), eight.amax(1), classes),
        "eight views: least disagreement": (eight.argmax(1), -disagreement, classes),
        "one view, least disagreement": (labels, -disagreement, classes),
    }


def entropy(probabilities: Tensor) -> Tensor:
    """Over the last dimension, in nats."""
    return torch.special.entr(probabilities).sum(-1)


def by_median(entropies: Tensor, labels: Tensor) -> Tensor:
    """As PLOP compares them: divided by the median of their label."""
    medians = torch.ones(int(labels.max()) + 1)
    for label in labels.unique():
        medians[label] = entropies[labels == label].median()
    return entropies / medians[labels]


def precisions(labels: Tensor, sureness: Tensor, classes: int, truth: Tensor) -> list[float]:
    """Share of right labels among the surest pixels of an old class, for each coverage."""
    of_class = labels != BACKGROUND
    order = sureness[of_class].argsort(descending=True)
    right = (labels == truth)[of_class][order].double()
    return [float(right[: round(share * classes)].mean()) for share in COVERAGES]


if __name__ == "__main__":
    main()
