"""What the contents of the prepared sets follow from; a change of any is another data set."""

from __future__ import annotations

RENDERER_VERSION = "1.0.0"  # raised with every change of a drawn pixel, a landmark or the sampling
SEED = 2024
SPLITS = ("train", "test")
