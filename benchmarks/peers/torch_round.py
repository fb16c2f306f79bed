"""PyTorch's side of a work: one training round as its users write it, made as fast as we know how.

Pictures stay uint8 on the device, activations are channels-last, Adam is fused, the average of the
weights is one call. A network that a phase does not train takes no gradients. `torch.compile` has
no gradients of gradients: what R1, R2 and path lengths differentiate runs eagerly in both variants.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from benchmarks.peers.torch_networks.spectral import track
from benchmarks.peers.work import Adam, Work

PATH_LENGTH_DECAY = 0.01


def device_of_torch() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Players:
    """Both networks of a work, and what each phase minimises.

    Losses take pictures `[B, C, H, W]` in [-1, 1], label `[B]` or None and z `[B, Z]`, and are to
    be called within `training`. `noise` is what a style-based generator adds to its features.
    """

    def __init__(self, work: Work, compiled: bool):
        self.work, self.device = work, device_of_torch()
        self.module = importlib.import_module(f"benchmarks.peers.torch_networks.{work.family}")
        self.generator, self.discriminator = (
            network.to(device=self.device, memory_format=torch.channels_last).train()
            for network in (self.module.generator(work), self.module.discriminator(work))
        )
        self.path_length_mean = torch.zeros((), device=self.device)
        self.noise = "random"
        self.draw, self.judge = self._draw, self.discriminator
        if compiled:
            self.draw = torch.compile(self._draw, dynamic=False)
            self.judge = torch.compile(self.discriminator, dynamic=False)

    def load(self, variables: Mapping[str, Mapping[str, Any]]) -> None:
        """Flax's variables in the place of the initial ones."""
        self.module.load(self.generator, self.discriminator, variables)

    @contextlib.contextmanager
    def training(self, name: str) -> Iterator[None]:
        """The phase of one network: the other takes no gradients and keeps its vectors."""
        other = self.generator if name == "discriminator" else self.discriminator
        other.requires_grad_(False)
        track(other, False)
        with torch.autocast(self.device.type, torch.bfloat16, self.work.precision == "bfloat16"):
            yield
        track(other, True)
        other.requires_grad_(True)

    def losses(self) -> dict[str, tuple[str, Callable[..., Tensor]]]:
        """By phase, in order: the network it trains, and what that minimises."""
        of_discriminator = {"discriminator": self.discriminator_loss, "r1": self.r1_loss}
        of_generator = {"generator": self.generator_loss, "path_length": self.path_length_loss}
        everything = {name: ("discriminator", loss) for name, loss in of_discriminator.items()}
        everything |= {name: ("generator", loss) for name, loss in of_generator.items()}
        wanted = {"discriminator", "generator", *self.work.lazy()}
        return {name: found for name, found in everything.items() if name in wanted}

    def discriminator_loss(self, real: Tensor, label: Tensor | None, z: Tensor) -> Tensor:
        """The adversarial loss, with R1 and R2 where they belong to every round."""
        work = self.work
        with torch.no_grad():
            fake = self.draw(z, label, False)
        r1_weight = work.r1_weight if work.r1_every == 1 else 0.0
        penalised = bool(r1_weight or work.r2_weight)
        judge = self.discriminator if penalised else self.judge
        real, fake = real.requires_grad_(penalised), fake.requires_grad_(penalised)
        if work.joint:
            labels = None if label is None else torch.cat([label, label])
            real_logits, fake_logits = judge(torch.cat([real, fake]), labels).chunk(2)
        else:
            real_logits, fake_logits = judge(real, label), judge(fake, label)
        match work.loss:
            case "non_saturating":
                value = softplus(-real_logits) + softplus(fake_logits)
            case "hinge":
                value = relu(1 - real_logits) + relu(1 + fake_logits)
            case "relativistic_pairing":
                value = softplus(fake_logits - real_logits)
        value = value.mean()
        if r1_weight:
            value = value + r1_weight * zero_centred(real_logits, real)
        if work.r2_weight:
            value = value + work.r2_weight * zero_centred(fake_logits, fake)
        return value

    def r1_loss(self, real: Tensor, label: Tensor | None, z: Tensor) -> Tensor:
        """R1 as a phase of its own."""
        real = real.requires_grad_()
        penalty = zero_centred(self.discriminator(real, label), real)
        return self.work.r1_every * self.work.r1_weight * penalty

    def generator_loss(self, real: Tensor, label: Tensor | None, z: Tensor) -> Tensor:
        fake_logits = self.judge(self.draw(z, label, True), label)
        match self.work.loss:
            case "non_saturating":
                return softplus(-fake_logits).mean()
            case "hinge":
                return -fake_logits.mean()
            case "relativistic_pairing":
                with torch.no_grad():
                    real_logits = self.judge(real, label)
                return softplus(real_logits - fake_logits).mean()

    def path_length_loss(
        self, real: Tensor, label: Tensor | None, z: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """Path lengths of half of a batch; `noise` is y `[B / 2, C, H, W]`, drawn where None."""
        z = z[: max(1, len(z) // 2)]
        label = None if label is None else label[: len(z)]
        ws = self._styles(z, label, False)
        pictures = self.generator.synthesise(ws, self.noise)
        noise = torch.randn_like(pictures) if noise is None else noise
        projected = (pictures * noise).sum() / (pictures.shape[2] * pictures.shape[3]) ** 0.5
        (gradient,) = torch.autograd.grad(projected, ws, create_graph=True)
        lengths = gradient.float().square().sum(2).mean(1).sqrt()
        mean = self.path_length_mean.lerp(lengths.mean(), PATH_LENGTH_DECAY)
        self.path_length_mean = mean.detach()
        weight = self.work.path_length_every * self.work.path_length_weight
        return weight * (lengths - mean).square().mean()

    def _draw(self, z: Tensor, label: Tensor | None, track: bool) -> Tensor:
        """Pictures as in training; `track` moves the average w of a style-based generator."""
        if self.work.family != "stylegan2":
            return self.generator(z, label)
        return self.generator.synthesise(self._styles(z, label, track), self.noise)

    def _styles(self, z: Tensor, label: Tensor | None, track: bool) -> Tensor:
        """ws `[B, L, W]`, of which a share takes those of a second z from a random layer on."""
        ws = self.generator.map(z, label, track=track)
        if not self.work.style_mixing:
            return ws
        others = self.generator.map(torch.randn_like(z), label, track=False)
        batch, layers = ws.shape[:2]
        first = torch.randint(1, layers, (batch, 1), device=ws.device)
        mixed = torch.rand(batch, 1, device=ws.device) < self.work.style_mixing
        keeps = (torch.arange(layers, device=ws.device) < first) | ~mixed
        return torch.where(keeps[:, :, None], ws, others)


def zero_centred(logits: Tensor, pictures: Tensor) -> Tensor:
    """0.5 |grad D|^2, the mean over the batch; to be differentiated."""
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


class TorchRound:
    """Rounds of `work` on batches that lie on the device; `variant` is "eager" or "compile"."""

    def __init__(self, work: Work, variant: str):
        torch.manual_seed(0)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.set_float32_matmul_precision("high")  # TF32 where there is such, as XLA does
        torch.backends.cudnn.benchmark = True
        self.work = work
        self.players = players = Players(work, variant == "compile")
        self.device = players.device
        self.optimizers = {
            "generator": adam(players.generator, work.generator_adam),
            "discriminator": adam(players.discriminator, work.discriminator_adam),
        }
        self.params = [param.detach() for param in players.generator.parameters()]
        self.average = [param.clone() for param in self.params]
        self.pictures, self.labels = _batches(work, self.device)

    def __call__(self, number: int) -> tuple[float, dict[str, float]]:
        """Round `number`: seconds of one round, and its losses."""
        self._synchronise()
        begin = time.perf_counter()
        losses = {}
        for _ in range(self.work.rounds):
            losses = self._round(number)
        self._synchronise()
        seconds = (time.perf_counter() - begin) / self.work.rounds
        return seconds, {name: loss.item() for name, loss in losses.items()}

    def phase(self, name: str) -> tuple[float, dict[str, float]]:
        """One phase, all its turns: seconds, and no losses."""
        network, loss = self.players.losses()[name]
        self._synchronise()
        begin = time.perf_counter()
        for turn in range(self.work.turns if name == "discriminator" else 1):
            self._update(network, loss, turn)
        self._synchronise()
        return time.perf_counter() - begin, {}

    def description(self) -> dict[str, Any]:
        """Parameters, device and versions."""
        networks = {
            "generator": self.players.generator,
            "discriminator": self.players.discriminator,
        }
        return {
            "parameters": {name: count(network) for name, network in networks.items()},
            "platform": "gpu" if self.device.type == "cuda" else "cpu",
            "torch": torch.__version__,
            "python": platform.python_version(),
        }

    def _round(self, number: int) -> dict[str, Tensor]:
        found = {}
        due = {"discriminator": self.work.turns, "generator": 1}
        due |= {name: 1 for name in self.work.due(number)}
        for name, (network, loss) in self.players.losses().items():
            for turn in range(due.get(name, 0)):
                found[name] = self._update(network, loss, turn)
        weight = 1 - self.work.ema_decay
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            self.average, self.params, weight
        )
        return found

    def _update(self, network: str, loss: Callable[..., Tensor], turn: int) -> Tensor:
        label = None if self.labels is None else self.labels[turn]
        z = torch.randn(self.work.batch, self.work.latent_size, device=self.device)
        with self.players.training(network):
            value = loss(scaled(self.pictures[turn]), label, z)
        optimizer = self.optimizers[network]
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        return value.detach()

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def adam(network: nn.Module, constants: Adam) -> torch.optim.Adam:
    rate, b1, b2, epsilon = constants
    return torch.optim.Adam(network.parameters(), rate, (b1, b2), epsilon, fused=True)


def count(network: nn.Module) -> int:
    """Parameters."""
    return sum(param.numel() for param in network.parameters())


def scaled(pictures: Tensor) -> Tensor:
    """uint8 `[B, C, H, W]` to float32 in [-1, 1]."""
    return pictures.float().div_(127.5).sub_(1)


def _batches(work: Work, device: torch.device) -> tuple[list[Tensor], Tensor | None]:
    """Pictures for each turn, uint8 `[B, C, H, W]` in channels-last, and labels `[turns, B]`."""
    generator = np.random.default_rng(0)
    shape = (work.turns, work.batch)
    pictures = generator.integers(0, 256, (*shape, work.size, work.size, work.channels), np.uint8)
    # Channels come last in memory, as in NumPy; only the names of the axes change.
    batches = [torch.from_numpy(batch).to(device).permute(0, 3, 1, 2) for batch in pictures]
    if not work.classes:
        return batches, None
    labels = generator.integers(0, work.classes, shape, np.int64)
    return batches, torch.from_numpy(labels).to(device)
