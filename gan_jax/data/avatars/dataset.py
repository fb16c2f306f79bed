"""Prepares the avatar data set and reads it: random access, or all at once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.data.avatars.version import RENDERER_VERSION, SEED, SPLITS
from gan_jax.data.pictures import read_picture
from gan_jax.errors import DataError, StorageError, UsageError

SIZES = (32, 64, 128)
FLOATS = {"landmarks": (-1, 2), "parameters": (-1,), "intensity": ()}
INTEGERS = {"expression": (), "style": (), "identity": (-1,)}
"""Shapes by name."""
FEATURES = ("label", *INTEGERS, *FLOATS)
Example = dict[str, np.ndarray]


def default_data_dir() -> Path:
    """Where TFDS keeps its sets: TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def prepare(
    size: int,
    data_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    count: int | None = None,
) -> Path:
    """Draws and writes the set where it is missing; returns its folder.

    Safe in two processes at once (the second waits, then finds it done), and all or nothing: an
    interrupted preparation leaves no half set behind. `progress(done, total)` is called after every
    example. `count` makes a small set of so many train and test examples, under its own name.

    Raises:
        UsageError: no such size.
        StorageError: the folder cannot be made or written.
    """
    root = Path(data_dir or default_data_dir())
    builder = _builder(size, root, count)
    folder = Path(builder.data_dir)
    if _is_prepared(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent / ".lock"):
            if not _is_prepared(folder):
                _remove_remains(folder)
                _write(_builder(size, root, count), progress)
    except OSError as error:
        raise StorageError(
            f"cannot write the avatars to {root}: {error.strerror or error}; free space there, "
            "or set TFDS_DATA_DIR to a folder that can be written"
        ) from error
    return folder


def _builder(size: int, root: Path, count: int | None) -> Any:
    if size not in SIZES:
        raise UsageError(f"avatars come in {', '.join(map(str, SIZES))} pixels, not {size}")
    from gan_jax.data.avatars.builder import avatars  # TFDS takes a second to import

    wanted = avatars.config(size, count)
    try:
        with _quiet():
            return avatars.Avatars(
                config=wanted.name if count is None else wanted,
                data_dir=root,
                file_format="array_record",
            )
    except OSError as error:
        raise StorageError(f"cannot use {root} for data sets: {error.strerror or error}") from error


def _is_prepared(folder: Path) -> bool:
    return (folder / "dataset_info.json").is_file()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the file's lock, which ends with the process whatever happens."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_remains(folder: Path) -> None:
    """What an interrupted preparation left; under the lock nobody writes there."""
    for remains in folder.parent.glob(f"{folder.name}.incomplete*"):
        shutil.rmtree(remains)
    if folder.exists():
        shutil.rmtree(folder)


def _write(builder, progress: Callable[[int, int], None] | None) -> None:
    total = builder.builder_config.train + builder.builder_config.test
    done = 0

    def on_example() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    builder.on_example = on_example
    with _quiet(), tempfile.TemporaryDirectory() as unused:
        builder.download_and_prepare(download_dir=unused)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without TFDS' own bars and messages."""
    from absl import logging
    from tensorflow_datasets.core.utils import tqdm_utils

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tqdm_utils.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tqdm_utils.enable_progress_bar()
        logging.set_verbosity(level)


class AvatarSource:
    """A prepared split, random access; example i is avatar i of the split.

    An example is a dict: `image` `[H, W, 4]` uint8 (straight alpha), `landmarks` `[L, 2]` float32
    in [0, 1], `parameters` `[P]` float32, `intensity` float32 in [0, 1], `expression` and `style`
    int32, `identity` `[F]` int32 (`FACTOR_NAMES`); `label` is `expression`, the class.
    """

    def __init__(self, records: Any, fingerprint: str, class_names: tuple[str, ...]):
        self._records = records
        self.fingerprint = fingerprint
        self.class_names = class_names

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Example:
        if not -len(self) <= index < len(self):
            raise IndexError(f"avatar {index} of {len(self)}")
        return self.read_many([index % len(self)], FEATURES)[0]

    def read_many(self, indices: Sequence[int], features: Container[str]) -> list[Example]:
        """`self[index]` of each, with no more than `features` and the image."""
        records = [self._records[index] for index in indices]
        return [_decoded(record, features) for record in records]

    def load_all(self) -> Example:
        """Every example, stacked: `image` `[N, H, W, 4]` and so on."""
        chunks = [range(i, min(i + 500, len(self))) for i in range(0, len(self), 500)]
        with ThreadPoolExecutor() as pool:
            parts = list(pool.map(self._load, chunks))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def _load(self, indices: range) -> Example:
        rows = self.read_many(indices, FEATURES)
        return {key: np.stack([row[key] for row in rows]) for key in rows[0]}


def _decoded(record: bytes, features: Container[str]) -> Example:
    """Of a serialised `tf.train.Example`, by hand: TFDS's own parser takes four times as long."""
    from tensorflow_datasets.proto import tf_example_pb2

    feature = tf_example_pb2.Example.FromString(record).features.feature  # pyright: ignore
    image = read_picture(feature["image"].bytes_list.value[0]).image
    floats = {
        key: np.array(feature[key].float_list.value, np.float32).reshape(shape)
        for key, shape in FLOATS.items()
        if key in features
    }
    integers = {
        key: np.array(feature[key].int64_list.value, np.int32).reshape(shape)
        for key, shape in INTEGERS.items()
        if key in features
    }
    if "label" in features:
        integers["label"] = np.array(feature["expression"].int64_list.value[0], np.int32)
    return {"image": image, **integers, **floats}


def fingerprint(size: int, split: str, count: int | None = None) -> str:
    """sha256 of all that the split's contents follow from."""
    text = f"avatars {RENDERER_VERSION} seed={SEED} size={size} split={split} count={count}"
    return hashlib.sha256(text.encode()).hexdigest()


def open_avatars(
    size: int, split: str, data_dir: Path | None = None, count: int | None = None
) -> AvatarSource:
    """The prepared split `train`, `test`, or `all` (train, then test).

    Raises:
        UsageError: no such size or split.
        DataError: the set was not prepared there.
    """
    if split not in (*SPLITS, "all"):
        raise UsageError(f"avatars have the splits {', '.join(SPLITS)} and all, not {split!r}")
    root = Path(data_dir or default_data_dir())
    builder = _builder(size, root, count)
    if not _is_prepared(Path(builder.data_dir)):
        raise DataError(
            f"no avatars of {size} pixels in {root}; run: gan-jax data prepare avatars/{size}"
        )
    import tensorflow_datasets as tfds

    from gan_jax.data.avatars.expressions import EXPRESSIONS

    records = builder.as_data_source(
        split=split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
    )
    return AvatarSource(records, fingerprint(size, split, count), EXPRESSIONS)
