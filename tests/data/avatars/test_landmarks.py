"""Landmarks stand on what is drawn, whatever the pose, the expression and the identity."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.landmarks import LANDMARKS, landmarks
from gan_jax.data.avatars.layers import PARTS
from gan_jax.data.avatars.parameters import INDEX, neutral, replace


def _value_near(mask: np.ndarray, points: np.ndarray, reach: int = 1) -> np.ndarray:
    """`[B, H, W]`, `[B, 2]` -> the largest mask value within `reach` pixels of each point."""
    size = mask.shape[1]
    column, row = np.clip(np.floor(points * size).astype(int), 0, size - 1).T
    window = range(-reach, reach + 1)
    rows = [np.clip(row + i, 0, size - 1) for i in window]
    columns = [np.clip(column + j, 0, size - 1) for j in window]
    batch = np.arange(len(mask))
    return np.max([mask[batch, r, c] for r in rows for c in columns], axis=0)


def test_names_are_unique_and_match_the_array():
    assert len(set(LANDMARKS)) == len(LANDMARKS)
    assert landmarks(neutral()).shape == (len(LANDMARKS), 2)


def test_landmarks_lie_inside_the_picture(drawn_sample):
    assert (drawn_sample.points > 0).all() and (drawn_sample.points < 1).all()


@pytest.mark.parametrize(
    "names, part",
    [
        (("mouthCornerLeft", "mouthCornerRight", "upperLip", "lowerLip"), "mouth"),
        (("upperLipLeft", "lowerLipRight"), "mouth"),
        (("eyeLeftUpperLid", "eyeLeftOuterCorner", "eyeLeftInnerCorner"), "eye_left"),
        (("eyeRightUpperLid", "eyeRightOuterCorner", "eyeRightInnerCorner"), "eye_right"),
        (("browLeftInner", "browLeftMiddle", "browLeftOuter"), "brow_left"),
        (("browRightInner", "browRightMiddle", "browRightOuter"), "brow_right"),
        (("noseTip",), "nose"),
        (("chin", "contourLeft2", "contourRight0"), "face"),
    ],
)
def test_landmarks_hit_their_part(drawn_sample, names, part):
    for name in names:
        hit = _value_near(drawn_sample.mask(part), drawn_sample.point(name))
        assert (hit > 0.2).all(), (name, hit.min())


def test_the_contour_is_where_the_face_ends(drawn_sample):
    """Three pixels further out there is no face any more, three further in nothing else."""
    centre = drawn_sample.point("noseTip")
    for name in ("chin", "contourLeft1", "contourRight1", "contourLeft3", "contourRight3"):
        point = drawn_sample.point(name)
        outwards = (point - centre) / np.linalg.norm(point - centre, axis=1, keepdims=True)
        face = drawn_sample.mask("face")
        assert (_value_near(face, point + outwards * 3 / 64, 0) < 0.5).all(), name
        assert (_value_near(face, point - outwards * 3 / 64, 0) > 0.5).all(), name


def test_the_open_eye_holds_its_pupil_and_the_pupil_is_dark(drawn, sample):
    wide = replace(sample.parameters, eyewear=0, hairFront=6, gloom=0, tears=0)
    for side in ("Left", "Right"):
        for name in (f"eyeBlink{side}", f"eyeSquint{side}", f"browDown{side}"):
            wide = wide.at[:, INDEX[name]].set(0)
    drawing = drawn(wide[:12])
    size = drawing.image.shape[1]
    for side, part in (("Left", "eye_left"), ("Right", "eye_right")):
        points = drawing.point(f"eye{side}Pupil")
        assert (_value_near(drawing.mask(part), points, 0) > 0.9).all()
        column, row = np.floor(points * size).astype(int).T
        colour = drawing.image[np.arange(len(row)), row, column, :3]
        white = drawing.image[..., :3][drawing.mask(part) > 0.9].mean()
        assert colour.mean() < white


def test_roll_turns_the_points_about_the_neck():
    upright, leaning = (np.asarray(landmarks(replace(neutral(), headRoll=a))) for a in (0, 15))
    angle, pivot = np.deg2rad(15), np.array([0.5, 0.75])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(leaning, (upright - pivot) @ turn.T + pivot, atol=1e-5)


def test_yaw_moves_the_nose_more_than_the_ear_side_and_narrows_the_far_eye():
    front, turned = (np.asarray(landmarks(replace(neutral(), headYaw=a))) for a in (0, 25))
    moved = (turned - front)[:, 0]
    assert moved[LANDMARKS.index("noseTip")] > moved[LANDMARKS.index("contourRight0")] > 0

    def width(points, side):
        corners = [LANDMARKS.index(f"eye{side}{end}Corner") for end in ("Inner", "Outer")]
        return abs(points[corners[0], 0] - points[corners[1], 0])

    assert width(turned, "Left") < 0.9 * width(front, "Left")
    assert width(turned, "Right") > width(turned, "Left")


def test_gaze_moves_the_pupils():
    looks = [replace(neutral(), eyeLookX=x, eyeLookY=y) for x, y in ((0, 0), (1, 0), (0, 1))]
    ahead, right, up = (np.asarray(landmarks(look)) for look in looks)
    for side in ("Left", "Right"):
        pupil = LANDMARKS.index(f"eye{side}Pupil")
        assert right[pupil, 0] > ahead[pupil, 0] + 0.01
        assert up[pupil, 1] < ahead[pupil, 1] - 0.01


def test_masks_have_the_promised_parts():
    assert {"hair_back", "hair_front", "face", "ears", "neck", "clothes", "mouth"} <= set(PARTS)
    assert jnp.zeros(len(PARTS)).shape == (13,)
