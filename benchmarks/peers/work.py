"""What is timed: seven networks and their rounds, as plain values that both sides read."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Literal, NamedTuple

Family = Literal["dense", "dcgan", "sngan", "biggan", "stylegan2", "r3gan"]
Loss = Literal["non_saturating", "hinge", "relativistic_pairing"]
Precision = Literal["float32", "bfloat16"]


class Adam(NamedTuple):
    """An optimizer's constants."""

    learning_rate: float
    b1: float
    b2: float
    epsilon: float = 1e-8

    def lazy(self, every: int) -> Adam:
        """With a phase of its own every k rounds: rate * c, b1^c and b2^c with c = k / (k + 1)
        (Karras et al. 2020b, appendix B)."""
        ratio = every / (every + 1)
        return Adam(self.learning_rate * ratio, self.b1**ratio, self.b2**ratio, self.epsilon)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """One row: a generator, a discriminator and their round.

    Attributes:
        name: of the row.
        family: whose networks they are, so the module of `torch_networks` and of gan_jax.
        size: pixels a side.
        channels: of a picture.
        classes: of the labels; 0 for an unconditional model.
        latent_size: Z of z `[B, Z]`.
        batch: B.
        loss: the adversarial pair.
        generator_adam, discriminator_adam: as used, lazy correction included.
        ema_decay: of the generator's average, a round.
        turns: of the discriminator in a round, each on its own real batch.
        joint: the discriminator sees real and generated pictures as one batch.
        rounds: in one dispatch of gan_jax; PyTorch runs as many one after another.
        r1_weight: gamma of R1; 0 for none.
        r1_every: rounds between two; above 1 a phase of its own, `r1_every` times as heavy.
        r2_weight: gamma of R2, every round; 0 for none.
        path_length_weight: 0 for none.
        path_length_every: as `r1_every`, of the generator; it uses half of a batch.
        width: features nearest the picture (dcgan), or the unit of all features (sngan, biggan),
            or features times resolution, at most 512 (stylegan2: the `channel_base`).
        generator_hidden, discriminator_hidden: widths (dense).
        dropout: rate after each hidden layer of the discriminator (dense).
        widths: features at 4x4, 8x8, …, `size` (r3gan).
        mapping_layers: of the generator (stylegan2); a label's in the discriminator has 8.
        w_features: of w (stylegan2).
        architecture: of the discriminator, "resnet" or "orig" without shortcuts (stylegan2).
        group_size: of the minibatch standard deviation (stylegan2).
        style_mixing: the probability that a picture mixes two styles (stylegan2).
        precision: of the networks' computation; parameters, losses and optimizers are float32.
        accelerator: too slow for a processor, so left out there unless it is asked for.
    """

    name: str
    family: Family
    size: int
    channels: int
    classes: int
    latent_size: int
    batch: int
    loss: Loss
    generator_adam: Adam
    discriminator_adam: Adam
    ema_decay: float
    turns: int = 1
    joint: bool = False
    rounds: int = 1
    r1_weight: float = 0.0
    r1_every: int = 1
    r2_weight: float = 0.0
    path_length_weight: float = 0.0
    path_length_every: int = 1
    width: int = 0
    generator_hidden: tuple[int, ...] = ()
    discriminator_hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    widths: tuple[int, ...] = ()
    mapping_layers: int = 8
    w_features: int = 512
    architecture: Literal["resnet", "orig"] = "resnet"
    group_size: int = 4
    style_mixing: float = 0.0
    precision: Precision = "float32"
    accelerator: bool = False

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        fields = json.loads(text)
        for name in ("generator_adam", "discriminator_adam"):
            fields[name] = Adam(*fields[name])
        for name in ("generator_hidden", "discriminator_hidden", "widths"):
            fields[name] = tuple(fields[name])
        return cls(**fields)

    def lazy(self) -> dict[str, int]:
        """The phases that are not due in every round: `every` by name."""
        found = {}
        if self.r1_weight and self.r1_every > 1:
            found["r1"] = self.r1_every
        if self.path_length_weight and self.path_length_every > 1:
            found["path_length"] = self.path_length_every
        return found

    def phases(self) -> tuple[str, ...]:
        """All of them, by name."""
        return ("discriminator", "generator", *self.lazy())

    def due(self, number: int) -> tuple[str, ...]:
        """The lazy phases of round `number`."""
        return tuple(name for name, every in self.lazy().items() if number % every == 0)

    def kinds(self) -> dict[int, float]:
        """Rounds that differ in their lazy phases: the number of the first of each kind, and the
        share of a whole period that are of it."""
        period = math.lcm(*self.lazy().values())
        kinds = [self.due(number) for number in range(period)]
        return {kinds.index(kind): kinds.count(kind) / period for kind in dict.fromkeys(kinds)}


STYLEGAN2_ADAM = Adam(0.0025, 0.0, 0.99)
SN_ADAM = Adam(2e-4, 0.5, 0.999, 1e-6)

WORKS: tuple[Work, ...] = (
    Work(
        name="dense",
        family="dense",
        size=28,
        channels=1,
        classes=0,
        latent_size=100,
        batch=64,
        loss="non_saturating",
        generator_adam=Adam(2e-4, 0.5, 0.999),
        discriminator_adam=Adam(2e-4, 0.5, 0.999),
        ema_decay=0.999,
        rounds=50,
        generator_hidden=(256, 512, 1024),
        discriminator_hidden=(512, 256),
        dropout=0.3,
    ),
    Work(
        name="dcgan64",
        family="dcgan",
        size=64,
        channels=3,
        classes=0,
        latent_size=100,
        batch=64,
        loss="non_saturating",
        generator_adam=Adam(2e-4, 0.5, 0.999),
        discriminator_adam=Adam(2e-4, 0.5, 0.999),
        ema_decay=0.999,
        width=64,
    ),
    Work(
        name="sngan32",
        family="sngan",
        size=32,
        channels=3,
        classes=10,
        latent_size=128,
        batch=64,
        loss="hinge",
        generator_adam=SN_ADAM,
        discriminator_adam=SN_ADAM,
        ema_decay=0.9999,
        turns=5,
        joint=True,
        width=64,
    ),
    Work(
        name="biggan32",
        family="biggan",
        size=32,
        channels=3,
        classes=10,
        latent_size=80,
        batch=64,
        loss="hinge",
        generator_adam=SN_ADAM,
        discriminator_adam=SN_ADAM,
        ema_decay=0.9999,
        turns=5,
        joint=True,
        width=96,
    ),
    Work(
        name="stylegan2_32",
        family="stylegan2",
        size=32,
        channels=3,
        classes=10,
        latent_size=512,
        batch=32,
        loss="non_saturating",
        generator_adam=STYLEGAN2_ADAM.lazy(4),  # as released, though there are no path lengths
        discriminator_adam=STYLEGAN2_ADAM.lazy(16),
        ema_decay=0.5 ** (32 / 500_000),
        r1_weight=0.01,
        r1_every=16,
        width=32768,
        mapping_layers=2,
        architecture="orig",
        group_size=32,
    ),
    Work(
        name="stylegan2_256",
        family="stylegan2",
        size=256,
        channels=3,
        classes=0,
        latent_size=512,
        batch=16,
        loss="non_saturating",
        generator_adam=STYLEGAN2_ADAM.lazy(4),
        discriminator_adam=STYLEGAN2_ADAM.lazy(16),
        ema_decay=0.5 ** (16 / 20_000),
        r1_weight=1.0,
        r1_every=16,
        path_length_weight=2.0,
        path_length_every=4,
        width=16384,
        group_size=8,
        style_mixing=0.9,
        accelerator=True,
    ),
    Work(
        name="r3gan32",
        family="r3gan",
        size=32,
        channels=3,
        classes=10,
        latent_size=64,
        batch=8,  # a round takes half a minute on two processor cores
        loss="relativistic_pairing",
        generator_adam=Adam(2e-4, 0.0, 0.9),
        discriminator_adam=Adam(2e-4, 0.0, 0.9),
        ema_decay=0.5 ** (8 / 5e6),
        r1_weight=0.05,
        r2_weight=0.05,
        widths=(768, 768, 768, 768),
    ),
)
