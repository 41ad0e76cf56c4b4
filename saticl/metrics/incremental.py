"""What a whole run is worth: scores over its steps, from the IoU of every class after every step. Pure NumPy.

The words are those of `saticl.metrics.scores`: *base* are the classes of step 0, *added* all later ones; means skip
classes without ground truth, and leave out the background unless their name says `with_background`. Everything comes
from the full prediction, the arg-max over all classes seen so far. The background's meaning changes with every step,
so it is never part of forgetting. A number that cannot be known is NaN: forgetting of a run of one step, the mean of a
group without ground truth. Definitions with their sources: docs/metrics.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saticl.metrics.scores import class_scores

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OverSteps:
    """Scores of the steps 0..T of a run; shares from 0 to 1."""

    by_step: Floats
    """a[t, j], [T+1, T+1]: mean IoU over the classes of step j after step t; NaN for j > t."""
    all: Floats
    """m[t], [T+1]: mean IoU over all classes seen after step t."""
    all_with_background: Floats
    forgetting: Floats
    """F[j], [T]: of every step's classes but the last's; see `forgetting`."""
    summary: dict[str, float]
    """The numbers of a run's row in a table."""


@dataclass(frozen=True)
class AgainstJoint:
    """Distances to a run that learned all classes in one step; positive: the joint run is better."""

    by_step: Floats
    """a*[j], [T+1]: the joint run's mean IoU over the classes of step j."""
    all: Floats
    """[T+1]: the joint run's mean IoU over all classes that are seen after step t."""
    intransigence: Floats
    """a*[t] - a[t, t], [T+1]: how much worse the classes of step t are, right after it, for learning in steps."""
    summary: dict[str, float]


def step_ranges(head_sizes: Sequence[int]) -> tuple[range, ...]:
    """Output indices of every step's classes, without the background; `head_sizes` as of `score_groups`."""
    ends = np.cumsum(head_sizes).tolist()
    return tuple(range(start, end) for start, end in zip([1, *ends[:-1]], ends, strict=True))


def true_iou(matrix: ArrayLike) -> Floats:
    """IoU of every class of a confusion matrix [K, K], rows truth; NaN for classes without ground truth."""
    classes = class_scores(matrix)
    return np.where(classes.support > 0, classes.iou, np.nan)


def mean(values: ArrayLike) -> float:
    """Mean of those that are not NaN; NaN where there are none."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    known = numbers[~np.isnan(numbers)]
    return float(known.mean()) if len(known) else float("nan")


def group_means(iou: Floats, head_sizes: Sequence[int]) -> list[float]:
    """Mean IoU over the classes of every step in `head_sizes`; NaN where `iou` does not reach yet."""
    return [mean(iou[group.start : group.stop]) for group in step_ranges(head_sizes)]


def over_steps(iou: Sequence[ArrayLike], head_sizes: Sequence[int], knows_background: bool = True) -> OverSteps:
    """Scores over all steps of a run.

    Args:
        iou: of the steps 0..T in order, by output index (background first), as of `true_iou`; the one after step t
            has the length 1 + |K0| + ... + |Kt|.
        head_sizes: output indices that each step has added, (1 + |K0|, |K1|, ..., |KT|).
        knows_background: whether the truth says after every step where the background is; else what is counted with
            it is NaN.
    """
    steps = [np.asarray(values, dtype=np.float64) for values in iou]
    by_step = np.array([group_means(values, head_sizes) for values in steps])
    of_all = np.array([mean(values[1:]) for values in steps])
    with_background = np.array([mean(values) if knows_background else np.nan for values in steps])
    last, first = steps[-1], head_sizes[0]
    base, added = mean(last[1:first]), mean(last[first:])
    base_with_background = mean(last[:first]) if knows_background else float("nan")
    lost = forgetting(by_step)
    summary = {
        "final": float(of_all[-1]),
        "final_with_background": float(with_background[-1]),
        "average": mean(of_all),
        "average_with_background": mean(with_background),
        "base": base,
        "base_with_background": base_with_background,
        "added": added,
        "harmonic": harmonic_mean(base, added),
        "harmonic_with_background": harmonic_mean(base_with_background, added),
        "forgetting": mean(lost),
        "backward_transfer": backward_transfer(by_step),
        "plasticity": plasticity(by_step),
    }
    return OverSteps(by_step, of_all, with_background, lost, summary)


def forgetting(by_step: ArrayLike) -> Floats:
    """The best that the classes of step j have been before the last step, minus what they are after it: [T].

    F[j] = max over t = j..T-1 of a[t, j], minus a[T, j] (Chaudhry et al., ECCV 2018); negative where the last step
    has improved them. `by_step` is a, [T+1, T+1].
    """
    scores = np.asarray(by_step, dtype=np.float64)
    earlier, final = scores[:-1, :-1], scores[-1, :-1]
    if len(earlier) == 0:
        return np.empty(0)
    learned = np.where(np.tri(len(earlier), dtype=np.bool_), earlier, np.nan)
    best: Floats = np.fmax.reduce(learned, axis=0)
    return best - final


def backward_transfer(by_step: ArrayLike) -> float:
    """Mean over j < T of a[T, j] - a[j, j] (Lopez-Paz and Ranzato, NeurIPS 2017); negative: forgetting."""
    scores = np.asarray(by_step, dtype=np.float64)
    return mean((scores[-1] - scores.diagonal())[:-1])


def plasticity(by_step: ArrayLike) -> float:
    """Mean over j > 0 of a[j, j]: how well classes are known right after they were added."""
    return mean(np.asarray(by_step, dtype=np.float64).diagonal()[1:])


def harmonic_mean(first: float, second: float) -> float:
    """2ab / (a + b): high only where both are; 0 where both are 0."""
    both = first + second
    return 2 * first * second / both if both else both


def against_joint(run: OverSteps, joint: ArrayLike, head_sizes: Sequence[int]) -> AgainstJoint:
    """Compare a run with a joint one.

    Args:
        run: as of `over_steps`.
        joint: the joint run's IoU by output index of `run`'s last step; the background's is not read.
        head_sizes: as of `over_steps`.
    """
    iou = np.asarray(joint, dtype=np.float64)
    by_step = np.array(group_means(iou, head_sizes))
    of_all = np.array([mean(iou[1:end]) for end in np.cumsum(head_sizes)])
    missed = by_step - run.by_step.diagonal()
    gap = float(of_all[-1] - run.all[-1])
    summary = {
        "joint": float(of_all[-1]),
        "intransigence": mean(missed[1:]),
        "gap": gap,
        "relative_gap": _ratio(gap, float(of_all[-1])),
        "share_of_joint": mean([_ratio(*pair) for pair in zip(run.all.tolist(), of_all.tolist(), strict=True)]),
    }
    return AgainstJoint(by_step, of_all, missed, summary)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
