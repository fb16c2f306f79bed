"""`gan-jax plan`: what an experiment would cost, without training it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

import jax

from gan_jax import ceiling, costs, devices, program
from gan_jax.config import compute_dtype
from gan_jax.console import Console, duration
from gan_jax.durations import is_in_epochs
from gan_jax.errors import UsageError
from gan_jax.experiment import Experiment, guarded, load_experiment
from gan_jax.flat_state import size_in_bytes
from gan_jax.hardware import device_memory, processor
from gan_jax.program import Program
from gan_jax.settings import durations
from gan_jax.table import amount, columns, rate

SHARE = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", help="EXPERIMENT.py or EXPERIMENT.py:argument")
    parser.add_argument("--compile", action="store_true", help="compile it: the memory it needs")
    parser.add_argument(
        "--device",
        help=f"estimate for one of {', '.join(devices.DEVICES)} (default: what is here, measured)",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=SHARE,
        help=f"of the device's peak that the estimate reckons with (default {SHARE})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.epilog = "--config.KEY=VALUE sets a key of the experiment's config"


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if not 0.0 < arguments.share <= 1.0:
        raise UsageError(f"--share={arguments.share}: must be above 0 and at most 1")
    if arguments.device is not None:
        devices.named(arguments.device)
    program.use_compilation_cache()
    experiment = load_experiment(arguments.experiment, overrides)
    found = plan(experiment, arguments.device, arguments.share, arguments.compile, Console())
    print(json.dumps(found) if arguments.json else table(found))
    return 0


def plan(
    experiment: Experiment, device: str | None, share: float, compiles: bool, console: Console
) -> dict[str, Any]:
    """All of it as one JSON object.

    Args:
        experiment: with its settings.
        device: one of `devices.DEVICES`, or None for the devices at hand, whose peak is measured.
        share: of the peak that the estimate reckons with.
        compiles: whether to compile the step here and say what memory it needs.
        console: hears of what takes long.
    """
    built = program.build(experiment)
    phases = guarded(experiment.path, lambda: costs.of_phases(experiment, built))
    flops = sum(phase.flops_per_round for phase in phases)
    images = experiment.config.batch_size * built.recipe.batches_per_round
    found: dict[str, Any] = {
        "experiment": experiment.name,
        "precision": experiment.config.precision,
        "batch_size": experiment.config.batch_size,
        "images_per_round": images,
        "rounds": total_rounds(experiment, images),
        "networks": [dataclasses.asdict(network) for network in costs.of_networks(built)],
        "phases": [
            dataclasses.asdict(phase) | {"flops_per_round": phase.flops_per_round}
            for phase in phases
        ],
        "flops_per_round": flops,
        "flops_per_image": flops / images,
        "state_bytes": size_in_bytes(built.abstract_state),
    }
    found["device"] = device_of(experiment, built, device)
    found["estimate"] = estimate(found, share)
    if compiles:
        console.say("compiling the step")
        found["compiled"] = compiled(built, found["device"]["memory_bytes"])
    return found


def total_rounds(experiment: Experiment, images_per_round: int) -> int | None:
    """None where the total is in epochs: the data, not opened here, say how long one is."""
    if is_in_epochs(experiment.config.total):
        return None
    known = {"images_per_step": images_per_round, "images_per_epoch": images_per_round}
    return durations(experiment.config, **known).total


def device_of(experiment: Experiment, built: Program, name: str | None) -> dict[str, Any]:
    """The named device's data sheet, or what is here with its peak as measured now."""
    precision = experiment.config.precision
    if name is not None:
        device = devices.named(name)
        peak = device.bfloat16 if precision == "bfloat16" else device.float32
        return {
            "name": device.name,
            "count": 1,
            "peak_flops_per_second": peak,
            "peak_source": "data sheet",
            "memory_bytes": device.memory,
        }
    here = built.mesh.devices.flat[0]
    dtype = compute_dtype(experiment.config) or jax.numpy.float32
    return {
        "name": processor() if here.platform == "cpu" else here.device_kind,
        "count": built.mesh.size,
        "peak_flops_per_second": ceiling.measured(built.mesh, dtype),
        "peak_source": "measured",
        "memory_bytes": device_memory(here),
    }


def estimate(found: dict[str, Any], share: float) -> dict[str, Any]:
    """Pictures a second and hours at a share of the peak, and pictures a second at all of it."""
    peak = found["device"]["peak_flops_per_second"] / found["flops_per_image"]
    rounds = found["rounds"]
    images = None if rounds is None else rounds * found["images_per_round"]
    return {
        "share": share,
        "images_per_second_at_peak": peak,
        "images_per_second": share * peak,
        "hours": None if images is None else images / (share * peak) / 3600,
    }


def compiled(built: Program, memory_bytes: float) -> dict[str, Any]:
    """What the compiler here says of one device's memory, and whether that fits."""
    begin = time.perf_counter()
    analysis = built.compile().memory_analysis()
    seconds = time.perf_counter() - begin
    arguments = analysis.argument_size_in_bytes
    results = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    peak = arguments + results + analysis.temp_size_in_bytes
    return {
        "seconds": seconds,
        "argument_bytes": arguments,
        "result_bytes": results,
        "temporary_bytes": analysis.temp_size_in_bytes,
        "peak_bytes": peak,
        "fits": peak <= memory_bytes,
    }


def table(found: dict[str, Any]) -> str:
    """For people."""
    rounds = found["rounds"]
    length = "a total in epochs" if rounds is None else f"{rounds:,} rounds"
    head = (
        f"{found['experiment']}: {length} of {found['images_per_round']} pictures, "
        f"{found['precision']}"
    )
    networks = [("network", "parameters", "state")] + [
        (network["name"], f"{network['parameters']:,}", amount(network["bytes"], "B"))
        for network in found["networks"]
    ]
    networks.append(("whole state", "", amount(found["state_bytes"], "B")))
    phases = [("phase", "every", "turns", "when due", "a round")] + [
        (
            phase["name"],
            str(phase["every"]),
            str(phase["turns"]),
            amount(phase["flops"], "FLOP"),
            amount(phase["flops_per_round"], "FLOP"),
        )
        for phase in found["phases"]
    ]
    phases.append(("round", "", "", "", amount(found["flops_per_round"], "FLOP")))
    parts = [head, columns(networks), columns(phases), _expected(found)]
    parts.append(_memory(found) if "compiled" in found else "memory of a device: with --compile")
    return "\n\n".join(parts)


def _expected(found: dict[str, Any]) -> str:
    device, expected = found["device"], found["estimate"]
    peak = amount(device["peak_flops_per_second"], "FLOP/s")
    count = f"{device['count']} x " if device["count"] > 1 else ""
    hours = "" if expected["hours"] is None else f", {duration(3600 * expected['hours'])}"
    return (
        f"{count}{device['name']}: {peak} in matrix products ({device['peak_source']})\n"
        f"estimate at {expected['share']:.0%} of that: "
        f"{rate(expected['images_per_second'])} images/s{hours} "
        f"(at all of it {rate(expected['images_per_second_at_peak'])})"
    )


def _memory(found: dict[str, Any]) -> str:
    memory, device = found["compiled"], found["device"]
    fits = "fits" if memory["fits"] else "does not fit"
    whose = "" if device["peak_source"] == "measured" else ", as the compiler here lays it out"
    return (
        f"memory of a device: {amount(memory['peak_bytes'], 'B')} "
        f"(arguments {amount(memory['argument_bytes'], 'B')}, results "
        f"{amount(memory['result_bytes'], 'B')}, temporaries "
        f"{amount(memory['temporary_bytes'], 'B')}) of {amount(device['memory_bytes'], 'B')}: "
        f"{fits}{whose}; compiled in {memory['seconds']:.1f} s"
    )
