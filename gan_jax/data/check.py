"""`gan-jax data check`: reads every example of a source once and says what is in it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median_low

from gan_jax.data.collection import Collection
from gan_jax.data.open import open_collection
from gan_jax.data.pictures import PictureError
from gan_jax.data.source import Progress, for_each
from gan_jax.errors import DataError

SHOWN = 20
"""Lists of sizes, classes and duplicates are cut here; unusable files are all listed."""


@dataclass(frozen=True)
class Report:
    """What `check` found.

    sizes: (width, height) → pictures, upright. modes: as stored → pictures. labels: class name →
    pictures, or None without labels. duplicates: names of pictures that decode to the same pixels,
    a group each. unusable: (name, reason). passed_over: suffix → files. smaller: usable pictures
    with a side below `size`, None if no size was asked for.
    """

    title: str
    count: int
    sizes: Mapping[tuple[int, int], int]
    modes: Mapping[str, int]
    labels: Mapping[str, int] | None
    duplicates: tuple[tuple[str, ...], ...]
    unusable: tuple[tuple[str, str], ...]
    passed_over: Mapping[str, int]
    size: int | None
    smaller: int | None

    @property
    def exit_code(self) -> int:
        """5 if a picture cannot be used, else 0."""
        return DataError.exit_code if self.unusable else 0

    def lines(self) -> list[str]:
        """The report to print; each unusable picture on a line of its own."""
        return [
            f"{self.title}: {self.count:,} pictures, {len(self.unusable):,} of them unusable",
            *self._size_lines(),
            f"modes: {_counts(self.modes)}",
            *([] if self.labels is None else _cut("label", _each(self.labels))),
            *self._duplicate_lines(),
            *([f"passed over, not pictures: {_counts(self.passed_over)}"] * bool(self.passed_over)),
            *(f"unusable: {name}: {reason}" for name, reason in self.unusable),
        ]

    def _size_lines(self) -> list[str]:
        if not self.sizes:
            return []
        lines = [
            f"{side}: min {min(values)}, median {median_low(values)}, max {max(values)}"
            for side, values in (("width", self._sides(0)), ("height", self._sides(1)))
        ]
        named = {f"{width}×{height}": count for (width, height), count in self.sizes.items()}
        lines += _cut("size", _each(Counter(named)))
        if self.smaller is not None:
            lines.append(f"smaller than {self.size}×{self.size}, to be enlarged: {self.smaller:,}")
        return lines

    def _sides(self, axis: int) -> list[int]:
        return [size[axis] for size, count in self.sizes.items() for _ in range(count)]

    def _duplicate_lines(self) -> list[str]:
        extra = sum(len(group) - 1 for group in self.duplicates)
        groups = [" = ".join(group) for group in self.duplicates]
        return [f"duplicates: {extra:,}", *_cut("same pixels", groups)]


@dataclass(frozen=True)
class _Finding:
    """What is remembered of one picture; `reason` is set where it cannot be used."""

    size: tuple[int, int] = (0, 0)
    mode: str = ""
    label: int | None = None
    digest: bytes = b""
    reason: str | None = None


def check_source(
    name: str, *, split: str, size: int | None, data_dir: str | None, progress: Progress | None
) -> Report:
    """Reads all of a source once, in threads. `size`: smaller pictures are counted.

    Raises:
      UsageError, DataError: a source that cannot be opened, is missing or empty.
    """
    collection = open_collection(
        name, split=split, data_dir=data_dir, labels="auto", progress=progress
    )
    return check(collection, f"{name} ({split})", size, progress)


def check(
    collection: Collection, title: str, size: int | None, progress: Progress | None
) -> Report:
    """Reads every example of `collection` once, in threads."""
    findings = _read_all(collection, progress)
    usable = [found for found in findings if found.reason is None]
    return Report(
        title=title,
        count=len(findings),
        sizes=Counter(found.size for found in usable),
        modes=Counter(found.mode for found in usable),
        labels=_label_counts(usable, collection.class_names),
        duplicates=_duplicates(findings, collection),
        unusable=tuple(
            (collection.name(i), found.reason)
            for i, found in enumerate(findings)
            if found.reason is not None
        ),
        passed_over=collection.passed_over,
        size=size,
        smaller=None if size is None else sum(min(found.size) < size for found in usable),
    )


def _read_all(collection: Collection, progress: Progress | None) -> list[_Finding]:
    findings: list[_Finding] = [_Finding()] * len(collection)

    def read(indices: range) -> int:
        for index in indices:
            findings[index] = _look_at(collection, index)
        return len(indices)

    total = len(collection)
    for_each(read, [range(i, min(i + 16, total)) for i in range(0, total, 16)], total, progress)
    return findings


def _look_at(collection: Collection, index: int) -> _Finding:
    try:
        raw = collection.read(index)
    except PictureError as error:
        return _Finding(reason=error.reason)
    height, width = raw.image.shape[:2]
    digest = hashlib.blake2b(raw.image.tobytes(), digest_size=16)
    digest.update(repr(raw.image.shape).encode())
    label = int(raw.fields["label"]) if "label" in raw.fields else None
    return _Finding((width, height), raw.mode, label, digest.digest())


def _label_counts(
    usable: list[_Finding], class_names: tuple[str, ...] | None
) -> dict[str, int] | None:
    """Every class in its order, those with no picture too, and labels of no class (-1)."""
    if class_names is None:
        return None
    counts = Counter(found.label for found in usable)
    named = {name: counts.pop(label, 0) for label, name in enumerate(class_names)}
    return named | {f"{label} (no such class)": count for label, count in counts.items()}


def _duplicates(findings: list[_Finding], collection: Collection) -> tuple[tuple[str, ...], ...]:
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, found in enumerate(findings):
        if found.reason is None:
            groups[found.digest].append(index)
    return tuple(
        tuple(collection.name(index) for index in group)
        for group in groups.values()
        if len(group) > 1
    )


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)


def _each(counts: Mapping[str, int]) -> list[str]:
    """One line an entry; a `Counter`'s most frequent first, else in the order given."""
    items = counts.most_common() if isinstance(counts, Counter) else counts.items()
    return [f"{name}: {count:,}" for name, count in items]


def _cut(prefix: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    shown = [f"{prefix} {line}" for line in lines[:SHOWN]]
    return shown + [f"{prefix}: {len(lines) - SHOWN:,} more"] * (len(lines) > SHOWN)
