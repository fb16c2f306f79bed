"""`npz:PATH`: pictures that somebody saved as NumPy arrays."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan_jax.data.attributes import check_names
from gan_jax.data.collection import (
    ArrayCollection,
    Labels,
    numbered_classes,
    refuse_missing_labels,
    split_indices,
)
from gan_jax.errors import DataError

KNOWN = ("images", "image", "labels", "label", "class_names", "attributes", "attribute_names")


def open_npz(
    path: str, *, split: str, labels: Labels, attributes: Sequence[str] = ()
) -> ArrayCollection:
    """One split (train, test: a tenth, all) of the arrays in the file `path`.

    It holds `images` (or `image`), uint8 `[N, H, W, C]` or `[N, H, W]`, and optionally `labels`
    (or `label`), whole numbers from 0 `[N]`, and `class_names` `[K]`; where `attributes` are asked
    for, `attributes`, numbers `[N, A]`, and `attribute_names` `[A]`. Pickled objects are refused.

    Raises:
      DataError: no such file, not an .npz, or arrays that are not these.
    """
    where = f"npz:{path}"
    file = Path(path).expanduser()
    arrays = _load(file, where)
    images = _images(arrays, where)
    if len(images) == 0:
        raise DataError(f"{where}: no pictures in it (images is {images.shape})")
    values, class_names = _labelling(arrays, len(images), where, labels, attributes)
    indices = split_indices(len(images), split)
    if len(indices) == 0:
        raise DataError(f"{where}: its split {split!r} is empty; split=all takes everything")
    return ArrayCollection(
        title=path,
        images=images[indices],
        labels=None if values is None else values[indices],
        indices=indices,
        fingerprint=_fingerprint(file, indices),
        class_names=class_names,
    )


def _load(file: Path, where: str) -> dict[str, np.ndarray]:
    try:
        # NumPy leaks the file it opened itself where that is no archive
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            return {key: archive[key] for key in KNOWN if key in archive}
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


def _labelling(
    arrays: dict[str, np.ndarray], count: int, where: str, labels: Labels, attributes: Sequence[str]
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Each picture's label, if they are to have one, and the names of the classes."""
    if attributes:
        return _attributes(arrays, count, where, attributes), None
    values = None if labels == "none" else _labels(arrays, count, where)
    if values is None:
        refuse_missing_labels(where, labels, "save an array `labels` of whole numbers beside them")
        return None, None
    return values.astype(np.int32), _class_names(arrays, values, where)


def _labels(arrays: dict[str, np.ndarray], count: int, where: str) -> np.ndarray | None:
    labels = arrays.get("labels", arrays.get("label"))
    if labels is None:
        return None
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} {list(labels.shape)}"
        raise DataError(f"{where}: labels is {found}, must be whole numbers, [{count}]")
    return labels


def _attributes(
    arrays: dict[str, np.ndarray], count: int, where: str, wanted: Sequence[str]
) -> np.ndarray:
    """float32 `[N, K]`: the columns of those that are wanted."""
    if not {"attributes", "attribute_names"} <= arrays.keys():
        raise DataError(f"{where}: data.attributes asks for arrays attributes and attribute_names")
    values, names = arrays["attributes"], [str(name) for name in arrays["attribute_names"].flat]
    if values.shape != (count, len(names)) or values.dtype.kind not in "biuf":
        found = f"{values.dtype} {list(values.shape)}"
        raise DataError(
            f"{where}: attributes is {found}, must be numbers, [{count}, {len(names)}] for its "
            "attribute_names"
        )
    check_names(where, wanted, names)
    with np.errstate(over="ignore"):  # what is too large is refused below
        chosen = values[:, [names.index(name) for name in wanted]].astype(np.float32)
    for row, column in np.argwhere(~np.isfinite(chosen))[:1]:
        found = f"{wanted[column]} is {chosen[row, column]}"
        raise DataError(f"{where}[{row}]: {found}, must be a finite number")
    return chosen


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
