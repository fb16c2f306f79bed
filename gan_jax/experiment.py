"""Experiment files: Python modules with `get_config`, `get_recipe` and `get_optimizers`."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax.config import Config, override
from gan_jax.errors import UsageError, UserError
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.ops.pixels import FLIP
from gan_jax.recipe import Recipe
from gan_jax.weights.store import Weights

REQUIRED = ("get_config", "get_recipe", "get_optimizers")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment file with its settings.

    Attributes:
        path: of the file that was imported.
        argument: what stood behind the colon.
        module: the imported file.
        config: the settings, overrides applied.
    """

    path: Path
    argument: str
    module: ModuleType
    config: Config

    @property
    def name(self) -> str:
        """`FILE` or `FILE-ARGUMENT`."""
        return f"{self.path.stem}-{self.argument}" if self.argument else self.path.stem

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def recipe(self) -> Recipe:
        return guarded(self.path, lambda: self.module.get_recipe(self.config))

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        return guarded(self.path, lambda: self.module.get_optimizers(self.config))

    def frozen(self) -> dict[str, Weights]:
        """The weights of the recipe's frozen networks, that the file's `get_frozen(config)` finds;
        none where it has no such function."""
        if not hasattr(self.module, "get_frozen"):
            return {}
        return dict(guarded(self.path, lambda: self.module.get_frozen(self.config)))

    def evaluators(self) -> tuple[Evaluator, ...]:
        """What the file's `get_evaluators(config)` lists; none where it has no such function, or
        `evaluate.on` is False."""
        if not self.config.evaluate.on or not hasattr(self.module, "get_evaluators"):
            return ()
        return tuple(guarded(self.path, lambda: self.module.get_evaluators(self.config)))

    def keys(self) -> dict[str, str]:
        """The names of a batch off the pipeline (`flip` aside), each with its feature."""
        names = {name: name for name in self.batch_spec() if name != FLIP}
        return names | ({"label": self.config.data.label} if "label" in names else {})

    def batch_spec(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes and dtypes of one real batch, from the config alone; those that the file's
        `get_batch_spec(config)` gives, where it has a data set of another form."""
        if hasattr(self.module, "get_batch_spec"):
            return guarded(self.path, lambda: self.module.get_batch_spec(self.config))
        size, data = self.config.batch_size, self.config.data
        shape = (size, data.size, data.size, data.channels)
        spec = {"image": jax.ShapeDtypeStruct(shape, jnp.uint8)}
        if data.attributes:
            spec["label"] = jax.ShapeDtypeStruct((size, len(data.attributes)), jnp.float32)
        elif self.config.num_classes:
            spec["label"] = jax.ShapeDtypeStruct((size,), jnp.int32)
        if data.flip:
            spec[FLIP] = jax.ShapeDtypeStruct((size,), jnp.bool_)
        return spec


def load_experiment(name: str, overrides: Sequence[tuple[str, str]] = ()) -> Experiment:
    """Imports `FILE.py[:argument]` and applies overrides.

    Raises:
        UsageError: no such file, one that does not import or lacks a function, an argument it
            does not know, a config key or value that is wrong.
    """
    file, suffix, argument = name.rpartition(".py:")  # a folder's name may hold a colon
    path = Path(f"{file}.py" if suffix else name)
    argument = argument if suffix else ""
    module = import_file(path)
    signature = inspect.signature(module.get_config)
    arguments = (argument,) if signature.parameters else ()
    if argument and not arguments:
        raise UsageError(f"{path} takes no argument, but {argument!r} was given")
    config = guarded(path, lambda: module.get_config(*arguments))
    override(config, overrides)
    return Experiment(path=path, argument=argument, module=module, config=config)


def import_file(path: Path, neighbours: Path | None = None) -> ModuleType:
    """The experiment file as a module of its own; raises UsageError as `load_experiment`.

    `neighbours` is the folder that it may import from, its own unless given.
    """
    if not path.is_file():
        raise UsageError(f"no experiment file {path}{_other_files(path)}")
    spec = importlib.util.spec_from_file_location(f"gan_jax_experiment_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file: an experiment file ends in .py")
    loader, module = spec.loader, importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass, so every Flax network, looks itself up
    folder = str((neighbours or path.parent).absolute())
    sys.path.insert(0, folder)
    try:
        guarded(path, lambda: loader.exec_module(module))
    finally:
        sys.path.remove(folder)
    missing = [function for function in REQUIRED if not callable(getattr(module, function, None))]
    if missing:
        raise UsageError(f"{path} is no experiment file: it defines no {' and no '.join(missing)}")
    return module


def _other_files(path: Path) -> str:
    folder = path.parent
    names = sorted(p.name for p in folder.glob("*.py")) if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    if close:
        return f"; the nearest is {folder / close[0]}"
    return f"; in {folder} there are {', '.join(names)}" if names else ""


def guarded(path: Path, action: Callable[[], Any]) -> Any:
    """Runs the user's code; what it raises becomes one line that names file and line."""
    try:
        return action()
    except UserError:
        raise
    except SyntaxError as error:
        raise UsageError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f.lineno for f in frames if Path(f.filename).resolve() == path.resolve()]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        raise UsageError(f"{where}: {type(error).__name__}: {error}") from error
