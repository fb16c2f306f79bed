"""`npz:PATH`: pictures that somebody saved as NumPy arrays."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from gan_jax.data.collection import (
    ArrayCollection,
    Labels,
    numbered_classes,
    refuse_missing_labels,
    split_indices,
)
from gan_jax.errors import DataError


def open_npz(path: str, *, split: str, labels: Labels) -> ArrayCollection:
    """One split (train, test: a tenth, all) of the arrays in the file `path`.

    It holds `images` (or `image`), uint8 `[N, H, W, C]` or `[N, H, W]`, and optionally `labels`
    (or `label`), whole numbers from 0 `[N]`, and `class_names` `[K]`. Pickled objects are refused.

    Raises:
      DataError: no such file, not an .npz, or arrays that are not these.
    """
    where = f"npz:{path}"
    file = Path(path).expanduser()
    arrays = _load(file, where)
    images = _images(arrays, where)
    if len(images) == 0:
        raise DataError(f"{where}: no pictures in it (images is {images.shape})")
    values = None if labels == "none" else _labels(arrays, len(images), where)
    if values is None:
        refuse_missing_labels(where, labels, "save an array `labels` of whole numbers beside them")
    indices = split_indices(len(images), split)
    if len(indices) == 0:
        raise DataError(f"{where}: its split {split!r} is empty; split=all takes everything")
    return ArrayCollection(
        title=path,
        images=images[indices],
        labels=None if values is None else values[indices],
        indices=indices,
        fingerprint=_fingerprint(file, indices),
        class_names=None if values is None else _class_names(arrays, values, where),
    )


def _load(file: Path, where: str) -> dict[str, np.ndarray]:
    known = ("images", "image", "labels", "label", "class_names")
    try:
        # NumPy leaks the file it opened itself where that is no archive
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            return {key: archive[key] for key in known if key in archive}
    except FileNotFoundError as error:
        raise DataError(f"{where}: there is no such file") from error
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{where}: not a readable .npz of plain arrays: {error}") from error


def _images(arrays: dict[str, np.ndarray], where: str) -> np.ndarray:
    images = arrays.get("images", arrays.get("image"))
    if images is None:
        raise DataError(f"{where}: no array `images` in it")
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 2, 3, 4):
        found = f"{images.dtype} {list(images.shape)}"
        raise DataError(f"{where}: images is {found}, must be uint8 [N, H, W, C], C from 1 to 4")
    return images


def _labels(arrays: dict[str, np.ndarray], count: int, where: str) -> np.ndarray | None:
    labels = arrays.get("labels", arrays.get("label"))
    if labels is None:
        return None
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} {list(labels.shape)}"
        raise DataError(f"{where}: labels is {found}, must be whole numbers, [{count}]")
    return labels


def _class_names(arrays: dict[str, np.ndarray], labels: np.ndarray, where: str) -> tuple[str, ...]:
    try:
        numbers = numbered_classes(labels)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    if "class_names" not in arrays:
        return numbers
    names = tuple(str(name) for name in arrays["class_names"])
    if len(names) < len(numbers):
        raise DataError(f"{where}: {len(names)} class_names for labels up to {numbers[-1]}")
    return names


def _fingerprint(file: Path, indices: np.ndarray) -> str:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    digest.update(indices.astype("<i8").tobytes())
    return digest.hexdigest()
