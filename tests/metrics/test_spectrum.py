"""Spectra of waves, noise and of what up-sampling leaves."""

import numpy as np
import pytest

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.spectrum import log_power_spectrum, spectrum_distance


def wave(cycles_down, cycles_across, height=32, width=32, amplitude=1.0):
    rows, columns = np.mgrid[:height, :width]
    phase = 2 * np.pi * (cycles_down * rows / height + cycles_across * columns / width)
    return amplitude * np.cos(phase)[None, :, :, None]


def places(radius, size=32):
    frequencies = np.fft.fftfreq(size, 1 / size)
    return np.count_nonzero(np.rint(np.hypot(frequencies[:, None], frequencies)) == radius)


@pytest.mark.parametrize(
    ("down", "across", "radius"), [(5, 0, 5), (0, 9, 9), (6, 8, 10), (3, 3, 4)]
)
def test_a_wave_stands_at_its_frequency(down, across, radius):
    (spectrum,) = log_power_spectrum(wave(down, across, amplitude=0.5), window="none")
    assert spectrum.shape == (17,)
    # |FFT| = amplitude H W / 2 at two places; of all at that radius, and of H W pixels.
    expected = 2 * (0.5 * 32 * 32 / 2) ** 2 / (32 * 32) / places(radius)
    assert spectrum[radius] == pytest.approx(np.log10(expected), abs=1e-9)
    others = np.delete(spectrum, radius)
    np.testing.assert_allclose(others, -12.0, atol=0.1)


def test_white_noise_is_flat_with_and_without_window():
    noise = np.random.default_rng(0).normal(size=(150, 32, 48, 2))
    for window in ("none", "hann"):
        spectra = log_power_spectrum(noise, window=window)
        assert spectra.shape == (150, 17)
        np.testing.assert_allclose(np.log10(np.mean(10**spectra, axis=0))[2:], 0.0, atol=0.05)


def test_the_window_hides_the_border():
    ramp = np.linspace(-1, 1, 64)[None, :, None, None] * np.ones((1, 64, 64, 1))
    plain, faded = (log_power_spectrum(ramp, window=w)[0] for w in ("none", "hann"))
    assert (plain[16:] - faded[16:]).min() > 2.0


def test_nearest_neighbour_upsampling_shows():
    noise = np.random.default_rng(0).normal(size=(80, 64, 64, 1))
    doubled = noise[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    a, b, c = (log_power_spectrum(x, window="hann") for x in (noise[:40], noise[40:], doubled))
    assert spectrum_distance(a, c) > 10 * spectrum_distance(a, b)


def test_distance_is_in_decades_and_leaves_the_constant_out():
    a = np.random.default_rng(0).normal(size=(5, 9))
    b = np.repeat(a.mean(axis=0, keepdims=True), 3, axis=0) + 0.25
    b[:, 0] += 100.0
    assert spectrum_distance(a, b) == pytest.approx(0.25)


def test_blocks_do_not_matter():
    images = np.random.default_rng(0).normal(size=(70, 8, 8, 1))
    whole = log_power_spectrum(images, window="hann")
    np.testing.assert_allclose(whole[65:], log_power_spectrum(images[65:], window="hann"))


def test_bad_arguments():
    with pytest.raises(DataError, match="2 px or more"):
        log_power_spectrum(np.zeros((1, 1, 8, 3)), window="none")
    with pytest.raises(UsageError, match="'flat'; it is none or hann"):
        log_power_spectrum(wave(1, 1), window="flat")  # type: ignore
    with pytest.raises(DataError, match="spectra of shapes"):
        spectrum_distance(np.zeros((2, 5)), np.zeros((2, 6)))
    with pytest.raises(DataError, match="NaN"):
        spectrum_distance(np.full((2, 5), np.nan), np.zeros((2, 5)))
