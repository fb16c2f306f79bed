"""Which choices make a number: FID and its kin under the rules of one reference tool, by name.

Two numbers may be compared where all of this, the weights and the pictures agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.metrics.kernel import Sampling
from gan_jax.metrics.resize import Resize

Normalisation = Literal["(x-128)/128", "2x/255-1", "imagenet"]
Quantisation = Literal["round", "truncate"]
Logits = Literal["unbiased", "biased"]
AnyArray = TypeVar("AnyArray", np.ndarray, Array)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of RGB pictures in [0, 1], as torchvision's networks are trained with."""


@dataclass(frozen=True)
class Protocol:
    """Every choice between a picture and a number. Applied in this order: `quantisation` of float
    pictures to uint8, `resize` to `size` px, `normalisation`, `network`, estimators."""

    name: str
    network: str  # its tap 2048 gives the features
    quantisation: Quantisation
    resize: Resize
    size: int
    normalisation: Normalisation
    ddof: int  # of the covariances
    kid_subsets: int
    kid_subset_size: int
    kid_sampling: Sampling
    kid_seed: int
    inception_score_splits: int
    inception_score_seed: int | None
    inception_score_ddof: int
    inception_score_logits: Logits  # with the bias of the last layer or without
    precision_recall_k: int
    precision_recall_strict: bool
    precision_recall_features: str  # a tap of the network
    density_coverage_k: int  # strict, as prdc
    samples: int  # generated pictures
    real_split: str
    notes: str


TF1 = Protocol(
    name="tf1",
    network="inception",
    quantisation="round",
    resize="tf1",
    size=299,
    normalisation="(x-128)/128",
    ddof=1,
    kid_subsets=100,
    kid_subset_size=1000,
    kid_sampling="torch-fidelity",
    kid_seed=2020,
    inception_score_splits=10,
    inception_score_seed=2020,
    inception_score_ddof=0,
    inception_score_logits="unbiased",
    precision_recall_k=3,
    precision_recall_strict=False,
    precision_recall_features="2048",
    density_coverage_k=5,
    samples=50_000,
    real_split="train, all of it",
    notes="torch-fidelity, input 1 the generated set. StyleGAN2-ADA and 3 take ddof 0 and VGG-16 "
    "features for precision and recall. Density and coverage: prdc's estimator on these features.",
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "tf1": TF1,
        "pytorch-fid": replace(
            TF1,
            name="pytorch-fid",
            resize="bilinear",
            normalisation="2x/255-1",
            notes="pytorch-fid gives the Frechet distance only, of files, and prescribes no count "
            "and no split. KID, Inception score, precision and recall: torch-fidelity's "
            "estimators, density and coverage: prdc's, on these features.",
        ),
        "clean": replace(
            TF1,
            name="clean",
            resize="bicubic_antialias",
            kid_sampling="clean-fid",
            notes="clean-fid gives the Frechet distance and KID; its KID draws from NumPy's global "
            "state, here seeded. Inception score, precision and recall: torch-fidelity's "
            "estimators, density and coverage: prdc's, on these features.",
        ),
        "torchmetrics": replace(
            TF1,
            name="torchmetrics",
            quantisation="truncate",
            resize="bilinear_antialias",
            kid_sampling="torchmetrics",
            inception_score_ddof=1,
            notes="torchmetrics from 1.8 on, its default antialias=True and normalize=True for "
            "floats. KID subsets and the order of the Inception score are PyTorch permutations "
            "there: equal in distribution. Precision and recall: torch-fidelity's estimators, "
            "density and coverage: prdc's, on these features.",
        ),
    }
)

VGG16_PROTOCOL = replace(
    TF1,
    name="vgg16",
    network="vgg16",
    size=224,
    normalisation="imagenet",
    precision_recall_features="fc2_relu",
    notes="Precision and recall in VGG-16's features (Kynkaanniemi et al. 2019; pr50k3 of "
    "StyleGAN2-ADA and 3), prepared as torch-fidelity's vgg16 prepares them.",
)
"""No preset: how pictures reach VGG-16 under each of them."""


def protocol(name: str) -> Protocol:
    """The preset of that name; UsageError where there is none."""
    if name not in PROTOCOLS:
        raise UsageError(f"protocol {name!r}; it is one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def describe(protocol: Protocol) -> dict[str, Any]:
    """All choices by name, for JSON."""
    return asdict(protocol)


def as_used(protocol: Protocol) -> dict[str, Any]:
    """The same for a row: how many pictures and which real ones the preset wants stands under
    `preset`, for the row itself says what was used."""
    choices = describe(protocol)
    preset = {name: choices.pop(name) for name in ("samples", "real_split")}
    return {**choices, "preset": preset}


def normalise(images: AnyArray, how: Normalisation) -> AnyArray:
    """Pictures in 0..255, uint8 or float, -> float32 about [-1, 1], as the network saw them;
    "imagenet", RGB alone: their mean 0 and their deviation 1, about [-2, 3]."""
    floats = images.astype(np.float32)
    if how == "(x-128)/128":
        return (floats - 128.0) / 128.0
    if how == "2x/255-1":
        return 2.0 * (floats / 255.0) - 1.0
    if how == "imagenet":
        mean = np.array([255 * x for x in IMAGENET_MEAN], np.float32)
        deviation = np.array([255 * x for x in IMAGENET_DEVIATION], np.float32)
        return (floats - mean) / deviation
    raise UsageError(f"normalisation {how!r}; it is (x-128)/128, 2x/255-1 or imagenet")


def quantise(images: AnyArray, how: Quantisation) -> AnyArray:
    """Float pictures in [-1, 1] -> uint8, clipped outside. "round": to the nearest, halves up, as
    StyleGAN and torchvision's save_image do; "truncate": downwards, as torchmetrics does with
    `(x * 255).byte()` of [0, 1]."""
    if how not in ("round", "truncate"):
        raise UsageError(f"quantisation {how!r}; it is round or truncate")
    floats = images.astype(np.float32)
    # Truncation tells 254.99998 from 255: the same operations in the same order.
    scaled = floats * 127.5 + 128.0 if how == "round" else (floats + 1.0) / 2.0 * 255.0
    return scaled.clip(0.0, 255.0).astype(np.uint8)
