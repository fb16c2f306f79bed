"""The parameter vector, its expressions and its sampling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.expressions import EXPRESSIONS, MIRROR, TEMPLATE_VECTORS, express
from gan_jax.data.avatars.parameters import (
    FACTOR_NAMES,
    FACTORS,
    HIGH,
    INDEX,
    LOW,
    NAMES,
    PARAMETERS,
    factors,
    group,
    named,
    neutral,
    replace,
)
from gan_jax.data.avatars.sampling import sample_avatar, sample_split


def test_names_are_unique_and_every_parameter_is_in_one_group():
    assert len(set(NAMES)) == len(NAMES)
    counts = [len(group(name)) for name in ("style", "identity", "expression", "pose")]
    assert sum(counts) == len(NAMES) and min(counts) >= 1


def test_the_promised_variety():
    choices = {factor.name: len(factor.choices) for factor in FACTORS}
    assert choices["hairFront"] >= 6 and choices["hairBack"] >= 6 and choices["style"] == 4
    assert choices["headwear"] - 1 + choices["eyewear"] - 1 >= 4


def test_replace_named_and_factors_agree():
    vector = replace(neutral(), hairBack=3, jawOpen=0.5)
    assert float(named(vector)["jawOpen"]) == 0.5
    assert factors(vector)[FACTOR_NAMES.index("hairBack")] == 3


def test_templates_hold_expression_parameters_within_their_ranges():
    others = np.setdiff1d(np.arange(len(NAMES)), group("expression"))
    assert not TEMPLATE_VECTORS[:, others].any()
    assert (TEMPLATE_VECTORS >= LOW).all() and (TEMPLATE_VECTORS <= HIGH).all()
    assert len(np.unique(TEMPLATE_VECTORS, axis=0)) == len(EXPRESSIONS) == 8


def test_express_scales_with_intensity_and_leaves_the_rest():
    vector = replace(neutral(), faceWidth=0.7, headYaw=12.0, tears=1.0)
    half = express(vector, EXPRESSIONS.index("angry"), 0.5)
    assert float(half[INDEX["browDownLeft"]]) == 0.5
    assert float(half[INDEX["tears"]]) == 0.0
    assert float(half[INDEX["faceWidth"]]) == pytest.approx(0.7)
    assert float(half[INDEX["headYaw"]]) == 12.0


def test_mirror_swaps_sides_and_is_its_own_inverse():
    assert (MIRROR[MIRROR] == np.arange(len(NAMES))).all()
    assert MIRROR[INDEX["eyeBlinkLeft"]] == INDEX["eyeBlinkRight"]
    assert MIRROR[INDEX["jawOpen"]] == INDEX["jawOpen"]


def test_samples_are_a_function_of_seed_split_and_index(sample):
    vectors = np.asarray(sample.parameters)
    np.testing.assert_array_equal(sample_split(11, 0, 500).parameters, vectors)
    np.testing.assert_array_equal(sample_split(11, 0, 16).parameters, vectors[:16])
    alone = jax.jit(sample_avatar)(11, 0, 7)
    np.testing.assert_allclose(alone.parameters, vectors[7], rtol=1e-6, atol=1e-6)
    for other in (sample_split(12, 0, 500), sample_split(11, 1, 500)):
        assert (np.asarray(other.parameters) != vectors).any(axis=1).all()


def test_samples_stay_in_range_and_reach_every_choice(sample):
    vectors = np.asarray(sample.parameters)
    assert (vectors >= LOW).all() and (vectors <= HIGH).all()
    for index, parameter in enumerate(PARAMETERS):
        if parameter.choices:
            values = np.unique(vectors[:, index])
            np.testing.assert_array_equal(values, np.arange(len(parameter.choices)))
        else:
            assert np.ptp(vectors[:, index]) > 0.1 * (parameter.high - parameter.low)
    assert set(np.unique(sample.expression)) == set(range(len(EXPRESSIONS)))
    np.testing.assert_array_equal(sample.style, vectors[:, INDEX["style"]])


def test_a_sampled_expression_is_its_template_up_to_jitter(sample):
    indices = [INDEX[name] for name in ("jawOpen", "browInnerUp", "mouthPucker", "cheekPuff")]
    expected = TEMPLATE_VECTORS[sample.expression] * np.asarray(sample.intensity)[:, None]
    difference = np.abs(np.asarray(sample.parameters) - expected)[:, indices]
    assert difference.max() < 0.3 and difference.mean() < 0.06


def test_the_vector_of_a_batch_has_batched_names():
    assert named(jnp.zeros((3, len(NAMES))))["jawOpen"].shape == (3,)
