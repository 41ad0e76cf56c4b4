import numpy as np
import torch

from saticl.transforms.normalize import Normalize

MEAN, STD = (10.0, 200.0, -3.0, 0.5), (2.0, 50.0, 1.0, 0.25)


def test_raw_bands_get_the_statistics_of_the_dataset() -> None:
    raw = torch.randint(0, 255, (2, 4, 5, 3), dtype=torch.uint8)

    out = Normalize(MEAN, STD)(raw)

    expected = (raw.numpy().astype(np.float64) - np.reshape(MEAN, (4, 1, 1))) / np.reshape(STD, (4, 1, 1))
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6, atol=1e-6)  # float32 against float64


def test_a_band_at_its_mean_becomes_exactly_zero() -> None:
    image = torch.tensor(MEAN).view(1, 4, 1, 1).expand(1, 4, 2, 2)

    assert (Normalize(MEAN, STD)(image) == 0).all()


def test_channels_stay_last_in_memory() -> None:
    raw = torch.zeros(2, 4, 6, 5, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)

    assert Normalize(MEAN, STD)(raw).is_contiguous(memory_format=torch.channels_last)


def test_a_constant_band_becomes_zero_instead_of_infinite() -> None:
    assert (Normalize((7.0,), (0.0,))(torch.full((1, 1, 2, 2), 7, dtype=torch.uint8)) == 0).all()


def test_statistics_are_float32_buffers_and_nothing_is_learned() -> None:
    module = Normalize(MEAN, STD)

    assert {name: buffer.dtype for name, buffer in module.named_buffers()} == {
        "mean": torch.float32,
        "std": torch.float32,
    }
    assert not list(module.parameters())
