"""End to end: two folders of pictures of mixed sizes through our command and through the tools that
each protocol follows, on the same random weights, with a last partial batch."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("torch_fidelity")
pytest.importorskip("pytorch_fid")
pytest.importorskip("cleanfid")

from tests.networks.features.structured import structured_state  # noqa: E402
from tests.parity.references import pytorch_fid_net, tensors  # noqa: E402

DIGITS = 5e-6
"""Relative: at least five significant digits."""
SUBSETS, SUBSET_SIZE = 20, 20


def draw(folder, count, seed, tint):
    """Blotches of colour at sizes from 40 to 330 pixels: pictures whose features differ."""
    generator = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        width, height = generator.integers(40, 330, 2)
        coarse = generator.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((int(width), int(height)), Image.Resampling.BICUBIC)
        pixels = np.clip(np.asarray(image) * np.array(tint) + generator.normal(0, 9), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("pictures")
    return draw(base / "real", 37, 0, (1.0, 1.0, 1.0)), draw(base / "fake", 29, 1, (1.0, 0.8, 0.6))


@pytest.fixture(scope="module")
def state():
    return structured_state("inception")


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(tensors(state), path)
    return path


def ours(folders, weights, protocol, measures, cache):
    real, fake = folders
    command = [
        *(sys.executable, "-m", "gan_jax", "evaluate"),
        *(f"--real={real}", f"--fake={fake}", f"--metrics={measures}", f"--protocol={protocol}"),
        *(f"--weights={weights}", f"--kid_subsets={SUBSETS}", f"--kid_subset_size={SUBSET_SIZE}"),
        *("--batch=8", "--json"),
    ]
    import os

    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["protocol"] == protocol
    return found


@pytest.mark.slow
def test_tf1_equals_torch_fidelity(folders, weights, tmp_path):
    import torch_fidelity

    theirs = torch_fidelity.calculate_metrics(
        input1=str(folders[1]),
        input2=str(folders[0]),
        fid=True,
        kid=True,
        isc=True,
        prc=True,
        kid_subsets=SUBSETS,
        kid_subset_size=SUBSET_SIZE,
        feature_extractor="inception-v3-compat",  # for precision and recall it would take VGG-16
        feature_extractor_weights_path=str(weights),
        batch_size=1,
        cache=False,
        cuda=False,
        verbose=False,
        save_cpu_ram=True,
    )
    found = ours(folders, weights, "tf1", "fid,kid,is,pr", tmp_path)
    for metric, key in (
        (("fid", "value"), "frechet_inception_distance"),
        (("kid", "value"), "kernel_inception_distance_mean"),
        (("kid", "std"), "kernel_inception_distance_std"),
        (("is", "value"), "inception_score_mean"),
        (("is", "std"), "inception_score_std"),
        (("precision", "value"), "precision"),
        (("recall", "value"), "recall"),
    ):
        value = found[metric[0]][metric[1]]
        assert value == pytest.approx(theirs[key], rel=DIGITS), (metric, value, theirs[key])


@pytest.mark.slow
def test_pytorch_fid(folders, weights, state, tmp_path):
    import pytorch_fid.inception as package
    from pytorch_fid.fid_score import calculate_fid_given_paths

    package.load_state_dict_from_url = lambda *arguments, **keywords: tensors(state)
    paths = [str(folder) for folder in folders]
    theirs = calculate_fid_given_paths(paths, 1, torch.device("cpu"), 2048, num_workers=0)
    found = ours(folders, weights, "pytorch-fid", "fid", tmp_path)["fid"]["value"]
    assert found == pytest.approx(theirs, rel=DIGITS)


@pytest.mark.slow
def test_clean_fid(folders, weights, state, tmp_path):
    from cleanfid import fid

    network = pytorch_fid_net(state)

    @torch.no_grad()
    def features(x):
        return network((x - 128) / 128)[-1].mean((2, 3))

    real, fake = (
        fid.get_folder_features(
            str(folder),
            model=features,
            num_workers=0,
            batch_size=8,
            device=torch.device("cpu"),
            mode="clean",
            verbose=False,
        )
        for folder in folders
    )
    found = ours(folders, weights, "clean", "fid,kid", tmp_path)
    assert found["fid"]["value"] == pytest.approx(fid.fid_from_feats(real, fake), rel=DIGITS)
    np.random.seed(2020)
    kid = fid.kernel_distance(real, fake, num_subsets=SUBSETS, max_subset_size=SUBSET_SIZE)
    assert found["kid"]["value"] == pytest.approx(kid, rel=DIGITS)


@pytest.mark.slow
def test_torchmetrics(folders, weights, tmp_path):
    """Its network is torch-fidelity's, its resize antialiased; FID only (its KID is unseeded)."""
    image = pytest.importorskip("torchmetrics.image.fid")

    metric = image.FrechetInceptionDistance(
        feature=2048, feature_extractor_weights_path=str(weights)
    )
    for folder, is_real in zip(folders, (True, False), strict=True):
        for path in sorted(folder.iterdir()):
            pixels = torch.from_numpy(np.array(Image.open(path)).transpose(2, 0, 1))
            metric.update(pixels[None], real=is_real)
    found = ours(folders, weights, "torchmetrics", "fid", tmp_path)["fid"]["value"]
    assert found == pytest.approx(float(metric.compute()), rel=DIGITS)
