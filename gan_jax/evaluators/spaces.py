"""The feature spaces: FID's Inception-v3 under a protocol, VGG-16, and the avatar judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax import Array

from gan_jax.evaluators.evaluator import Metric
from gan_jax.evaluators.features import FeatureSpace
from gan_jax.metrics.protocol import VGG16_PROTOCOL, Protocol, as_used, normalise
from gan_jax.metrics.resize import resize
from gan_jax.networks.features.avatar_judge import AvatarJudge, Readings, to_judge_input
from gan_jax.networks.features.inception import FIDInception
from gan_jax.networks.features.vgg import VGG
from gan_jax.weights.store import Weights

LOGITS = {"unbiased": "logits_unbiased", "biased": "logits"}
"""Taps of the network by a protocol's word."""


def feature_space(network: str, protocol: Protocol, weights: Weights) -> FeatureSpace:
    """That of "inception" or of "vgg16"."""
    space = vgg16_space if network == "vgg16" else inception_space
    return space(protocol, weights)


def inception_space(protocol: Protocol, weights: Weights) -> FeatureSpace:
    """Outputs `features` `[B, 2048]` and `logits` `[B, 1008]`, as the protocol wants them."""
    network = FIDInception()

    def outputs(variables: Any, images: Array) -> dict[str, Array]:
        taps = network.apply(variables, images, train=False)
        assert isinstance(taps, dict)
        return {"features": taps["2048"], "logits": taps[LOGITS[protocol.inception_score_logits]]}

    return FeatureSpace(
        name="inception",
        describe=as_used(protocol) | provenance(weights),
        decides=(
            *("network", "weights_sha256", "resize", "size", "normalisation"),
            "inception_score_logits",
        ),
        variables=weights.variables,
        prepare=preparation_of(protocol),
        outputs=outputs,
        warnings=() if weights.verified else (unverified(weights),),
    )


def vgg16_space(protocol: Protocol, weights: Weights) -> FeatureSpace:
    """Output `features` `[B, 4096]`: the second dense layer behind its ReLU. Of the protocol it
    has the quantisation alone; the rest is `VGG16_PROTOCOL`'s."""
    protocol = dataclasses.replace(VGG16_PROTOCOL, quantisation=protocol.quantisation)
    network, tap = VGG(), protocol.precision_recall_features

    def outputs(variables: Any, images: Array) -> dict[str, Array]:
        taps = network.apply(variables, images, taps=(tap,))
        assert isinstance(taps, dict)
        return {"features": taps[tap]}

    choices = ("quantisation", "resize", "size", "normalisation")
    return FeatureSpace(
        name="vgg16",
        describe={
            **provenance(weights),
            "features": tap,
            **{name: getattr(protocol, name) for name in choices},
        },
        decides=("network", "weights_sha256", "features", "resize", "size", "normalisation"),
        variables=weights.variables,
        prepare=preparation_of(protocol),
        outputs=outputs,
        warnings=() if weights.verified else (unverified(weights),),
    )


def preparation_of(protocol: Protocol) -> Callable[[Any], Any]:
    """Resize and normalisation; grey is repeated, alpha dropped."""

    def prepare(images):
        colour = images[..., :3] if images.shape[-1] >= 3 else images[..., :1]
        resized = resize(colour, protocol.size, protocol.resize)
        rgb = resized if resized.shape[-1] == 3 else resized.repeat(3, axis=-1)
        return normalise(rgb, protocol.normalisation)

    return prepare


def stated(metrics: Mapping[str, Metric], space: FeatureSpace) -> dict[str, Any]:
    """The metrics as they go into a row: with their space, where it is not that of the protocol
    that the row is under."""
    about = space.describe if space.name == "vgg16" else {}
    return {name: {**metric, **about} for name, metric in metrics.items()}


def stated_protocol(spaces: Sequence[FeatureSpace]) -> dict[str, Any]:
    """Of a row: the first space's, and the others' by their names."""
    first, *others = spaces
    return {"name": first.name, **first.describe, **{x.name: dict(x.describe) for x in others}}


def judge_space(weights: Weights) -> FeatureSpace:
    """Outputs `features` `[B, D]` and the judge's readings: the probabilities `expression` and
    `factor/NAME`, the shares `parameters` and the points `landmarks`."""
    network = AvatarJudge()

    def outputs(variables: Any, images: Array) -> dict[str, Array]:
        readings = network.apply(variables, images, train=False)
        assert isinstance(readings, Readings)
        factors = {f"factor/{name}": nn.softmax(x) for name, x in readings.factors.items()}
        return {
            "features": readings.features,
            "expression": nn.softmax(readings.expression),
            "parameters": readings.parameters,
            "landmarks": readings.landmarks,
            **factors,
        }

    preparation = {"resize": "triangle filter, antialiased, to 64", "background": "white"}
    return FeatureSpace(
        name="avatar_judge",
        describe=provenance(weights) | preparation,
        decides=("network", "weights_sha256", "resize", "background"),
        # They are stored in half precision.
        variables=jax.tree.map(lambda leaf: leaf.astype(np.float32), weights.variables),
        prepare=to_judge_input,
        outputs=outputs,
    )


def provenance(weights: Weights) -> dict[str, Any]:
    """Which weights, for rows."""
    return {
        "network": weights.network,
        "weights_sha256": weights.sha256,
        "verified": weights.verified,
    }


def unverified(weights: Weights) -> str:
    return (
        f"{weights.path} fits {weights.network}, but its sha256 {weights.sha256[:12]} is not that "
        "of a known file: the numbers are unverified"
    )
