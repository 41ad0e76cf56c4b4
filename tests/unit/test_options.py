"""The option trees: strict, documented, and the same in Python, in YAML and among the methods' defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from saticl import config as trees
from saticl.config import TrainConfig
from saticl.flags.leaves import Leaf, tree
from saticl.flags.resolve import Setting, from_file, resolve
from saticl.flags.training import resolve_training
from saticl.methods import GATED, METHODS
from saticl.options import FrozenOptions

TREES = [trees.PrepareConfig, trees.TrainConfig, trees.TestConfig, trees.DemoConfig]
TRAIN = tree(TrainConfig)


def values(leaf: Leaf) -> st.SearchStrategy[object]:
    """Valid values of an option, by what its schema allows."""
    one = st.one_of([_values(form) for form in leaf.forms])
    return st.lists(one, max_size=3) if leaf.many else one


TEXTS = st.sampled_from(["x", "6s", "321", "a b", "none", "yes", "1e3", "2026-01-01", "é: #", "-"])


def _values(form: Mapping[str, Any]) -> st.SearchStrategy[object]:
    if "const" in form or "enum" in form:
        return st.sampled_from([form["const"]] if "const" in form else form["enum"])
    low, high = form.get("minimum", form.get("exclusiveMinimum")), form.get("maximum")
    kinds: dict[str, st.SearchStrategy[object]] = {
        "integer": st.integers(low, high),
        "number": st.floats(low, high, exclude_min="exclusiveMinimum" in form, allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "null": st.none(),
        "string": TEXTS,
    }
    return kinds[form["type"]]


@st.composite
def documents(draw: st.DrawFn, model: type[BaseModel]) -> dict[str, object]:
    """Nested dictionaries that a model accepts: all required options and some others."""
    document: dict[str, object] = {}
    for path, leaf in tree(model).leaves.items():
        if leaf.required or draw(st.booleans()):
            branch = document
            for section in path[:-1]:
                branch = branch.setdefault(section, {})  # type: ignore[assignment]
            branch[path[-1]] = draw(values(leaf))
    return document


@pytest.mark.parametrize("model", TREES)
def test_every_option_is_explained_and_every_section_has_a_title(model: type[BaseModel]) -> None:
    for leaf in tree(model).leaves.values():
        assert leaf.help, leaf.dotted
        assert len(leaf.path) == 1 or leaf.panel, leaf.dotted


@pytest.mark.parametrize("model", TREES)
def test_no_two_options_share_a_name_in_any_spelling(model: type[BaseModel]) -> None:
    leaves = tree(model).leaves.values()

    for names in (
        [name for leaf in leaves for name in (leaf.flag, leaf.negative)],
        [leaf.variable for leaf in leaves],
        [name for leaf in leaves for name in (leaf.identifier, leaf.off_identifier)],
    ):
        assert len(set(names)) == len(names)


def test_options_never_change_after_validation() -> None:
    config = TrainConfig(data_root=Path("d"))

    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 2  # type: ignore[misc]


def test_an_unknown_key_is_refused_at_every_depth() -> None:
    for document in ({"data_root": "d", "modle": {}}, {"data_root": "d", "model": {"norms": "std"}}):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            TrainConfig.model_validate(document)


def test_every_section_is_frozen_and_strict() -> None:
    sections = [field.annotation for field in TrainConfig.model_fields.values()]
    classes = [section for section in sections if isinstance(section, type) and issubclass(section, BaseModel)]

    assert len(classes) > 5
    assert all(issubclass(section, FrozenOptions) for section in classes)


@pytest.mark.parametrize("model", TREES)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_what_is_written_as_yaml_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, model: type[BaseModel], data: st.DataObject
) -> None:
    options = model.model_validate(data.draw(documents(model)))
    file = tmp_path_factory.mktemp("yaml") / "config.yaml"
    file.write_text(options.to_yaml(), encoding="utf-8")

    assert resolve(model, from_file(file, tree(model))) == options


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.name)
def test_a_method_changes_and_reads_only_options_that_exist(spec: object) -> None:
    defaults, reads = spec.defaults, spec.reads  # type: ignore[attr-defined]

    assert {tuple(name.split(".")) for name in defaults} <= set(TRAIN.leaves)
    assert set(reads) <= set(TRAIN.names)


def test_every_gated_option_exists_and_is_read_by_a_method() -> None:
    assert set(GATED) <= set(TRAIN.names)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.name)
def test_the_defaults_of_a_method_are_valid_and_not_refused_by_itself(spec: object) -> None:
    name, defaults = spec.name, spec.defaults  # type: ignore[attr-defined]
    root = Setting(("data_root",), "d", "--data-root")
    method = Setting(("method",), name, "--method")
    config = resolve_training([root, method])

    own = [Setting(tuple(key.split(".")), value, key) for key, value in defaults.items()]

    assert resolve_training([root, method, *own]) == config
    assert config.method == name
