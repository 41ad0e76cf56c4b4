"""The recipes of `write_presets.py`: one per benchmark, and what each method and task changes in it.

Sources: the code of MiB, PLOP (with its scripts), LGKD and CIL.
"""

from typing import Any

from preset_rows import Row

Options = dict[str, Any]

PLOP_TABLE = {"plop", "lgkd"}
"""Methods whose tables follow PLOP."""

FAITHFUL = {"faithful": True}

OWN: dict[str, Options] = {
    "lwf": {"kd": {"decoder_factor": 100.0, "alpha": 1.0}},
    "lwf-mc": {"kd": {"decoder_factor": 10.0}},
    "ilt": {"kd": {"decoder_factor": 100.0, "encoder_factor": 100.0, "alpha": 1.0}},
    "mib": {"kd": {"decoder_factor": 10.0, "alpha": 1.0}},
    "ewc": {"ewc": {"factor": 500.0, "alpha": 0.9, **FAITHFUL}},
    "pi": {"pi": {"factor": 500.0, **FAITHFUL}},
    "rw": {"rw": {"factor": 100.0, "alpha": 0.9, "interval": 10, **FAITHFUL}},
    "cil": {"kd": {"decoder_factor": 1.0}, "cil": {"entropy_weight": 1.0, "temperature": 1.0}},
}
"""Sections of single methods, where they do not depend on benchmark or task."""

POD = {"voc": (0.01, 0.0005), "ade20k": (0.001, 0.00001)}
"""PLOP's factors of feature maps and of class scores."""

POD_OF_CITIES = {"11-5": (0.01, 0.0005), "11-1": (0.0001, 0.0001), "1-1": (0.0001, 0.001)}
"""The same in PLOP's scripts for Cityscapes, commits bece28b (11-5) and b4e8ddd."""

LGKD_WEIGHTS = {
    "voc": {"19-1": (5.0, 0.5), "15-5": (5.0, 1.0), "15-1": (1.0, 0.0)},
    "ade20k": {"100-50": (1.0, 20.0), "100-10": (1.0, 1.0), "50": (2.0, 10.0)},
}
"""Weights of previous and of new pixels."""

LGKD_BATCHES = {"voc": 24, "100-50": 12, "100-10": 16, "50": 12}
"""Of all GPUs together."""


def settings(row: Row) -> Options:
    """What the file says, in its order."""
    cil, like_plop = as_cil(row), as_plop(row)
    domain = row.benchmark == "cityscapes" and not cil
    options: Options = {
        "dataset": row.benchmark,
        "method": "ft" if row.method == "offline" else row.method,
        "name": row.method,
        "seed": 1234 if cil else 42,
        "in_channels": 3,
        "image_size": 352 if cil else 512,
        "class_weights": "none",
        "sampling": "even",
        "val_size": 0.2 if domain else 0.0,
        "hidden": "ignore" if cil else "background",
        "void": "ignore" if like_plop else "background",
        "unlabelled": "ignore" if cil else "background",
        "task": {
            "name": "15-5s" if row.task == "15-1" else row.task,
            "step": "all",
            "filter_mode": "balanced" if row.benchmark == "ade20k" and not like_plop else "overlap",
            "splits": "merged" if domain else "official",
        },
        "model": _network(row, cil),
        "trainer": _training(row, cil, like_plop),
        "optimizer": _optimizer(row, cil),
        "scheduler": {"target": "poly", "power": 0.9},
        "ce": {"name": "ce"},
    }
    if row.method == "lwf-mc":  # has a loss of its own
        del options["class_weights"], options["ce"]
    return {**options, **_own(row)}


def as_cil(row: Row) -> bool:
    """Whether the recipe is that of CIL."""
    return row.benchmark == "cityscapes" and row.task in ("1-2-3", "offline")


def as_plop(row: Row) -> bool:
    """Whether the first published row follows PLOP, and so ignores void and computes in float16."""
    return row.method in PLOP_TABLE or row.task in ("10-1", "100-5") or row.benchmark == "cityscapes"


def _network(row: Row, cil: bool) -> Options:
    """The weights of the encoder are files of others, so the command line names them."""
    shared = {"pretrained": False, "freeze": False}
    if cil:
        return {"encoder": "erfnet", "decoder": "erfnet", **shared, "dropout": 0.0, "init_balanced": False}
    return {
        **{"encoder": "resnet101-iabn", "decoder": "deeplabv3", **shared, "output_stride": 16},
        **{"norm": "abn", "act": "ident", "dropout": 0.0, "init_balanced": row.method in ("mib", *PLOP_TABLE)},
    }


def _training(row: Row, cil: bool, like_plop: bool) -> Options:
    epochs = {"voc": 30, "ade20k": 60, "cityscapes": 200 if cil else 50}[row.benchmark]
    batch = 6 if cil else 24
    if row.method == "lgkd":
        batch = LGKD_BATCHES[row.benchmark if row.benchmark == "voc" else row.task]
    return {
        "precision": "fp16" if like_plop and not cil else "float32",
        "batch_size": batch,
        "max_epochs": 10 if (row.method, row.task) == ("plop", "10-1") else epochs,
        "monitor": "last",
        "validate_every": 10,
    }


def _optimizer(row: Row, cil: bool) -> Options:
    if cil:
        return {"target": "adam", "lr": 5e-4, "later_lr": 5e-4, "momentum": 0.9, "weight_decay": 3e-4}
    first = 0.02 if (row.benchmark, row.method) == ("ade20k", "lgkd") else 0.01
    return {"target": "sgd", "lr": first, "later_lr": first / 10, "momentum": 0.9, "weight_decay": 1e-4}


def _own(row: Row) -> Options:
    """The sections that only this method reads."""
    if row.method in PLOP_TABLE:
        features, logits = POD_OF_CITIES[row.task] if row.benchmark == "cityscapes" else POD[row.benchmark]
        pod = {"features_factor": features, "logits_factor": logits, **FAITHFUL}
        if row.method == "plop":
            return {"plop": pod}
        previous, novel = LGKD_WEIGHTS[row.benchmark][row.task]
        return {"kd": {"decoder_factor": 1.0}, "lgkd": {"previous": previous, "novel": novel, **pod}}
    if (row.benchmark, row.method, row.task) == ("voc", "mib", "15-1"):
        return {"kd": {"decoder_factor": 100.0, "alpha": 1.0}}
    return OWN.get(row.method, {})


def testing(row: Row) -> str:
    """Options of `test` for the first published row."""
    if as_cil(row):
        return "--restricted" if row.method == "cil" else ""
    if row.benchmark == "cityscapes":
        return "--split val"
    if as_plop(row):
        return "--task.images seen"
    unlabelled = " --unlabelled ignore" if row.benchmark == "ade20k" else ""
    return f"--task.unseen ignore{unlabelled} --task.images seen"
