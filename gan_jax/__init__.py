"""gan_jax: a JAX research framework for GAN experiments."""

from __future__ import annotations

from typing import Any


def load(directory: Any, **keywords: Any) -> Any:
    """Opens a run directory: `gan_jax.load("runs/x").sample(16, seed=0)`; see `trained.load`."""
    from gan_jax import trained  # only now: the command line answers --help without JAX

    return trained.load(directory, **keywords)
