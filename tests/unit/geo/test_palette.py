import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saticl.datasets.isprs import COLOURS, PALETTE
from saticl.geo import palette
from saticl.geo.palette import ExactPalette, IndexPalette, distinct_colours, encode
from saticl.labels import IGNORE

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


def test_colours_for_classes_without_any_all_differ() -> None:
    assert len(set(distinct_colours(60))) == 60
