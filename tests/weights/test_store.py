"""Import once, find again; what is wrong with a file is said before it is used."""

import hashlib
import json

import numpy as np
import pytest

from gan_jax.errors import StorageError, UsageError
from gan_jax.weights import folder, known
from gan_jax.weights.known import KNOWN, KnownFile, is_known, usual_file
from gan_jax.weights.store import content_sha256, find_weights, import_weights
from gan_jax.weights.variables import read_variables, sha256_of, write_variables
from tests.weights.torch_files import described, write_legacy, write_zip

WIDTHS = (64, 128, 256, 512, 512)
TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    monkeypatch.setenv("GAN_JAX_WEIGHTS_DIR", str(path))
    return path


def linear(widths=WIDTHS, seed=0):
    generator = np.random.default_rng(seed)
    arrays = (generator.uniform(0, 0.2, (1, width, 1, 1)).astype(np.float32) for width in widths)
    return {f"lin{i}.model.1.weight": array for i, array in enumerate(arrays)}


@pytest.fixture
def source(tmp_path):
    return write_legacy(tmp_path / "my vgg.pth", *described(linear()))


def fails(*arguments, act=find_weights) -> str:
    with pytest.raises(UsageError) as caught:
        act(*arguments)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_imported_weights_are_found(source, own_folder):
    target = import_weights("lpips", source, own_folder)
    assert target == own_folder / "lpips.safetensors"
    found = find_weights("lpips", None)
    assert found.path == target and found.network == "lpips" and not found.verified
    assert found.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    for tap, array in zip(("relu1_2", "relu5_3"), (0, 4), strict=True):
        wanted = linear()[f"lin{array}.model.1.weight"].ravel()
        np.testing.assert_array_equal(found.variables["params"][tap], wanted)
    _, metadata = read_variables(target)
    assert metadata["source_file"] == "my vgg.pth" and metadata["verified"] == "false"
    assert metadata["network"] == "lpips" and metadata["converter"] == "1"
    assert metadata["gan_jax"]


def test_a_given_file_of_either_kind(source, own_folder, tmp_path):
    first = find_weights("lpips", source)
    assert not own_folder.exists() and first.path == source
    import_weights("lpips", source, tmp_path / "elsewhere")
    second = find_weights("lpips", tmp_path / "elsewhere" / "lpips.safetensors")
    assert first.sha256 == second.sha256 == sha256_of(source)
    for tap, weights in first.variables["params"].items():
        np.testing.assert_array_equal(second.variables["params"][tap], weights)


def test_a_known_file_is_verified(source, own_folder, monkeypatch):
    mine = KnownFile("lpips", "my.pth", sha256_of(source), "here")
    monkeypatch.setattr(known, "KNOWN", (*KNOWN, mine))
    import_weights("lpips", source, own_folder)
    assert find_weights("lpips", None).verified and find_weights("lpips", source).verified
    assert not is_known("vgg16", mine.sha256)


def claims(path, *, source_sha256, **more):
    """Random weights that say of themselves where they come from."""
    params = {
        "params": {tap: x.ravel() for tap, x in zip(TAPS, linear(seed=5).values(), strict=True)}
    }
    metadata = {"network": "lpips", "source_sha256": source_sha256, "verified": "true", **more}
    write_variables(path, params, metadata)
    return content_sha256(params)


def test_what_a_file_says_of_itself_verifies_nothing(own_folder, tmp_path, monkeypatch):
    """Random weights under the hash of a file that the project has had in its hands, and under
    that of one it has not."""
    known_content = usual_file("lpips")
    assert known_content.content_sha256
    elsewhere, path = tmp_path / "given.safetensors", own_folder / "lpips.safetensors"
    for file in (known_content, KnownFile("lpips", "other.pth", "ab" * 32, "here")):
        monkeypatch.setattr(known, "KNOWN", (*KNOWN, file))
        claims(path, source_sha256=file.sha256)  # without the hash of its content
        found = find_weights("lpips", None)
        assert not found.verified and found.sha256 == sha256_of(path)
        assert not folder.stored_weights(own_folder)[0].verified
        content = claims(elsewhere, source_sha256=file.sha256)
        claims(elsewhere, source_sha256=file.sha256, content_sha256=content)
        found = find_weights("lpips", elsewhere)
        assert not found.verified and found.sha256 == sha256_of(elsewhere)
        claims(path, source_sha256=file.sha256, content_sha256=content)
        # A forgery in the own folder passes only where nobody knows the true content.
        assert find_weights("lpips", None).verified == (file.content_sha256 == "")


def test_known_content_is_verified_wherever_it_lies(source, own_folder, tmp_path, monkeypatch):
    target = import_weights("lpips", source, tmp_path / "elsewhere")
    mine = KnownFile("lpips", "my.pth", sha256_of(source), "here")
    monkeypatch.setattr(known, "KNOWN", (*KNOWN, mine))
    assert not find_weights("lpips", target).verified
    content = read_variables(target)[1]["content_sha256"]
    mine = KnownFile("lpips", "my.pth", sha256_of(source), "here", content)
    monkeypatch.setattr(known, "KNOWN", (*KNOWN, mine))
    found = find_weights("lpips", target)
    assert found.verified and found.sha256 == sha256_of(source)


def test_importing_again_replaces(source, own_folder, tmp_path):
    import_weights("lpips", source, own_folder)
    other = write_zip(tmp_path / "other.pth", *described(linear(seed=1)))
    import_weights("lpips", other, own_folder)
    assert find_weights("lpips", None).sha256 == sha256_of(other)
    assert [path.name for path in own_folder.iterdir()] == ["lpips.safetensors"]


@pytest.mark.parametrize("network", known.NETWORKS)
def test_missing_weights_say_which_file_from_where_and_how(network):
    message, file = fails(network, None), usual_file(network)
    for part in (file.name, file.sha256, file.source, f"weights import {network} --from=FILE"):
        assert part in message
    ways = {"inception": "--weights=FILE", "vgg16": "for pr_vgg16, give --weights_vgg16=FILE"}
    assert all((way in message) == (network == name) for name, way in ways.items())


def test_known_hashes_begin_as_the_files_are_named():
    for file in KNOWN:
        assert len(file.sha256) == 64 and int(file.sha256, 16)
        end = file.name.rpartition(".")[0].rpartition("-")[2]
        if len(end) == 8:
            assert file.sha256.startswith(end)


def test_wrong_files(source, own_folder, tmp_path):
    assert "no such file" in fails("lpips", tmp_path / "none.pth")
    assert "'judge'" in fails("judge", None)
    assert "lacks" in fails("inception", source) and "unknown" in fails("vgg16", source)
    alex = write_zip(tmp_path / "alex.pth", *described(linear((64, 192, 384, 256, 256))))
    assert "becomes [192], not [128]" in fails("lpips", alex, own_folder, act=import_weights)
    assert not own_folder.exists()
    import_weights("lpips", source, own_folder)
    stored = own_folder / "lpips.safetensors"
    assert "of 'lpips', not of vgg16" in fails("vgg16", stored)
    stored.rename(own_folder / "lpips_alexnet.safetensors")
    assert "of 'lpips'" in fails("lpips_alexnet", None)


def test_other_safetensors(tmp_path):
    path = tmp_path / "own.safetensors"
    widths = zip(TAPS, WIDTHS, strict=True)
    params = {tap: np.full(width, 0.5, np.float32) for tap, width in widths}
    write_variables(path, {"params": params}, {})
    found = find_weights("lpips", path)
    assert not found.verified and found.sha256 == sha256_of(path)
    write_variables(path, {"params": params | {"relu1_2": np.full(64, np.inf, "f4")}}, {})
    assert "not finite" in fails("lpips", path)
    write_variables(path, {"params": params | {"relu1_2": np.zeros(63, "f4")}}, {})
    assert "do not fit lpips" in fails("lpips", path)
    path.write_bytes(b"hello")
    assert "not a safetensors file" in fails("lpips", path)


def test_damage_is_found(source, own_folder):
    path = import_weights("lpips", source, own_folder)
    whole = path.read_bytes()
    for place in (len(whole) - 1, len(whole) // 2, 3, 20):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert "lpips.safetensors" in fails("lpips", None)
    path.write_bytes(whole[:-10])
    assert "not a safetensors file" in fails("lpips", None)


def test_a_folder_that_cannot_be_written(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        import_weights("lpips", source, tmp_path / "file" / "weights")


def test_shipped_weights(tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    monkeypatch.setattr(folder, "SHIPPED", shipped)
    monkeypatch.setattr("gan_jax.weights.store.SHIPPED", shipped)
    path = shipped / "small_judge.safetensors"
    write_variables(path, {"params": {"w": np.ones(3, np.float32)}}, {"network": "small_judge"})
    assert "card" in fails("small_judge", None)
    card = shipped / "small_judge.json"
    card.write_text(json.dumps({"sha256": "0" * 64}))
    assert "not the file of its card" in fails("small_judge", None)
    card.write_text(json.dumps({"sha256": sha256_of(path), "accuracy": 1.0}))
    found = find_weights("small_judge", None)
    assert found.verified and found.sha256 == sha256_of(path)


def test_the_folder(monkeypatch, tmp_path):
    assert folder.weights_folder() == tmp_path / "weights"
    monkeypatch.delenv("GAN_JAX_WEIGHTS_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder.weights_folder() == tmp_path / "gan_jax" / "weights"
