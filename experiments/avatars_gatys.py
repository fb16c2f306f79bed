"""Style transfer by optimisation (Gatys et al. 2016) at 64x64: the pixels are what is trained.

    gan-jax train experiments/avatars_gatys.py
    gan-jax translate runs/avatars_gatys picture.png --reference=style.png

The run takes the first avatars as contents and others as styles, all at once, and its log has the
losses; `translate` does the same for a picture of yours, by so many steps of L-BFGS with a line
search, or of Adam, as the run was trained with `--config.translate.steps`.
`--config.data.name=folder:PATH --config.styles=folder:PATH` optimise your own pictures in a run;
`--config.optimizer=lbfgs` has a run use L-BFGS too, in steps of `learning_rate`. The features are
those of the avatar encoder, which comes with the package; with `--config.encoder=vgg19` those of
VGG-19, whose weights are yours to import.

Expected on two CPU cores: two minutes for the eight pairs, in which the styles' loss falls to four
tenths and faces stay faces, and two more for 23 held-out avatars that are translated as a picture
of yours is and compared with the renderer's. `--config.total="1000 steps"` goes further; `:smoke`
takes seconds.
"""

from __future__ import annotations

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.pipeline import take
from gan_jax.data.source import ArraySource
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.persona_truth import PersonaTruth
from gan_jax.networks.features.style_vgg import TAPS, StyleVGG
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.recipe import Recipe
from gan_jax.recipes.gatys import Taps, gatys_recipe
from gan_jax.weights.store import Weights
from gan_jax.weights.style_weights import style_weights

ENCODERS = {"avatar_encoder": AvatarEncoder, "vgg19": StyleVGG}


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 8  # pairs, all of which are in every batch
    config.total = "300 steps"
    config.log_every = "10 steps"
    config.samples_every = "50 steps"
    config.checkpoint_every = "50 steps"
    config.samples.count = 8
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.styles = ""  # as data.name; "" for what follows the contents there
    config.encoder = "avatar_encoder"  # or vgg19
    config.content_tap = "relu2_1"
    config.style_taps = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    config.content_weight = 6.0
    config.style_weight = 100.0
    config.variation_weight = 3.0
    config.optimizer = "adam"  # or lbfgs
    config.learning_rate = 0.02
    config.translate = {"optimizer": "lbfgs", "steps": 100}  # of a picture of yours
    config.evaluate.samples = 32  # of which those count that another is to be the style of
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 4
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 4
    config.data.name = "avatars/32"
    config.data.size = 32
    config.translate.steps = 4
    config.evaluate.samples = 8


def geometry(config: Config) -> Geometry:
    data = config.data
    return Geometry(
        size=data.size, channels=data.channels, crop=data.crop, background=tuple(data.background)
    )


def get_dataset(config: Config) -> ArraySource:
    """As many pairs as a batch has, each with its number."""
    count, name = config.batch_size, config.styles or config.data.name
    first = 0 if config.styles else count
    contents, of_contents = pictures(config.data.name, np.arange(count), config)
    styles, of_styles = pictures(name, np.arange(first, first + count), config)
    text = f"gatys {of_contents} {of_styles} {count} {first}"
    arrays = {"image": contents, "reference": styles, "index": np.arange(count, dtype=np.int32)}
    return ArraySource(arrays, hashlib.sha256(text.encode()).hexdigest(), None, None)


def pictures(name: str, rows: np.ndarray, config: Config) -> tuple[np.ndarray, str]:
    """Those pictures of a source, uint8 `[N, H, W, C]`, and its fingerprint."""
    data = config.data
    source = open_source(
        name,
        split=data.split,
        geometry=geometry(config),
        on_bad_image=data.on_bad_image,
        data_dir=data.directory or None,
        labels="none",
        progress=None,
    )
    if len(source) <= rows[-1]:
        raise DataError(
            f"{name} has {len(source)} pictures, {rows[-1] + 1} are needed: lower batch_size"
        )
    return take(source, rows, {"image": "image"})["image"], source.fingerprint


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    size, data = config.batch_size, config.data
    pixels = jax.ShapeDtypeStruct((size, data.size, data.size, data.channels), jnp.uint8)
    index = jax.ShapeDtypeStruct((size,), jnp.int32)
    return {"image": pixels, "reference": pixels, "index": index}


def get_recipe(config: Config) -> Recipe:
    if config.encoder not in ENCODERS:
        raise UsageError(f"encoder={config.encoder!r}: must be {' or '.join(ENCODERS)}")
    for tap in (config.content_tap, *config.style_taps):
        if tap not in TAPS:
            raise UsageError(f"content_tap, style_taps: {tap!r} must be one of {', '.join(TAPS)}")
    size, dtype = config.data.size, compute_dtype(config)
    return gatys_recipe(
        encoder=ENCODERS[config.encoder](dtype=dtype),
        taps=Taps(config.content_tap, config.style_taps),
        count=config.batch_size,
        shape=(size, size, config.data.channels),
        values={f"{k}_weight": config[f"{k}_weight"] for k in ("content", "style", "variation")},
        optimizer=optimizer(config.translate.optimizer, config.learning_rate, searching=True),
        steps=config.translate.steps,
        dtype=dtype,
    )


def get_frozen(config: Config) -> dict[str, Weights]:
    return {"encoder": style_weights(config.encoder)}


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    """At the end, of avatars: held-out ones are translated as a user's are, and nobody could say
    what other pictures should truly become."""
    if not config.data.name.startswith("avatars/"):
        return ()
    return (
        PersonaTruth(
            samples=config.evaluate.samples,
            geometry=geometry(config),
            avatars=config.data.name,
            directory=config.data.directory,
            drawn=0,
            shown=8,
        ),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {"canvas": optimizer(config.optimizer, config.learning_rate)}


def optimizer(
    name: str, rate: float, searching: bool = False
) -> optax.GradientTransformationExtraArgs:
    """Of those names; raises UsageError for another."""
    known = optimizers(rate, searching)
    if name not in known:
        raise UsageError(f"optimizer={name!r}: must be {' or '.join(known)}")
    return known[name]


def optimizers(rate: float, searching: bool) -> dict[str, optax.GradientTransformationExtraArgs]:
    """Adam, and L-BFGS in steps of that length or, `searching`, of what a line search finds."""
    lbfgs = optax.lbfgs() if searching else optax.lbfgs(rate, linesearch=None)
    return {"adam": optax.with_extra_args_support(optax.adam(rate)), "lbfgs": lbfgs}
