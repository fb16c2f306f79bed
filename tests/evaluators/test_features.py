"""Features over devices and batches, of pictures of one size or many; the cache of real ones."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import DataError
from gan_jax.evaluators import pictures as picture_sets
from gan_jax.evaluators.features import Extractor, FeatureSpace
from gan_jax.evaluators.reference import features_of
from gan_jax.mesh import make_mesh
from gan_jax.metrics.resize import resize

WEIGHTS = np.random.default_rng(0).normal(size=(8 * 8 * 3, 6)).astype(np.float32)


def outputs(variables, prepared):
    flat = prepared.reshape(len(prepared), -1) / 255.0
    return {"features": jnp.tanh(flat @ variables), "brightness": flat.mean(axis=1)}


def space(name="toy", subsets=100):
    return FeatureSpace(
        name=name,
        describe={"network": name, "kid_subsets": subsets},
        decides=("network",),
        variables=WEIGHTS,
        prepare=lambda images: resize(images, 8, "bilinear_antialias"),
        outputs=outputs,
    )


def quiet(*progress):
    pass


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (37, 12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch, devices", [(64, 1), (5, 1), (8, 4), (37, 1)])
def test_batches_and_devices_change_nothing(images, batch, devices):
    prepared = resize(images, 8, "bilinear_antialias")
    expected = np.tanh(prepared.reshape(37, -1) / 255.0 @ WEIGHTS)
    extractor = Extractor(space(), make_mesh(devices), batch)
    found = extractor.of_pictures(picture_sets.of_array("a", images), quiet)
    np.testing.assert_allclose(found["features"], expected, atol=2e-5)
    assert found["brightness"].shape == (37,)


def test_blocks_of_any_length(images):
    extractor = Extractor(space(), make_mesh(1), 10)
    whole = extractor([images])
    parts = extractor([images[:1], images[1:24], images[24:]])
    np.testing.assert_array_equal(whole["features"], parts["features"])


def test_progress_counts_pictures(images):
    seen = []
    extractor = Extractor(space(), make_mesh(1), 10)
    extractor.of_pictures(picture_sets.of_array("a", images), lambda *done: seen.append(done))
    assert seen == [(10, 37), (20, 37), (30, 37), (37, 37)]


def write(folder, name, image, mode=None):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(image)
    (picture.convert(mode) if mode else picture).save(folder / name)


def test_a_folder_of_mixed_sizes_and_modes(images, tmp_path):
    write(tmp_path, "b/2.png", images[2][:, :9])
    write(tmp_path, "a/1.png", images[1])
    write(tmp_path, "a/0.png", images[0], "L")
    write(tmp_path, "c.png", np.dstack([images[3], np.zeros((12, 16), np.uint8)]))
    (tmp_path / "notes.txt").write_text("no picture")
    found = picture_sets.of_folder(tmp_path)
    assert (found.count, found.uniform) == (4, False)
    read = list(found.each())
    assert [p.shape for p in read] == [(12, 16, 3), (12, 16, 3), (12, 9, 3), (12, 16, 3)]
    np.testing.assert_array_equal(read[1], images[1])
    np.testing.assert_array_equal(read[3], images[3])  # alpha is dropped
    grey = np.asarray(Image.fromarray(images[0]).convert("L"))
    np.testing.assert_array_equal(read[0], np.stack([grey] * 3, axis=-1))
    extractor = Extractor(space(), make_mesh(1), 3)
    features = extractor.of_pictures(found, quiet)["features"]
    alone = extractor([images[2][None, :, :9]])["features"]
    np.testing.assert_allclose(features[2:3], alone, atol=1e-5)


@pytest.mark.parametrize("content", [None, "empty"])
def test_no_pictures(tmp_path, content):
    folder = tmp_path / "folder"
    if content:
        folder.mkdir()
    with pytest.raises(DataError, match="no such folder|no pictures"):
        picture_sets.of_folder(folder)


def test_npz_of_samples(images, tmp_path):
    np.savez(tmp_path / "good.npz", arr_0=images)
    assert picture_sets.of_npz(tmp_path / "good.npz").count == 37
    np.savez(tmp_path / "floats.npz", arr_0=images / 255.0)
    np.savez(tmp_path / "other.npz", latents=images)
    (tmp_path / "torn.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:100])
    for name, word in (
        ("floats", "uint8"),
        ("other", "latents"),
        ("torn", "read"),
        ("gone", "read"),
    ):
        with pytest.raises(DataError, match=word):
            picture_sets.of_npz(tmp_path / f"{name}.npz")


def test_first_is_a_fixed_choice_with_its_labels(images):
    class Source:
        fingerprint = "f"

        def __len__(self):
            return 37

        def __getitem__(self, index):
            return {"image": images[index], "label": index}

    whole = picture_sets.of_source("s", Source(), "form")
    some = whole.first(10)
    assert some.count == 10 and some.fingerprint != whole.fingerprint
    labels = some.labels()
    assert len(set(labels)) == 10 and labels.max() > 20
    for row, label in enumerate(labels):
        np.testing.assert_array_equal(some.read(row), images[label])
    assert whole.first(100) is whole


def test_the_cache_serves_the_same_pictures_only(images, tmp_path):
    pictures = picture_sets.of_array("a", images)
    extractor = Extractor(space(), make_mesh(1), 16)
    first = features_of(extractor, pictures, cache=tmp_path, advance=quiet)
    (file,) = tmp_path.glob("*.npz")

    class Broken:
        space = extractor.space

        def of_pictures(self, pictures, advance):
            raise AssertionError("computed again")

    again = features_of(Broken(), pictures, cache=tmp_path, advance=quiet)  # type: ignore
    np.testing.assert_array_equal(first["features"], again["features"])
    other = picture_sets.of_array("a", images[::-1].copy())
    features_of(extractor, other, cache=tmp_path, advance=quiet)
    features_of(
        Extractor(space("other"), make_mesh(1), 16), pictures, cache=tmp_path, advance=quiet
    )
    other_estimator = Extractor(space(subsets=7), make_mesh(1), 16)
    features_of(other_estimator, pictures, cache=tmp_path, advance=quiet)
    assert len(list(tmp_path.glob("*.npz"))) == 3
    file.write_bytes(b"torn")
    healed = features_of(extractor, pictures, cache=tmp_path, advance=quiet)
    np.testing.assert_array_equal(first["features"], healed["features"])


def test_a_folder_is_known_by_its_content(tmp_path):
    """Pixels that change under an equal size of the file are other pictures."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(name.encode() * 12)
    told = []
    first = picture_sets.of_folder(tmp_path, lambda *progress: told.append(progress)).fingerprint
    assert told == [(1, 2), (2, 2)]
    assert picture_sets.of_folder(tmp_path).fingerprint == first
    (tmp_path / "a.png").write_bytes(b"c" * 12)
    second = picture_sets.of_folder(tmp_path).fingerprint
    (tmp_path / "a.png").rename(tmp_path / "aa.png")
    third = picture_sets.of_folder(tmp_path).fingerprint
    assert len({first, second, third}) == 3


def test_labels_in_turn_are_those_of_shuffled_examples_which_come_again():
    class Source:
        """Sorted by class, as a folder is, with attributes."""

        def __len__(self):
            return 10

        def __getitem__(self, index):
            image = np.zeros((2, 2, 1), np.uint8)
            return {"image": image, "label": np.float32([index, index // 5])}

    whole = picture_sets.of_source("s", Source(), "form")
    np.testing.assert_array_equal(whole.labels()[:, 0], np.arange(10))
    drawn = whole.labels_in_turn(25)
    assert drawn.shape == (25, 2) and drawn.dtype == whole.labels().dtype == np.float32
    for start in (0, 10):
        assert sorted(drawn[start : start + 10, 0]) == list(range(10))
    np.testing.assert_array_equal(drawn[:10], drawn[10:20])
    assert set(drawn[:5, 1]) == {0, 1}  # not the first class alone
    for count in (1, 7, 10, 11):
        np.testing.assert_array_equal(whole.labels_in_turn(count), drawn[:count])
    bare = picture_sets.of_array("bare", np.zeros((3, 2, 2, 1), np.uint8))
    with pytest.raises(DataError, match="bare has no labels"):
        bare.labels_in_turn(2)
