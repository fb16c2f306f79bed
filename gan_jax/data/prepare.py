"""`gan-jax data prepare`: makes or downloads, once, what a source later reads."""

from __future__ import annotations

from pathlib import Path

from gan_jax.data.open import FORMS
from gan_jax.data.source import Progress
from gan_jax.errors import DataError, UsageError


def prepare_source(name: str, data_dir: str | None, progress: Progress | None) -> None:
    """Prepares `tfds:NAME[/config]` (downloads it; TFDS shows its own progress) or `avatars/SIZE`
    in `data_dir`, or in their own default if None. Does nothing where it is already there.

    Raises:
      UsageError: nothing to prepare in such a source, or a missing extra.
      DataError: an unknown data set, or one that cannot be downloaded or built.
    """
    if name.startswith("avatars/"):
        from gan_jax.data import avatars
        from gan_jax.data.avatar_collection import avatar_size

        avatars.prepare(avatar_size(name), Path(data_dir) if data_dir else None, progress)
    elif name.startswith("tfds:"):
        _prepare_tfds(name.removeprefix("tfds:"), data_dir)
    elif name == "digits" or name.startswith(("folder:", "npz:")):
        raise UsageError(f"{name}: nothing to prepare, it is read as it is")
    else:
        raise UsageError(f"data source {name!r}: must be {FORMS}")


def _prepare_tfds(name: str, data_dir: str | None) -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    try:
        builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
        builder.download_and_prepare()
    except registered.DatasetNotFoundError as error:
        raise DataError(f"tfds:{name}: TFDS knows no such data set") from error
    except ImportError as error:
        if "tensorflow" not in str(error):
            raise DataError(f"tfds:{name}: its builder needs a package: {error}") from error
        raise UsageError(
            f"tfds:{name}: preparing it needs TensorFlow, once: pip install 'gan-jax[prepare]'"
        ) from error
    except Exception as error:  # downloads and builders fail in ways of their own
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise DataError(f"tfds:{name}: cannot be prepared: {reason}") from error
