"""VGG and AlexNet against torchvision, torch-fidelity and lpips, on the same random weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
lpips = pytest.importorskip("lpips")
torchvision = pytest.importorskip("torchvision")

from gan_jax.evaluators.lpips import lpips as shipped_lpips  # noqa: E402
from gan_jax.metrics.perceptual import lpips_distance  # noqa: E402
from gan_jax.networks.features import vgg  # noqa: E402
from gan_jax.networks.features.vgg import VGG, VGG16, VGG19, AlexNet  # noqa: E402
from gan_jax.weights.known import is_known, is_known_content  # noqa: E402
from gan_jax.weights.store import content_sha256, find_weights  # noqa: E402
from tests.networks.features.structured import (  # noqa: E402
    golden,
    images,
    structured_state,
    summary,
    worst,
)
from tests.networks.features.test_vgg import features_only  # noqa: E402
from tests.parity.references import (  # noqa: E402
    channels_first,
    golden_features,
    tensors,
    torchvision_features,
)

FLOAT32, FLOAT64 = 5e-6, 1e-12
SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
SCALE = np.array([0.458, 0.448, 0.450], np.float32)
"""As lpips keeps them, in float32 also where it computes in float64."""
CASES = {
    "vgg16": (lambda dtype: VGG(VGG16, dtype), vgg.LPIPS_VGG16),
    "vgg19": (lambda dtype: VGG(VGG19, dtype), vgg.STYLE),
    "alexnet": (AlexNet, vgg.LPIPS_ALEXNET),
}


def features(network, variables, x, dtype=jnp.float32):
    make, taps = CASES[network]
    apply = jax.jit(lambda variables, x: make(dtype).apply(variables, x, taps=taps))
    return jax.device_get(apply(variables, x))


def exactly(network, variables, x):
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        return features(network, exact, np.asarray(x, np.float64), jnp.float64)


@pytest.mark.parametrize("network", CASES)
def test_convolutions_of_torchvision(network):
    state, x = structured_state(network, only="features."), images(96, count=2)
    variables = features_only(network)
    wanted = torchvision_features(network, state, channels_first(x))
    errors = worst(features(network, variables, x), wanted)
    print(network, "float32", errors)
    assert errors.keys() == set(CASES[network][1]) and max(errors.values()) <= FLOAT32
    wanted = torchvision_features(network, state, channels_first(x.astype(np.float64)))
    errors = worst(exactly(network, variables, x), wanted)
    print(network, "float64", errors)
    assert max(errors.values()) <= FLOAT64


@pytest.mark.parametrize("network", CASES)
def test_the_golden_file_is_what_torchvision_gives(network):
    found = summary(golden_features(network))
    assert found.keys() == golden(network).keys()
    for tap, values in golden(network).items():
        np.testing.assert_allclose(found[tap], values, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory):
    """All of VGG-16, as a user has it: 528 MiB."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(tensors(structured_state("vgg16")), path)
    yield path
    path.unlink()


@pytest.mark.slow
def test_dense_layers(vgg16_file):
    """`fc2_relu` of torch-fidelity, and all three layers of torchvision."""
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16

    pixels = np.random.default_rng(5).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = ((pixels / 255 - mean) / deviation).astype(np.float32)
    variables = find_weights("vgg16", vgg16_file).variables
    apply = jax.jit(lambda v, x: VGG(VGG16).apply(v, x, taps=vgg.DENSE))
    found = jax.device_get(apply(variables, x))
    path = str(vgg16_file)
    extractor = FeatureExtractorVGG16("x", ["fc2_relu"], feature_extractor_weights_path=path)
    with torch.no_grad():
        (theirs,) = extractor(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
        model = torchvision.models.vgg16(weights=None).eval()
        model.load_state_dict(torch.load(vgg16_file))
        y = model.features(channels_first(x)).flatten(1)
        fc1 = torch.relu(model.classifier[0](y))
        fc2 = torch.relu(model.classifier[3](fc1))
        wanted = {"fc1_relu": fc1, "fc2_relu": fc2, "logits": model.classifier[6](fc2)}
    errors = worst(found, {tap: value.numpy() for tap, value in wanted.items()})
    errors["torch-fidelity"] = worst(found, {"fc2_relu": theirs.numpy()})["fc2_relu"]
    print("dense", errors)
    assert max(errors.values()) <= FLOAT32


def distance(first, second, weights):
    """The shipped distance over taps, in the dtype of the features."""
    with jax.enable_x64(first[next(iter(weights))].dtype == np.float64):
        rows = ([value[tap] for tap in weights] for value in (first, second, weights))
        return np.asarray(lpips_distance(*rows, epsilon_inside=False))


def lpips_file(name):
    from pathlib import Path

    return Path(lpips.__file__).parent / "weights" / "v0.1" / f"{name}.pth"


@pytest.mark.parametrize(
    ("name", "network", "linear"),
    [("vgg", "vgg16", "lpips"), ("alex", "alexnet", "lpips_alexnet")],
)
def test_lpips(name, network, linear):
    """The package's own linear weights over a random network, from [-1, 1] to the distance."""
    weights = find_weights(linear, lpips_file(name))
    assert weights.verified and is_known(linear, weights.sha256)
    assert is_known_content(linear, content_sha256(weights.variables))
    theirs = lpips.LPIPS(net=name, pnet_rand=True, verbose=False).eval()
    state = structured_state(network, only="features.")
    for key in theirs.net.state_dict():
        _, layer, kind = key.split(".")  # slice1.0.weight is features.0.weight
        value = torch.from_numpy(state[f"features.{layer}.{kind}"])
        theirs.net.get_parameter(key).data = value
    x, y = images(64, count=3, seed=1), images(64, count=3, seed=2)
    y = 0.7 * x + 0.3 * y
    variables, linear_weights = features_only(network), weights.variables["params"]
    for dtype, bound in ((np.float32, FLOAT32), (np.float64, FLOAT64)):
        pair = [x.astype(dtype), y.astype(dtype)]
        with torch.no_grad():
            theirs = theirs.to(channels_first(pair[0]).dtype)
            wanted = theirs(*map(channels_first, pair)).numpy().ravel()
        ready = [((z - SHIFT) / SCALE).astype(dtype) for z in pair]
        compute = features if dtype is np.float32 else exactly
        found = distance(*(compute(network, variables, z) for z in ready), linear_weights)
        error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        print("lpips", name, dtype.__name__, error)
        assert error <= bound and found.dtype == dtype
        if (name, dtype) == ("vgg", np.float32):
            both = {"vgg": variables, "linear": weights.variables}
            shipped = np.asarray(jax.jit(shipped_lpips)(both, *pair))
            error = float(np.abs(shipped - wanted).max() / np.abs(wanted).max())
            print("lpips of pictures", error)
            assert error <= bound
