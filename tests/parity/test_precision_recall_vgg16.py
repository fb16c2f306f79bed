"""Precision and recall in VGG-16's features, from pictures to both numbers, on random weights."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch_fidelity = pytest.importorskip("torch_fidelity")

from gan_jax.evaluators.spaces import feature_space  # noqa: E402
from gan_jax.metrics.protocol import PROTOCOLS  # noqa: E402
from gan_jax.weights.store import find_weights  # noqa: E402
from tests.networks.features.structured import structured_state, worst  # noqa: E402
from tests.parity.references import tensors  # noqa: E402
from tests.parity.test_evaluate import draw  # noqa: E402

pytestmark = pytest.mark.slow
FLOAT32 = 5e-6


@pytest.fixture(scope="module")
def state():
    return tensors(structured_state("vgg16"))


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    """All of VGG-16, as a user has it: 528 MiB."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(state, path)
    yield path
    path.unlink()


def resized(x, size=224):
    """Output i lies between the pixels around i * in / out; `[B, C, H, W]`."""
    for axis in (2, 3):
        count = x.shape[axis]
        places = torch.arange(size, dtype=torch.float32) * torch.tensor(count / size)
        below = places.long()
        above = (below + 1).clamp_max(count - 1)
        share = (places - below).reshape((-1, 1) if axis == 2 else (-1,)).to(x.dtype)
        low, high = x.index_select(axis, below), x.index_select(axis, above)
        x = low + share * (high - low)
    return x


@torch.no_grad()
def features(state, pixels):
    """`[B, 4096]` of uint8 `[B, H, W, 3]`: layer by layer, as the paper's table D lists them."""
    functional = torch.nn.functional
    x = resized(torch.from_numpy(pixels).permute(0, 3, 1, 2).double()) / 255
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.double)[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225], dtype=torch.double)[:, None, None]
    x = ((x - mean) / deviation).float()
    number = 0
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            weight, bias = (state[f"features.{number}.{kind}"] for kind in ("weight", "bias"))
            x = functional.conv2d(x, weight, bias, padding=1).relu()
            number += 2
        x = functional.max_pool2d(x, 2)
        number += 1
    x = x.flatten(1)
    for number in (0, 3):
        weight, bias = (state[f"classifier.{number}.{kind}"] for kind in ("weight", "bias"))
        x = functional.linear(x, weight, bias).relu()
    return x.numpy()


def test_features_of_pictures_of_several_sizes(state, file):
    space = feature_space("vgg16", PROTOCOLS["tf1"], find_weights("vgg16", file))
    generator = np.random.default_rng(0)
    for height, width in ((32, 32), (64, 97), (224, 224), (256, 512)):
        pixels = generator.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        found = np.asarray(space.outputs(space.variables, space.prepare(pixels))["features"])
        wanted = features(state, pixels)
        error = worst({"fc2_relu": found}, {"fc2_relu": wanted})["fc2_relu"]
        print(height, width, error, "active", (wanted > 0).mean())
        assert error <= FLOAT32 and 0.1 < (wanted > 0).mean() < 0.9


def shares(real, fake, k=3):
    """Precision and recall by their definition, a pair at a time, in float64."""

    def inside(balls, points):
        def of(point):
            return any(
                np.linalg.norm(point - centre)
                <= sorted(np.linalg.norm(centre - other) for other in balls)[k]
                for centre in balls
            )

        return float(np.mean([of(point) for point in points]))

    return inside(real, fake), inside(fake, real)


def test_two_folders(state, file, tmp_path):
    """Our command against the naive definition, and against torch-fidelity."""
    from PIL import Image

    real = draw(tmp_path / "real", 15, 0, (1.0, 1.0, 1.0))
    fake = draw(tmp_path / "fake", 11, 1, (1.0, 0.9, 0.8))
    command = [
        *(sys.executable, "-m", "gan_jax", "evaluate", f"--real={real}", f"--fake={fake}"),
        *("--metrics=pr_vgg16", f"--weights_vgg16={file}", "--batch=4", "--json"),
    ]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    both = found["precision_vgg16"]["value"], found["recall_vgg16"]["value"]
    of_real, of_fake = (
        np.concatenate([features(state, np.asarray(Image.open(path))[None]) for path in files])
        for files in (sorted(real.iterdir()), sorted(fake.iterdir()))
    )
    assert both == shares(of_real.astype(np.float64), of_fake.astype(np.float64))
    print(both)
    assert all(0 < value < 1 for value in both), both
    for name, key in itertools.product(("precision_vgg16", "recall_vgg16"), ("k", "strict")):
        assert found[name][key] == {"k": 3, "strict": False}[key]
    assert found["precision_vgg16"]["verified"] is False
    theirs = torch_fidelity.calculate_metrics(
        input1=str(fake),
        input2=str(real),
        prc=True,
        feature_extractor="vgg16",
        feature_extractor_weights_path=str(file),
        batch_size=1,
        cache=False,
        cuda=False,
        verbose=False,
    )
    assert both == pytest.approx((theirs["precision"], theirs["recall"]))
