"""Configs: what every experiment file starts from, overrides from the command line, comparison."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from flax.typing import Dtype
from ml_collections import ConfigDict

from gan_jax.errors import UsageError

if TYPE_CHECKING:
    Config = Any  # the keys of a ConfigDict are known when it runs, not before
else:
    Config = ConfigDict

MAY_CHANGE_ON_RESUME = (
    "total",
    "log_every",
    "checkpoint_every",
    "samples_every",
    "stop_after_skipped",
    "evaluate.",
    "checkpoint.",
    "writers.",
    "mesh.devices",
    "data.directory",
    "data.in_memory",
    "data.on_device",
    "data.threads",
    "data.prefetch",
)
"""Keys (or, with a dot at the end, groups) that do not change what a run computes."""


def base_config() -> Config:
    """The keys that the harness reads. An experiment file sets those that matter to it, and adds
    its own (networks, optimizers, penalty weights)."""
    return ConfigDict(
        {
            "seed": 0,  # of the networks and of all noise
            "batch_size": 64,  # of the global batch, over all devices
            "total": "1000 steps",  # every duration: so many steps, epochs or (real) images
            "precision": "float32",  # of the networks' computation; or bfloat16, parameters stay
            "accumulate": 1,  # parts that a batch is taken in
            "steps_per_call": 1,  # rounds in one dispatch; part of a run's identity
            "num_classes": 0,  # of the labels, or of data.attributes; 0: an unconditional model
            "data": {
                "name": "digits",  # avatars/64, digits, tfds:NAME, folder:PATH, npz:PATH
                "split": "train",
                "size": 32,  # pixels a side
                "channels": 3,  # 1 grey, 3 RGB, 4 RGBA
                "crop": "centre",  # or none, which squeezes
                "background": (255, 255, 255),  # behind pictures with alpha, where channels < 4
                "flip": False,  # mirrors half of the pictures
                "label": "label",  # the feature that is the label, where num_classes > 0
                "attributes": (),  # names; their values are the label, in place of a class
                "on_bad_image": "error",  # or skip, up to 1 %
                "seed": 0,  # of the order and the flips
                "directory": "",  # of prepared sets; "" is TFDS's own default
                "in_memory": True,  # decode everything once at the start
                "on_device": False,  # and keep it there: calls send indices, not pictures
                "threads": 2,  # that read ahead; 0 reads in the training thread
                "prefetch": 4,  # calls read ahead
            },
            "mesh": {
                "devices": 0,  # 0 for all
                "view": "global",  # or per_device: batch statistics and noise of each device
            },
            "initialise": {  # with another run's networks instead of at random
                "run": "",  # its directory; "" for none
                "step": "latest",  # or "best", or a number
                "networks": (),  # names; () for all that both have
            },
            "log_every": "50 steps",
            "samples_every": "500 steps",
            "samples": {"count": 64, "truncation": 1.0},
            "evaluate": {
                "on": True,  # False leaves the experiment's evaluators out
                "every": "1000 steps",
                "samples": 2000,  # generated pictures that a number rests on
                "batch": 64,  # pictures whose features are computed at once
            },
            "collapse": {  # what an evaluation that shows its signs leads to
                "action": "warn",  # or stop, or roll_back to the last good state, or off
                "least_variance": 0.1,  # of generated pixels, as a share of the real ones'
                "least_coverage": 0.02,
                "saturation": 0.995,  # share that the discriminator tells apart
                "kept": 0.999,  # share of a picture that a translator's mask keeps
                "rollbacks": 3,  # at most
            },
            "checkpoint_every": "500 steps",
            "checkpoint": {
                "keep_last": 3,
                "keep_every": 0,  # every n-th step for good; 0 for none
                "best": "",  # also the best by a metric: "fid:min", "generator/loss:max"
                "asynchronous": True,
            },
            "stop_after_skipped": 20,  # non-finite rounds in a row
            "writers": {"tensorboard": True, "wandb": False, "wandb_project": "gan_jax"},
        }
    )


def compute_dtype(config: Config) -> Dtype | None:
    """What `config.precision` means as a network's `dtype`: None computes as the parameters are,
    in float32."""
    return jnp.bfloat16 if config.precision == "bfloat16" else None


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """The nested keys of a dict or ConfigDict, joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) or isinstance(value, ConfigDict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def override(config: Config, overrides: Sequence[tuple[str, str]]) -> None:
    """Sets `(dotted key, text)` pairs in place; the text is read as the key's present type.

    Raises:
        UsageError: an unknown key (the nearest is named), or a text of another type.
    """
    for key, text in overrides:
        known = flatten(config)
        if key not in known:
            raise UsageError(f"no config key {key!r}{_nearest(key, known)}")
        config.update_from_flattened_dict({key: _parse(key, text, known[key])})


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A line `key: before -> after` for each key that may not change when a run goes on."""
    a, b = flatten(before), flatten(after)
    absent = "(absent)"
    return [
        f"{key}: {a.get(key, absent)!r} -> {b.get(key, absent)!r}"
        for key in sorted(a.keys() | b.keys())
        if _plain(a.get(key, absent)) != _plain(b.get(key, absent)) and not _may_change(key)
    ]


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    groups = {name.rsplit(".", 1)[0] for name in known if "." in name}
    if key in groups:
        inside = ", ".join(name for name in known if name.startswith(f"{key}."))
        return f" to set: it is a group of {inside}"
    # The last part alone finds the key that was given without its group.
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5) or [
        name for name in known if name.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]
    ]
    return f"; the nearest is {close[0]!r}" if close else f"; there are {', '.join(known)}"


def _parse(key: str, text: str, current: Any) -> Any:
    kind = type(current)
    try:
        if kind is str:
            return text
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if kind in (int, float):
            return kind(text.replace("_", ""))
        value = ast.literal_eval(text)
        if kind is tuple and isinstance(value, list):
            value = tuple(value)
        if current is None or isinstance(value, kind):
            return value
    except (ValueError, KeyError, SyntaxError):
        pass
    raise UsageError(f"config.{key}={text!r}: must be {kind.__name__}, as in {current!r}")


def _may_change(key: str) -> bool:
    return any(
        key == name or (name[-1] == "." and key.startswith(name)) for name in MAY_CHANGE_ON_RESUME
    )


def _plain(value: Any) -> Any:
    """JSON knows no tuples."""
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def choose(argument: str, config: Config, **settings: Callable[[Config], None]) -> Config:
    """The config as the setting named by an experiment's argument changes it ("" for as it is).

    Raises:
        UsageError: there is no such setting.
    """
    if argument and argument not in settings:
        raise UsageError(
            f"no setting {argument!r} in this experiment{_nearest(argument, settings)}"
        )
    if argument:
        settings[argument](config)
    return config
