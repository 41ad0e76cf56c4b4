"""What `compare` makes of its options: variants, options for all runs, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from saticl import cli
from saticl.config import CompareConfig
from saticl.config.compare import Variant
from saticl.flags.comparing import variants_of

PLAN = """
task: [222a]
method: [ft]
variants:
  mib-cd: {method: mib, aug.factor: 0.2, aug: {factor_icl: 0.3}}
  preset: {config: %s, trainer: {max_epochs: 7}}
train: {trainer.batch_size: 2}
seeds: [3, 4]
"""

PRESET = """
method: plop
seed: 99
name: other
task: {name: 6s, filter_mode: split}
trainer: {max_epochs: 5, patience: 6}
"""


@pytest.fixture
def printed(tmp_path: Path) -> Callable[..., str]:
    """What --print-config prints, or the sentence that it ends with."""

    def invoke(*words: str, env: dict[str, str] | None = None) -> str:
        words = (*words[: words.index("--")], "--print-config", *words[words.index("--") :]) if "--" in words else (
            *words,
            "--print-config",
        )  # fmt: skip
        result = CliRunner().invoke(cli.app, ["compare", "--dst=out", "--data-root=tiles", *words], env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.stdout if result.exit_code == 0 else " ".join(result.stderr.split())

    return invoke


def by_name(printed: str) -> dict[str, Variant]:
    config = CompareConfig.model_validate(yaml.safe_load(printed))
    return {variant.name: variant for variant in variants_of(config)}


@pytest.fixture
def plan(tmp_path: Path) -> str:
    (tmp_path / "preset.yaml").write_text(PRESET)
    (tmp_path / "plan.yaml").write_text(PLAN % (tmp_path / "preset.yaml"))
    return str(tmp_path / "plan.yaml")


def test_a_plan_holds_methods_variants_and_options_for_all(plan: str, printed: Callable[..., str]) -> None:
    variants = by_name(printed(f"--config={plan}"))

    assert list(variants) == ["ft", "mib-cd", "preset"]
    assert {one.options.trainer.batch_size for one in variants.values()} == {2}
    cd, preset = variants["mib-cd"].options, variants["preset"].options
    assert (cd.method, cd.aug.factor, cd.aug.factor_icl, cd.kd.decoder_factor) == ("mib", 0.2, 0.3, 1.0)
    assert (preset.method, preset.trainer.max_epochs, preset.trainer.patience) == ("plop", 7, 6)
    assert (preset.task.filter_mode, preset.task.name, preset.task.step) == ("split", "222a", "all")
    assert (preset.name, preset.seed) == (None, 1337)
    assert preset.output_folder == Path("out/runs").absolute()
    assert preset.data_root == Path("tiles").absolute()


def test_what_it_prints_is_the_same_plan(plan: str, printed: Callable[..., str], tmp_path: Path) -> None:
    first = printed(f"--config={plan}", "--", "--trainer.amp", "--model.encoder", "resnet18")
    (tmp_path / "again.yaml").write_text(first)

    assert printed(f"--config={tmp_path / 'again.yaml'}") == first
    assert yaml.safe_load(first)["train"] == {
        "trainer.batch_size": 2,
        "trainer.amp": True,
        "model.encoder": "resnet18",
    }


def test_flags_behind_the_dashes_win_over_variables_and_those_over_files(
    printed: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "all.yaml").write_text("method: plop\nseed: 5\ntrainer: {batch_size: 3, max_epochs: 3, patience: 3}\n")
    variables = {"SATICL_TRAINER__BATCH_SIZE": "4", "SATICL_TRAINER__MAX_EPOCHS": "4"}
    words = ("--task=222a", "--method=ft", "--", f"--config={tmp_path / 'all.yaml'}", "--trainer.max-epochs=6")

    (variant,) = by_name(printed(*words, env=variables)).values()

    trainer = variant.options.trainer
    assert (variant.options.method, variant.options.seed) == ("ft", 1337)
    assert (trainer.patience, trainer.batch_size, trainer.max_epochs) == (3, 4, 6)


def test_names_and_numbers_stand_between_commas_or_in_several_flags(printed: Callable[..., str]) -> None:
    config = yaml.safe_load(
        printed("--task=222a, 321", "--method=ft,mib", "--method=plop", "--seeds=1,2", "--seeds=3")
    )

    assert config["task"] == ["222a", "321"]
    assert config["method"] == ["ft", "mib", "plop"]
    assert config["seeds"] == [1, 2, 3]


def test_a_method_from_elsewhere_is_called_as_its_class(printed: Callable[..., str]) -> None:
    variants = by_name(printed("--task=222a", "--method=saticl.methods.finetuning:UnbiasedFineTuning+cd"))

    assert list(variants) == ["unbiased-fine-tuning+cd"]
    assert variants["unbiased-fine-tuning+cd"].options.aug.factor == 0.1


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        ("variants: {a: {method: mib}, b: {method: mib}}", "b has the same options as a"),
        ("method: [mib]\nvariants: {mib: {kd.decoder_factor: 2}}", "mib is both a --method and one of the variants"),
        ("variants: {a: {methd: mib}}", "There is no option methd, which variants.a sets. Did you mean method?"),
        ("variants: {a: {aug.factor: 1, aug: {factor: 2}}}", "aug.factor is written twice in variants.a"),
        ("variants: {a: {seed: 4}}", "seed in variants.a cannot be set for a comparison: write --seeds"),
        ("variants: {a/b: {method: mib}}", "without slashes"),
        ("variants: {a: {method: ft, kd.decoder_factor: 2}}", "no effect on the method ft"),
        ("variants: {a: {config: nowhere.yaml}}", "The configuration nowhere.yaml cannot be read"),
        ("variants: [a]", "must be options by name"),
        ("method: [ft]\ntrain: {name: x}", "name in train cannot be set for a comparison"),
        (
            "method: [ft]\ntrain: {trainer.batch_size: 0}",
            "trainer.batch_size in train must be an integer of at least 1",
        ),
        (
            "share_base: true\nvariants: {a: {method: ft}, b: {model.encoder: resnet18}}",
            "model.encoder is resnet34 in a and resnet18 in b",
        ),
    ],
)
def test_a_plan_that_cannot_be_right_is_one_sentence(
    plan: str, sentence: str, printed: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(plan)

    assert sentence in printed(f"--config={tmp_path / 'plan.yaml'}", "--task=222a")


def test_a_flag_for_all_does_not_override_a_variant_in_silence(plan: str, printed: Callable[..., str]) -> None:
    assert "--aug.factor stands behind `--` for all runs, but mib-cd has a value of its own" in printed(
        f"--config={plan}", "--", "--aug.factor=0.5"
    )
    assert "--method stands before `--`" in printed("--task=222a", "--method=ft", "--", "--method=mib")


def test_help_behind_the_dashes_is_that_of_train() -> None:
    result = CliRunner().invoke(cli.app, ["compare", "--dst=x", "--task=222a", "--method=ft", "--", "--help"])

    assert result.exit_code == 0
    assert "--trainer.batch-size" in result.stdout
