"""Measures a trained avatar encoder on pictures it has not seen and puts it into the package.

    gan-jax train experiments/avatar_encoder.py
    python benchmarks/avatar_encoder_card.py runs/avatar_encoder

Writes gan_jax/weights/shipped/avatar_encoder.safetensors (averaged weights without the heads that
it learnt by, float16) and the card beside it, avatar_encoder.json. Each filter is scaled so that
its mean squared activation over training pictures is 1, which the next layer takes back: all
filters count alike in squared losses (Gatys et al. 2016, section 2, scale the mean activation).
What is measured is what is stored, under the heads. Held out is the test split.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gan_jax
from gan_jax.data.avatars import open_avatars, prepare
from gan_jax.data.avatars.parameters import FACTOR_NAMES
from gan_jax.data.avatars.version import RENDERER_VERSION
from gan_jax.data.geometry import composite
from gan_jax.networks.features.style_vgg import TAPS
from gan_jax.networks.style_encoder import (
    STYLE_FACTORS,
    AvatarEncoder,
    AvatarEncoderClassifier,
    AvatarLabels,
)
from gan_jax.ops.pixels import to_float
from gan_jax.weights.variables import sha256_of, write_variables

SHIPPED = Path(gan_jax.__file__).parent / "weights" / "shipped"
BATCH = 100
CALIBRATION = 500
"""Training pictures that mean activations are taken over."""
WHITE = (255, 255, 255)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures and ships an avatar encoder.")
    parser.add_argument("workdir", type=Path, help="of a run of experiments/avatar_encoder.py")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the two files")
    arguments = parser.parse_args()
    trained = gan_jax.load(arguments.workdir)
    half = partial(np.asarray, dtype=np.float16)
    params = normalised(
        jax.device_get(trained.state.nets["encoder"].ema),
        pictures(trained.config.data.size, "train")["image"][:CALIBRATION],
    )
    params = jax.tree.map(half, params)
    path = arguments.out / "avatar_encoder.safetensors"
    # One piece of metadata: several would have no order, and the file another hash each time.
    write_variables(path, {"params": params["encoder"]}, {"network": "avatar_encoder"})
    card = {
        "sha256": sha256_of(path),
        "renderer_version": RENDERER_VERSION,
        "command": "gan-jax train experiments/avatar_encoder.py",
        "steps": trained.step,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params["encoder"])),
        **measured({"params": params}, trained.config.data.size),
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card, indent=2))


def measured(variables: Any, size: int) -> dict[str, Any]:
    """Shares of the test split named right."""
    avatars = pictures(size, "test")
    truth = {"expression": avatars["expression"]} | {
        name: avatars["identity"][:, FACTOR_NAMES.index(name)] for name, _ in STYLE_FACTORS
    }
    images = avatars["image"]
    blocks = [named(variables, images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    found = {name: np.concatenate([block[name] for block in blocks]) for name in truth}
    return {
        "held_out": f"avatars/{size}, test, N = {len(images)}",
        "accuracy": {
            name: round(float(np.mean(found[name] == labels)), 4) for name, labels in truth.items()
        },
    }


def pictures(size: int, split: str) -> dict[str, np.ndarray]:
    """A split, on white."""
    prepare(size)
    avatars = open_avatars(size, split).load_all()
    return {**avatars, "image": composite(avatars["image"], WHITE)}


def normalised(params: Any, images: np.ndarray) -> dict[str, Any]:
    """The classifier's parameters with every filter of the encoder scaled to a mean squared
    activation of 1 over the images."""
    encoder = AvatarEncoder()
    layers = [f"{b}_{i}" for b, count in enumerate(encoder.blocks, 1) for i in range(1, count + 1)]
    taps = tuple(f"relu{layer}" for layer in layers)
    found = encoder.apply({"params": params["encoder"]}, to_float(images), taps=taps, train=False)
    assert isinstance(found, dict)
    scales = {tap: activation(found[tap]) for tap in taps}
    scaled, before = {}, np.ones(3, np.float32)
    for layer in layers:
        kernel, bias = (params["encoder"][f"conv{layer}"][name] for name in ("kernel", "bias"))
        after = scales[f"relu{layer}"]
        scaled[f"conv{layer}"] = {"kernel": kernel * before[:, None] / after, "bias": bias / after}
        before = after
    style = np.concatenate([np.tile(scales[tap], 2) for tap in TAPS])
    rows = {"expression": np.tile(before, 16)} | {name: style for name, _ in STYLE_FACTORS}
    heads = {
        name: {**params[name], "kernel": params[name]["kernel"] * rows[name][:, None]}
        for name in rows
    }
    return {"encoder": scaled, **heads}


def activation(features: jax.Array) -> np.ndarray:
    """`[C]` of `[N, h, w, C]`, the root of the mean square; of filters that are hardly ever active
    a hundredth of the layer's mean."""
    root = np.asarray(jnp.sqrt(jnp.mean(jnp.square(features), axis=(0, 1, 2))))
    return np.maximum(root, 0.01 * root.mean())


@jax.jit
def named(variables: Any, images: jax.Array) -> dict[str, jax.Array]:
    labels = AvatarEncoderClassifier().apply(variables, to_float(images), train=False)
    assert isinstance(labels, AvatarLabels)
    logits = {"expression": labels.expression, **labels.factors}
    return {name: each.argmax(axis=-1) for name, each in logits.items()}


if __name__ == "__main__":
    main()
