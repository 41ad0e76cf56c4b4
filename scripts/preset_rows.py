"""What was published for each file that `write_presets.py` writes: benchmark, method, task, and scores with sources.

Who has run a file fills in `ours`, `commit` and `hardware` of the row here, and runs `write_presets.py`.

Scores are mean IoU in percent. VOC: classes of the first step / all later ones / all, and the mean of "all" over the
steps where it was published. Only figures that were seen in the named place are here, none from memory.
"""

from dataclasses import dataclass

MIB, PLOP, RCIL, LGKD, CIL = "MiB's README", "PLOP's table", "RCIL's README", "LGKD's README", "CIL's README"
OUT, COUNTED = "background left out", "background counted"
DISJOINT = "--task.filter-mode disjoint"
AS_PLOP = "--void ignore --trainer.precision fp16"


@dataclass(frozen=True)
class Published:
    """One published row."""

    what: str
    """Setting, convention and source."""
    score: str
    options: str = ""
    """Options of `train` that the row needs besides the file."""
    testing: str | None = None
    """Options of `test` where they are not those of the file."""
    ours: str = ""
    """Our score, once it was measured."""
    commit: str = ""
    """What it was measured with."""
    hardware: str = ""


@dataclass(frozen=True)
class Row:
    """One file."""

    benchmark: str
    method: str
    task: str
    """As papers call it."""
    published: tuple[Published, ...]


VOC_TASKS = ("19-1", "15-5", "15-1")

VOC_MIB = {  # disjoint and overlapped, for 19-1, 15-5, 15-1
    "ft": "5.8/12.3/6.2 6.8/12.9/7.1 1.1/33.6/9.2 2.1/33.1/9.8 0.2/1.8/0.6 0.2/1.8/0.6",
    "pi": "5.4/14.1/5.9 7.5/14.0/7.8 1.3/34.1/9.5 1.6/33.3/9.5 0.0/1.8/0.4 0.0/1.8/0.5",
    "ewc": "23.2/16.0/22.9 26.9/14.0/26.3 26.7/37.7/29.4 24.3/35.5/27.1 0.3/4.3/1.3 0.3/4.3/1.3",
    "rw": "19.4/15.7/19.2 23.3/14.2/22.9 17.9/36.9/22.7 16.6/34.9/21.2 0.2/5.4/1.5 0.0/5.2/1.3",
    "lwf": "53.0/9.1/50.8 51.2/8.5/49.1 58.4/37.4/53.1 58.9/36.6/53.3 0.8/3.6/1.5 1.0/3.9/1.8",
    "lwf-mc": "63.0/13.2/60.5 64.4/13.3/61.9 67.2/41.2/60.7 58.1/35.0/52.3 4.5/7.0/5.2 6.4/8.4/6.9",
    "ilt": "69.1/16.4/66.4 67.1/12.3/64.4 63.2/39.5/57.3 66.3/40.6/59.9 3.7/5.7/4.2 4.9/7.8/5.7",
    "mib": "69.6/25.6/67.4 70.2/22.1/67.8 71.8/43.3/64.7 75.5/49.4/69.0 46.2/12.9/37.9 35.1/13.5/29.7",
}

VOC_PLOP = {  # overlapped, background counted; the last number is the mean over steps
    "ilt": {
        "19-1": "67.75/10.88/65.05/71.23",
        "15-5": "67.08/39.23/60.45/70.37",
        "15-1": "8.75/7.99/8.56/40.16",
        "10-1": "all 5.5",
    },
    "mib": {
        "19-1": "71.43/23.59/69.15/73.28",
        "15-5": "76.37/49.97/70.08/75.12",
        "15-1": "34.22/13.50/29.29/54.19",
        "10-1": "all 12.65",
    },
    "plop": {
        "19-1": "75.35/37.35/73.54/75.47",
        "15-5": "75.73/51.71/70.09/75.19",
        "15-1": "65.12/21.11/54.64/67.21",
        "10-1": "all 30.45",
    },
}

VOC_DISJOINT = {  # all, background counted
    "ilt": {"10-1": "5.4"},
    "mib": {"10-1": "6.9"},
    "plop": {"15-5": "64.3", "15-1": "46.5", "10-1": "8.4"},
}

ADE_TASKS = ("100-50", "100-10", "50")

ADE_MIB = {  # classes of every step, then all
    "ft": "0.0/24.9/8.3 0/0/0/0/0/16.6/1.1 0/0/22.0/7.3",
    "lwf": "21.1/25.6/22.6 0.1/0.0/0.4/2.6/4.6/16.9/1.7 5.7/12.9/22.8/13.9",
    "lwf-mc": "34.2/10.5/26.3 18.7/2.5/8.7/4.1/6.5/5.1/14.3 27.8/7.0/10.4/15.1",
    "ilt": "22.9/18.9/21.6 0.3/0.0/1.0/2.1/4.6/10.7/1.4 8.4/9.7/14.3/10.8",
    "mib": "37.9/27.9/34.6 31.8/10.4/14.8/12.8/13.6/18.7/25.9 35.5/22.2/23.6/27.0",
}

ADE_PLOP = {  # all
    "mib": {"100-50": "32.79", "100-10": "29.24", "50": "29.31", "100-5": "25.96"},
    "plop": {"100-50": "32.94", "100-10": "31.59", "50": "30.40", "100-5": "28.75"},
}

LGKD_FIRST = {  # all, after the first step
    "voc": {"19-1": "78.2", "15-5": "80.8", "15-1": "80.8"},
    "ade20k": {"100-50": "42.8", "100-10": "42.7", "50": "49.3"},
}

CITYSCAPES = {  # 11-5, 11-1, 1-1
    "lwf": "59.7 57.3 33.0",
    "lwf-mc": "58.7 57.0 31.4",
    "ilt": "59.1 57.8 30.1",
    "mib": "61.5 60.0 42.2",
    "plop": "63.5 62.1 45.2",
}


def rows() -> list[Row]:
    """All files."""
    return [*_voc(), *_ade20k(), *_cityscapes()]


def _spaced(score: str) -> str:
    return " / ".join(score.split("/"))


def _as_plop(score: str, options: str = AS_PLOP) -> Published:
    *parts, last = score.split("/")
    shown = f"{' / '.join(parts)}, mean over steps {last}" if parts else score
    return Published(f"overlapped, {COUNTED} ({PLOP})", shown, options, "--task.images seen")


def _voc() -> list[Row]:
    found = []
    for method, table in VOC_MIB.items():
        scores = table.split()
        for number, task in enumerate(VOC_TASKS):
            disjoint, overlapped = (_spaced(score) for score in scores[2 * number : 2 * number + 2])
            published = [
                Published(f"overlapped, {OUT} ({MIB})", overlapped),
                Published(f"disjoint, {OUT} ({MIB})", disjoint, DISJOINT),
            ]
            if method in VOC_PLOP:
                weaker = " --kd.decoder-factor 10" if (method, task) == ("mib", "15-1") else ""
                published.append(_as_plop(VOC_PLOP[method][task], AS_PLOP + weaker))
            found.append(Row("voc", method, task, tuple(published)))
    for method, tasks in VOC_PLOP.items():
        for task in tasks if method == "plop" else ["10-1"]:
            published = [_as_plop(tasks[task], "")]
            if task in VOC_DISJOINT[method]:
                score = f"all {VOC_DISJOINT[method][task]}"
                published.append(Published(f"disjoint, {COUNTED} ({RCIL})", score, DISJOINT))
            found.append(Row("voc", method, task, tuple(published)))
    joint = Published(f"all classes at once, {OUT} ({MIB})", "all 77.4")
    return [*found, *(_lgkd("voc", task) for task in VOC_TASKS), Row("voc", "offline", "offline", (joint,))]


def _ade20k() -> list[Row]:
    found = []
    for method, table in ADE_MIB.items():
        for task, score in zip(ADE_TASKS, table.split(), strict=True):
            what = f"mean with order {task}b, {OUT} ({MIB})"
            published = [Published(what, _spaced(score), f"the second time --task.name {task}b")]
            if method in ADE_PLOP:
                options = f"--task.filter-mode overlap {AS_PLOP}"
                published.append(_as_plop(f"all {ADE_PLOP[method][task]}", options))
            found.append(Row("ade20k", method, task, tuple(published)))
    for method, tasks in ADE_PLOP.items():
        for task in tasks if method == "plop" else ["100-5"]:
            found.append(Row("ade20k", method, task, (_as_plop(f"all {tasks[task]}", ""),)))  # noqa: PERF401
    joint = Published(f"all classes at once, {OUT} ({MIB})", "all 38.9")
    return [*found, *(_lgkd("ade20k", task) for task in ADE_TASKS), Row("ade20k", "offline", "offline", (joint,))]


def _lgkd(benchmark: str, task: str) -> Row:
    what = f"the first step alone, overlapped, {COUNTED} ({LGKD})"
    score = f"all {LGKD_FIRST[benchmark][task]}"
    return Row(benchmark, "lgkd", task, (Published(what, score, testing="--task.step 0 --task.images seen"),))


def _cityscapes() -> list[Row]:
    found = [
        Row("cityscapes", method, task, (Published(f"19 classes after the last step ({RCIL})", f"all {score}"),))
        for method, table in CITYSCAPES.items()
        for task, score in zip(("11-5", "11-1", "1-1"), table.split(), strict=True)
    ]
    cil = Published(f"all classes so far after each step ({CIL})", "84.5 / 64.0 / 62.2")
    joint = Published(f"all classes at once ({CIL})", "all 64.4")
    return [*found, Row("cityscapes", "cil", "1-2-3", (cil,)), Row("cityscapes", "offline", "offline", (joint,))]
