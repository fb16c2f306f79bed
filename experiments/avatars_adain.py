"""Style transfer in one pass (AdaIN) on avatars at 64x64: any face in the look of any other.

    gan-jax train experiments/avatars_adain.py
    gan-jax translate runs/avatars_adain picture.png --reference='style/*.png' --condition.alpha=0.7

The features are those of the avatar encoder, which comes with the package; with
`--config.encoder=vgg19` those of VGG-19, whose weights are yours to import
(`gan-jax weights import vgg19 --from=FILE`); for pictures of 256 pixels and more `layer` is
`relu4_1` as published.

Unlike the paper's decoder ours is also to draw a picture's own features as that picture
(`identity_weight`): without that faces were lost in checks, which the encoder's pools do not see.

Expected on two CPU cores of a very busy machine: 28 minutes; hair and clothes take the tones of the
reference, faces stay, somewhat soft: the judge reads the reference's drawing style off 28 % of
held-out faces (0 % of copies), its palettes hardly (16 %, by chance 12 %). `:long` is for a GPU or
a night; `:smoke` takes seconds.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.renamed import RenamedSource
from gan_jax.data.source import in_memory
from gan_jax.data.unpaired import UnpairedSource
from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.persona_truth import PersonaTruth
from gan_jax.networks.adain import AdaINDecoder
from gan_jax.networks.features.style_vgg import TAPS, StyleVGG
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.recipe import Recipe
from gan_jax.recipes.style_transfer import style_transfer_recipe
from gan_jax.schedules import inverse_time
from gan_jax.weights.store import Weights
from gan_jax.weights.style_weights import style_weights

ENCODERS = {"avatar_encoder": AvatarEncoder, "vgg19": StyleVGG}


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 8
    config.total = "2000 steps"
    config.samples.count = 32
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.evaluate.every = "2000 steps"
    config.evaluate.samples = 400
    config.encoder = "avatar_encoder"  # or vgg19
    config.layer = "relu2_1"  # whose features get the style, and the decoder draws
    config.taps = ("relu1_1", "relu2_1", "relu3_1")  # where the result is compared with the style
    config.style_weight = 2.0
    config.variation_weight = 2.0
    config.identity_weight = 30.0  # 0 as published
    config.ema_decay = 0.99
    config.decoder = {"learning_rate": 1e-3, "decay": 5e-4}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.total = "20_000 steps"
    config.evaluate.every = "10_000 steps"
    config.samples_every = "2_000 steps"
    config.checkpoint_every = "2_000 steps"
    config.ema_decay = 0.999


def smoke(config: Config) -> None:
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 16
    config.evaluate.every = "8 steps"
    config.evaluate.samples = 24
    config.data.name = "avatars/32"
    config.data.size = 32


def geometry(config: Config) -> Geometry:
    data = config.data
    return Geometry(
        size=data.size, channels=data.channels, crop=data.crop, background=tuple(data.background)
    )


def get_dataset(config: Config) -> RenamedSource:
    """Every picture beside another one, whose style it is to have."""
    data = config.data
    source = in_memory(
        open_source(
            data.name,
            split=data.split,
            geometry=geometry(config),
            on_bad_image=data.on_bad_image,
            data_dir=data.directory or None,
            labels="none",
            progress=None,
        )
    )
    pairs = UnpairedSource(source, source, seed=data.seed)
    return RenamedSource(pairs, {"a": "image", "b": "reference"})


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    side = config.data.size
    shape = (config.batch_size, side, side, config.data.channels)
    return dict.fromkeys(("image", "reference"), jax.ShapeDtypeStruct(shape, jnp.uint8))


def get_recipe(config: Config) -> Recipe:
    if config.encoder not in ENCODERS:
        raise UsageError(f"encoder={config.encoder!r}: must be {' or '.join(ENCODERS)}")
    for tap in (config.layer, *config.taps):
        if tap not in TAPS:
            raise UsageError(f"layer and taps: {tap!r} must be one of {', '.join(TAPS)}")
    dtype = compute_dtype(config)
    encoder = ENCODERS[config.encoder](dtype=dtype)
    used = TAPS.index(config.layer) + 1
    decoder = AdaINDecoder(
        encoder.width,
        encoder.multiples[:used],
        (*encoder.blocks[: used - 1], 1),
        config.data.channels,
        dtype=dtype,
    )
    return style_transfer_recipe(
        encoder=encoder,
        decoder=decoder,
        layer=config.layer,
        taps=config.taps,
        values={
            "style_weight": config.style_weight,
            "variation_weight": config.variation_weight,
            "identity_weight": config.identity_weight,
            "ema_decay": config.ema_decay,
        },
        schedules={"decoder.learning_rate": inverse_time(config.decoder.decay)},
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    return (
        PersonaTruth(
            every=config.evaluate.every,
            samples=config.evaluate.samples,
            geometry=geometry(config),
            avatars=config.data.name,
            directory=config.data.directory,
            drawn=0,
        ),
    )


def get_frozen(config: Config) -> dict[str, Weights]:
    return {"encoder": style_weights(config.encoder)}


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {"decoder": optax.inject_hyperparams(optax.adam)(config.decoder.learning_rate)}
