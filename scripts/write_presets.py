"""Write configs/voc, configs/ade20k, configs/cityscapes, and the tables of docs/reproduced.md.

    python scripts/write_presets.py

The files follow published recipes (`preset_recipes.py`) and name published scores (`preset_rows.py`). Change these and
run the script again; a test holds that the files are what it writes.
"""

import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "scripts")]

from preset_recipes import as_cil, settings, testing
from preset_rows import Published, Row, rows

from saticl.files import write_atomically

PAGE = REPOSITORY / "docs" / "reproduced.md"

TITLES = {
    "ft": "Fine-tuning (FT)",
    "pi": "Path integral (PI; Zenke et al., ICML 2017)",
    "ewc": "Elastic weight consolidation (EWC; Kirkpatrick et al., PNAS 2017)",
    "rw": "Riemannian walk (RW; Chaudhry et al., ECCV 2018)",
    "lwf": "Learning without forgetting (LwF; Li and Hoiem, ECCV 2016)",
    "lwf-mc": "LwF with sigmoids (LwF-MC; Rebuffi et al., CVPR 2017)",
    "ilt": "Incremental learning techniques (ILT; Michieli and Zanuttigh, ICCVW 2019)",
    "mib": "Modeling the background (MiB; Cermelli et al., CVPR 2020)",
    "plop": "PLOP (Douillard et al., CVPR 2021)",
    "lgkd": "Label-guided distillation (LGKD; Yang et al., ICCV 2023)",
    "cil": "CIL (Klingner et al., ITSC 2020)",
    "offline": "Joint training: all classes in one step",
}

DATASETS = {"voc": "Pascal VOC 2012 with the masks of SBD", "ade20k": "ADE20K", "cityscapes": "Cityscapes"}


def _commands(row: Row) -> list[str]:
    """All steps at once, unless the first one has a number of its own that no option knows."""
    train = f"python run.py train --config configs/{name_of(row)} --data-root data/{row.benchmark}"
    weights = (
        f"--model.weights {'erfnet_encoder_pretrained.pth.tar' if as_cil(row) else 'resnet101_iabn_sync.pth.tar'}"
    )
    training = [[train, weights]]
    if (row.method, row.task) == ("plop", "10-1"):
        training = [
            [train, f"{weights} --task.step 0 --trainer.max-epochs 30"],
            [train, f"{weights} --trainer.resume"],
        ]
    elif (row.benchmark, row.method) == ("voc", "lgkd"):
        steps = {"15-1": "1 2 3 4 5"}.get(row.task, "1")
        later = [f"for step in {steps}; do {train}", "--task.step $step; done"]
        training = [[train, f"{weights} --task.step 0 --trainer.batch-size 16"], later]
    run = f"outputs/{row.benchmark}/{settings(row)['task']['name']}/{row.method}"
    return [
        f"python run.py prepare --dataset {row.benchmark} --src RAW --dst data/{row.benchmark}",
        *(" \\\n#     ".join(parts) for parts in training),
        f"python run.py test --run {run} --task.step all \\\n#     {testing(row)}"
        if len(testing(row)) > 50
        else f"python run.py test --run {run} --task.step all {testing(row)}".rstrip(),
    ]


def needed(row: Row, one: Published) -> str:
    """What a published row needs besides the commands of the file."""
    needs = [f"train {one.options}"] if one.options else []
    needs += [f"test {one.testing}"] if one.testing is not None and one.testing != testing(row) else []
    return "; ".join(needs)


def header(row: Row) -> list[str]:
    """The comment above the options."""
    published = []
    for one in row.published:
        published.append(f"# Published, {one.what}: {one.score}")
        published += [f"#     with {needs}"] if (needs := needed(row, one)) else []
    synced = "norm" in settings(row)["model"]
    hint = ", with --model.norm iabn_sync (scripts/install_iabn.sh)" if synced else ""
    ours = "; ".join(one.ours for one in row.published if one.ours) or "not measured yet"
    return [
        f"# {TITLES[row.method]}.",
        f"# {DATASETS[row.benchmark]}, task {row.task}. What differs from the published runs: docs/reproduced.md.",
        *published,
        *(f"#   {command}" for command in _commands(row)),
        f"# Hardware: one GPU, or two with half of the batch each{hint}.",
        f"# Our score: {ours}.",
    ]


def name_of(row: Row) -> str:
    """The file, below `configs/`."""
    name = row.method if row.task == "offline" else f"{row.method}-{row.task}"
    return f"{row.benchmark}/{name}.yaml"


def content(row: Row) -> str:
    """The whole file."""
    return "\n".join([*header(row), yaml.safe_dump(settings(row), sort_keys=False)])


def with_tables(page: str) -> str:
    """The page with its tables written anew; each stands behind a comment with its benchmark, up to a blank line."""
    for benchmark in DATASETS:
        before, mark, after = page.partition(f"<!-- {benchmark} -->\n")
        page = "".join([before, mark, _table(benchmark), "\n\n", after.partition("\n\n")[2]])
    return page


def _table(benchmark: str) -> str:
    lines = ["| file | row | with | published | ours | commit | hardware |", "|" + 7 * "---|"]
    for row in sorted((row for row in rows() if row.benchmark == benchmark), key=name_of):
        link = f"[`{row.method} {row.task}`](../configs/{name_of(row)})"
        for one in row.published:
            with_options = f"`{needs}`" if (needs := needed(row, one)) else ""
            cells = (link, one.what, with_options, one.score, one.ours, one.commit, one.hardware)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Write all files, and the tables."""
    for row in rows():
        path = REPOSITORY / "configs" / name_of(row)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, content(row))
    write_atomically(PAGE, with_tables(PAGE.read_text(encoding="utf-8")))
    print(f"{len(rows())} files written to {REPOSITORY / 'configs'}")


if __name__ == "__main__":
    main()
