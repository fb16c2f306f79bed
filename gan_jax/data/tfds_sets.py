"""`tfds:NAME`: a prepared TensorFlow Datasets set, read without TensorFlow.

Records are read by `ArrayRecord`, and their encoded pictures by `pictures.read_picture`, so that
they meet the same rules as any other picture. What is not prepared is never downloaded here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gan_jax.data.attributes import attribute_vector, check_names
from gan_jax.data.collection import Labels, Raw, refuse_missing_labels
from gan_jax.data.pictures import PictureError, read_picture
from gan_jax.errors import DataError, UsageError


@dataclass(frozen=True)
class TfdsCollection:
    """records: random access to serialised examples. features: of those of an example that are
    read, the picture left encoded. attributes: names whose values are the label, in place of
    `label_key`."""

    title: str
    records: Any
    features: Any
    image_key: str
    label_key: str | None
    fingerprint: str
    class_names: tuple[str, ...] | None
    attributes: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def name(self, index: int) -> str:
        return f"{self.title}[{index}]"

    def read(self, index: int) -> Raw:
        return self.read_many([index], ())[0]

    def read_many(self, indices: Sequence[int], features: Container[str]) -> list[Raw]:
        try:
            records = self.records.__getitems__(indices)
        except Exception as error:  # ArrayRecord raises what it pleases
            raise self._unreadable(indices[0], error) from error
        return [self._raw(*pair) for pair in zip(indices, records, strict=True)]

    def _unreadable(self, index: int, error: Exception) -> PictureError:
        return PictureError(self.name(index), f"record cannot be read: {error}")

    def _raw(self, index: int, encoded: bytes) -> Raw:
        try:
            record = self._parsed(encoded)
        except Exception as error:  # and so does the parser of examples
            raise self._unreadable(index, error) from error
        picture = read_picture(record[self.image_key], self.name(index))
        if self.attributes:
            values = [_at(record, name) for name in self.attributes]
            label = attribute_vector(self.name(index), self.attributes, values)
            return Raw(picture.image, picture.mode, {"label": label})
        if self.label_key is None:
            return Raw(picture.image, picture.mode, {})
        # -1 in splits whose labels were never published; who needs labels checks their range
        label = np.asarray(record[self.label_key], np.int32)
        return Raw(picture.image, picture.mode, {"label": label})

    def _parsed(self, record: bytes) -> Any:
        import tensorflow_datasets as tfds

        encoded = {self.image_key: tfds.decode.SkipDecoding()}
        return self.features.deserialize_example_np(record, decoders=encoded)


def open_tfds(
    name: str,
    *,
    split: str,
    labels: Labels,
    data_dir: str | None,
    attributes: Sequence[str] = (),
) -> TfdsCollection:
    """A prepared set: `name` is `NAME[/config][:version]`, `split` anything that TFDS knows, such
    as `train`, `all` or `train[:90%]`. `data_dir`: TFDS's own default if None. `attributes`: names
    of scalar features, those in others with slashes (`attributes/Smiling`).

    Raises:
      DataError: not prepared, not as ArrayRecord, empty, no such split, no picture or attribute
        in it.
      UsageError: not a name.
    """
    import tensorflow_datasets as tfds

    builder = _prepared(name, data_dir)
    title = f"tfds:{name}"
    features = builder.info.features
    image_key = _image_key(title, features)
    check_names(title, attributes, _numbers(features))
    label_key = None if labels == "none" or attributes else _label_key(features)
    if label_key is None and not attributes:
        refuse_missing_labels(title, labels, "it has no ClassLabel")
    try:
        records = builder.as_data_source(
            split=split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
        )
    except NotImplementedError as error:
        stored = getattr(builder.info.file_format, "value", builder.info.file_format)
        raise DataError(
            f"{title}: prepared as {stored}, which has no random access; move"
            f" {builder.data_dir} away and run `gan-jax data prepare {title}`"
        ) from error
    except Exception as error:
        raise DataError(f"{title}: split {split!r} cannot be opened: {error}") from error
    if len(records) == 0:
        raise DataError(f"{title}: its split {split!r} is empty")
    return TfdsCollection(
        title=f"{title} {split}",
        records=records,
        features=_subset(features, [image_key, label_key, *attributes]),
        image_key=image_key,
        label_key=label_key,
        fingerprint=_fingerprint(builder, split, len(records)),
        class_names=None if label_key is None else tuple(features[label_key].names),
        attributes=tuple(attributes),
    )


def _prepared(name: str, data_dir: str | None) -> Any:
    from tensorflow_datasets.core import read_only_builder, registered

    try:
        return read_only_builder.builder_from_files(name, data_dir=data_dir)
    except registered.DatasetNotFoundError as error:
        where = f" in {data_dir}" if data_dir else ""
        raise DataError(
            f"tfds:{name}: not prepared{where}; run `gan-jax data prepare tfds:{name}` once (most"
            " stock sets need TensorFlow for that: `pip install 'gan-jax[prepare]'`)"
        ) from error
    except ValueError as error:
        raise UsageError(f"tfds:{name}: a name is NAME[/config][:version]") from error


def _image_key(title: str, features: Any) -> str:
    import tensorflow_datasets as tfds

    keys = [key for key in features if isinstance(features[key], tfds.features.Image)]
    if "image" not in keys and len(keys) != 1:
        raise DataError(
            f"{title}: no picture `image` among its features {', '.join(sorted(features))}"
        )
    key = "image" if "image" in keys else keys[0]
    if features[key].np_dtype == np.float32:
        raise DataError(f"{title}: its pictures are float32 maps, which are not supported")
    return key


def _label_key(features: Any) -> str | None:
    import tensorflow_datasets as tfds

    keys = [key for key in features if isinstance(features[key], tfds.features.ClassLabel)]
    return "label" if "label" in keys else keys[0] if len(keys) == 1 else None


def _numbers(features: Any, above: str = "") -> list[str]:
    """Names of the scalar features that are numbers but no classes."""
    import tensorflow_datasets as tfds

    found = []
    for key, feature in features.items():
        name = f"{above}{key}"
        if isinstance(feature, tfds.features.FeaturesDict):
            found += _numbers(feature, f"{name}/")
        elif isinstance(feature, tfds.features.ClassLabel) or feature.shape != ():
            continue
        elif np.dtype(feature.np_dtype).kind in "biuf":
            found.append(name)
    return found


def _subset(features: Any, names: Iterable[str | None]) -> Any:
    """What those names stand for and no more: parsing the rest of an example takes longer."""
    import tensorflow_datasets as tfds

    top = {name.split("/")[0] for name in names if name is not None}
    return tfds.features.FeaturesDict({key: features[key] for key in sorted(top)})


def _at(record: Any, name: str) -> Any:
    for key in name.split("/"):
        record = record[key]
    return record


def _fingerprint(builder: Any, split: str, count: int) -> str:
    """Name, version, split, count, and the names and sizes of the record files."""
    digest = hashlib.sha256(f"{builder.info.full_name}\t{split}\t{count}\n".encode())
    for info in builder.info.splits.values():
        for path in info.filepaths:
            digest.update(f"{path.name}\t{path.stat().length}\n".encode())
    return digest.hexdigest()
