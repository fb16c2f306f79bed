"""What each stabiliser does to a plain DCGAN: avatars at 32x32, one setting for each.

    gan-jax train experiments/avatars_stabilisers.py:r1

Without a setting it is the DCGAN as published: BatchNorm in both networks, the non-saturating loss,
Adam (2e-4, 0.5). `SETTINGS` names the others, each a change of one thing; spectral normalisation
and penalties take BatchNorm's place in the discriminator, whose absence is a setting by itself. All
take 3,000 rounds of batch 16, the plain one 1.4 minutes on two CPU cores, two turns 3.
`benchmarks/stabilisers.py` runs them all over three seeds; its table, from FD-avatar 39 with three
discriminators over 44 for the plain network to 132 with a gradient penalty, none collapsed, is in
docs/stabilisers.md.

`:smoke` takes seconds.
"""

from __future__ import annotations

import optax

from gan_jax import losses
from gan_jax.augment.ada.pipeline import ada_pipeline
from gan_jax.augment.diff_augment import diff_augment
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.diversity import Diversity
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.augmentation import Augmentation, adaptive, always, never
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import gradient_penalty, le_cam, r1, r2
from gan_jax.schedules import from_step


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 16
    config.total = "3000 steps"
    config.samples_every = "1000 steps"
    config.checkpoint_every = "1000 steps"
    config.data.name = "avatars/32"
    config.data.size = 32
    config.data.channels = 3
    config.evaluate.every = "3000 steps"
    config.evaluate.samples = 10_000
    config.latent_size = 128
    config.width = 32
    config.loss = "non_saturating"  # or another of gan_jax/losses.py
    config.normalise = True  # BatchNorm in the discriminator
    config.spectral = False
    config.discriminators = 1
    config.turns = 1
    config.generator = {"learning_rate": 2e-4, "b1": 0.5}
    config.discriminator = {"learning_rate": 2e-4, "b1": 0.5}
    config.r1_weight = 0.0  # each weight: 0 leaves the term out
    config.r2_weight = 0.0
    config.gradient_penalty_weight = 0.0
    config.le_cam_weight = 0.0
    config.augmentation = ""  # or DiffAugment's policy, or ada
    config.augment_target = 0.6  # of ADA
    config.ema_decay = 0.0  # above 0 the average is what is measured
    return choose(argument, config, smoke=smoke, **SETTINGS)


def without_batch_norm(config: Config) -> None:
    config.normalise = False


def spectral_norm(config: Config) -> None:
    config.normalise = False
    config.spectral = True


def r1_penalty(config: Config) -> None:
    config.normalise = False
    config.r1_weight = 0.3


def gradient_penalised(config: Config) -> None:
    config.normalise = False
    config.gradient_penalty_weight = 10.0


def two_time_scales(config: Config) -> None:
    config.generator.learning_rate = 1e-4
    config.discriminator.learning_rate = 4e-4


def two_turns(config: Config) -> None:
    config.turns = 2


def average(config: Config) -> None:
    config.ema_decay = 0.995


def differentiable_augmentation(config: Config) -> None:
    config.augmentation = "color,translation,cutout"


def adaptive_augmentation(config: Config) -> None:
    config.augmentation = "ada"


def logits_to_anchors(config: Config) -> None:
    config.le_cam_weight = 0.3


def relativistic(config: Config) -> None:
    config.loss = "relativistic_pairing"


def relativistic_r1_r2(config: Config) -> None:
    config.loss = "relativistic_pairing"
    config.normalise = False
    config.r1_weight = config.r2_weight = 0.3


def three_discriminators(config: Config) -> None:
    config.discriminators = 3


SETTINGS = {
    "no_batch_norm": without_batch_norm,
    "spectral": spectral_norm,
    "r1": r1_penalty,
    "gradient_penalty": gradient_penalised,
    "ttur": two_time_scales,
    "turns": two_turns,
    "ema": average,
    "diff_augment": differentiable_augmentation,
    "ada": adaptive_augmentation,
    "le_cam": logits_to_anchors,
    "relativistic": relativistic,
    "relativistic_r1_r2": relativistic_r1_r2,
    "discriminators": three_discriminators,
}


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 16
    config.evaluate.every = "20 steps"
    config.evaluate.samples = 64
    config.data.split = "test"
    config.width = 8


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    discriminator = DCGANDiscriminator(
        size,
        width=config.width,
        num_classes=classes,
        normalise=config.normalise,
        spectral=config.spectral,
        dtype=dtype,
    )
    terms = (r1(), r2(), gradient_penalty(), le_cam(decay=0.99))
    weights = {f"{term.name}_weight": config[f"{term.name}_weight"] for term in terms}
    return noise_recipe(
        generator=(
            DCGANGenerator(size, channels, width=config.width, num_classes=classes, dtype=dtype),
        ),
        discriminator=(discriminator,) * config.discriminators,
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.named(config.loss),
        values=weights | {"ema_decay": config.ema_decay, "augment_target": config.augment_target},
        schedules={"le_cam_weight": from_step(1000)},
        regularisers=tuple(term for term in terms if weights[f"{term.name}_weight"]),
        augmentation=augmentation_of(config),
        discriminator_turns=config.turns,
    )


def augmentation_of(config: Config) -> Augmentation:
    if not config.augmentation:
        return never()
    if config.augmentation == "ada":
        return adaptive(ada_pipeline("bgc"), ramp_kimg=100.0)
    policies = config.augmentation.split(",")
    return always(lambda images, key: diff_augment(images, key, policies))


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    return (
        AvatarFidelity(every=every, samples=samples),
        Diversity(every=every, samples=min(samples, 1000)),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    discriminators = [f"discriminator_{index}" for index in range(config.discriminators)]
    return {"generator_0": adam(config.generator)} | {
        name: adam(config.discriminator) for name in discriminators
    }


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(settings.learning_rate, b1=settings.b1)
