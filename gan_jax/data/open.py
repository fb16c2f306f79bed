"""From the name in a config to a source: the one place that knows every kind."""

from __future__ import annotations

from collections.abc import Sequence

from gan_jax.data.attributes import check_names
from gan_jax.data.collection import Collection, Labels
from gan_jax.data.digits import open_digits
from gan_jax.data.folder import open_folder
from gan_jax.data.geometry import Geometry
from gan_jax.data.npz import open_npz
from gan_jax.data.source import OnBadImage, PictureSource, Progress
from gan_jax.data.tfds_sets import open_tfds
from gan_jax.errors import UsageError

FORMS = "avatars/32|64|128, digits, tfds:NAME[/config], folder:PATH or npz:PATH"


def open_source(
    name: str,
    *,
    split: str,
    geometry: Geometry,
    on_bad_image: OnBadImage,
    data_dir: str | None,
    labels: Labels,
    progress: Progress | None,
    attributes: Sequence[str] = (),
) -> PictureSource:
    """The examples of `name` (one of `FORMS`), as `geometry` shapes them.

    split: train, test or all; for `tfds:` anything that TFDS knows.
    data_dir: where prepared sets (`tfds:`, `avatars/`) lie; their own default if None.
    labels: "none" drops labels, "auto" takes them where there are some, "required" insists.
    progress: called while avatars are made, which happens once.
    attributes: names whose values are to be the label, float32 `[K]`, in place of a class.

    Raises:
      UsageError: a name that is none of the forms, or a split that it has not.
      DataError: a source that is missing, empty or unusable, or lacks an attribute.
    """
    collection = open_collection(
        name,
        split=split,
        data_dir=data_dir,
        labels=labels,
        progress=progress,
        attributes=attributes,
    )
    return PictureSource(collection, geometry, on_bad_image)


def open_collection(
    name: str,
    *,
    split: str,
    data_dir: str | None,
    labels: Labels,
    progress: Progress | None,
    attributes: Sequence[str] = (),
) -> Collection:
    """The examples of `name` as they are stored; arguments and errors of `open_source`."""
    kind, _, rest = name.partition(":")
    if name == "digits":
        check_names("digits", attributes, ())
        return open_digits(split=split, labels=labels)
    if name.startswith("avatars/"):
        from gan_jax.data.avatar_collection import open_avatar_collection  # brings in the renderer

        return open_avatar_collection(
            name,
            split=split,
            labels=labels,
            data_dir=data_dir,
            progress=progress,
            attributes=attributes,
        )
    wanted = {"split": split, "labels": labels, "attributes": attributes}
    if rest and kind == "folder":
        return open_folder(rest, **wanted)
    if rest and kind == "npz":
        return open_npz(rest, **wanted)
    if rest and kind == "tfds":
        return open_tfds(rest, data_dir=data_dir, **wanted)
    raise UsageError(f"data source {name!r}: must be {FORMS}")
