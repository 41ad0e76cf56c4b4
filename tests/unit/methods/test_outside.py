"""Methods that `--method package.module:Class` takes from another package."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from saticl.commands.assembly import own_options
from saticl.config import TrainConfig
from saticl.errors import InvalidOptions
from saticl.flags.resolve import Setting
from saticl.flags.training import resolve_training
from saticl.methods import find, load
from saticl.methods.base import Method
from saticl.methods.options import PLOPOptions
from saticl.types import Output

SOURCE = '''
from saticl.methods.base import Method
from saticl.methods.lwf_mc import LwFMC
from saticl.methods.mib import MiB
from saticl.methods.plop import PLOP

class Softer(MiB):
    """MiB, but softer."""
    defaults = {"kd.alpha": 0.5}

class Sharper(Softer):
    reads = frozenset({"kd.encoder_factor"})

class Plop(Method):
    """Nothing but the name."""

class Wide(PLOP):
    """PLOP on more."""

class Plainer(LwFMC):
    """LwF-MC."""
'''


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_outside.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine_outside", raising=False)


def test_the_row_of_a_class_is_that_of_the_method_it_extends_and_its_own() -> None:
    mib, softer, sharper = find("mib"), find("mine_outside:Softer"), find("mine_outside:Sharper")

    assert softer.defaults == {**mib.defaults, "kd.alpha": 0.5}
    assert softer.reads == mib.reads
    assert sharper.defaults == softer.defaults
    assert sharper.reads == mib.reads | {"kd.encoder_factor"}
    assert find("mine_outside:Plainer").ignores == find("lwf-mc").ignores
    assert (softer.name, softer.summary) == ("softer", "MiB, but softer.")


def test_a_class_is_given_the_section_that_it_reads_whatever_it_is_called() -> None:
    def given(method: str, *more: Setting) -> object:
        root = Setting(("data_root",), Path("tiles"), "--data-root")
        return own_options(resolve_training([root, Setting(("method",), method, "--method"), *more]))

    own = given("mine_outside:Wide", Setting(("plop", "features_factor"), 0.5, "--plop.features-factor"))

    assert isinstance(own, PLOPOptions)
    assert own.features_factor == 0.5
    assert given("plop") == PLOPOptions()
    assert given("mine_outside:Plop") is None
    assert given("mib") is None
    assert given("lgkd") == TrainConfig(data_root=Path()).lgkd


@pytest.mark.parametrize(
    "name", [".relative:Thing", ":Thing", "mine_outside:", "nowhere:Thing", "mine_outside:No.Such"]
)
def test_what_cannot_be_imported_is_told_in_a_sentence(name: str) -> None:
    with pytest.raises(InvalidOptions, match="cannot be imported"):
        find(name)


SCORES = Output(
    torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0)), (), torch.empty(0), torch.empty(0)
)


class Sigmoids(Method):
    """One probability per class, and a background that is what they leave."""

    @classmethod
    def decode(cls, output: Output) -> Tensor:
        found = output.logits[:, 1:].sigmoid()
        return torch.cat([1 - found.amax(1, keepdim=True), found], dim=1)


class Static(Method):
    """Its last class is never seen."""

    @staticmethod
    def decode(output: Output) -> Tensor:  # type: ignore[override]
        return output.logits.softmax(1) * torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 4, 1, 1)


class Inherits(Sigmoids):
    """Says nothing itself."""


@pytest.mark.parametrize("kind", [Method, load("mib"), Sigmoids, Inherits, Static], ids=lambda kind: kind.__name__)
def test_the_class_of_a_pixel_is_that_of_the_largest_probability(kind: type[Method]) -> None:
    assert torch.equal(kind.classes(SCORES), kind.decode(SCORES).argmax(1))


@pytest.mark.parametrize("kind", [Sigmoids, Static])
def test_that_is_not_the_class_of_the_largest_score_where_a_method_says_otherwise(kind: type[Method]) -> None:
    assert not torch.equal(kind.classes(SCORES), SCORES.logits.argmax(1))


def test_an_extended_method_has_no_published_variant_and_says_so() -> None:
    assert load("plop", faithful=True).__name__ == "PublishedPLOP"
    with pytest.raises(InvalidOptions, match=r"wide has no variant as published: leave out --plop\.faithful"):
        load("mine_outside:Wide", faithful=True)
