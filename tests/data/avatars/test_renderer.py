"""What is drawn: alpha, masks, anti-aliasing, styles, expressions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.expressions import EXPRESSIONS, express
from gan_jax.data.avatars.layers import PARTS, Layer, composite, part_masks
from gan_jax.data.avatars.parameters import neutral, replace
from gan_jax.data.avatars.renderer import render, render_batch, render_masks, to_uint8


def _face(**values):
    """A face without a long fringe, turned to the viewer."""
    look = {"style": 1, "hairFront": 6, "hairBack": 1, "hairPalette": 7, "skinPalette": 1}
    return replace(neutral(), **{**look, **values})


def test_pictures_are_in_range_with_open_and_filled_places(drawn_sample):
    image = drawn_sample.image
    assert image.min() >= 0 and image.max() <= 1 and np.isfinite(image).all()
    alpha = image[..., 3]
    assert (alpha[:, 0, 0] == 0).all() and (alpha[:, 0, -1] == 0).all()
    assert (alpha[:, 32, 32] == 1).all()
    assert ((alpha > 0.25).mean(axis=(1, 2)) > 0.3).all()


def test_seen_masks_sum_to_alpha_and_lie_within_the_whole_ones(drawn_sample):
    np.testing.assert_allclose(drawn_sample.seen.sum(-1), drawn_sample.image[..., 3], atol=1e-5)
    assert (drawn_sample.seen <= drawn_sample.whole + 1e-5).all()


def test_every_part_is_drawn(drawn_sample):
    area = drawn_sample.whole.sum(axis=(1, 2))
    for part in PARTS:
        if part != "accessories":
            assert (area[:, PARTS.index(part)] > 1).all(), part
    worn = area[:, PARTS.index("accessories")] > 2
    assert worn.any() and not worn.all()


def test_edges_are_antialiased(drawn_sample):
    alpha = drawn_sample.image[..., 3]
    fractional = ((alpha > 0.02) & (alpha < 0.98)).sum(axis=(1, 2))
    assert (fractional > 40).all()  # an outline runs around the whole figure


@pytest.mark.slow
def test_half_the_resolution_is_the_box_filtered_picture(sample, drawn_sample):
    """Resolution independence: 32 pixels against 64, averaged two by two in premultiplied alpha."""
    small = np.asarray(render_batch(sample.parameters[:6], 32), np.float32) / 255
    large = drawn_sample.image[:6]

    def premultiplied(image):
        return np.concatenate([image[..., :3] * image[..., 3:], image[..., 3:]], -1)

    box = premultiplied(large).reshape(6, 32, 2, 32, 2, 4).mean(axis=(2, 4))
    difference = np.abs(premultiplied(small) - box)
    assert difference.mean() < 0.012
    assert np.quantile(difference, 0.99) < 0.2


@pytest.mark.slow
def test_a_picture_does_not_depend_on_its_batch(sample):
    vectors = sample.parameters[:6]
    whole = np.asarray(render_batch(vectors, 32))
    np.testing.assert_array_equal(whole, render_batch(vectors, 32))
    np.testing.assert_array_equal(whole[3:5], render_batch(vectors[3:5], 32))


def test_any_shape_and_vmap_trace():
    vectors = jnp.stack([neutral()] * 3)
    out = jax.eval_shape(jax.vmap(lambda vector: render(vector, (40, 30))), vectors)
    assert out.shape == (3, 40, 30, 4)
    assert jax.eval_shape(to_uint8, out).dtype == jnp.uint8
    assert jax.eval_shape(lambda v: render_masks(v, 20), vectors).shape == (3, 20, 20, len(PARTS))


def test_styles_differ(drawn):
    image = drawn(jnp.stack([_face(style=style) for style in range(4)])).image[..., :3]
    for i in range(4):
        for j in range(i):
            assert np.abs(image[i] - image[j]).mean() > 0.01, (i, j)


@pytest.mark.parametrize("name, count", [("hairFront", 8), ("hairBack", 8), ("headwear", 7)])
def test_every_choice_changes_the_drawing(drawn, name, count):
    image = drawn(jnp.stack([_face(**{name: i}) for i in range(count)])).image
    flat = image.reshape(count, -1)
    gaps = np.abs(flat[:, None] - flat[None]).mean(-1) + np.eye(count)
    assert gaps.min() > 0.001


@pytest.fixture(scope="module")
def faces(drawn):
    """One face making each expression, by name."""
    drawing = drawn(jnp.stack([express(_face(), i) for i in range(len(EXPRESSIONS))]))
    return drawing, {name: i for i, name in enumerate(EXPRESSIONS)}


def _corner_rise(drawing):
    """How far the mouth's corners stand above the middle of its lips."""
    corners = drawing.point("mouthCornerLeft")[:, 1] + drawing.point("mouthCornerRight")[:, 1]
    lips = drawing.point("upperLip")[:, 1] + drawing.point("lowerLip")[:, 1]
    return (lips - corners) / 2


def test_happy_raises_and_sad_lowers_the_mouth_corners(faces):
    drawing, index = faces
    rise = _corner_rise(drawing)
    assert rise[index["happy"]] > rise[index["neutral"]] + 0.02
    assert rise[index["sad"]] < rise[index["neutral"]] - 0.02


def test_wink_closes_the_left_eye_only(faces):
    drawing, index = faces

    def gap(side, name):
        lids = drawing.point(f"eye{side}LowerLid") - drawing.point(f"eye{side}UpperLid")
        return lids[index[name], 1]

    assert gap("Left", "wink") < 0.002
    assert gap("Right", "wink") == pytest.approx(gap("Right", "neutral"), rel=0.1)
    area = {side: drawing.mask(f"eye_{side}").sum(axis=(1, 2)) for side in ("left", "right")}
    wink, neutral_ = index["wink"], index["neutral"]
    assert area["left"][wink] < 0.45 * area["left"][neutral_]
    assert area["right"][wink] > 0.9 * area["right"][neutral_]


def test_surprise_opens_mouth_and_eyes_and_lifts_the_brows(faces):
    drawing, index = faces
    mouth = drawing.mask("mouth").sum(axis=(1, 2))
    eye = drawing.mask("eye_left").sum(axis=(1, 2))
    brow = drawing.point("browLeftMiddle")[:, 1]
    new, old = index["surprised"], index["neutral"]
    assert mouth[new] > 2 * mouth[old] and eye[new] > 1.05 * eye[old]
    assert brow[new] < brow[old] - 0.02


def test_anger_slants_the_brows_inwards_and_sadness_outwards(faces):
    drawing, index = faces
    slant = drawing.point("browLeftInner")[:, 1] - drawing.point("browLeftOuter")[:, 1]
    assert slant[index["angry"]] > slant[index["neutral"]] + 0.02
    assert slant[index["sad"]] < slant[index["neutral"]] - 0.02


def test_expressions_differ_where_the_face_is(faces):
    drawing, index = faces
    face = drawing.image[:, 20:54, 16:48, :3].reshape(len(index), -1)
    gaps = np.abs(face[:, None] - face[None]).mean(-1) + np.eye(len(index))
    assert gaps.min() > 0.008


def test_compositing_follows_the_over_operator():
    """Two half-covering layers and a tint, against the formula by hand."""
    red, blue, white = jnp.eye(3)[0], jnp.eye(3)[2], jnp.ones(3)
    half = jnp.full((2, 2), 0.5)
    layers = [Layer("face", half, red), Layer("mouth", half, blue), Layer(None, half, white)]
    picture = np.asarray(composite(layers))[0, 0]
    under = np.array([0.25, 0, 0.5]) / 0.75
    np.testing.assert_allclose(picture, [*(0.5 * under + 0.5), 0.75], atol=1e-6)
    seen, whole = (np.asarray(part_masks(layers, visible))[0, 0] for visible in (True, False))
    assert seen[PARTS.index("face")] == 0.25 and seen[PARTS.index("mouth")] == 0.5
    assert whole[PARTS.index("face")] == 0.5
