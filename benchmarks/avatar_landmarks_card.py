"""Measures a trained landmark finder on pictures it has not seen and puts it into the package.

    gan-jax train experiments/avatar_landmarks.py
    python benchmarks/avatar_landmarks_card.py runs/avatar_landmarks

Writes gan_jax/weights/shipped/avatar_landmarks.safetensors (averaged weights, float16; what is
measured is what is stored) and the card beside it, avatar_landmarks.json. Held out are avatars of
the test split, drawn anew at 256 pixels, turned by up to 20 degrees and put into pictures of 256 to
512 pixels; and pictures without a face, of kinds that the finder was not trained on.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

import gan_jax
from gan_jax.data.avatars.generation import draw_avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.version import RENDERER_VERSION, SEED, SPLITS
from gan_jax.faces.drawing import surest_face
from gan_jax.weights.variables import sha256_of, write_variables

SHIPPED = Path(gan_jax.__file__).parent / "weights" / "shipped"
OUTER_CORNERS = LANDMARKS.index("eyeRightOuterCorner"), LANDMARKS.index("eyeLeftOuterCorner")
THRESHOLD = 0.7
"""Of confidence, from which on there is a face: chosen on other draws of these kinds of picture."""
COUNT, CHUNK, DRAWN = 300, 50, 256
SHARES = (0.2, 0.35, 0.6, 1.0)
"""Bounds of an avatar's side as a share of the picture's."""
Scene = tuple[np.ndarray, np.ndarray, float]
"""A picture, the landmarks in its pixels, and the avatar's share of its side."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures and ships a landmark finder.")
    parser.add_argument("workdir", type=Path, help="of a run of experiments/avatar_landmarks.py")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the two files")
    arguments = parser.parse_args()
    trained = gan_jax.load(arguments.workdir)
    net = trained.state.nets["finder"]
    half = partial(np.asarray, dtype=np.float16)
    variables = jax.tree.map(half, jax.device_get({"params": net.ema, **net.stats}))
    path = arguments.out / "avatar_landmarks.safetensors"
    # One piece of metadata: several would have no order, and the file another hash each time.
    write_variables(path, variables, {"network": "avatar_landmarks"})
    card = {
        "sha256": sha256_of(path),
        "renderer_version": RENDERER_VERSION,
        "command": "gan-jax train experiments/avatar_landmarks.py",
        "steps": trained.step,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "threshold": THRESHOLD,
        **measured(variables),
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card, indent=2))


def measured(variables: Any) -> dict[str, Any]:
    """Found is a face of the threshold's confidence whose landmarks are less than a tenth of the
    distance between the outer eye corners off, on average."""
    variables = jax.tree.map(partial(jnp.asarray, dtype=jnp.float32), variables)
    random = np.random.default_rng(0)
    scenes = [scene(*avatar, random) for avatar in avatars(COUNT)]
    empty = {kind: faceless(kind, random) for kind in ("photograph", "digits", "noise", "parts")}
    surest_face(variables, scenes[0][0])  # compiles
    start = time.perf_counter()
    faces = [surest_face(variables, picture) for picture, _, _ in scenes]
    seconds = (time.perf_counter() - start) / len(scenes)
    errors = np.array([error(face.landmarks, s[1]) for face, s in zip(faces, scenes, strict=True)])
    sure = np.array([face.confidence for face in faces])
    found = (sure >= THRESHOLD) & (errors < 0.1)
    shares = np.array([share for _, _, share in scenes])
    alarms = {
        kind: [surest_face(variables, picture).confidence or 0.0 for picture in pictures]
        for kind, pictures in empty.items()
    }
    return {
        "held_out": f"avatars of the test split in pictures of 256 to 512 pixels, N = {COUNT}; "
        f"pictures without a face, N = {sum(map(len, alarms.values()))}",
        "landmark_error": round(float(errors[found].mean()), 4),
        "detection_rate": round(float(found.mean()), 4),
        "detection_rate_by_share_of_the_picture": {
            f"{low:g} to {high:g}": round(float(found[(shares >= low) & (shares < high)].mean()), 4)
            for low, high in zip(SHARES, SHARES[1:], strict=False)
        },
        "wrong_places_above_threshold": int(np.sum((sure >= THRESHOLD) & (errors >= 0.1))),
        "confidence_of_faces_percentiles_1_5_50": [
            round(float(value), 3) for value in np.percentile(sure, (1, 5, 50))
        ],
        "false_alarms": {
            kind: f"{sum(value >= THRESHOLD for value in values)} of {len(values)}"
            for kind, values in alarms.items()
        },
        "largest_confidence_without_a_face": {
            kind: round(max(values), 3) for kind, values in alarms.items()
        },
        "seconds_a_picture": round(seconds, 3),
    }


def error(found: np.ndarray | None, truth: np.ndarray) -> float:
    """Mean distance in distances between the outer eye corners."""
    assert found is not None
    right, left = truth[list(OUTER_CORNERS)]
    distances = np.linalg.norm(found - truth, axis=-1)
    return float(distances.mean() / np.linalg.norm(right - left))


def avatars(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """RGBA pictures and landmarks of the test split's first."""
    chunks = [
        draw_avatars(SEED, SPLITS.index("test"), start, CHUNK, DRAWN)
        for start in range(0, count, CHUNK)
    ]
    return [
        (image, points)
        for chunk in chunks
        for image, points in zip(np.asarray(chunk.image), np.asarray(chunk.landmarks), strict=True)
    ]


def scene(image: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> Scene:
    """An avatar turned and put somewhere into a picture, its landmarks inside."""
    sides = random.integers(256, 513, 2)
    low, high = SHARES[0], SHARES[-1]
    share = low * (high / low) ** random.uniform()
    side = int(share * max(sides))
    share = side / max(sides)
    wide = 2 * int(0.75 * side) + side % 2  # holds the avatar at every angle, about its middle
    small = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    tile = Image.new("RGBA", (wide, wide))
    edge = (wide - side) // 2
    tile.paste(small, (edge, edge))
    degrees = random.uniform(-20, 20)
    tile = tile.convert("RGBa").rotate(degrees, Image.Resampling.BICUBIC).convert("RGBA")
    angle = np.deg2rad(-degrees)  # Pillow turns against the clock, and y points down
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (landmarks - 0.5) * side @ turn.T
    lowest, highest = -points.min(axis=0) + 4, sides - points.max(axis=0) - 4
    centre = np.where(highest > lowest, random.uniform(lowest, np.maximum(highest, lowest)), 0)
    centre = np.where(highest > lowest, centre, sides / 2)
    corner = np.rint(centre - wide / 2).astype(int)
    kind = random.choice(["plain", "photograph", "noise"])
    ground = Image.fromarray(background(kind, sides[0], sides[1], random)).convert("RGBA")
    layer = Image.new("RGBA", ground.size)
    layer.paste(tile, (int(corner[0]), int(corner[1])))
    picture = np.asarray(Image.alpha_composite(ground, layer).convert("RGB"))
    return picture, points + corner + wide / 2, share


def background(kind: str, width: int, height: int, random: np.random.Generator) -> np.ndarray:
    """uint8 `[height, width, 3]`: one colour, a part of a photograph of flowers, or noise."""
    if kind == "plain":
        return np.tile(random.integers(0, 256, 3, dtype=np.uint8), (height, width, 1))
    if kind == "photograph":
        whole = load_sample_image("flower.jpg")
        share = random.uniform(0.2, 1.0)
        part = [int(share * side) for side in whole.shape[:2]]
        top, left = (random.integers(0, s - p + 1) for s, p in zip(whole.shape, part, strict=False))
        whole = whole[top : top + part[0], left : left + part[1]]
        return np.asarray(Image.fromarray(whole).resize((width, height)))
    grain = int(random.choice([1, 4, 16, 64]))
    cells = random.integers(0, 256, (-(-height // grain), -(-width // grain), 3), dtype=np.uint8)
    return cells.repeat(grain, axis=0).repeat(grain, axis=1)[:height, :width]


def faceless(kind: str, random: np.random.Generator) -> list[np.ndarray]:
    """A hundred pictures without a face; `parts` are avatars in strips put in another order."""
    if kind in ("photograph", "noise"):
        sides = random.integers(256, 513, (100, 2))
        return [background(kind, width, height, random) for width, height in sides]
    if kind == "digits":
        images: np.ndarray = load_digits().images  # pyright: ignore[reportAttributeAccessIssue]
        levels = np.rint(images[:100] * (255 / 16)).astype(np.uint8)
        large = levels.repeat(40, axis=1).repeat(40, axis=2)
        return list(large[..., None].repeat(3, axis=-1))
    found = []
    for image, _ in avatars(100):
        alpha = image[..., 3:] / 255.0
        white = np.rint(alpha * image[..., :3] + (1 - alpha) * 255).astype(np.uint8)
        strips = np.stack(np.split(white, 8))
        found.append(np.concatenate(list(strips[random.permutation(8)])))
    return found


if __name__ == "__main__":
    main()
