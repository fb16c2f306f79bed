"""The reference networks with structured random weights, and the golden file that they prove.

`python -m tests.parity.references` writes the golden file anew.
"""

import json

import numpy as np
import torch

from tests.networks.features.structured import (
    GOLDEN,
    images,
    structured_state,
    summary,
)

INCEPTION_BLOCKS = {"64": 0, "192": 1, "768": 2, "2048": 3}
TAP_LAYERS = {
    "vgg16": {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29},
    "vgg19": {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29},
    "alexnet": {"relu1": 1, "relu2": 4, "relu3": 7, "relu4": 9, "relu5": 11},
}
"""Numbers of the ReLUs in torchvision's `features`."""
SIZES = {"inception": 299, "vgg16": 32, "vgg19": 32, "alexnet": 64}
"""Of the golden pictures."""


def tensors(state) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(np.array(value)) for key, value in state.items()}


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def pytorch_fid_net(state) -> torch.nn.Module:
    """pytorch-fid's wrapper around these weights; it neither resizes nor normalises."""
    import pytorch_fid.inception as package

    package.load_state_dict_from_url = lambda *arguments, **keywords: tensors(state)
    return package.InceptionV3([0, 1, 2, 3], resize_input=False, normalize_input=False).eval()


@torch.no_grad()
def pytorch_fid_features(network: torch.nn.Module, x: torch.Tensor) -> dict[str, np.ndarray]:
    found = network(x)
    return {tap: found[i].mean((2, 3)).numpy() for tap, i in INCEPTION_BLOCKS.items()}


@torch.no_grad()
def logits(state, pooled: np.ndarray) -> dict[str, np.ndarray]:
    """The last layer by its formula, in the precision of `pooled`; pytorch-fid stops before it."""
    weight = state["fc.weight"].astype(pooled.dtype)
    unbiased = pooled @ weight.T
    return {"logits": unbiased + state["fc.bias"], "logits_unbiased": unbiased}


@torch.no_grad()
def torchvision_features(network: str, state, x: torch.Tensor) -> dict[str, np.ndarray]:
    """Of the taps in `TAP_LAYERS`, channels last."""
    import torchvision

    module = getattr(torchvision.models, network)(weights=None).features.eval()
    module.load_state_dict(tensors({k.removeprefix("features."): v for k, v in state.items()}))
    found, names = {}, {layer: tap for tap, layer in TAP_LAYERS[network].items()}
    for i, layer in enumerate(module.to(x.dtype)):
        x = layer(x)
        if i in names:
            found[names[i]] = x.clone().permute(0, 2, 3, 1).numpy()
    return found


def golden_features(network: str) -> dict[str, np.ndarray]:
    """In float64."""
    x = channels_first(images(SIZES[network]).astype(np.float64))
    if network != "inception":
        state = structured_state(network, only="features.")
        return torchvision_features(network, state, x)
    state = structured_state(network)
    found = pytorch_fid_features(pytorch_fid_net(state).double(), x)
    return found | logits(state, found["2048"])


def main() -> None:
    found = {network: summary(golden_features(network)) for network in SIZES}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    import tests.parity.conftest  # noqa: F401

    main()
