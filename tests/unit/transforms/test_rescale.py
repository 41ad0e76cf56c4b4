import cv2
import numpy as np
import pytest

from saticl.labels import IGNORE
from saticl.transforms.augment import Augment
from saticl.transforms.rescale import filling, rescaled_crop
from saticl.views import Views

PHOTO = Views(symmetries="none", crop="scale")


def numbered(height: int, width: int, bands: int = 2, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """An image whose first band is its row, the others its column, and a mask of checks."""
    rows, cols = np.mgrid[:height, :width]
    image = np.stack([rows, *[cols] * (bands - 1)], axis=-1).astype(dtype)
    return image, ((rows // 8 + cols // 8) % 2).astype(np.uint8)


def crop(image: np.ndarray, mask: np.ndarray, size: int, low: float, high: float, seed: int = 0):  # noqa: ANN201
    fill = [-7.25] * image.shape[-1]
    crop, (labels,) = rescaled_crop(image, [mask], size, (low, high), fill, np.random.default_rng(seed))
    return crop, labels


def test_an_unscaled_crop_is_a_piece_of_the_image_at_a_random_place() -> None:
    image, mask = numbered(60, 50)
    places = set()

    for seed in range(40):
        view, labels = crop(image, mask, 32, 1, 1, seed)
        row, col = int(view[0, 0, 0]), int(view[0, 0, 1])
        places.add((row, col))
        assert np.array_equal(view, image[row : row + 32, col : col + 32])
        assert np.array_equal(labels, mask[row : row + 32, col : col + 32])

    assert len(places) > 30
    assert min(row for row, _ in places) < 5
    assert 23 < max(row for row, _ in places) <= 28


def test_scales_span_the_whole_range() -> None:
    image, mask = numbered(400, 400)

    spans = [float(np.ptp(crop(image, mask, 64, 0.5, 2, seed)[0][..., 0])) for seed in range(200)]

    assert 30 <= min(spans) < 36, "twice as large: half as much is seen"
    assert 115 < max(spans) <= 128, "half as large: twice as much is seen"


@pytest.mark.parametrize(("factor", "span"), [(2, 16), (0.5, 64)])
def test_a_larger_factor_shows_less(factor: float, span: int) -> None:
    view, _ = crop(*numbered(400, 400), 32, factor, factor)

    assert np.ptp(view[..., 0]) == pytest.approx(span, abs=2)


@pytest.mark.parametrize(("factor", "shown"), [(0.5, 10), (1, 20), (1.5, 30), (3, 48)])
def test_a_small_image_is_scaled_too(factor: float, shown: int) -> None:
    _, labels = crop(*numbered(20, 20), 48, factor, factor)

    assert ((labels != IGNORE).sum(0).max(), (labels != IGNORE).sum(1).max()) == (shown, shown)


def test_crops_reach_both_ends_of_the_image() -> None:
    firsts = [int(crop(*numbered(36, 36), 32, 1, 1, seed)[0][0, 0, 0]) for seed in range(60)]

    assert set(firsts) == set(range(5))


def test_what_a_small_image_does_not_fill_is_ignored_and_holds_the_fill_at_either_end() -> None:
    image, mask = numbered(20, 90)
    firsts = set()

    for seed in range(40):
        view, labels = crop(image, mask, 32, 1, 1, seed)
        used = labels[:, 0] != IGNORE
        firsts.add(int(used.argmax()))
        assert used.sum() == 20
        assert (labels[used] != IGNORE).all()
        assert (labels[~used] == IGNORE).all()
        assert (view[~used] == -7.25).all()
        assert np.array_equal(view[used][:, 0, 0], np.arange(20))

    assert {0, 12} <= firsts <= set(range(13))


def test_labels_stay_on_their_pixels_at_any_scale() -> None:
    _, mask = numbered(200, 150)
    image = (100 * mask[..., None]).astype(np.float32).repeat(2, -1)

    for seed in range(20):
        view, labels = crop(image, mask, 64, 0.5, 2, seed)
        pure = np.isin(view[..., 0], (0, 100)) & (labels != IGNORE)
        assert (view[..., 0][pure] == 100 * labels[pure]).mean() > 0.99
        assert set(np.unique(labels)) <= {0, 1, IGNORE}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 4, 5, 13])
@pytest.mark.parametrize("extent", [(500, 375), (20, 90), (1, 1)])
def test_any_number_of_bands_of_any_type_and_any_shape(extent: tuple[int, int], bands: int, dtype: str) -> None:
    image, mask = numbered(*extent, bands, dtype)
    augment = Augment(48, 3, [100.5] * bands, views=PHOTO)

    for number in range(5):
        view, labels = augment(image, mask, (0, number))
        assert (view.shape, view.dtype) == ((48, 48, bands), dtype)
        assert (labels.shape, labels.dtype) == ((48, 48), np.uint8)
        assert view.flags.c_contiguous
        outside = labels == IGNORE
        assert (view[outside] == (100.5 if dtype == "float32" else 100)).all()


def test_only_what_is_seen_is_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = numbered(400, 400)
    resized: list[int] = []
    resize = cv2.resize
    monkeypatch.setattr(
        cv2, "resize", lambda pixels, *a, **k: resized.append(max(pixels.shape)) or resize(pixels, *a, **k)
    )

    for seed in range(20):
        crop(image, mask, 32, 0.5, 2, seed)

    assert len(resized) == 40
    assert max(resized) <= 64


def test_the_same_key_gives_the_same_view() -> None:
    image, mask = numbered(90, 90)
    ours, theirs = Augment(48, 3, [0, 0], views=PHOTO), Augment(48, 3, [0, 0], views=PHOTO)
    views = [ours(image, mask, (1, number)) for number in range(6)]

    for number in reversed(range(6)):
        again = theirs(image, mask, (1, number))
        assert np.array_equal(again[0], views[number][0])
        assert np.array_equal(again[1], views[number][1])
    assert len({view.tobytes() for view, _ in views}) == 6


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", [255, 0, 12]), ("uint16", [1500, 0, 12]), ("int16", [1500, -3, 12]), ("float32", [1500.4, -3, 11.6])],
)
def test_values_that_fill_are_rounded_and_stay_within_the_type(dtype: str, expected: list[float]) -> None:
    found = filling((1500.4, -3.0, 11.6), np.dtype(dtype))

    np.testing.assert_array_equal(found, np.array(expected, dtype))
