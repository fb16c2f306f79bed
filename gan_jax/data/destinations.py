"""Files for pictures that are made of others: one for each, and none that is read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from gan_jax.errors import UsageError


def names_of(files: Sequence[str]) -> dict[str, str]:
    """For each picture that of what is made of it: the same path, ending in .png; where several
    would be of one name, behind their own endings."""
    stems = {file: str(Path(file).with_suffix("")) for file in files}
    taken = Counter(stem.lower() for stem in stems.values())
    names = {
        file: f"{stem if taken[stem.lower()] == 1 else file}.png" for file, stem in stems.items()
    }
    if len({name.lower() for name in names.values()}) == len(names):
        return names
    return {file: f"{file}.png" for file in files}  # a.png, a.jpg and a.png.jpg


def names_in_one_folder(files: Sequence[Path]) -> list[str]:
    """`names_of` pictures that may lie anywhere, without their folders; where two folders have one
    of the same name, with the folders below the innermost that all lie in."""
    names = [file.name for file in files]
    if len({name.lower() for name in names}) < len(names):
        places = [Path(os.path.abspath(file)) for file in files]
        root = os.path.commonpath([place.parent for place in places])
        names = [str(place.relative_to(root)) for place in places]
    found = names_of(names)
    return [found[name] for name in names]


def check_file(out: Path, read: Iterable[Path]) -> None:
    """Raises UsageError where `out` is one of the files that are read."""
    if any(_is_same(out, file) for file in read):
        raise UsageError(f"--out={out}: is one of the given pictures; give another file")


def check_files(out: Path, targets: Sequence[Path], read: Iterable[Path]) -> None:
    """Of files in the folder `out`.

    Raises:
        UsageError: two targets are one file, or one would lie beside a file that is read, which it
            may be or become.
    """
    twice = next((target for target, count in Counter(targets).items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"--out={out}: two pictures would be {twice}; give each but once")
    sources = {folder for file in read for folder in (file.parent, file.resolve().parent)}
    for folder in {target.parent for target in targets}:
        for source in sources:
            if _is_same(folder, source):
                raise UsageError(
                    f"--out={out}: {source} holds given pictures, which could be written over; "
                    "give another folder"
                )


def _is_same(a: Path, b: Path) -> bool:
    """Whether both are there and one, by whatever names."""
    try:
        return a.samefile(b)
    except OSError:
        return False
