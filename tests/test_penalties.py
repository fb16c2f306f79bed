"""R1 against its formula, and where the summed gradient must not be that of each example."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.penalties import r1


def test_r1_of_a_quadratic_is_known():
    # D(x) = x' A x / 2 has the gradient (A + A') x / 2.
    matrix = jax.random.normal(jax.random.key(0), (6, 6))
    real = jax.random.normal(jax.random.key(1), (4, 2, 3, 1))

    def discriminator(batch):
        flat = batch.reshape(len(batch), -1)
        return 0.5 * jnp.einsum("bi,ij,bj->b", flat, matrix, flat)

    gradient = real.reshape(4, -1) @ (0.5 * (matrix + matrix.T)).T
    expected = 0.5 * np.sum(np.square(gradient), axis=1)
    np.testing.assert_allclose(r1(discriminator, real), expected, rtol=1e-5)


def per_example(discriminator, real):
    gradient = jax.vmap(jax.grad(lambda x: discriminator(x[None])[0]))(real)
    return 0.5 * jnp.sum(jnp.square(gradient), axis=(1, 2))


def test_equals_vmap_of_grad_where_examples_are_apart():
    real = jax.random.normal(jax.random.key(0), (5, 3, 2))

    def apart(batch):
        return jnp.sum(jnp.sin(batch), axis=(1, 2))

    np.testing.assert_allclose(r1(apart, real), per_example(apart, real), rtol=1e-5)


def test_differs_from_vmap_of_grad_under_batch_statistics():
    real = jax.random.normal(jax.random.key(0), (5, 3, 2))

    def normalised(batch):
        return jnp.sum(jnp.square(batch - jnp.mean(batch, axis=0)), axis=(1, 2))

    gradient = 2.0 * (real - jnp.mean(real, axis=0))  # the sum's: the mean's share cancels
    expected = 0.5 * jnp.sum(jnp.square(gradient), axis=(1, 2))
    np.testing.assert_allclose(r1(normalised, real), expected, rtol=1e-5)
    assert not np.allclose(per_example(normalised, real), expected, rtol=0.5)


def test_is_float32_under_bfloat16():
    real = jnp.ones((2, 4, 4, 1), jnp.bfloat16)
    assert r1(lambda x: jnp.sum(x, axis=(1, 2, 3)), real).dtype == jnp.float32
