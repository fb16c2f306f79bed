"""Directions in latent space that change pictures, found without labels.

SeFa (Shen and Zhou 2021) takes the eigenvectors of A^T A, where A holds the weights that read the
latent; GANSpace (Härkönen et al. 2020) the principal components of styles, or of the activations
that those weights make, brought back to latents by least squares.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UsageError


class Directions(NamedTuple):
    """Attributes:
    vectors: `[K, D]`, of length 1; the entry of greatest size is positive.
    deviations: `[K]`, what a strength of 1 moves a latent by: the standard deviation of drawn
        latents along the vector, or, of regressed components, along the component.
    values: `[K]`, what they are ordered by, descending: eigenvalues, or variances.
    """

    vectors: np.ndarray
    deviations: np.ndarray
    values: np.ndarray


def sefa(weights: np.ndarray, points: np.ndarray) -> Directions:
    """The eigenvectors of A^T A, as many as there are dimensions.

    As in the authors' code, each output's weights are brought to length 1 first: a row of A here,
    a column of their transposed A.

    Args:
        weights: A, `[F, D]`.
        points: drawn latents `[N, D]`, which say how far a direction goes.
    """
    rows = np.asarray(weights, np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    vectors = with_fixed_signs(vectors.T[::-1])
    deviations = (np.asarray(points, np.float64) @ vectors.T).std(axis=0)
    return Directions(vectors, deviations, values[::-1])


def principal_components(points: np.ndarray) -> Directions:
    """Of points `[N, D]`: vectors, and their variances (of N - 1 degrees of freedom)."""
    _check_enough(points)
    centred = np.asarray(points, np.float64) - points.mean(axis=0, dtype=np.float64)
    _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
    variances = singular**2 / (len(points) - 1)
    return Directions(with_fixed_signs(vectors), np.sqrt(variances), variances)


def regressed_components(points: np.ndarray, weights: np.ndarray) -> Directions:
    """The principal components of activations A z, brought back to z.

    The activations' coordinates x along their components are regressed: U minimises |U x - z|^2
    over the drawn latents, and column k, times the deviation of x_k, is what a strength of 1 adds.
    The activations lie in a space of at most D dimensions (A = Q R, Q orthonormal), so that their
    components are those of R z, at D dimensions however wide the layer is.

    Args:
        points: drawn latents z, `[N, D]`.
        weights: A, `[F, D]`.
    """
    latents = np.asarray(points, np.float64)
    latents = latents - latents.mean(axis=0)
    triangle = np.asarray(np.linalg.qr(np.asarray(weights, np.float64), mode="r"))
    components = principal_components(latents @ triangle.T)
    known = components.values > 1e-9 * components.values[0]  # others are rounding
    vectors, deviations, values = (field[known] for field in components)
    coordinates = latents @ triangle.T @ vectors.T
    back, *_ = np.linalg.lstsq(coordinates, latents, rcond=None)  # [K, D]
    lengths = np.linalg.norm(back, axis=1)
    unit = with_fixed_signs(back / lengths[:, None])
    return Directions(unit, deviations * lengths, values)


def first(directions: Directions, count: int) -> Directions:
    """The first so many; raises UsageError where there are fewer."""
    if not 1 <= count <= len(directions.vectors):
        raise UsageError(f"--count={count}: there are 1 to {len(directions.vectors)} directions")
    return Directions(*(field[:count] for field in directions))


def steps_along(directions: Directions, strength: float, steps: int) -> np.ndarray:
    """`[K, S, D]`: what is added to a latent, from -strength to +strength deviations."""
    way = np.linspace(-strength, strength, steps)
    moves = directions.vectors * directions.deviations[:, None]
    return (way[None, :, None] * moves[:, None]).astype(np.float32)


def with_fixed_signs(vectors: np.ndarray) -> np.ndarray:
    """Rows `[K, D]` whose entry of greatest size is positive."""
    greatest = np.argmax(np.abs(vectors), axis=1)
    signs = np.sign(vectors[np.arange(len(vectors)), greatest])
    return vectors * signs[:, None]


def _check_enough(points: np.ndarray) -> None:
    if len(points) <= points.shape[1]:
        raise UsageError(
            f"{len(points)} latents tell no {points.shape[1]} components: draw more of them"
        )
