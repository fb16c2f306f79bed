"""Latents are found again, the same for the same seed; noise planes stay noise."""

import dataclasses
import types
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d

from gan_jax.errors import UsageError
from gan_jax.latents.distances import distance_named
from gan_jax.latents.drawn import nearest
from gan_jax.latents.model import LatentModel
from gan_jax.latents.noise_planes import (
    neighbour_correlation,
    normalised,
    planes_of,
    with_planes,
)
from gan_jax.latents.projection import Settings, project
from gan_jax.latents.spaces import floats_of, on_sphere, space_named, with_floats
from gan_jax.latents_command.project import beginning
from tests.latents.tiny import drawn, linear_model, states_of, styled_model

PIXELS = distance_named("pixels")


def float_pictures(space, model, points, fixed):
    draw = jax.vmap(space.draw, in_axes=(None, 0, 0))
    return np.asarray(jax.jit(draw)(model.variables, points, fixed))


def find(space, model, images, fixed, steps=300, seed=0, points=None, **settings):
    return project(
        space,
        PIXELS,
        Settings(steps=steps, **settings),
        variables=model.variables,
        images=images,
        fixed=fixed,
        key=jax.random.key(seed),
        points=points,
    )


def styled(strengths=0.0, name="w"):
    model = styled_model(strengths=strengths)
    return model, space_named(name, model, *drawn(model, 2000, seed=1))


def styled_targets(model, space, count=2):
    """Pictures that the generator made of w with its own planes, and those w."""
    ws = model.styles(*drawn(model, count, seed=7))
    points = ws if space.name == "w+" else ws[:, 0]
    fixed = np.zeros(count, np.float32)
    return float_pictures(space, model, points, fixed), points, fixed


def test_a_projection_begins_at_what_an_encoder_finds():
    recipe = dataclasses.replace(
        linear_model().recipe, encode=lambda nets, batch: batch["image"][:, 0, :6, 0]
    )
    model = LatentModel(recipe, states_of(linear_model()), {}, jax.random.key(5))
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    opened = types.SimpleNamespace(model=model, latents=lambda count: drawn(model, count, seed=1))
    space = space_named("z", model, *drawn(model, 200, seed=1))
    points, fixed = beginning(cast(Any, opened), space, PIXELS, images)
    np.testing.assert_array_equal(fixed[0], images[:, 0, :6, 0])
    assert jax.tree.map(np.array_equal, points, floats_of(fixed[0])) == {"": True}
    with pytest.raises(ValueError, match="encodes no pictures"):
        linear_model().encode(images, {})


def test_the_mean_and_the_deviation_of_a_space():
    model, space = styled()
    w = model.styles(*drawn(model, 2000, seed=1))[:, 0]
    np.testing.assert_allclose(space.mean, w.mean(axis=0), atol=1e-5)
    expected = np.sqrt(((w - w.mean(axis=0)) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(space.deviation, expected, rtol=1e-5)
    assert space.from_mean(space.mean) == 0.0
    np.testing.assert_allclose(
        space.from_mean(w[3]), np.linalg.norm(w[3] - w.mean(axis=0)) / expected, rtol=1e-4
    )
    plus = styled(name="w+")[1]
    assert plus.from_mean(np.repeat(w[3:4], 4, axis=0)) == pytest.approx(space.from_mean(w[3]))


def test_w_is_found_again():
    model, space = styled()
    images, points, fixed = styled_targets(model, space)
    found = find(space, model, images, fixed)
    first = np.mean(
        (float_pictures(space, model, np.tile(space.mean, (2, 1)), fixed) - images) ** 2
    )
    assert found.distances.max() < 1e-4 * first
    np.testing.assert_allclose(found.distances, ((found.images - images) ** 2).mean((1, 2, 3)))
    apart = np.linalg.norm(found.found.point - points, axis=1) / space.deviation
    assert apart.max() < 0.05
    expected = [space.from_mean(point) for point in points]
    np.testing.assert_allclose(found.from_mean, expected, atol=0.05)
    assert (found.spread == 0).all()


@pytest.mark.slow
def test_w_plus_comes_nearer_than_w_to_what_no_w_makes():
    """A mixture of two styles, and how far its layers lie apart."""
    model, space = styled(name="w+")
    images, points, fixed = styled_targets(model, space)
    points[:, 2:] = points[::-1, 2:]
    images = float_pictures(space, model, points, fixed)
    plus = find(space, model, images, fixed)
    one = find(styled()[1], model, images, fixed)
    assert plus.distances.max() < 0.2 * one.distances.min()
    assert plus.spread.min() > 0.1


def test_the_same_seed_gives_the_same_bits():
    model, space = styled(strengths=0.5)
    images, _, fixed = styled_targets(model, space)
    runs = [find(space, model, images, fixed, steps=12, seed=seed) for seed in (0, 0, 1)]
    for a, b in zip(*(jax.tree.leaves(run.found) for run in runs[:2]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(runs[0].found.point, runs[2].found.point)


def test_z_is_found_again_from_the_nearest_drawn():
    model = linear_model()
    space = space_named("z", model, *drawn(model, 2000, seed=1))
    latents, batch = drawn(model, 2, seed=9)
    fixed = (latents, batch)
    images = float_pictures(space, model, floats_of(latents), fixed)
    candidates = drawn(model, 100, seed=2)
    rows = nearest(model, *candidates, PIXELS, images)
    away = ((model.pictures(*candidates) / 127.5 - 1 - images[:, None]) ** 2).mean((2, 3, 4))
    np.testing.assert_array_equal(rows, away.argmin(axis=1))
    points = floats_of(candidates[0][rows])
    found = find(space, model, images, fixed, points=points)
    assert found.distances.max() < 1e-4 * away.min(axis=1).max()
    np.testing.assert_allclose(found.found.point[""], latents, atol=0.05)
    expected = np.linalg.norm(latents, axis=1) / np.sqrt(6)
    np.testing.assert_allclose(found.from_mean, expected, atol=0.02)
    lengths = np.linalg.norm(drawn(model, 2000, seed=1)[0], axis=1) / np.sqrt(6)
    share = [(lengths < value).mean() for value in found.from_mean]
    np.testing.assert_allclose(found.further_than, share)


def test_on_the_sphere_z_keeps_its_length():
    model = linear_model()
    space = on_sphere(space_named("z", model, *drawn(model, 100)))
    latents, batch = drawn(model, 2, seed=9)
    far = 3 * latents
    images = float_pictures(space, model, floats_of(far), (latents, batch))
    found = find(space, model, images, (latents, batch), steps=50, points=floats_of(latents))
    np.testing.assert_allclose(found.from_mean, 1.0, rtol=1e-5)
    with pytest.raises(UsageError, match="--sphere is for z"):
        on_sphere(styled()[1])


def test_choices_stay_and_numbers_move():
    latents = {"z": np.ones((2, 3), np.float32), "choice": np.array([[1], [2]], np.int32)}
    floats = floats_of(latents)
    assert list(floats) == ["['z']"]
    moved = with_floats(latents, {"['z']": np.zeros((2, 3), np.float32)})
    assert (moved["z"] == 0).all() and (moved["choice"] == latents["choice"]).all()


def test_the_learning_rate_and_the_noise_follow_the_paper():
    settings = Settings()
    for share, rate in ((0.0, 0.0), (0.025, 0.05), (0.05, 0.1), (0.75, 0.1), (0.875, 0.05)):
        assert float(settings.rate_at(jnp.asarray(share))) == pytest.approx(rate, abs=1e-6)
    for share, noise in ((0.0, 0.05), (0.375, 0.0125), (0.75, 0.0), (0.9, 0.0)):
        assert float(settings.noise_at(jnp.asarray(share))) == pytest.approx(noise, abs=1e-7)


def test_noise_planes_are_unknowns_that_stay_noise():
    model, space = styled(strengths=0.3)
    assert len(jax.tree.leaves(space.planes)) == 3  # 4x4 once, 8x8 twice
    images, _, fixed = styled_targets(model, space, 1)
    found = find(space, model, images, fixed, steps=60)
    for plane, start in zip(
        jax.tree.leaves(found.found.planes), jax.tree.leaves(space.planes), strict=True
    ):
        assert plane.mean() == pytest.approx(0, abs=1e-5)
        assert plane.std() == pytest.approx(1, abs=1e-4)
        assert not np.allclose(plane[0], start)
    before = float(neighbour_correlation(jax.tree.map(lambda x: x, space.planes)))
    after = float(neighbour_correlation(jax.tree.map(lambda x: x[0], found.found.planes)))
    assert after < 0.1 * before


def test_planes_act_and_go_back_to_their_place():
    model, space = styled(strengths=0.3)
    planes = planes_of(model.variables)
    other = jax.tree.map(lambda plane: -plane, planes)
    point, fixed = jnp.asarray(space.mean), np.zeros((), np.float32)
    draw = jax.jit(space.draw)
    a = draw(model.variables, point, fixed)
    b = draw(with_planes(model.variables, other), point, fixed)
    c = draw(with_planes(model.variables, planes), point, fixed)
    np.testing.assert_array_equal(a, c)
    assert float(jnp.abs(a - b).max()) > 1e-3


def test_correlation_by_its_formula():
    """By SciPy's circular correlation, at 16 pixels and, halved, at 8."""
    plane = np.random.default_rng(0).standard_normal((16, 16))
    half = plane.reshape(8, 2, 8, 2).mean(axis=(1, 3)) * 2
    expected = 0.0
    for level in (plane, half):
        side = len(level)
        around = correlate2d(np.pad(level, ((0, 1), (0, 1)), mode="wrap"), level, mode="valid")
        expected += (around[1, 0] / side**2) ** 2 + (around[0, 1] / side**2) ** 2
    found = neighbour_correlation({"a": jnp.asarray(plane, jnp.float32)[..., None]})
    assert float(found) == pytest.approx(expected, rel=1e-4)
    flat = normalised({"a": jnp.arange(16.0).reshape(4, 4, 1)})["a"]
    assert float(flat.mean()) == pytest.approx(0, abs=1e-6)
    assert float((flat**2).mean()) == pytest.approx(1, rel=1e-5)


def test_settings_that_make_no_sense():
    model, space = styled()
    with pytest.raises(UsageError, match="--steps=0: must be at least 1"):
        find(space, model, np.zeros((1, 8, 8, 1), np.float32), np.zeros(1, np.float32), steps=0)
    with pytest.raises(UsageError, match=r"--space=x: must be one of z, w, w\+"):
        space_named("x", model, *drawn(model, 10))


def test_what_is_watched():
    model, space = styled()
    images, _, fixed = styled_targets(model, space, 1)
    seen, notes = [], []
    found = project(
        space,
        PIXELS,
        Settings(steps=25),
        variables=model.variables,
        images=images,
        fixed=fixed,
        key=jax.random.key(0),
        advance=lambda done, total, note="": notes.append((done, total)),
        watch=lambda step, drawn: seen.append((step, drawn)),
    )
    assert [step for step, _ in seen] == [0, 10, 20, 25]
    np.testing.assert_array_equal(seen[-1][1], found.images)
    assert notes == [(10, 25), (20, 25), (25, 25)]
