"""The colours of the curves differ in every kind of colour vision, and stand out from the page."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import numpy as np
import pytest

# Machado, Oliveira, Fernandes 2009, "A physiologically-based model for simulation of color vision
# deficiency", severity 1.0; on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def themes():
    """(background, colours) of the light and the dark page, in linear RGB."""
    folder = resources.files("gan_jax.report") / "page"
    papers = re.findall(r"--paper: #(\w{6})", (folder / "page.css").read_text())
    colours = re.findall(r"--colour-\d: #(\w{6})", (folder / "charts.css").read_text())
    half = len(colours) // 2
    return [(linear(papers[i]), [linear(c) for c in colours[i * half :][:half]]) for i in (0, 1)]


def linear(code):
    """sRGB transfer function, IEC 61966-2-1."""
    value = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE 1976 L*a*b* of linear sRGB under D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], LUMINANCE, [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ rgb / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_colours_differ(theme, vision):
    colours = [np.clip(np.array(VISION[vision]) @ rgb, 0, 1) for rgb in themes()[theme][1]]
    assert len(colours) == 6
    for a, b in itertools.combinations(map(lab, colours), 2):
        assert np.linalg.norm(a - b) > 12


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out(theme):
    """Contrast of WCAG 2.1, 1.4.11: 3 to 1 for graphics."""
    paper, colours = themes()[theme]
    for rgb in colours:
        light, dark = sorted((LUMINANCE @ paper, LUMINANCE @ rgb), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3
