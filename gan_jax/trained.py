"""A run directory opened to be used: `gan_jax.load("runs/x").sample(16, seed=0)`."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import checkpoint, program, run_directory
from gan_jax import config as configs
from gan_jax.data.attributes import LARGEST
from gan_jax.errors import StorageError, UsageError
from gan_jax.evaluators.samples import conditions, make_sampler, sample_key
from gan_jax.experiment import Experiment, import_file
from gan_jax.mesh import replicated
from gan_jax.program import Program
from gan_jax.recipe import PyTree
from gan_jax.settings import best_of, check_seed
from gan_jax.state import TrainState
from gan_jax.workdir import CHECKPOINTS, CONFIG, require_run_directory

Say = Callable[[str], None]

BATCH = 64
"""Pictures that are generated at once."""


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Trained:
    """A run at one of its checkpoints.

    Attributes:
        directory: of the run.
        experiment: its file, argument and recorded config.
        program: its recipe on this machine's devices.
        state: as restored.
        step: of the checkpoint.
        sampler: of the recipe; None where it generates nothing.
    """

    directory: Path
    experiment: Experiment
    program: Program
    state: TrainState
    step: int
    sampler: Callable[..., np.ndarray] | None

    @property
    def config(self) -> configs.Config:
        """The settings of the run."""
        return self.experiment.config

    def __repr__(self) -> str:
        return f"<run of {self.experiment.name} in {self.directory} at step {self.step}>"

    def at(self, step: int | str, say: Say = print) -> Trained:
        """The same run at another checkpoint; errors as of `load`."""
        state, found = _restore(self.directory, self.experiment, self.program, step, say)
        return dataclasses.replace(self, state=state, step=found)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        label: int | None = None,
        attributes: Mapping[str, float] | None = None,
        truncation: float = 1.0,
        ema: bool = True,
    ) -> np.ndarray:
        """Generated pictures, uint8 `[count, H, W, C]`; the same for the same arguments.

        Args:
            count: how many.
            seed: of the latents.
            label: a class; None takes them in turn. Only for a model of classes.
            attributes: values by name, 0 for the others; None takes each alone in turn. Only for a
                model of attributes.
            truncation: scales the latents (1.0 leaves them).
            ema: averaged weights where the run keeps some.

        Raises:
            UsageError: a recipe that generates nothing, no such class or attribute, or not even
                one picture.
        """
        latents, batch = self.latents(count, seed=seed, label=label, attributes=attributes)
        return self.generate(latents, batch, seed=seed, truncation=truncation, ema=ema)

    def walk(
        self,
        count: int,
        frames: int,
        *,
        seed: int = 0,
        label: int | None = None,
        attributes: Mapping[str, float] | None = None,
        truncation: float = 1.0,
        ema: bool = True,
    ) -> np.ndarray:
        """A closed walk through latent space, uint8 `[frames, count, H, W, C]`.

        Each of `count` pictures moves along the circle z(t) = cos(t) a + sin(t) b of two N(0, 1)
        latents, on which z(t) is N(0, 1) at every t.
        """
        a, batch = self.latents(count, seed=seed, label=label, attributes=attributes)
        b, _ = self.latents(count, seed=seed + 1, label=label, attributes=attributes)
        pictures = []
        for angle in np.linspace(0.0, 2.0 * np.pi, frames, endpoint=False):
            cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
            latents = jax.tree.map(partial(_on_circle, cosine, sine), a, b)
            frame = self.generate(latents, batch, seed=seed, truncation=truncation, ema=ema)
            pictures.append(frame)
        return np.stack(pictures)

    def latents(
        self,
        count: int,
        *,
        seed: int,
        label: int | None = None,
        attributes: Mapping[str, float] | None = None,
    ) -> tuple[PyTree, PyTree]:
        """Latents and conditions of `count` pictures, on the host."""
        recipe = self.program.recipe
        if recipe.latents is None or self.sampler is None or recipe.given:
            needs = f"; it is given {', '.join(recipe.given)}" if recipe.given else ""
            needs += " (gan-jax translate gives it yours)" if recipe.translation else ""
            raise UsageError(
                f"the recipe of {self.directory} generates no pictures from noise{needs}"
            )
        if count < 1:
            raise UsageError(f"{count} pictures: must be at least 1")
        check_seed("seed", seed)
        chosen = self._chosen(label, attributes)
        is_vector = bool(self.config.data.attributes)
        batch = conditions(count, self.config.num_classes, chosen, attributes=is_vector)
        return jax.device_get(jax.jit(recipe.latents)(sample_key(seed), batch)), batch

    def _chosen(
        self, label: int | None, attributes: Mapping[str, float] | None
    ) -> int | np.ndarray | None:
        """What all pictures are to be: a class, attributes float32 `[K]`, or None for no wish."""
        names, classes = self.config.data.attributes, self.config.num_classes
        has = f"has classes 0 to {classes - 1}" if classes else "has no classes"
        has = f"the model in {self.directory} " + (
            f"has the attributes {', '.join(names)}" if names else has
        )
        if label is not None and (names or not 0 <= label < classes):
            raise UsageError(f"label {label}: {has}")
        if attributes is None:
            return label
        if not names:
            raise UsageError(f"attributes: {has} and takes none")
        for name, value in attributes.items():
            if name not in names:
                raise UsageError(f"attribute {name!r}: {has}")
            if not abs(value) <= LARGEST:
                raise UsageError(f"attribute {name!r}: {value} must be a finite number")
        return np.array([attributes.get(name, 0.0) for name in names], np.float32)

    def generate(
        self, latents: PyTree, batch: PyTree, *, seed: int, truncation: float, ema: bool
    ) -> np.ndarray:
        """Pictures of latents `[count, …]` under conditions, uint8 `[count, H, W, C]`.

        They are made in blocks of one size, the last filled up, so that a picture does not depend
        on how many others were asked for with it.
        """
        assert self.sampler is not None
        if not math.isfinite(truncation):
            raise UsageError(f"truncation {truncation}: must be a number")
        whole = replicated(self.program.mesh)
        key = jax.device_put(sample_key(seed), whole)
        count = len(jax.tree.leaves(latents)[0])
        blocks = []
        for start in range(0, count, BATCH):
            rows = np.minimum(np.arange(start, start + BATCH), count - 1)
            block = jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[rows], (latents, batch))
            placed = jax.device_put(block, whole)
            nets, frozen = self.state.nets, self.program.frozen
            block_key = jax.random.fold_in(key, start)  # the noise of one must not come again
            blocks.append(self.sampler(nets, frozen, *placed, block_key, truncation, ema))
        return np.concatenate(blocks)[:count]


def checkpoint_named(step: str) -> int | str:
    """The checkpoint that `--step` names; raises UsageError."""
    if step in ("latest", "best"):
        return step
    if step.isdecimal():
        return int(step)
    raise UsageError(f"--step={step!r}: must be a number, latest or best")


def load(
    directory: str | Path, *, step: int | str = "latest", say: Say = print, devices: int = 1
) -> Trained:
    """Opens a run directory; imports the experiment file that it was trained with.

    A run directory is code, to be opened when trusted: the original file is imported where it is
    unchanged, else the copy in the directory, and `say` hears which.

    Args:
        directory: of a run.
        step: of a checkpoint, or "latest", "best".
        say: hears of damaged checkpoints and of which experiment file is used.
        devices: to use, 0 for all.

    Raises:
        UsageError: no run directory, or no such checkpoint.
        StorageError: no checkpoint yet, or all damaged.
    """
    directory = require_run_directory(Path(directory))
    return open_at(directory, recorded_experiment(directory, say, devices), step, say)


def open_at(directory: Path, experiment: Experiment, step: int | str, say: Say) -> Trained:
    """A run directory with its experiment, as `recorded_experiment` gives it; errors as of
    `load`."""
    built = program.build(experiment)
    run_directory.check_same_weights(directory, built.weights)
    state, found = _restore(directory, experiment, built, step, say)
    return Trained(
        directory=directory,
        experiment=experiment,
        program=built,
        state=state,
        step=found,
        sampler=make_sampler(built.recipe, built.mesh) if built.recipe.generate else None,
    )


def _restore(
    directory: Path, experiment: Experiment, built: Program, step: int | str, say: Say
) -> tuple[TrainState, int]:
    restored = checkpoint.restore(
        directory / CHECKPOINTS,
        built.abstract_state,
        step=step,
        best=best_of(experiment.config.checkpoint.best),
        on_event=lambda kind, fields: say(fields["message"]),
    )
    if restored is None:
        raise StorageError(f"{directory} holds no checkpoint yet: train on until one is saved")
    return restored.state, restored.manifest.step


def recorded_experiment(directory: Path, say: Say, devices: int = 1) -> Experiment:
    """The experiment of a run directory with its recorded settings, on this machine's devices."""
    run, recorded = run_directory.read(directory)
    original = path = Path(run["experiment_file"])
    if not path.is_file() or _sha256(path) != run["experiment_sha256"]:
        path = directory / run_directory.EXPERIMENT
        say(f"note: {original} is gone or has changed; using the copy {path}")
    settings: dict[str, Any] = recorded | {"mesh": {"devices": devices, "view": "global"}}
    config = configs.base_config()
    config.unlock()
    try:
        config.update(_with_tuples(settings))
    except (TypeError, AttributeError) as error:
        raise StorageError(f"{directory / CONFIG} is damaged: {error}") from error
    module = import_file(path, neighbours=original.parent)
    return Experiment(path=path, argument=run["argument"], module=module, config=config.lock())


def _on_circle(cosine: np.float32, sine: np.float32, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`cosine a + sine b`; whole numbers, such as choices, stay those of a."""
    return cosine * a + sine * b if np.issubdtype(a.dtype, np.floating) else a


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _with_tuples(value: Any) -> Any:
    """JSON's lists are the tuples of the config."""
    if isinstance(value, dict):
        return {key: _with_tuples(inner) for key, inner in value.items()}
    return tuple(_with_tuples(inner) for inner in value) if isinstance(value, list) else value
