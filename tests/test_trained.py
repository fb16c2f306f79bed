"""A run directory opened as a library: `gan_jax.load(workdir).sample(16, seed=0)`."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

import gan_jax
from gan_jax.errors import StorageError, UsageError
from gan_jax.evaluators.samples import make_sampler
from gan_jax.experiment import load_experiment
from gan_jax.program import build
from gan_jax.train import train
from gan_jax.trained import BATCH, checkpoint_named
from tests.conftest import EXPERIMENTS


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A copy of the experiment file that a test may change."""
    path = tmp_path_factory.mktemp("experiments") / "digits_mlp.py"
    shutil.copyfile(EXPERIMENTS / "digits_mlp.py", path)
    return path


@pytest.fixture(scope="module")
def workdir(file, tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    train(load_experiment(f"{file}:smoke", [("mesh.devices", "1")]), directory)
    return directory


@pytest.fixture(scope="module")
def trained(workdir):
    return gan_jax.load(workdir, say=pytest.fail)


def test_it_is_shown_in_one_line(trained, workdir):
    assert repr(trained) == f"<run of digits_mlp-smoke in {workdir} at step 40>"


def test_shape_and_determinism(trained, workdir):
    pictures = trained.sample(16, seed=0)
    assert pictures.shape == (16, 8, 8, 1) and pictures.dtype == np.uint8
    assert trained.step == 40
    assert len({picture.tobytes() for picture in pictures}) == 16
    again = gan_jax.load(str(workdir), say=pytest.fail).sample(16, seed=0)
    np.testing.assert_array_equal(pictures, again)
    assert not np.array_equal(pictures, trained.sample(16, seed=1))
    assert not np.array_equal(pictures, trained.sample(16, seed=0, ema=False))
    assert not np.array_equal(pictures, trained.sample(16, seed=0, truncation=0.5))


def test_they_are_those_of_the_runs_own_grid(trained, workdir):
    """With the run's seed, the pictures that training drew of the same checkpoint."""
    from PIL import Image

    from gan_jax.images import grid

    for ema, suffix in ((True, ""), (False, "_raw")):
        with Image.open(workdir / "samples" / f"0000040{suffix}.png") as opened:
            drawn = np.asarray(opened)[:, :, None]
        ours = grid(trained.sample(16, seed=trained.config.seed, ema=ema))
        np.testing.assert_allclose(ours.astype(int), drawn.astype(int), atol=1)


def test_an_earlier_checkpoint(trained, workdir):
    earlier = gan_jax.load(workdir, step=20, say=pytest.fail)
    assert earlier.step == 20 and int(earlier.state.step) == 20
    assert not np.array_equal(earlier.sample(4), trained.sample(4))
    with pytest.raises(UsageError, match="7"):
        gan_jax.load(workdir, step=7, say=pytest.fail)


def test_a_picture_does_not_depend_on_how_many_are_asked_for(trained):
    many = trained.sample(BATCH + 6)
    for count in (1, 16, BATCH, BATCH + 1):
        np.testing.assert_array_equal(trained.sample(count), many[:count])


def test_pictures_are_made_in_blocks_of_one_size(trained):
    """Another size would be another program, whose sums may round otherwise."""
    sizes = []

    def sampler(nets, frozen, latents, *rest):
        sizes.append(len(latents))
        return trained.sampler(nets, frozen, latents, *rest)

    spied = dataclasses.replace(trained, sampler=sampler)
    assert len(spied.sample(1)) == 1 and len(spied.sample(BATCH + 6)) == BATCH + 6
    assert sizes == [BATCH] * 3


def test_a_walk_is_a_circle_through_two_samples(trained):
    """Quarter turns from a: b, -a, -b, and then a again."""
    frames = trained.walk(3, 4, seed=5)
    assert frames.shape == (4, 3, 8, 8, 1) and frames.dtype == np.uint8
    a, batch = trained.latents(3, seed=5, label=None)
    b, _ = trained.latents(3, seed=6, label=None)
    np.testing.assert_array_equal(frames[0], trained.sample(3, seed=5))
    for frame, latents in zip(frames, (a, b, -a, -b), strict=True):
        expected = trained.generate(latents, batch, seed=5, truncation=1.0, ema=True)
        np.testing.assert_allclose(frame.astype(int), expected.astype(int), atol=1)
    np.testing.assert_array_equal(trained.walk(3, 1, seed=5)[0], frames[0])


def test_a_changed_experiment_file_gives_way_to_the_copy(trained, workdir, file):
    text, said = file.read_text(), []
    file.write_text("raise SystemExit('the changed file was run')\n")
    try:
        opened = gan_jax.load(workdir, say=said.append)
    finally:
        file.write_text(text)
    copy = workdir / "experiment.py"
    assert said == [f"note: {file} is gone or has changed; using the copy {copy}"]
    assert opened.experiment.path == copy and opened.experiment.argument == "smoke"
    assert opened.config.to_dict() == trained.config.to_dict()
    np.testing.assert_array_equal(opened.sample(4), trained.sample(4))


def test_the_recorded_settings_are_used_on_one_device(trained):
    assert trained.config.generator.hidden == (32, 64)  # a tuple, as in the file
    assert trained.config.mesh.devices == 1 and trained.experiment.argument == "smoke"


def test_labels_and_counts_that_make_no_sense(trained):
    with pytest.raises(UsageError, match="label 3: the model in .* has no classes"):
        trained.sample(4, label=3)
    for count in (0, -2):
        with pytest.raises(UsageError, match=f"{count} pictures: must be at least 1"):
            trained.sample(count)
    silent = dataclasses.replace(trained, sampler=None)
    with pytest.raises(UsageError, match="generates no pictures from noise"):
        silent.sample(4)


def test_attributes_of_a_model_without(trained):
    with pytest.raises(UsageError, match="attributes: .* has no classes and takes none"):
        trained.sample(4, attributes={"smiling": 1.0})


def test_directories_without_a_run_or_a_checkpoint(workdir, tmp_path):
    with pytest.raises(UsageError, match="not a run directory"):
        gan_jax.load(tmp_path)
    for name in ("run.json", "config.json", "experiment.py"):
        shutil.copyfile(workdir / name, tmp_path / name)
    with pytest.raises(StorageError, match="holds no checkpoint yet"):
        gan_jax.load(tmp_path, say=pytest.fail)


def test_names_of_checkpoints():
    assert [checkpoint_named(text) for text in ("latest", "best", "12")] == ["latest", "best", 12]
    for text in ("newest", "-1", "1.5", "\u00b2", ""):  # a superscript two is a digit, no number
        with pytest.raises(UsageError, match="must be a number, latest or best"):
            checkpoint_named(text)


@pytest.fixture(scope="module")
def conditional(trained, tmp_path_factory):
    """An untrained model of ten classes."""
    path = tmp_path_factory.mktemp("conditional") / "conditional.py"
    text = (EXPERIMENTS / "digits_mlp.py").read_text()
    path.write_text(text.replace("MLPGenerator(shape,", "MLPGenerator(shape, num_classes=10,"))
    overrides = [("num_classes", "10"), ("mesh.devices", "1")]
    experiment = load_experiment(f"{path}:smoke", overrides)
    program = build(experiment)
    return dataclasses.replace(
        trained,
        experiment=experiment,
        program=program,
        state=program.initial(jax.random.key(0)),
        sampler=make_sampler(program.recipe, program.mesh),
    )


def test_labels(conditional):
    """In turn, or the one that is asked for; the same latents either way."""
    in_turn = conditional.sample(13)
    assert conditional.latents(13, seed=0, label=None)[1]["label"].tolist() == [*range(10), 0, 1, 2]
    threes = conditional.sample(13, label=3)
    np.testing.assert_array_equal(threes[3], in_turn[3])
    assert not np.array_equal(threes[4], in_turn[4])
    with pytest.raises(UsageError, match="attributes: .* has classes 0 to 9 and takes none"):
        conditional.sample(4, attributes={})
    for label in (10, -1):
        with pytest.raises(UsageError, match=f"label {label}: the model in .* classes 0 to 9"):
            conditional.sample(4, label=label)
