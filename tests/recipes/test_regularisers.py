"""Regularisers as a recipe measures them, on dense networks in float64: their values by hand, and
their gradients by the weights against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import penalties, regularisation
from gan_jax.recipes import generator_regularisers, regularisers
from tests.formulas import assert_gradient_is_the_slope, assert_slip_is_seen

SHAPE, LATENT, HIDDEN = (4, 2, 3, 1), 5, 4
DEVIATION = 0.5


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def weights(seed, *sizes):
    random = np.random.default_rng(seed)
    layers = zip(sizes, sizes[1:], strict=False)
    return {f"Dense_{i}": {"kernel": random.standard_normal(s)} for i, s in enumerate(layers)}


DISCRIMINATOR = weights(0, 6, HIDDEN, 1)
GENERATOR = weights(1, LATENT, HIDDEN, 6)
REAL = np.random.default_rng(2).standard_normal(SHAPE)
LATENTS = np.random.default_rng(3).standard_normal((len(REAL), LATENT))


def dense(params, x):
    first, last = (params[name]["kernel"] for name in ("Dense_0", "Dense_1"))
    return jnp.tanh(x.reshape(len(x), -1) @ first) @ last


def draw(params, z):
    return jnp.tanh(dense(params, z)).reshape(-1, *SHAPE[1:])


def judge(params, images):
    return dense(params, images)[:, 0]


def key():
    return jax.random.key(4)


def dim(images, key):
    return images * jax.random.uniform(key, (len(images), 1, 1, 1), minval=0.2, maxval=0.8)


def judged(params=DISCRIMINATOR):
    fake = draw(GENERATOR, LATENTS)
    return regularisers.Judged(
        discriminator=lambda images: judge(params, images),
        of_fakes=lambda images: judge(params, images),
        real=jnp.asarray(REAL),
        fake=fake,
        real_logits=judge(params, REAL),
        fake_logits=judge(params, fake),
        generator=lambda z: draw(GENERATOR, z),
        latents=jnp.asarray(LATENTS),
        params=params,
        key=key(),
    )


def made(params=GENERATOR):
    def styles(z, key):
        return jnp.repeat(z[:, None], 2, axis=1) + jax.random.normal(key, (len(z), 2, LATENT))

    return generator_regularisers.Made(
        generator=lambda z: draw(params, z),
        styles=styles,
        synthesise=lambda ws: draw(params, jnp.sum(jnp.sin(ws), axis=1)),
        latents=jnp.asarray(LATENTS),
        images=draw(params, LATENTS),
        params=params,
        key=key(),
    )


def cubic(images):
    """Sum(x^3) / 3, whose gradient by a picture is x^2."""
    return jnp.sum(images**3, axis=(1, 2, 3)) / 3


def norm_of_cubic(images):
    return np.sqrt(np.sum(np.asarray(images) ** 4, axis=(1, 2, 3)))


def between(real, fake):
    """One share of `real` a pair, off the regulariser's key."""
    share = np.asarray(jax.random.uniform(key(), (len(REAL), 1, 1, 1)))
    return share * real + (1 - share) * fake


def perturbed(images):
    """DRAGAN's noise, off the regulariser's key: as wide as the pictures are."""
    pixel_key, picture_key = jax.random.split(key())
    noise = np.asarray(images).std() / 2 * jax.random.uniform(pixel_key, SHAPE)
    return images + jax.random.uniform(picture_key, (len(REAL), 1, 1, 1)) * noise


FAKE = np.tanh(np.random.default_rng(5).standard_normal(SHAPE))
POINTS = {
    "real": lambda: REAL,
    "fake": lambda: FAKE,
    "between real and fake": lambda: between(REAL, FAKE),
    "between fake and real": lambda: between(FAKE, REAL),
    "around real": lambda: perturbed(REAL),
    "around fake": lambda: perturbed(FAKE),
}
PENALTIES = {
    "r1": (regularisers.r1, "real", lambda norm: norm**2 / 2),
    "r2": (regularisers.r2, "fake", lambda norm: norm**2 / 2),
    "gradient_penalty": (
        regularisers.gradient_penalty,
        "between real and fake",
        lambda norm: (norm - 1) ** 2,
    ),
    "zero_centred": (regularisers.zero_centred, "between real and fake", lambda norm: norm**2),
    "dragan": (regularisers.dragan, "around real", lambda norm: (norm - 1) ** 2),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_taken_at_its_own_pictures(name):
    make, own, formula = PENALTIES[name]
    seen = judged()._replace(real=jnp.asarray(REAL), fake=jnp.asarray(FAKE))
    seen = seen._replace(discriminator=cubic, of_fakes=cubic)
    for every in (1, 4):
        term = make(every)
        assert (term.name, term.every, term.start) == (name, every, ())
    found, _ = make().measure(seen, ())
    values = {point: formula(norm_of_cubic(at())) for point, at in POINTS.items()}
    np.testing.assert_allclose(found, values.pop(own), rtol=1e-12)
    for slip in values.values():
        assert_slip_is_seen(found, slip)


def test_consistency_is_its_formula():
    found, _ = regularisers.consistency(dim).measure(judged(), ())
    difference = judge(DISCRIMINATOR, REAL) - judge(DISCRIMINATOR, dim(REAL, key()))
    np.testing.assert_allclose(found, difference**2, rtol=1e-12)
    assert_slip_is_seen(found, difference**2 / 2)
    assert_slip_is_seen(found, np.abs(difference))


def test_balanced_consistency_is_of_both_kinds():
    found, _ = regularisers.balanced_consistency(dim).measure(judged(), ())
    of_real, of_fake = (
        (judge(DISCRIMINATOR, images) - judge(DISCRIMINATOR, dim(images, half))) ** 2
        for images, half in zip((REAL, judged().fake), jax.random.split(key()), strict=True)
    )
    np.testing.assert_allclose(found, of_real + of_fake, rtol=1e-12)
    for slip in (of_real, of_fake, (of_real + of_fake) / 2, of_real - of_fake):
        assert_slip_is_seen(found, slip)


def near(deviation=DEVIATION):
    return LATENTS + deviation * np.asarray(jax.random.normal(key(), LATENTS.shape))


def test_both_halves_of_latent_consistency_are_their_formulas():
    def of_logits(z):
        logits = (judge(DISCRIMINATOR, draw(GENERATOR, each)) for each in (LATENTS, z))
        return np.subtract(*logits) ** 2

    def of_images(z):
        return -np.mean((draw(GENERATOR, LATENTS) - draw(GENERATOR, z)) ** 2, axis=(1, 2, 3))

    of_discriminator = regularisers.latent_consistency(DEVIATION).measure(judged(), ())[0]
    of_generator = generator_regularisers.latent_sensitivity(DEVIATION).measure(made(), ())[0]
    for found, formula in ((of_discriminator, of_logits), (of_generator, of_images)):
        np.testing.assert_allclose(found, formula(near()), rtol=1e-12)
        assert_slip_is_seen(found, -formula(near()))
        for slip in (DEVIATION**2, np.sqrt(DEVIATION), -DEVIATION):
            assert_slip_is_seen(found, formula(near(slip)))


def test_le_cam_moves_its_anchors_before_it_reads_them():
    before = regularisation.Anchors(real=0.7, fake=-0.3)
    found, after = regularisers.le_cam(0.6).measure(judged(), before)
    real, fake = judged().real_logits, judged().fake_logits
    moved = 0.6 * 0.7 + 0.4 * real.mean(), -0.6 * 0.3 + 0.4 * fake.mean()
    np.testing.assert_allclose(after, moved, rtol=1e-12)

    def formula(real_anchor, fake_anchor):
        above, below = np.maximum(real - fake_anchor, 0), np.maximum(real_anchor - fake, 0)
        return above**2 + below**2

    np.testing.assert_allclose(found, formula(*moved), rtol=1e-12)
    assert_slip_is_seen(found, formula(*before))


def test_path_length_is_of_the_first_half_of_a_batch():
    term = generator_regularisers.path_length(4, decay=0.1)

    def by_hand(z):
        mixing_key, noise_key = jax.random.split(key())
        ws = made().styles(z, mixing_key)
        return penalties.path_length(made().synthesise, ws, noise_key, 0.4, 0.1)

    found, after = jax.jit(lambda: term.measure(made(), 0.4))()
    expected = jax.jit(by_hand)(jnp.asarray(LATENTS[:2]))
    np.testing.assert_allclose(found, expected[0], rtol=1e-12)
    np.testing.assert_allclose(after, expected[1], rtol=1e-12)


OF_DISCRIMINATOR = {
    "consistency": regularisers.consistency(dim),
    "balanced_consistency": regularisers.balanced_consistency(dim),
    "latent_consistency": regularisers.latent_consistency(DEVIATION),
    "orthogonality": regularisers.orthogonality(),
}
OF_GENERATOR = {
    "latent_sensitivity": generator_regularisers.latent_sensitivity(DEVIATION),
    "generator_orthogonality": generator_regularisers.generator_orthogonality(),
}


@pytest.mark.parametrize("name", OF_DISCRIMINATOR)
def test_a_discriminators_gradient_is_the_slope(name):
    def value(params):
        return jnp.mean(OF_DISCRIMINATOR[name].measure(judged(params), ())[0])

    assert_gradient_is_the_slope(value, DISCRIMINATOR)


@pytest.mark.parametrize("name", OF_GENERATOR)
def test_a_generators_gradient_is_the_slope(name):
    def value(params):
        return jnp.mean(OF_GENERATOR[name].measure(made(params), ())[0])

    assert_gradient_is_the_slope(value, GENERATOR)


def test_path_lengths_gradient_is_the_slope():
    """The moving average takes part in it: it holds this batch's share."""

    def value(params):
        found = generator_regularisers.path_length(4, decay=0.1).measure(made(params), 0.4)
        return jnp.mean(found[0])

    assert_gradient_is_the_slope(value, GENERATOR)


def test_le_cams_gradient_is_the_slope_at_fixed_anchors():
    before = regularisation.Anchors(real=0.7, fake=-0.3)

    def value(params):
        return jnp.mean(regularisers.le_cam(0.6).measure(judged(params), before)[0])

    after = regularisers.le_cam(0.6).measure(judged(), before)[1]

    def at_fixed_anchors(params):
        seen = judged(params)
        return jnp.mean(regularisation.le_cam(seen.real_logits, seen.fake_logits, after))

    assert_gradient_is_the_slope(at_fixed_anchors, DISCRIMINATOR)
    found, expected = (jax.jit(jax.grad(f))(DISCRIMINATOR) for f in (value, at_fixed_anchors))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, expected)
    with pytest.raises(AssertionError):  # the anchors are no part of what is differentiated
        assert_gradient_is_the_slope(value, DISCRIMINATOR)
