import numpy as np
import pytest
import torch

from saticl.errors import InvalidOptions
from saticl.transforms.augment import Augment, Bands, Bytes
from saticl.transforms.normalize import Normalize

MEANS = (90.0, 100.0, 110.0, 120.0, 0.25)


def tile(bands: int = 3, dtype: str = "uint8", side: int = 64) -> tuple[Bands, Bytes]:
    """An image whose every band follows the mask, and the mask: classes 0 to 3 in quarters, an ignored corner."""
    mask = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((side // 2, side // 2), np.uint8))
    mask[:8, :8] = 255
    image = np.repeat((40 + 20 * (mask % 4))[..., None], bands, axis=-1)
    return image.astype(dtype), mask


def test_the_same_key_gives_the_same_view_and_others_differ() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    mask = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    ours, theirs = Augment(48, 5, MEANS[:3]), Augment(48, 5, MEANS[:3])
    keys = [(epoch, number) for epoch in range(3) for number in range(4)]

    views = [ours(noise, mask, key) for key in keys]

    for key, view in reversed(list(zip(keys, views, strict=True))):  # in another order: no hidden state
        again = theirs(noise, mask, key)
        assert np.array_equal(view[0], again[0])
        assert np.array_equal(view[1], again[1])
    assert len({view[0].tobytes() for view in views}) == len(keys)


def test_another_seed_gives_other_views() -> None:
    image, mask = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), np.zeros((64, 64), np.uint8)

    assert not np.array_equal(
        Augment(64, 1, MEANS[:3])(image, mask, (0, 0))[0], Augment(64, 2, MEANS[:3])(image, mask, (0, 0))[0]
    )


def test_global_generators_are_left_alone() -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr,index] # noqa: NPY002 - the point of the test

    Augment(64, 1, MEANS[:3])(*tile(), (0, 0))

    assert np.array_equal(state, np.random.get_state()[1])  # type: ignore[index] # noqa: NPY002


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5, 13])
def test_any_number_of_bands_of_any_type_keeps_shape_and_type(bands: int, dtype: str) -> None:
    augment = Augment(32, 0, (50.0,) * bands)

    for number in range(10):
        image, mask = augment(*tile(bands, dtype), (0, number))
        assert (image.shape, image.dtype) == ((32, 32, bands), dtype)
        assert (mask.shape, mask.dtype) == ((32, 32), np.uint8)
        assert image.flags.c_contiguous


def test_image_and_mask_move_together() -> None:
    """Inside the squares, away from borders that resizing blends, the colour still says the class."""
    augment = Augment(64, 0, (50.0,) * 2)
    image, mask = tile(2, "float32")

    for number in range(40):
        view, labels = augment(image, mask, (0, number))
        pure = np.isclose(view[..., 0] % 20, 0) & np.isclose(view[..., 0], np.round(view[..., 0]))
        clear = pure & (labels != 255)
        assert clear.mean() > 0.5
        assert (view[..., 0][clear] == 40 + 20 * labels[clear]).mean() > 0.97  # nearest and bilinear differ by a pixel


def test_labels_are_never_blended_or_invented() -> None:
    augment = Augment(48, 0, MEANS[:3])

    for number in range(40):
        assert set(np.unique(augment(*tile(), (0, number))[1])) <= {0, 1, 2, 3, 255}


def test_views_show_at_least_half_of_the_side_and_at_most_all() -> None:
    """The mask of a full tile numbers its rows: a view of size S spans S/2 to S of them."""
    rows = np.repeat(np.arange(64, dtype=np.uint8)[:, None], 64, 1)
    image = np.zeros((64, 64, 3), np.uint8)
    augment = Augment(64, 0, MEANS[:3])

    spans = {int(np.ptp(augment(image, rows, (0, number))[1].astype(int))) + 1 for number in range(100)}

    assert min(spans) < 44
    assert min(spans) >= 31  # nearest sampling may miss the last row
    assert max(spans) == 64


def test_all_eight_symmetries_occur() -> None:
    mask = np.array([[0, 1], [2, 3]], np.uint8).repeat(32, 0).repeat(32, 1)
    augment = Augment(64, 0, MEANS[:3])

    seen = set()
    for number in range(200):
        labels = augment(np.zeros((64, 64, 3), np.uint8), mask, (0, number))[1]
        seen.add(tuple(int(labels[row, col]) for row in (0, -1) for col in (0, -1)))

    assert len({corners for corners in seen if len(set(corners)) == 4}) == 8


def test_light_varies_for_bytes_only_and_mildly() -> None:
    flat, mask = np.full((32, 32, 4), 100), np.zeros((32, 32), np.uint8)
    augment = Augment(32, 0, MEANS[:4])

    levels = {int(augment(flat.astype(np.uint8), mask, (0, number))[0].mean()) for number in range(60)}
    wide = {float(augment(flat.astype(np.uint16), mask, (0, number))[0].mean()) for number in range(60)}

    assert len(levels) > 10
    assert min(levels) >= 100 * 0.9 - 0.1 * 255 - 1
    assert max(levels) <= 100 * 1.1 + 0.1 * 255 + 1
    assert wide == {100.0}


def test_light_does_not_depend_on_the_crop() -> None:
    """Two stages from one seed would tie how bright a view is to where it was cut."""
    gradient = np.tile(np.arange(64, dtype=np.uint8)[:, None, None], (1, 64, 1))
    mask = np.repeat(np.arange(64, dtype=np.uint8)[:, None], 64, 1)
    augment = Augment(64, 0, MEANS[:1])
    spans, shifts = [], []

    for number in range(300):
        view, rows = augment(gradient, mask, (0, number))
        spans.append(float(np.ptp(rows.astype(int))))
        shifts.append(float((view[..., 0].astype(float) - rows).mean()))

    assert abs(np.corrcoef(spans, shifts)[0, 1]) < 0.2  # three deviations of chance


def test_a_surface_model_turns_with_the_image_and_keeps_its_light() -> None:
    image, mask = tile()
    surface = mask[..., None].astype(np.float32)
    augment = Augment(64, 0, (50.0,) * 4)

    for number in range(20):
        view, labels = augment(image, mask, (0, number), surface)
        assert (view.shape, view.dtype) == ((64, 64, 4), np.float32)
        pure = np.isin(view[..., 3], (0, 1, 2, 3, 255))
        assert (view[..., 3][pure] == labels[pure]).mean() > 0.97


def test_a_blanked_band_is_one_at_its_mean_and_normalises_to_zero() -> None:
    augment = Augment(32, 0, MEANS, channel_drop=1.0)
    normalize = Normalize(MEANS, (1.0,) * 5)
    blanked = set()
    for number in range(40):
        view, _ = augment(*tile(5, "float32", 32), (0, number))
        normalised = normalize(torch.from_numpy(view).permute(2, 0, 1))
        zero = [band for band in range(5) if (normalised[band] == 0).all()]
        assert len(zero) == 1
        blanked |= set(zero)
    assert blanked == set(range(5))


def test_blanked_bytes_are_within_half_a_level_of_the_mean() -> None:
    augment = Augment(32, 0, (90.4, 100.6), channel_drop=1.0)

    for number in range(10):
        view, _ = augment(*tile(2, "uint8", 32), (0, number))
        assert any((view[..., band] == value).all() for band, value in enumerate((90, 101)))


def test_dropping_modalities_leaves_the_first_three_bands() -> None:
    augment = Augment(32, 0, MEANS, modality_drop=1.0)
    image, mask = tile(5, "float32", 32)

    view, _ = augment(image, mask, (0, 0))

    assert (view[..., 3] == MEANS[3]).all()
    assert (view[..., 4] == MEANS[4]).all()
    assert np.ptp(view[..., :3]) > 0
    assert len(np.unique(image[..., 3])) > 1, "the tile itself stays as it was"


def test_bands_are_dropped_as_often_as_asked() -> None:
    augment = Augment(32, 0, (0.0,) * 4, channel_drop=0.3)
    image, mask = np.ones((32, 32, 4), np.float32), np.zeros((32, 32), np.uint8)

    dropped = sum(bool((augment(image, mask, (0, number))[0] == 0).any()) for number in range(400))

    assert 80 <= dropped <= 160  # 120, four deviations of chance


def test_dropping_what_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidOptions, match="--channel-drop would blank the only band"):
        Augment(32, 0, (0.0,), channel_drop=0.1)
    with pytest.raises(InvalidOptions, match="--modality-drop blanks the bands beyond the first 3, but 3 are read"):
        Augment(32, 0, (0.0,) * 3, modality_drop=0.1)
