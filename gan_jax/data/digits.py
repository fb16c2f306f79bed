"""`digits`: scikit-learn's 1,797 handwritten digits, 8×8 grey, ten classes; part of the package.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from __future__ import annotations

import hashlib

import numpy as np

from gan_jax.data.collection import ArrayCollection, Labels, split_indices


def open_digits(*, split: str, labels: Labels) -> ArrayCollection:
    """One split: all 1,797, train 1,618 or test 179."""
    from sklearn.datasets import load_digits  # takes a second; only runs that use it pay

    pixels, target = load_digits(return_X_y=True)
    indices = split_indices(len(pixels), split)
    images = np.rint(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)  # stored as 0..16
    values = target.astype(np.int32)
    digest = hashlib.sha256(images[indices].tobytes() + values[indices].astype("<i4").tobytes())
    return ArrayCollection(
        title="digits",
        images=images[indices],
        labels=None if labels == "none" else values[indices],
        indices=indices,
        fingerprint=digest.hexdigest(),
        class_names=None if labels == "none" else tuple(str(digit) for digit in range(10)),
    )
