"""Procedural 2-D avatars with exact ground truth: parameters -> image, landmarks, part masks.

The renderer (`renderer.py`, pure JAX) is imported only where something is drawn.
"""

from gan_jax.data.avatars.dataset import FEATURES, open_avatars, prepare

__all__ = ["FEATURES", "open_avatars", "prepare"]
