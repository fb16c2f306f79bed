"""StyleGAN (2019): published sizes, its layers by hand, and what its methods share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.networks.stylegan import StyleGANDiscriminator, StyleGANGenerator
from tests.networks.style import CLASSES, apply, parameter_count, pictures, variables_of, z_of

SMALL = {"w_features": 8, "mapping_layers": 2, "channel_base": 64, "channel_max": 8}
NARROW = {"channel_base": 64, "channel_max": 8}


def test_parameter_counts():
    """The release prints G 26,219,627 and D 23,087,249 at 1024, the layers by which the smaller
    sizes of its progressive growing enter and leave included."""
    widths = [512, 512, 512, 512, 256, 128, 64, 32]
    to_pictures = sum(3 * width + 3 for width in widths)
    from_pictures = sum(3 * width + width for width in widths)
    images = jax.ShapeDtypeStruct((2, 1024, 1024, 3), jnp.float32)
    made = parameter_count(StyleGANGenerator(1024), jnp.zeros((2, 512)))
    assert made == 26_219_627 - to_pictures
    assert parameter_count(StyleGANDiscriminator(1024), images) == 23_087_249 - from_pictures


@pytest.mark.slow
def test_it_traces_at_1024():
    made, judge = StyleGANGenerator(1024), StyleGANDiscriminator(1024)

    def loss(z):
        images, variables = made.init_with_output(jax.random.key(0), z, train=True)
        logits, of_judge = judge.init_with_output(jax.random.key(1), images, train=True)
        r1 = jax.grad(lambda x: jnp.sum(judge.apply(of_judge, x, train=True)))

        def penalty(images):
            return jnp.sum(r1(images) ** 2)

        return images, logits, jax.grad(penalty)(images)

    z = jax.ShapeDtypeStruct((4, 512), jnp.float32)
    images, logits, gradient = jax.eval_shape(loss, z)
    assert images.shape == gradient.shape == (4, 1024, 1024, 3)
    assert logits.shape == (4,) and images.dtype == logits.dtype == jnp.float32


def test_every_w_counts():
    module = StyleGANGenerator(8, **SMALL)
    variables = variables_of(module, z_of())
    ws = apply(module, variables, z_of(), train=False, method="map")
    assert module.num_ws == 4 and ws.shape == (4, 4, 8)
    settings = {"train": False, "noise": "constant", "method": "synthesise"}
    image = apply(module, variables, ws, **settings)
    assert image.shape == (4, 8, 8, 3)
    for index in range(4):
        other = apply(module, variables, ws.at[:, index].add(1.0), **settings)
        assert np.abs(other - image).max() > 1e-3, index


def test_average_w_and_truncation():
    module = StyleGANGenerator(8, **SMALL)
    variables = variables_of(module, z_of())
    before = variables["w_avg"]["mapping"]["w_avg"]
    ws, moved = apply(module, variables, z_of(), train=True, method="map", mutable=("w_avg",))
    np.testing.assert_allclose(
        moved["w_avg"]["mapping"]["w_avg"],
        0.995 * before + 0.005 * np.mean(ws[:, 0], axis=0),
        rtol=1e-5,
    )
    cut = apply(
        module,
        variables,
        z_of(),
        train=False,
        method="map",
        truncation=jnp.float32(0.7),
        cutoff=3,
    )
    np.testing.assert_allclose(cut[:, 0], before + 0.7 * (ws[:, 0] - before), atol=1e-6)
    np.testing.assert_array_equal(cut[:, 3], ws[:, 3])


@pytest.mark.slow
def test_a_label_picks_its_logit():
    module = StyleGANDiscriminator(8, num_classes=3, group_size=1, **NARROW)
    variables = variables_of(module, pictures(8), CLASSES)
    each = np.stack(
        [
            apply(module, variables, pictures(8), np.full(4, k, np.int32), train=True)
            for k in range(3)
        ]
    )
    picked = apply(module, variables, pictures(8), CLASSES, train=True)
    np.testing.assert_allclose(picked, each[CLASSES, np.arange(4)], rtol=1e-5)
    mixed = apply(module, variables, pictures(8), np.full((4, 3), 0.5, np.float32), train=True)
    np.testing.assert_allclose(mixed, 0.5 * each.sum(0), rtol=1e-4)
    with pytest.raises(UsageError, match="got no label"):
        module.apply(variables, pictures(8), train=True)


@pytest.mark.parametrize("size", [4, 48, 2048])
def test_another_size_is_refused(size):
    for module, value in (
        (StyleGANGenerator(size, **SMALL), z_of()),
        (StyleGANDiscriminator(size, **NARROW), jnp.zeros((4, size, size, 3))),
    ):
        with pytest.raises(UsageError, match=f"not {size}: set data.size"):
            jax.eval_shape(lambda m=module, v=value: m.init(jax.random.key(0), v, train=True))


@pytest.mark.slow
def test_bfloat16_stays_near_float32():
    results = []
    for dtype in (None, jnp.bfloat16):
        module = StyleGANGenerator(8, **SMALL, dtype=dtype)
        variables = variables_of(module, z_of())
        image = apply(module, variables, z_of(), train=False, noise="constant")
        judge = StyleGANDiscriminator(8, **NARROW, dtype=dtype)
        logits = apply(judge, variables_of(judge, pictures(8)), pictures(8), train=True)
        assert image.dtype == logits.dtype == jnp.float32
        results.append((image, logits))
    for exact, rough in zip(*results, strict=True):
        error = np.abs(rough - exact).max() / np.abs(exact).max()
        assert 0 < error < 0.05
