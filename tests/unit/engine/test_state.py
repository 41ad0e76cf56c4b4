from hypothesis import given
from hypothesis import strategies as st

from saticl.engine.seed import derive
from saticl.engine.state import Progress


def test_only_a_higher_score_is_an_improvement() -> None:
    progress = Progress(epoch=1)

    improvements = [progress.observe(score) for score in (0.2, 0.2, 0.1, 0.3, float("nan"))]

    assert improvements == [True, False, False, True, False]
    assert (progress.best_score, progress.stalled) == (0.3, 1)


@given(st.integers(0, 99), st.integers(0, 999), st.floats(0, 1), st.integers(-1, 99), st.integers(0, 9))
def test_progress_survives_a_round_trip(epoch: int, iteration: int, best: float, at: int, stalled: int) -> None:
    progress = Progress(epoch, iteration, best, at, stalled)

    assert Progress.from_dict(progress.to_dict()) == progress


@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=4, unique=True))
def test_derived_seeds_depend_on_every_part_and_on_their_order(parts: list[int]) -> None:
    assert derive(*parts) == derive(*parts)
    assert 0 <= derive(*parts) < 2**63
    assert derive(*parts) != derive(*parts[:-1], parts[-1] + 1)
    if len(parts) > 1:
        assert derive(*parts) != derive(*reversed(parts))


def test_the_next_phase_goes_on_counting_and_forgets_scores() -> None:
    following = Progress(4, 12, 0.5, 3, 1, 1, 2, 6).next_phase()

    assert following == Progress(4, 12, phase=2, first_epoch=4, first_iteration=12)
    assert (following.phase, following.phase_epochs, following.phase_iterations) == (2, 0, 0)


def test_seeds_stay_what_they_were() -> None:
    assert derive(1, 2) == 7764949442709860949
