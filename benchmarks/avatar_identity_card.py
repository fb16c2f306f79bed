"""Measures a trained identity recogniser on pictures it has not seen and puts it into the package.

    gan-jax train experiments/avatar_identity.py
    python benchmarks/avatar_identity_card.py runs/avatar_identity

Writes gan_jax/weights/shipped/avatar_identity.safetensors (averaged weights, float16) and the card
beside it, avatar_identity.json: shares of the test split named right, and of its eyes by the
expression they are seen in.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

import gan_jax
from gan_jax.data.avatars import open_avatars, prepare
from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.parameters import FACTOR_NAMES
from gan_jax.data.avatars.version import RENDERER_VERSION
from gan_jax.data.geometry import composite
from gan_jax.networks.identity_recogniser import IDENTITY_FACTORS, IdentityRecogniser
from gan_jax.ops.pixels import to_float
from gan_jax.weights.variables import sha256_of, write_variables

SHIPPED = Path(gan_jax.__file__).parent / "weights" / "shipped"
BATCH = 100
WHITE = (255, 255, 255)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures and ships an identity recogniser.")
    parser.add_argument("workdir", type=Path, help="of a run of experiments/avatar_identity.py")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the two files")
    arguments = parser.parse_args()
    trained = gan_jax.load(arguments.workdir)
    averaged = jax.device_get(trained.state.nets["recogniser"].ema)
    params = jax.tree.map(partial(np.asarray, dtype=np.float16), averaged)
    path = arguments.out / "avatar_identity.safetensors"
    # One piece of metadata: several would have no order, and the file another hash each time.
    write_variables(path, {"params": params}, {"network": "avatar_identity"})
    card = {
        "sha256": sha256_of(path),
        "renderer_version": RENDERER_VERSION,
        "command": "gan-jax train experiments/avatar_identity.py",
        "steps": trained.step,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        **measured({"params": params}, trained.config.data.size),
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card, indent=2))


def measured(variables: Any, size: int) -> dict[str, Any]:
    """Shares of the test split named right."""
    prepare(size)
    avatars = open_avatars(size, "test").load_all()
    images = composite(avatars["image"], WHITE)
    blocks = [named(variables, images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    right = {
        name: np.concatenate([block[name] for block in blocks])
        == avatars["identity"][:, FACTOR_NAMES.index(name)]
        for name, _ in IDENTITY_FACTORS
    }
    shown = {name: avatars["expression"] == i for i, name in enumerate(EXPRESSIONS)}
    return {
        "held_out": f"avatars/{size}, test, N = {len(images)}",
        "accuracy": {name: share(each) for name, each in right.items()},
        "accuracy_of_eyes": {
            name: share(right["eyePalette"][which]) for name, which in shown.items()
        },
    }


def share(right: np.ndarray) -> float:
    return round(float(np.mean(right)), 4)


@jax.jit
def named(variables: Any, images: jax.Array) -> dict[str, jax.Array]:
    logits = IdentityRecogniser().apply(variables, to_float(images), train=False)
    assert isinstance(logits, dict)
    return {name: each.argmax(axis=-1) for name, each in logits.items()}


if __name__ == "__main__":
    main()
