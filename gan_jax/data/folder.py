"""`folder:PATH`: a user's own pictures, found at any depth, in the order of their names."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan_jax.data.collection import Labels, Raw, check_split
from gan_jax.data.labels import LABEL_FILES, Labelling, read_attributes, read_labelling
from gan_jax.data.pictures import SUFFIXES, read_picture
from gan_jax.errors import DataError


@dataclass(frozen=True)
class FolderCollection:
    """Picture files below `root`; `files` are their paths from there, with forward slashes."""

    root: Path
    files: tuple[str, ...]
    labels: np.ndarray | None
    fingerprint: str
    class_names: tuple[str, ...] | None
    passed_over: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        return str(self.root / self.files[index])

    def read(self, index: int) -> Raw:
        picture = read_picture(self.root / self.files[index])
        fields = {} if self.labels is None else {"label": np.asarray(self.labels[index])}
        return Raw(picture.image, picture.mode, fields)


def open_folder(
    path: str, *, split: str, labels: Labels, attributes: Sequence[str] = ()
) -> FolderCollection:
    """The pictures of one split (train, test, all) below `path`.

    Where all lie in folders `train`, `test` or `val`, those are the splits (`val` counts as
    test). Otherwise a tenth is held out as test, chosen by a hash of each path, so that adding
    pictures never moves one from train to test. Labels: see `labels.read_labelling`, and
    `labels.read_attributes` where `attributes` are asked for.

    The fingerprint covers paths, sizes and labels, not contents: it is cheap, and survives
    copying to another machine.

    Raises:
      DataError: no such folder, no pictures in it or in the split, or what reading labels
        raises.
    """
    check_split(split)
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"folder:{path}: there is no such folder")
    sizes, passed_over = _scan(root)
    if not sizes:
        count = sum(passed_over.values())
        raise DataError(f"folder:{path}: no pictures in it ({count} files of other kinds)")
    files = sorted(sizes)
    in_split_folders = _are_split_folders(files)
    if attributes:
        labelling = read_attributes(root, files, attributes)
    else:
        labelling = read_labelling(root, files, labels, class_folder=1 if in_split_folders else 0)
    chosen = [i for i, file in enumerate(files) if _belongs(file, split, in_split_folders)]
    if not chosen:
        raise DataError(f"folder:{path}: its split {split!r} is empty; split=all takes everything")
    return FolderCollection(
        root=root,
        files=tuple(files[i] for i in chosen),
        labels=None if labelling is None else labelling.values[chosen],
        fingerprint=_fingerprint([(files[i], sizes[files[i]]) for i in chosen], labelling),
        class_names=None if labelling is None else labelling.class_names,
        passed_over=passed_over,
    )


def _scan(root: Path) -> tuple[dict[str, int], Counter[str]]:
    """→ {path from root: bytes} of the pictures, and the other files counted by suffix."""
    sizes, passed_over, visited = {}, Counter(), set()
    for folder, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        if os.path.realpath(folder) in visited:  # a link that leads back
            folders.clear()
            continue
        visited.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in files:
            path = Path(folder, name)
            suffix = path.suffix.lower()
            if suffix in SUFFIXES and not name.startswith("."):
                sizes[path.relative_to(root).as_posix()] = _bytes(path)
            elif path.relative_to(root).as_posix() not in LABEL_FILES:
                passed_over[suffix or "no suffix"] += 1
    return sizes, passed_over


def _refuse(error: OSError) -> None:
    raise DataError(f"folder {error.filename}: cannot be read: {error.strerror}") from error


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a broken link: reading it says so, by name
        return 0


def _are_split_folders(files: list[str]) -> bool:
    tops = {file.split("/")[0] for file in files}
    return "train" in tops and tops <= {"train", "test", "val"}


def _belongs(file: str, split: str, in_split_folders: bool) -> bool:
    if split == "all":
        return True
    if in_split_folders:
        return file.startswith("train/") == (split == "train")
    held_out = int(hashlib.sha256(file.encode(errors="surrogateescape")).hexdigest(), 16) % 10 == 0
    return held_out == (split == "test")


def _fingerprint(files: list[tuple[str, int]], labelling: Labelling | None) -> str:
    digest = hashlib.sha256()
    for file, size in files:
        digest.update(f"{file}\t{size}\n".encode(errors="surrogateescape"))
    if labelling is not None:
        digest.update(repr(labelling.class_names).encode(errors="surrogateescape"))
        little_endian = labelling.values.dtype.newbyteorder("<")
        digest.update(labelling.values.astype(little_endian).tobytes())
    return digest.hexdigest()
