"""Features by other names: one by one, in bulk, and off the pipeline."""

import numpy as np
import pytest

from gan_jax.data.renamed import RenamedSource
from gan_jax.data.source import ArraySource
from gan_jax.errors import DataError

IMAGES = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
HELD = ArraySource(
    {"image": IMAGES, "label": np.array([5, 6, 7], np.int32), "other": np.zeros(3)}, "f", 8, None
)
SOURCE = RenamedSource(HELD, {"label": "expression"})


def test_examples():
    assert len(SOURCE) == 3 and SOURCE.fingerprint == "f"
    assert SOURCE.num_classes is None and SOURCE.class_names is None
    example = SOURCE[1]
    assert set(example) == {"image", "expression", "other"} and example["expression"] == 6
    np.testing.assert_array_equal(example["image"], IMAGES[1])


def test_in_bulk():
    found = SOURCE.take([2, 0], frozenset({"image", "expression"}))
    assert set(found) == {"image", "expression"}
    np.testing.assert_array_equal(found["expression"], [7, 5])
    np.testing.assert_array_equal(found["image"], IMAGES[[2, 0]])
    assert SOURCE.take([0], ("label",)) == {}


def test_the_old_name_is_gone():
    from gan_jax.data.pipeline import take

    with pytest.raises(DataError, match="label"):
        take(SOURCE, np.array([0]), {"label": "label"})
