"""Every way to damage a checkpoint: detected, set aside, the one before it used, said aloud."""

from __future__ import annotations

import errno
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import manifest
from gan_jax.checkpoint import Checkpoints, restore
from gan_jax.errors import StorageError
from gan_jax.retention import Best, Retention

STEPS = (1, 2, 3)
RETENTION = Retention(keep_last=10, keep_every=None, best=Best("fid", "max"))


def state_at(step):
    return {"w": jnp.full((40, 3), step, jnp.float32), "key": jax.random.key(step)}


def abstract_state():
    return jax.eval_shape(lambda: state_at(0))


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """A directory of three checkpoints, to be copied by each test."""
    directory = tmp_path_factory.mktemp("intact") / "checkpoints"
    with Checkpoints(
        directory, retention=RETENTION, asynchronous=True, on_event=print
    ) as checkpoints:
        for step in STEPS:
            checkpoints.save(
                step, state_at(step), finite=True, metrics={"fid": step}, information={}
            )
        checkpoints.finish()
    return directory


@pytest.fixture
def directory(intact, tmp_path):
    return shutil.copytree(intact, tmp_path / "checkpoints")


class Run:
    """The process that trains: restores, and remembers what it was told."""

    def __init__(self, directory):
        self.directory = directory
        self.events = []

    def restore(self, step="latest"):
        with Checkpoints(
            self.directory,
            retention=RETENTION,
            asynchronous=True,
            on_event=lambda kind, fields: self.events.append((kind, fields)),
        ) as checkpoints:
            return checkpoints.restore(abstract_state(), step=step)

    def messages(self):
        return [fields["message"] for _, fields in self.events]


def is_that_of(restored, step):
    expected = state_at(step)
    return (
        restored.manifest.step == step
        and np.array_equal(restored.state["w"], expected["w"])
        and bool(restored.state["key"] == expected["key"])
    )


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def delete(path):
    path.unlink()


@pytest.mark.parametrize("damage", [flip_a_bit, truncate, empty, delete])
def test_each_file_of_the_newest_step(intact, tmp_path, damage):
    files = [p.relative_to(intact / "3") for p in (intact / "3").rglob("*") if p.is_file()]
    assert manifest.NAME in map(str, files) and len(files) >= 8
    for index, file in enumerate(files):
        directory = shutil.copytree(intact, tmp_path / str(index))
        damage(directory / "3" / file)
        run = Run(directory)
        assert is_that_of(run.restore(), 2), file
        [(kind, fields)] = run.events
        assert kind == "checkpoint_damaged" and fields["step"] == 3
        assert fields["file"] == file.as_posix()
        assert "checkpoint 3 is damaged" in fields["message"] and str(file) in fields["message"]
        assert (directory / "quarantine" / "3").is_dir() and not (directory / "3").exists()
        assert is_that_of(Run(directory).restore(), 2)


@pytest.mark.slow
def test_each_byte_of_the_newest_step(directory):
    for path in [p for p in (directory / "3").rglob("*") if p.is_file()]:
        content = path.read_bytes()
        for index in range(len(content)):
            changed = bytearray(content)
            changed[index] ^= 1 << index % 8
            path.write_bytes(changed)
            with pytest.raises(manifest.Damaged):
                manifest.verify(directory / "3")
        path.write_bytes(content)
    assert manifest.verify(directory / "3").step == 3


def test_all_damaged_is_an_error_with_the_list_and_stays_one(directory):
    for step in STEPS:
        flip_a_bit(directory / str(step) / manifest.NAME)
    with pytest.raises(StorageError) as caught:
        Run(directory).restore()
    assert "every checkpoint" in str(caught.value) and "damaged" in str(caught.value)
    assert all(f"{step} (manifest.json is not what" in str(caught.value) for step in STEPS)
    assert caught.value.exit_code == 4
    with pytest.raises(StorageError, match=r"is damaged: 1, 2, 3; bring back"):
        Run(directory).restore()
    shutil.copytree(directory / "quarantine" / "2", directory / "2")
    with pytest.raises(StorageError):
        Run(directory).restore()
    assert (directory / "quarantine" / "2-2").is_dir()


def test_a_copy_brought_back_is_used_again(directory, intact):
    shutil.rmtree(directory / "3" / "state")
    assert is_that_of(Run(directory).restore(), 2)
    shutil.copytree(intact / "3", directory / "3")
    assert is_that_of(Run(directory).restore(), 3)


def test_the_best_falls_back_to_the_next_best(directory):
    flip_a_bit(next((directory / "3" / "state" / "d").iterdir()))
    run = Run(directory)
    assert is_that_of(run.restore("best"), 2)
    assert "checkpoint 3 is damaged" in run.messages()[0]


def test_the_step_asked_for_is_never_exchanged(directory):
    delete(directory / "2" / "state" / "_METADATA")
    with pytest.raises(StorageError, match="checkpoint 2 is damaged: state/_METADATA is missing"):
        Run(directory).restore(2)


def test_a_reader_moves_nothing(directory):
    flip_a_bit(directory / "3" / "state" / "manifest.ocdbt")
    events = []
    for _ in range(2):
        found = restore(
            directory,
            abstract_state(),
            best=None,
            on_event=lambda kind, fields: events.append(fields),
        )
        assert is_that_of(found, 2)
    assert (directory / "3").is_dir() and not (directory / "quarantine").exists()
    assert [event["moved_to"] for event in events] == [None, None]
    assert all("damaged" in event["message"] for event in events)


def test_a_reader_overtaken_by_retention_looks_again(directory, monkeypatch):
    """The training run commits step 4 and drops all others while the reader hashes step 3."""
    verify = manifest.verify
    overtaken = False

    def meanwhile(path):
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            with Checkpoints(
                directory, retention=Retention(1, None, None), asynchronous=False, on_event=print
            ) as checkpoints:
                checkpoints.save(4, state_at(4), finite=True, metrics={}, information={})
        return verify(path)

    monkeypatch.setattr(manifest, "verify", meanwhile)
    events = []
    found = restore(
        directory, abstract_state(), best=None, on_event=lambda *event: events.append(event)
    )
    assert is_that_of(found, 4) and events == []


def test_a_passing_read_error_is_no_damage(directory, monkeypatch):
    digest, failed = manifest._sha256, set()

    def failing_once(path):
        if path not in failed:
            failed.add(path)
            raise OSError(errno.EIO, "Input/output error", str(path))
        return digest(path)

    monkeypatch.setattr(manifest, "_sha256", failing_once)
    monkeypatch.setattr(manifest, "PAUSE_SECONDS", 0)
    run = Run(directory)
    assert is_that_of(run.restore(), 3) and run.events == [] and failed


def test_what_orbax_cannot_read_is_one_line(directory, monkeypatch):
    """As when a later Orbax drops the format: the files are intact."""
    path = directory / "3" / "state" / "_METADATA"
    path.write_text("{}")
    found = manifest.read(directory / "3")
    (directory / "3" / manifest.NAME).unlink()
    manifest.write(directory / "3", found)
    with pytest.raises(StorageError, match="3 is intact, but cannot be restored") as caught:
        Run(directory).restore()
    assert "orbax-checkpoint 0." in str(caught.value) and "\n" not in str(caught.value)
