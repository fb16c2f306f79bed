"""`gan-jax recognise`: the expression of faces, read by the avatar judge or by a trained run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.console import Console
from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.geometry import Geometry, fit
from gan_jax.data.pictures import PictureError, read_picture
from gan_jax.errors import UsageError
from gan_jax.evaluators.samples import sample_key, sampling_nets
from gan_jax.faces.detection import NoFaceError, cut_face, open_detector
from gan_jax.faces.face import Face
from gan_jax.faces_command import add_face_arguments
from gan_jax.mesh import replicated
from gan_jax.networks.features.avatar_judge import SIZE, AvatarJudge, Readings, to_judge_input
from gan_jax.ops.pixels import prepare
from gan_jax.program import use_compilation_cache
from gan_jax.recognition import Recognised, probabilities
from gan_jax.trained import Trained, checkpoint_named, load
from gan_jax.training_data import geometry
from gan_jax.translate import files_of
from gan_jax.weights.store import find_weights

Reader = Callable[[np.ndarray], Recognised]
"""`uint8 [B, size, size, channels] -> Recognised`, of numbers on the host."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", help="files, folders or patterns such as 'me/*.png'")
    parser.add_argument(
        "--run",
        type=Path,
        metavar="WORKDIR",
        help="a run that learnt expressions (default: the package's judge, which knows avatars)",
    )
    parser.add_argument("--step", default="latest", help="of the run: N, best or latest")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_face_arguments(parser, "--face", "auto")
    parser.epilog = "--face=none takes pictures as they are, cut out already"


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    """Lines go to standard output. Pictures that cannot be read, or have no face, do not keep the
    others from it; the last of them ends the command."""
    if overrides:
        raise UsageError("recognise takes the settings of the run: no --config.KEY=VALUE here")
    console = Console()
    use_compilation_cache()
    files = files_of(arguments.pictures)
    reader, form = opened(arguments, console)
    detector = None
    if arguments.face != "none":
        detector = open_detector(arguments.face, arguments.model)
    missed = []
    for file in files:
        face = None
        try:
            image = read_picture(file).image
            if detector is not None:
                image, face = cut_face(detector, image, str(file), form.size, form.background)
        except (NoFaceError, PictureError) as error:
            missed.append(error)
            continue
        found = {"picture": str(file), **first_of(reader(fit(image, form)[None]))}
        found["face"] = None if face is None else summary(face)
        if arguments.run is None and face is not None and face.detector != "drawing":
            console.say(f"{file}: a photograph; the judge knows drawn avatars, --run may know more")
        print(json.dumps(found) if arguments.json else line(found), flush=True)
    for error in missed[:-1]:
        console.say(str(error))
    if missed:
        raise missed[-1]
    return 0


def opened(arguments: argparse.Namespace, console: Console) -> tuple[Reader, Geometry]:
    """What reads expressions, and the form of the pictures that it takes."""
    if arguments.run is None:
        if arguments.step != "latest":
            raise UsageError("--step is that of a --run")
        return judge_reader(), Geometry(size=SIZE, channels=3)
    trained = load(arguments.run, step=checkpoint_named(arguments.step), say=console.say)
    return run_reader(trained), geometry(trained.config)


def judge_reader() -> Reader:
    """The avatar judge that comes with the package: named expressions, and their intensity."""
    variables = find_weights("avatar_judge", None).variables

    @jax.jit
    def read(variables: Any, images: jax.Array) -> Recognised:
        readings = AvatarJudge().apply(variables, to_judge_input(images), train=False)
        assert isinstance(readings, Readings)
        intensity = jnp.clip(readings.parameters[:, -1], 0.0, 1.0)
        return Recognised(probabilities(EXPRESSIONS, readings.expression), {"intensity": intensity})

    return lambda images: jax.device_get(read(variables, images))


def run_reader(trained: Trained) -> Reader:
    """What the run learnt to read.

    Raises:
        UsageError: its recipe reads nothing off faces.
    """
    recipe, frozen = trained.program.recipe, trained.program.frozen
    recognise = recipe.recognise
    if recognise is None:
        raise UsageError(
            f"the recipe of {trained.directory} recognises nothing; without --run the package's "
            "avatar judge does"
        )

    @jax.jit
    def read(nets: Any, frozen: Any, images: jax.Array) -> Recognised:
        view = sampling_nets(recipe, nets, frozen, sample_key(0), ema=True)
        return recognise(view, prepare({"image": images}))

    whole = replicated(trained.program.mesh)
    nets = trained.state.nets
    return lambda images: jax.device_get(read(nets, frozen, jax.device_put(images, whole)))


def first_of(found: Recognised) -> dict[str, Any]:
    """Of the first face, as plain numbers: probabilities, the largest first, and strengths."""
    probable, strong = (
        {name: round(float(numbers[0]), 4) for name, numbers in each.items()} for each in found
    )
    order = sorted(probable, key=lambda name: -probable[name])
    return {
        "expression": order[0] if order else None,
        "probabilities": {name: probable[name] for name in order},
        "strengths": strong,
    }


def summary(face: Face) -> dict[str, Any]:
    return {
        "detector": face.detector,
        "confidence": None if face.confidence is None else round(face.confidence, 4),
        "box": [round(side, 1) for side in face.box],
    }


def line(found: dict[str, Any]) -> str:
    """`a.png: happy 97.1 %, wink 2.0 %, …; intensity 0.83 (drawing, 97 % sure)`."""
    probable = [f"{name} {100 * share:.1f} %" for name, share in found["probabilities"].items()]
    strong = [f"{name} {strength:.2f}" for name, strength in found["strengths"].items()]
    text = f"{found['picture']}: " + "; ".join(filter(None, map(", ".join, (probable, strong))))
    face = found["face"]
    if face is None:
        return text
    sure = "" if face["confidence"] is None else f", {100 * face['confidence']:.0f} % sure"
    return f"{text} ({face['detector']}{sure})"
