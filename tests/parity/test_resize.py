"""The four resizes against the code of the tools that they follow, on white noise."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_fidelity")
pytest.importorskip("cleanfid")

from gan_jax.metrics.resize import resize  # noqa: E402

TOLERANCE = 2e-4  # of 255; the issue asks for 2e-3
SIDES = [(32, 32), (64, 64), (256, 256), (512, 512), (1024, 1024)]
MIXED = [(299, 299), (300, 200), (97, 513), (1, 5), (298, 600)]


def tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def array(resized):
    return resized.permute(0, 2, 3, 1).numpy()


def tf1(images, size):
    import torch_fidelity.interpolate_compat_tensorflow as reference

    resized = reference.interpolate_bilinear_2d_like_tensorflow1x(
        tensor(images), size=size, align_corners=False
    )
    return array(resized)


def interpolate(images, size, antialias):
    return array(
        torch.nn.functional.interpolate(
            tensor(images), size=size, mode="bilinear", align_corners=False, antialias=antialias
        )
    )


def clean(images, size):
    from cleanfid.resize import make_resizer

    resizer = make_resizer("PIL", False, "bicubic", size[::-1])
    return np.stack([resizer(image) for image in images])


REFERENCES = {
    "tf1": tf1,
    "bilinear": lambda images, size: interpolate(images, size, False),
    "bilinear_antialias": lambda images, size: interpolate(images, size, True),
    "bicubic_antialias": clean,
}


def noise(height, width):
    generator = np.random.default_rng(height * 10_000 + width)
    return generator.integers(0, 256, (2, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", REFERENCES)
@pytest.mark.parametrize(("height", "width"), SIDES + MIXED)
def test_to_299(kind, height, width):
    images = noise(height, width)
    expected = REFERENCES[kind](images, (299, 299))
    np.testing.assert_allclose(resize(images, 299, kind), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", REFERENCES)
def test_to_another_size(kind):
    images = noise(70, 33)
    expected = REFERENCES[kind](images, (48, 91))
    np.testing.assert_allclose(resize(images, (48, 91), kind), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", REFERENCES)
def test_inside_jit(kind):
    images = noise(200, 310)
    resized = jax.jit(lambda x: resize(x, 299, kind))(images)
    expected = REFERENCES[kind](images, (299, 299))
    np.testing.assert_allclose(resized, expected, rtol=0, atol=TOLERANCE)


def test_the_four_differ_by_what_the_tests_would_see():
    images = noise(256, 256)
    resized = [resize(images, 299, kind) for kind in REFERENCES]
    for number, one in enumerate(resized):
        for other in resized[number + 1 :]:
            # At this enlargement both bilinear ones are the same but for rounding.
            bilinear = number == 1 and other is resized[2]
            assert (np.abs(one - other).max() > 1.0) != bilinear
