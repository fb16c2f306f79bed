"""What a discriminator's auxiliary outputs are trained on: per-example losses of class and label.

`label` is int32 `[B]`, or for attributes float32 `[B, A]` of 0 and 1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def auxiliary_classifier(class_logits: Array, label: Array) -> Array:
    """-log softmax(logits)[label] (AC-GAN: Odena et al. 2017, eq. 2); for attributes the sum over
    A of -log sigmoid of each logit as its attribute has it.

    Args:
        class_logits: `[B, K]`; `[B, A]` for attributes.
        label: int32 `[B]`, or float32 `[B, A]`.

    Returns:
        `[B]`, float32.
    """
    logits = class_logits.astype(jnp.promote_types(class_logits.dtype, jnp.float32))
    if jnp.issubdtype(label.dtype, jnp.integer):
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), label[:, None], axis=1)[:, 0]
    return jnp.sum(jax.nn.softplus(logits) - label * logits, axis=1)


def conditional_contrastive(
    embedding: Array, proxies: Array, label: Array, *, temperature: float
) -> Array:
    """The 2C loss (ContraGAN: Kang and Park 2020, eq. 8), with l an embedding, e a class's proxy:

    -log( (exp(l_i.e_i/t) + sum_{k != i, y_k = y_i} exp(l_i.l_k/t))
        / (exp(l_i.e_i/t) + sum_{k != i} exp(l_i.l_k/t)) ).

    Args:
        embedding: `[B, E]` of length 1.
        proxies: `[K, E]` of length 1.
        label: int32 `[B]`.
        temperature: t.

    Returns:
        `[B]`, float32; 0 where all of a batch is of one class.
    """
    own = _own_proxy(proxies, label)
    to_proxy = jnp.sum(embedding * own, axis=1, keepdims=True) / temperature
    to_others = embedding @ embedding.T / temperature
    others = ~jnp.eye(label.size, dtype=bool)
    alike = others & (label[:, None] == label[None, :])

    def log_sum(chosen: Array) -> Array:
        terms = jnp.where(chosen, to_others, -jnp.inf)
        return jax.nn.logsumexp(jnp.concatenate([to_proxy, terms], axis=1), axis=1)

    return log_sum(others) - log_sum(alike)


def data_to_data_cross_entropy(
    embedding: Array,
    proxies: Array,
    label: Array,
    *,
    temperature: float,
    positive_margin: float,
    negative_margin: float,
) -> Array:
    """The D2D-CE loss (ReACGAN: Kang et al. 2021, eq. 6), with f an embedding, w a class's proxy:

    -log( exp([f_i.w_i - m_p]_- / t)
        / (exp([f_i.w_i - m_p]_- / t) + sum_{y_j != y_i} exp([f_i.f_j - m_n]_+ / t)) ),

    where [.]_- = min(., 0) and [.]_+ = max(., 0): pictures already close enough to their class, or
    far enough from those of others, pull no more.

    Args:
        embedding: `[B, E]` of length 1.
        proxies: `[K, E]` of length 1.
        label: int32 `[B]`.
        temperature: t.
        positive_margin: m_p.
        negative_margin: m_n.

    Returns:
        `[B]`, float32; 0 where all of a batch is of one class.
    """
    near = jnp.sum(embedding * _own_proxy(proxies, label), axis=1, keepdims=True)
    near = jnp.minimum(near - positive_margin, 0.0) / temperature
    apart = jnp.maximum(embedding @ embedding.T - negative_margin, 0.0) / temperature
    apart = jnp.where(label[:, None] != label[None, :], apart, -jnp.inf)
    return jax.nn.logsumexp(jnp.concatenate([near, apart], axis=1), axis=1) - near[:, 0]


def _own_proxy(proxies: Array, label: Array) -> Array:
    """Each picture's class's, `[B, E]`; NaN for a label that is no class, which stops the run,
    where an index would quietly take the last class."""
    return proxies.at[label].get(mode="fill", fill_value=jnp.nan)
