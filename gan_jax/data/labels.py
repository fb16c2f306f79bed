"""Labels of a folder of pictures: `labels.csv`, StyleGAN's `dataset.json`, or class folders; or
attributes, the columns of `labels.csv`."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan_jax.data.attributes import attribute_vector, check_names
from gan_jax.data.collection import Labels, numbered_classes, refuse_missing_labels
from gan_jax.errors import DataError

LABEL_FILES = ("labels.csv", "dataset.json")

Row = dict[str, str]


@dataclass(frozen=True)
class Labelling:
    """values: int32 `[N]`, an index into `class_names` each, or float32 `[N, K]` of attributes,
    and then `class_names` is None."""

    values: np.ndarray
    class_names: tuple[str, ...] | None


def read_labelling(
    root: Path, files: list[str], labels: Labels, class_folder: int
) -> Labelling | None:
    """The labels of `files` (paths from `root`), or None where there are none or none wanted.

    The first that exists: `labels.csv` with the header `file,label`; `dataset.json` with
    `{"labels": [["path", 3], …]}`; or the folder each picture lies in, the `class_folder`-th of
    its path. A file's labels that are all whole numbers are taken as they are; folders and names
    are numbered in their order.

    Raises:
      DataError: a labels file that cannot be read or does not name every picture; no labels where
        they are required.
    """
    if labels == "none":
        return None
    remedy = "put each class into a folder of its own, or write labels.csv with file,label"
    if (root / "labels.csv").is_file():
        path = root / "labels.csv"
        rows = _read_csv(path)
        if "label" in rows[0] or not _attributes_of(rows):
            return _from_file(path, _column(path, rows), files)
        refuse_missing_labels(
            str(path), labels, f"it has attributes: data.attributes={_attributes_of(rows)}"
        )
        return None
    if (root / "dataset.json").is_file():
        entries = _read_json(root / "dataset.json")
        if entries is not None:
            return _from_file(root / "dataset.json", entries, files)
        refuse_missing_labels(f"{root / 'dataset.json'}", labels, remedy)
        return None
    folders = [file.split("/")[class_folder:-1] for file in files]
    if all(folders):
        return _by_name([below[0] for below in folders])
    loose = next(file for file, below in zip(files, folders, strict=True) if not below)
    refuse_missing_labels(f"folder:{root} ({loose} lies in no class folder)", labels, remedy)
    return None


def read_attributes(root: Path, files: list[str], attributes: Sequence[str]) -> Labelling:
    """The attributes of `files`: the columns of `labels.csv` that they name.

    Raises:
      DataError: there is no such file or column, it does not name every picture, or a value is no
        number.
    """
    path = root / "labels.csv"
    if not path.is_file():
        raise DataError(
            f"folder:{root}: data.attributes asks for labels.csv with file,{','.join(attributes)}"
        )
    rows = _read_csv(path)
    check_names(str(path), attributes, [*_attributes_of(rows), *({"label"} & rows[0].keys())])
    entries = {}
    for number, row in enumerate(rows, start=2):
        values = [row[name] for name in attributes]
        entries[_file(path, number, row)] = attribute_vector(
            f"{path}: line {number}", attributes, values
        )
    _check_files(path, entries, files)
    return Labelling(np.stack([entries[file] for file in files]), None)


def _from_file(path: Path, entries: dict[str, str], files: list[str]) -> Labelling:
    _check_files(path, entries, files)
    labels = [entries[file] for file in files]
    if not all(map(_is_number, labels)):
        return _by_name(labels)
    values = np.array([int(label) for label in labels], np.int64)
    try:
        return Labelling(values.astype(np.int32), numbered_classes(values))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _check_files(path: Path, named: Collection[str], files: list[str]) -> None:
    """Raises DataError unless those that a labels file names are those that are there."""
    missing = [file for file in files if file not in named]
    if missing:
        raise DataError(f"{path}: no label for {missing[0]} ({len(missing)} such pictures)")
    absent = sorted(set(named) - set(files))
    if absent:
        raise DataError(f"{path}: {absent[0]} is not there ({len(absent)} such lines)")


def _by_name(labels: list[str]) -> Labelling:
    """Classes in the order of their names, or of their numbers where all are numbers."""
    by_number = all(map(_is_number, labels))
    names = sorted(set(labels), key=lambda name: (int(name) if by_number else 0, name))
    index = {name: i for i, name in enumerate(names)}
    return Labelling(np.array([index[label] for label in labels], np.int32), tuple(names))


def _is_number(label: str) -> bool:
    return label.isdecimal() and len(label) < 19 and str(int(label)) == label


def _read_csv(path: Path) -> list[Row]:
    """Its lines, at least one, by column; the first of them is line 2."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not rows or "file" not in rows[0] or len(rows[0]) < 2:
        raise DataError(
            f"{path}: its first line must be `file,label`, or `file` and attributes, and one line "
            "a picture"
        )
    return rows


def _attributes_of(rows: list[Row]) -> tuple[str, ...]:
    """The columns besides `file` and `label`."""
    return tuple(name for name in rows[0] if name not in ("file", "label", None))


def _column(path: Path, rows: list[Row]) -> dict[str, str]:
    """The column `label`, by file."""
    entries = {}
    for number, row in enumerate(rows, start=2):
        if not row["label"]:
            raise DataError(f"{path}: line {number} has no file or no label")
        entries[_file(path, number, row)] = row["label"].strip()
    return entries


def _file(path: Path, number: int, row: Row) -> str:
    if not row["file"]:
        raise DataError(f"{path}: line {number} has no file or no label")
    return _slashes(row["file"])


def _read_json(path: Path) -> dict[str, str] | None:
    """None for StyleGAN's `"labels": null`, which means that there are none."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["labels"]
        if rows is None:
            return None
        if not all(type(label) is int and label >= 0 for _, label in rows):
            raise ValueError("labels must be whole numbers from 0")
        return {_slashes(file): str(label) for file, label in rows}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not StyleGAN's dataset.json: {error}") from error


def _slashes(file: str) -> str:
    return file.strip().replace("\\", "/").removeprefix("./")
