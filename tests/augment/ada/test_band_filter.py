"""Wavelets are orthonormal, bands are bands, and gains keep the expected power."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.augment.ada.axis_filter import filter_matrix
from gan_jax.augment.ada.band_filter import BANK, amplify, band_matrices, gains
from gan_jax.augment.ada.wavelets import SYM2, SYM6


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def assert_orthonormal(taps):
    own = np.convolve(taps, taps[::-1])[len(taps) - 1 :: 2]
    np.testing.assert_allclose(own, [1] + [0] * (len(own) - 1), atol=1e-9)
    np.testing.assert_allclose(taps.sum(), np.sqrt(2), rtol=1e-9)


@pytest.mark.parametrize(("taps", "moments"), [(SYM2, 2), (SYM6, 6)])
def test_wavelets_are_orthonormal_and_blind_to_polynomials(taps, moments):
    assert_orthonormal(taps)
    high = taps * (-1.0) ** np.arange(len(taps))
    for power in range(moments):
        assert abs(np.sum(high * np.arange(len(taps)) ** power)) < 1e-4
    assert abs(np.sum(high * np.arange(len(taps)) ** moments)) > 0.1


@pytest.mark.parametrize("tap", range(12))
def test_a_wrong_tap_is_noticed(tap):
    wrong = SYM6.copy()
    wrong[tap] *= 1.001
    with pytest.raises(AssertionError):
        assert_orthonormal(wrong)


def test_the_bank_is_zero_phase_and_adds_up_to_one_impulse():
    assert BANK.shape == (4, 43)
    np.testing.assert_allclose(BANK, BANK[:, ::-1], atol=1e-15)
    np.testing.assert_allclose(BANK.sum(0), np.eye(43)[21], atol=1e-15)


def test_bands_by_their_frequency_response():
    # H(z) H(1/z) / 2 of sym2 at frequency w, by its transform; band k is a product of such.
    w = np.linspace(0, np.pi, 200)

    def low(w):
        return np.abs(np.exp(1j * np.outer(w, np.arange(4))) @ SYM2) ** 2 / 2

    def response(taps):
        return np.cos(np.outer(w, np.arange(43) - 21)) @ taps

    expected = [
        low(w) * low(2 * w) * low(4 * w),
        (1 - low(4 * w)) * low(2 * w) * low(w),
        (1 - low(2 * w)) * low(w),
        1 - low(w),
    ]
    np.testing.assert_allclose([response(taps) for taps in BANK], expected, atol=1e-12)
    # Each is the largest in the middle of its octave.
    middles = np.pi * np.asarray([1 / 16, 3 / 16, 3 / 8, 3 / 4])
    at_middles = BANK @ np.cos(np.outer(np.arange(43) - 21, middles))
    np.testing.assert_array_equal(np.argmax(at_middles, axis=0), range(4))


def published_gains(exponents):
    """The loop of the paper's pseudo-code."""
    power = np.asarray([10, 1, 1, 1]) / 13
    total = np.ones(4)
    for band, exponent in enumerate(exponents):
        factors = np.ones(4)
        factors[band] = 2.0**exponent
        total *= factors / np.sqrt(np.sum(power * factors**2))
    return total


def test_gains_by_hand_and_their_expected_power():
    exponents = np.random.default_rng(0).normal(size=(6, 4))
    exponents[0], exponents[1] = 0, (0, 0, 1.5, 0)
    result = np.asarray(gains(jnp.asarray(exponents)))
    np.testing.assert_allclose(result, [published_gains(row) for row in exponents], rtol=1e-12)
    np.testing.assert_allclose(result[0], 1)
    np.testing.assert_allclose(np.sum(np.asarray([10, 1, 1, 1]) / 13 * result[1] ** 2), 1)


@pytest.mark.parametrize("size", [4, 32])
def test_matrices_add_up_to_the_identity_and_are_convolutions(size):
    matrices = band_matrices(size)
    np.testing.assert_allclose(matrices.sum(0), np.eye(size), atol=1e-14)
    line = np.random.default_rng(1).normal(size=size)
    padded = np.pad(line, 21, mode="reflect")
    for matrix, taps in zip(matrices, BANK, strict=True):
        np.testing.assert_allclose(matrix @ line, np.convolve(padded, taps, "valid"), atol=1e-12)


def test_filter_matrix_by_hand():
    taps = np.asarray([1.0, 2, 3])
    np.testing.assert_array_equal(
        filter_matrix(taps, outputs=2, inputs=4, start=-1, stride=2), [[2, 4, 0, 0], [0, 1, 2, 3]]
    )


def test_amplify_filters_rows_and_columns_of_each_picture():
    images = jax.random.normal(jax.random.key(0), (2, 24, 28, 3), jnp.float64)
    amplification = jnp.asarray([[1.0, 1, 1, 1], [0.5, 2, 1, 3]])
    filtered = amplify(images, amplification)
    np.testing.assert_allclose(filtered[0], images[0], atol=1e-12)
    taps = np.asarray(amplification[1] @ BANK)

    def along(axis, images):
        return np.apply_along_axis(
            lambda line: np.convolve(np.pad(line, 21, mode="reflect"), taps, "valid"), axis, images
        )

    np.testing.assert_allclose(filtered[1], along(1, along(0, images[1])), atol=1e-12)
