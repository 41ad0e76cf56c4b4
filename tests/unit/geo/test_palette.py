from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saticl.datasets.isprs import COLOURS, PALETTE
from saticl.geo import palette
from saticl.geo.palette import (
    GREYS,
    EitherPalette,
    ExactPalette,
    IndexPalette,
    PresencePalette,
    distinct_colours,
    encode,
    free_grey,
)
from saticl.labels import IGNORE, MAX_CLASSES, UNLABELLED, Colour

MASKS = arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 2, 3, 4, 5, 255])
)


def slow_isprs(rgb: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Pixel by pixel, from the description of the defects."""
    labels = np.full(rgb.shape[1:], IGNORE, np.uint8)
    inexact = residual = 0
    for place in np.ndindex(*rgb.shape[1:]):
        colour = tuple(int(value) for value in rgb[(slice(None), *place)])
        pure = tuple(255 if value >= 128 else 0 for value in colour)
        if pure in COLOURS:
            labels[place] = COLOURS.index(pure)
        elif pure != (0, 0, 0):
            residual += 1
        inexact += colour not in (*COLOURS, (0, 0, 0))
    return labels, inexact, residual


def number(flags: np.ndarray | None) -> int:
    return 0 if flags is None else int(flags.sum())


def test_ignore_is_the_same_word_in_all_layers() -> None:
    assert palette.IGNORE == IGNORE


@given(MASKS)
def test_decoding_undoes_encoding(mask: np.ndarray) -> None:
    for scheme in (PALETTE, ExactPalette(COLOURS, ((0, 0, 0),))):
        decoded = scheme.decode(encode(mask, COLOURS))

        np.testing.assert_array_equal(decoded.labels, mask)
        assert decoded.inexact is None
        assert decoded.unknown is None


@given(
    arrays(
        np.uint8,
        st.tuples(st.just(3), st.integers(1, 6), st.integers(1, 6)),
        elements=st.sampled_from([0, 1, 127, 128, 252, 254, 255]),
    )
)
def test_thresholding_agrees_with_a_reference_pixel_by_pixel(rgb: np.ndarray) -> None:
    labels, inexact, residual = slow_isprs(rgb)

    decoded = PALETTE.decode(rgb)

    np.testing.assert_array_equal(decoded.labels, labels)
    assert (number(decoded.inexact), number(decoded.unknown)) == (inexact, residual)


@given(MASKS, st.integers(0, 120), st.integers(0, 2**32 - 1))
def test_blended_colours_are_recovered(mask: np.ndarray, strength: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, strength + 1, (3, *mask.shape))
    rgb = encode(mask, COLOURS).astype(int)

    decoded = PALETTE.decode(np.where(rgb > 0, rgb - noise, noise).astype(np.uint8))

    np.testing.assert_array_equal(decoded.labels, mask)


def test_colours_of_no_class_are_ignored_and_flagged() -> None:
    rgb = encode(np.zeros((2, 2), np.uint8), COLOURS)
    rgb[:, 0, 1] = 255, 0, 255

    decoded = PALETTE.decode(rgb)

    assert decoded.labels.tolist() == [[0, IGNORE], [0, 0]]
    assert decoded.unknown is not None
    assert decoded.unknown.tolist() == [[False, True], [False, False]]


def test_an_exact_palette_does_not_guess() -> None:
    decoded = ExactPalette(((60, 16, 152),), ((0, 0, 0),)).decode(np.array([60, 16, 153], np.uint8).reshape(3, 1, 1))

    assert decoded.labels.item() == IGNORE
    assert number(decoded.unknown) == 1


def test_numbers_become_labels_and_others_are_flagged() -> None:
    values = np.array([[[7, 1000, 0, 8, 65535]]], np.uint16)

    decoded = IndexPalette((1000, 7), ignored=(0,)).decode(values)

    assert decoded.labels.tolist() == [[1, 0, IGNORE, IGNORE, IGNORE]]
    assert decoded.unknown is not None
    assert decoded.unknown.tolist() == [[False, False, False, True, True]]


def test_negative_numbers_are_of_no_class() -> None:
    assert number(IndexPalette((0, 1)).decode(np.array([[[-1, -9999, 1]]], np.int16)).unknown) == 2


COLOURS_OF_A_USER = st.lists(st.tuples(*[st.integers(0, 255)] * 3), max_size=MAX_CLASSES, unique=True)


def nearest(colours: Sequence[Colour], others: Sequence[Colour]) -> float:
    """The smallest distance between a colour and another one."""
    first, second = (np.array(side, float).reshape(-1, 3) for side in (colours, others))
    apart = np.linalg.norm(first[:, None] - second[None], axis=2)
    if colours is others:
        np.fill_diagonal(apart, np.inf)
    return float(apart.min(initial=np.inf))


@given(COLOURS_OF_A_USER, st.data())
def test_colours_for_classes_without_any_differ_from_each_other_and_from_all_others(
    taken: list[Colour], data: st.DataObject
) -> None:
    wanted = data.draw(st.integers(0, MAX_CLASSES - len(taken)))

    made = distinct_colours(wanted, taken)

    assert len(made) == wanted
    assert nearest(made, made) >= 30
    assert nearest(made, taken) > 0
    assert nearest(made, [(0, 0, 0), (255, 255, 255), *GREYS]) >= 30
    assert distinct_colours(wanted, taken) == made


@pytest.mark.parametrize(("number", "apart"), [(6, 120), (12, 100), (20, 85), (60, 55), (MAX_CLASSES, 30)])
def test_few_colours_are_far_apart(number: int, apart: int) -> None:
    made = distinct_colours(number)

    assert nearest(made, made) >= apart
    assert nearest(made, [(0, 0, 0), (255, 255, 255), *GREYS]) >= min(apart, 60)


def test_more_classes_leave_the_colours_of_the_first_as_they_are() -> None:
    assert distinct_colours(30)[:10] == distinct_colours(10)


@given(COLOURS_OF_A_USER)
def test_the_grey_of_the_background_is_no_colour_of_a_class(taken: list[Colour]) -> None:
    assert free_grey([]) == GREYS[0]
    assert free_grey(taken) in GREYS
    assert (
        nearest([free_grey(taken)], taken) == max(nearest([grey], taken) for grey in GREYS)
        or nearest([free_grey(taken)], taken) >= 40
    )


def test_a_class_in_the_grey_of_the_background_moves_the_background() -> None:
    assert free_grey([GREYS[0]]) not in (GREYS[0], (0, 0, 0), (255, 255, 255))
    assert nearest([free_grey([GREYS[0]])], [GREYS[0]]) >= 40


@given(MASKS)
def test_colours_and_numbers_of_one_mask_give_the_same_labels(mask: np.ndarray) -> None:
    either = EitherPalette(ExactPalette(COLOURS, ((0, 0, 0),)), IndexPalette((10, 11, 12, 13, 14, 15), (0,)))
    numbers = np.where(mask == IGNORE, 0, mask + 10)[None]

    np.testing.assert_array_equal(either.decode(encode(mask, COLOURS)).labels, mask)
    np.testing.assert_array_equal(either.decode(numbers.astype(np.uint8)).labels, mask)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_mask_of_one_class_says_where_it_is_or_where_it_is_not(is_elsewhere: bool) -> None:
    values = np.array([[[0, 3, 0]], [[0, 0, 0]], [[0, 0, 255]]], np.uint8)
    drawn, rest = (UNLABELLED, 4) if is_elsewhere else (4, UNLABELLED)

    decoded = PresencePalette(4, is_elsewhere).decode(values)

    assert decoded.labels.tolist() == [[rest, drawn, drawn]]
    assert decoded.unknown is None
