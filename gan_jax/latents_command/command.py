"""`gan-jax latents TOOL …`: what a generator's latents do."""

from __future__ import annotations

import argparse
import importlib

from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.program import use_compilation_cache

TOOLS = {
    "interpolate": "a way from latent to latent, as a sheet or a film",
    "truncation": "the same latents under several truncations",
    "mixing": "styles of some layers from one picture, the others from another",
    "classes": "the same latents as every class",
    "directions": "directions that change pictures, found without labels: SeFa, PCA",
    "project": "the latents of your pictures",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tools = parser.add_subparsers(dest="tool", metavar="TOOL", required=True)
    for tool, summary in TOOLS.items():
        _module(tool).add_arguments(tools.add_parser(tool, help=summary, description=summary))


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if overrides:
        raise UsageError("latents takes the settings of the run: no --config.KEY=VALUE here")
    use_compilation_cache()
    _module(arguments.tool).main(arguments, Console())
    return 0


def _module(tool: str):
    return importlib.import_module(f"gan_jax.latents_command.{tool}")
