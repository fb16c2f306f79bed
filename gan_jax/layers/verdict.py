"""What a discriminator says of a batch, where it says more than logits."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array


class Verdict(NamedTuple):
    """A discriminator's outputs.

    Attributes:
        logits: `[B]` float32, positive for real.
        class_logits: `[B, K]` float32 of an auxiliary classifier (Odena et al. 2017), else None.
        embedding: `[B, E]` float32, of length 1, where the head compares pictures with one another
            (Kang and Park 2020), else None.
        proxies: `[K, E]` float32, of length 1, one a class, beside `embedding`.
    """

    logits: Array
    class_logits: Array | None = None
    embedding: Array | None = None
    proxies: Array | None = None


class Featured(NamedTuple):
    """A discriminator's logits and what it saw.

    Attributes:
        logits: `[B]` float32, positive for real.
        features: `[B, F]` float32, of its last hidden layer.
    """

    logits: Array
    features: Array


def verdict_of(output: Array | Verdict) -> Verdict:
    """The verdict of a discriminator that returns one, or bare logits `[B]`."""
    return output if isinstance(output, Verdict) else Verdict(output)
