"""Sets of pictures to evaluate, by index: a data source's, those of a folder, of an array."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_jax.data.pictures import SUFFIXES, read_picture
from gan_jax.errors import DataError
from gan_jax.evaluators.arrays_file import read_arrays

THREADS = 4

Advance = Callable[..., None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures by index.

    Attributes:
        name: for people and rows.
        fingerprint: changes when the pictures do.
        count: how many.
        uniform: whether all have one shape.
        read: index -> uint8 `[H, W, C]`.
        read_fields: index -> what the example holds besides its picture.
        label: the field that is its class, or its attributes.
    """

    name: str
    fingerprint: str
    count: int
    uniform: bool
    read: Callable[[int], np.ndarray]
    read_fields: Callable[[int], Mapping[str, Any]] = lambda index: {}
    label: str = "label"

    def first(self, count: int) -> Pictures:
        """So many of them, in an order that a fixed seed shuffles (files of a folder stand sorted
        by class); all, in their own order, where there are not more."""
        if count >= self.count:
            return self
        chosen = np.sort(np.random.RandomState(0).permutation(self.count)[:count]).tolist()
        return dataclasses.replace(
            self,
            count=count,
            fingerprint=f"{self.fingerprint}-{count}",
            read=lambda index: self.read(chosen[index]),
            read_fields=lambda index: self.read_fields(chosen[index]),
        )

    def labels(self) -> np.ndarray:
        """int32 `[count]`, or float32 `[count, K]` of attributes; raises DataError where there are
        none."""
        return self._labels_of(range(self.count))

    def labels_in_turn(self, count: int) -> np.ndarray:
        """Labels `[count, …]` of the pictures in an order that a fixed seed shuffles, which begins
        again where there are fewer; of a smaller count they are the first of those of a larger."""
        order = np.random.RandomState(0).permutation(self.count)[:count].tolist()
        return self._labels_of(order)[np.arange(count) % len(order)]

    def _labels_of(self, indices: Sequence[int]) -> np.ndarray:
        if not self.count or self.label not in self.read_fields(0):
            raise DataError(f"{self.name} has no labels")
        labels = np.stack([np.asarray(self.read_fields(index)[self.label]) for index in indices])
        is_class = np.issubdtype(labels.dtype, np.integer)
        return labels.astype(np.int32 if is_class else np.float32)

    def fields(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Those of the examples' fields, `[count, …]` each; raises DataError for one that is not
        there."""
        missing = sorted(set(names) - set(self.read_fields(0)))
        if missing:
            raise DataError(f"{self.name}: its examples have no {missing[0]!r}")
        rows = [self.read_fields(index) for index in range(self.count)]
        return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in names}

    def each(self, change: Callable[[np.ndarray], np.ndarray] = lambda x: x) -> Iterator:
        """`change` of each picture, in order, read ahead in threads."""
        ahead = 16 * THREADS

        def read(index: int) -> np.ndarray:
            return change(self.read(index))

        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, self.count, ahead):
                yield from pool.map(read, range(start, min(start + ahead, self.count)))


def of_source(name: str, source, form: str, label: str = "label") -> Pictures:
    """A data source as training sees it, without flips; `form` tells its geometry."""
    fingerprint = getattr(source, "fingerprint", f"length-{len(source)}")

    def read(index: int) -> np.ndarray:
        return np.asarray(source[index]["image"])

    return Pictures(
        name=name,
        fingerprint=f"{fingerprint} {form}",
        count=len(source),
        uniform=True,
        read=read,
        read_fields=lambda index: {k: v for k, v in source[index].items() if k != "image"},
        label=label,
    )


def of_array(name: str, images: np.ndarray) -> Pictures:
    """uint8 `[N, H, W, C]`."""
    fingerprint = hashlib.sha256(repr(images.shape).encode() + images.tobytes()).hexdigest()
    return Pictures(
        name=name, fingerprint=fingerprint, count=len(images), uniform=True, read=images.__getitem__
    )


def of_npz(path: Path) -> Pictures:
    """The samples in an `.npz`: its `arr_0`, `images` or `samples`, uint8 `[N, H, W, C]`.

    Raises:
        DataError: no such file or array, or of another form.
    """
    arrays = read_arrays(path)
    names = [name for name in ("arr_0", "images", "samples", "image") if name in arrays]
    if not names:
        raise DataError(f"{path} holds {', '.join(arrays)}, but no arr_0 or images")
    images = arrays[names[0]]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
        shape = f"{images.dtype} {list(images.shape)}"
        raise DataError(f"{path}: pictures must be uint8 [N, H, W, 1, 3 or 4], not {shape}")
    return of_array(str(path), images)


def of_folder(path: Path, advance: Advance = lambda *progress: None) -> Pictures:
    """All pictures below a folder at their own sizes, sorted by path, RGB: alpha is dropped, not
    laid over a background, as the reference tools do.

    The fingerprint is of all names and bytes, read once; `advance(done, total)` hears how far.

    Raises:
        DataError: no such folder, no pictures in it, or a file that cannot be read.
    """
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder")
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )
    if not files:
        raise DataError(f"{path}: no pictures in it")

    def read(index: int) -> np.ndarray:
        return read_rgb(files[index])

    return Pictures(
        name=str(path),
        fingerprint=_contents_sha256(path, files, advance),
        count=len(files),
        uniform=_one_size(files),
        read=read,
    )


def _contents_sha256(folder: Path, files: Sequence[Path], advance: Advance) -> str:
    """Of every file's path below the folder and its bytes."""
    whole = hashlib.sha256()
    with ThreadPoolExecutor(THREADS) as pool:
        for done, (file, own) in enumerate(zip(files, pool.map(_sha256, files), strict=True), 1):
            whole.update(f"{file.relative_to(folder)} {own}\n".encode(errors="surrogateescape"))
            advance(done, len(files))
    return whole.hexdigest()


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error


def read_rgb(file: Path) -> np.ndarray:
    """uint8 `[H, W, 3]`; raises PictureError."""
    image = read_picture(file).image
    return np.ascontiguousarray(
        np.broadcast_to(image[..., : _colours(image)], (*image.shape[:2], 3))
    )


def _colours(image: np.ndarray) -> int:
    """Channels that are no alpha."""
    return 1 if image.shape[-1] < 3 else 3


def _one_size(files: list[Path]) -> bool:
    """By the headers alone; a file that has none will be named when it is read."""
    sizes = set()
    for file in files:
        try:
            with Image.open(file) as picture:
                sizes.add(picture.size)
        except (OSError, Image.DecompressionBombError):
            continue
        if len(sizes) > 1:
            return False
    return True
