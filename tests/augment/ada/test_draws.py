"""Every drawn parameter has the published distribution, and changed constants are noticed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.augment.ada import band_filter, blit, color, corruption, geometric

COUNT = 20_000

# Settings, their parameter, its distribution, and the probability that it is not 0 at p = 1.
NORMAL = [
    (geometric, geometric.Geometric(), "scale", 0.2),
    (geometric, geometric.Geometric(), "anisotropy", 0.2),
    (geometric, geometric.Geometric(), "translation", 0.125),
    (color, color.Color(), "brightness", 0.2),
    (color, color.Color(), "contrast", 0.5),
    (color, color.Color(), "saturation", 1.0),
]
UNIFORM = [
    (blit, blit.Blit(), "translation", 0.125),
    (geometric, geometric.Geometric(), "turn_before", np.pi),
    (geometric, geometric.Geometric(), "turn_after", np.pi),
    (color, color.Color(), "hue", np.pi),
]
INTEGER = [
    (blit, blit.Blit(), "mirrored", 2),
    (blit, blit.Blit(), "quarter_turns", 4),
    (color, color.Color(), "flipped", 2),
]


def drawn(module, settings, name, p):
    values = getattr(module.draw(settings, jax.random.key(4), jnp.float32(p), COUNT, "f4"), name)
    return np.asarray(values, np.float64)


def assert_normal(values, std):
    values = values.ravel()
    error = 5 * std / np.sqrt(len(values))
    assert abs(values.mean()) < error
    assert abs(values.std() - std) < error
    assert abs((np.abs(values) < std).mean() - 0.6827) < 0.015


def assert_uniform(values, bound):
    assert np.abs(values).max() <= bound
    np.testing.assert_allclose(
        np.quantile(values, [0.01, 0.25, 0.5, 0.75, 0.99]),
        bound * np.asarray([-0.98, -0.5, 0.0, 0.5, 0.98]),
        atol=0.03 * bound,
    )


def assert_share(chosen, probability):
    error = 5 * np.sqrt(probability * (1 - probability) / len(chosen))
    assert abs(np.mean(chosen) - probability) <= error


@pytest.mark.parametrize("module,settings,name,std", NORMAL, ids=lambda value: str(value)[:20])
def test_normal(module, settings, name, std):
    assert_normal(drawn(module, settings, name, 1.0), std)
    with pytest.raises(AssertionError):
        assert_normal(drawn(module, settings, name, 1.0), 1.1 * std)


@pytest.mark.parametrize("module,settings,name,bound", UNIFORM, ids=lambda value: str(value)[:20])
def test_uniform(module, settings, name, bound):
    assert_uniform(drawn(module, settings, name, 1.0), bound)
    with pytest.raises(AssertionError):
        assert_uniform(drawn(module, settings, name, 1.0), 1.1 * bound)


@pytest.mark.parametrize("module,settings,name,count", INTEGER, ids=lambda value: str(value)[:20])
def test_integers(module, settings, name, count):
    values = drawn(module, settings, name, 1.0)
    for value in range(count):
        assert_share(values == value, 1 / count)
    assert_share(drawn(module, settings, name, 0.4) != 0, 0.4 * (1 - 1 / count))


@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize(
    "module,settings,name",
    [case[:3] for case in NORMAL + UNIFORM[:1] + UNIFORM[3:]],
    ids=lambda value: str(value)[:20],
)
def test_drawn_with_probability_p(module, settings, name, p):
    chosen = drawn(module, settings, name, p) != 0
    if chosen.ndim == 2:
        np.testing.assert_array_equal(chosen[:, 0], chosen[:, 1])  # both directions or none
        chosen = chosen[:, 0]
    assert_share(chosen, p)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_either_rotation_happens_with_probability_p(p):
    draw = geometric.draw(geometric.Geometric(), jax.random.key(0), jnp.float32(p), COUNT, "f4")
    before, after = (np.asarray(angle) != 0 for angle in (draw.turn_before, draw.turn_after))
    assert_share(before | after, p)
    assert_share(before, 1 - np.sqrt(1 - p))
    assert_share(before & after, (1 - np.sqrt(1 - p)) ** 2)


def test_multipliers_scale_p_and_0_draws_nothing():
    settings = geometric.Geometric(scale=0.5, rotation=0.5, anisotropy=0.0)
    draw = geometric.draw(settings, jax.random.key(0), jnp.float32(0.6), COUNT, "f4")
    assert_share(np.asarray(draw.scale) != 0, 0.3)
    assert_share((np.asarray(draw.turn_before) != 0) | (np.asarray(draw.turn_after) != 0), 0.3)
    assert not np.any(draw.anisotropy)
    none = replace(settings, scale=0.0, rotation=0.0, translation=0.0)
    traced = jax.make_jaxpr(lambda p: geometric.draw(none, jax.random.key(0), p, 4, "f4"))(0.5)
    assert "random_bits" not in str(traced)


def test_bands_are_drawn_apart():
    settings = band_filter.BandFilter(bands=(1.0, 0.5, 0.0, 1.0))
    draw = band_filter.draw(settings, jax.random.key(0), jnp.float32(0.5), COUNT, "f4")
    chosen = np.asarray(draw) != 0
    for band, probability in enumerate((0.5, 0.25, 0.0, 0.5)):
        assert_share(chosen[:, band], probability)
    assert_share(chosen[:, 0] & chosen[:, 3], 0.25)
    full = band_filter.draw(band_filter.BandFilter(), jax.random.key(1), jnp.ones(()), COUNT, "f4")
    assert_normal(np.asarray(full, np.float64), 1.0)


def test_noise_is_half_normal():
    std = corruption.draw_noise(corruption.Noise(), jax.random.key(0), jnp.ones(()), COUNT, "f4")
    std = np.asarray(std, np.float64)
    assert std.min() >= 0
    np.testing.assert_allclose(std.mean(), 0.1 * np.sqrt(2 / np.pi), rtol=0.03)
    np.testing.assert_allclose(np.mean(std**2), 0.01, rtol=0.06)
    some = corruption.draw_noise(
        corruption.Noise(0.5), jax.random.key(0), jnp.float32(0.4), COUNT, "f4"
    )
    assert_share(np.asarray(some) != 0, 0.2)


def test_cutout_is_anywhere():
    draw = corruption.draw_cutout(
        corruption.Cutout(), jax.random.key(0), jnp.float32(0.3), COUNT, "f4"
    )
    assert_share(np.asarray(draw.cut) == 1, 0.3)
    assert_uniform(np.asarray(draw.centre) - 0.5, 0.5)
