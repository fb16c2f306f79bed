"""PyTorch's losses and gradients at the weights and inputs that gan_jax was measured at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.peers.torch_round import Players, count, scaled
from benchmarks.peers.work import Work


def measure(
    work: Work, variables: Mapping[str, Mapping[str, Any]], given: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """`loss` and `gradient_norm` by phase, `parameters` by network; see `jax_measure.measure`.

    Raises:
        ValueError: the variables do not fit the networks.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    players = Players(work, compiled=False)
    players.noise = "none"
    tensors = {name: torch.from_numpy(array).to(players.device) for name, array in given.items()}
    image, z = tensors["image"].permute(0, 3, 1, 2), tensors["z"]
    label = tensors["label"].long() if work.classes else None
    networks = {"generator": players.generator, "discriminator": players.discriminator}
    parameters = {name: float(count(network)) for name, network in networks.items()}
    found = {"loss": {}, "gradient_norm": {}, "parameters": parameters}
    for name, (trained, loss) in players.losses().items():
        players.load(variables)
        y = {"noise": tensors["path_noise"].permute(0, 3, 1, 2)} if name == "path_length" else {}
        with players.training(trained):
            value = loss(scaled(image), label, z, **y)
        params = list(networks[trained].parameters())
        gradients = torch.autograd.grad(value, params, allow_unused=True)
        norms = torch.stack([g.norm() for g in gradients if g is not None])
        found["loss"][name] = value.item()
        found["gradient_norm"][name] = norms.norm().item()
    return found
