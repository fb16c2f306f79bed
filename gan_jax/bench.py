"""`gan-jax bench`: how fast an experiment's step is, and where its time goes."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from gan_jax import bench_report, ceiling, costs, program
from gan_jax.bench_rounds import (
    Trainer,
    interleaved,
    kinds,
    mean_of,
    phase_call,
    pictures,
    spread,
)
from gan_jax.config import compute_dtype
from gan_jax.console import Console
from gan_jax.data.pipeline import Calls, iterate
from gan_jax.data.pipeline import Rounds as DataRounds
from gan_jax.errors import StorageError, UsageError
from gan_jax.experiment import Experiment, load_experiment
from gan_jax.feed import feed, on_devices
from gan_jax.hardware import hardware, peak_memory
from gan_jax.mesh import replicated
from gan_jax.population_program import start_population
from gan_jax.program import Program
from gan_jax.run_directory import now
from gan_jax.signals import StopFlag
from gan_jax.training_data import open_rounds

CEILING, ROUND = "matrix product", "round"
LEAST_CALLS, LEAST_SECONDS = 10, 3.0  # of the measured part of the loop over real data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", help="EXPERIMENT.py or EXPERIMENT.py:argument")
    parser.add_argument("--repeats", type=int, default=10, help="samples of each (default 10)")
    parser.add_argument("--warm_up", type=int, default=2, help="calls of each before (default 2)")
    parser.add_argument(
        "--synthetic", action="store_true", help="noise on the device only: read no data"
    )
    parser.add_argument(
        "--population",
        default="",
        metavar="1,2,4",
        help="also several seeds in one program: so many members",
    )
    parser.add_argument(
        "--at_once",
        type=int,
        metavar="N",
        help="members that are computed together, the others after them (default all)",
    )
    parser.add_argument(
        "--member_devices",
        type=int,
        default=1,
        metavar="N",
        help="devices that a population's members are divided over (default 1); a processor's "
        "cores count as that many",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the row to FILE")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with the last such row of FILE"
    )
    parser.epilog = "--config.KEY=VALUE sets a key of the experiment's config"


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    for name, least in (("repeats", 1), ("warm_up", 1)):
        if getattr(arguments, name) < least:
            raise UsageError(f"--{name}={getattr(arguments, name)}: must be at least {least}")
    if arguments.at_once is not None and (arguments.at_once < 1 or not arguments.population):
        raise UsageError(f"--at_once={arguments.at_once}: must be at least 1, with --population")
    sizes, devices = sizes_in(arguments.population), arguments.member_devices
    if devices < 1 or any(size % devices for size in sizes) or (devices > 1 and not sizes):
        raise UsageError(
            f"--member_devices={devices}: must divide every number of --population equally"
        )
    if devices > max(1, jax.config.jax_num_cpu_devices):  # pyright: ignore
        jax.config.update("jax_num_cpu_devices", devices)
    if devices > 1 and jax.default_backend() == "cpu":
        overrides = [("mesh.devices", "1"), *overrides]  # a run alone has all cores as it is
    program.use_compilation_cache()
    if arguments.json is not None:
        append("", arguments.json)  # a file that cannot be written is known before the minutes
    experiment = load_experiment(arguments.experiment, overrides)
    before = None
    if arguments.against is not None:
        before = bench_report.row_of(arguments.against, experiment.name, hardware())
    row = bench(
        experiment,
        repeats=arguments.repeats,
        warm_up=arguments.warm_up,
        synthetic=arguments.synthetic,
        population=sizes,
        at_once=arguments.at_once,
        member_devices=devices,
        console=Console(),
    )
    row["overrides"] = dict(overrides)
    print(bench_report.table(row, before))
    if arguments.json is not None:
        append(json.dumps(row) + "\n", arguments.json)
    return 0


def sizes_in(text: str) -> list[int]:
    """Numbers of members; raises UsageError."""
    try:
        sizes = [int(part) for part in text.split(",")] if text else []
    except ValueError:
        sizes = [0]
    if any(size < 1 for size in sizes) or len(set(sizes)) < len(sizes):
        raise UsageError(f"--population={text!r}: must be numbers of members, as 1,2,4,8")
    return sizes


def append(text: str, path: Path) -> None:
    """Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def bench(
    experiment: Experiment,
    *,
    repeats: int,
    warm_up: int,
    synthetic: bool,
    population: Sequence[int],
    at_once: int | None,
    member_devices: int,
    console: Console,
) -> dict[str, Any]:
    """All that is measured, as one JSON object; seconds are those of one round unless they say
    otherwise.

    Args:
        experiment: with its settings.
        repeats: samples of each call.
        warm_up: calls of each before the first sample.
        synthetic: whether to leave the data and the loop over them out.
        population: numbers of members that are trained in one program, each timed too.
        at_once: members that a device computes together; None for all.
        member_devices: over which a population's members are divided.
        console: shows progress.

    Raises:
        UserError: as of building a program and opening its data.
    """
    built = program.build(experiment)
    config, phases = experiment.config, built.recipe.phases
    data = None if synthetic else opened(experiment, built, console)
    console.say(f"{experiment.name}: compiling the step, twice")
    compiled, compiling = compile_twice(built)
    batches, sorts = pictures(built), kinds(phases, config.steps_per_call)
    state = built.own(built.initial(jax.random.key(0)))
    calls = Trainer(built, compiled, state, batches, config.steps_per_call).calls(ROUND, sorts)
    for call in calls.values():
        jax.block_until_ready(call())
    memory = peak_memory(built.mesh.devices.flat[0])  # before anything else takes some
    for size in population:
        console.say(f"compiling a population of {size}")
        started = start_population(experiment, built, range(size), at_once, member_devices)
        whole = jax.device_put(batches, replicated(started[0].mesh))
        members = Trainer(*started, whole, config.steps_per_call)
        calls |= members.calls(f"{size} members", sorts)
    for index, phase in enumerate(phases):
        console.say(f"compiling the phase {phase.name}")
        calls[phase.name] = phase_call(experiment, built, index, batches)
    dtype = compute_dtype(config) or jax.numpy.float32
    calls[CEILING], product_flops = ceiling.product(built.mesh, dtype)
    with console.progress("timing") as advance:
        seconds = interleaved(calls, warm_up, repeats, advance)

    def rounds(name: str) -> dict[str, Any]:
        return spread(mean_of(name, sorts, seconds, config.steps_per_call))

    row = {
        "benchmark": "bench",
        "experiment": experiment.name,
        "time": now(),
        **settings_of(experiment, built),
        "round_seconds": rounds(ROUND),
        "phases": [
            {**cost, "seconds": spread(seconds[cost["name"]])}
            for cost in bench_report.phases_of(costs.of_phases(experiment, built))
        ],
        "population": [
            {
                "members": size,
                "devices": member_devices,
                "at_once": min(at_once or size, size // member_devices),
                "seconds": rounds(f"{size} members"),
            }
            for size in population
        ],
        "ceiling_flops_per_second": product_flops / float(np.median(seconds[CEILING])),
        "compile_seconds": compiling,
        "peak_memory_bytes": memory,
        "data": None if data is None else over_data(experiment, built, compiled, data, console),
        "hardware": hardware(),
    }
    return row | bench_report.derived(row)


def settings_of(experiment: Experiment, built: Program) -> dict[str, Any]:
    """What makes rows comparable."""
    config = experiment.config
    return {
        "batch_size": config.batch_size,
        "images_per_round": config.batch_size * built.recipe.batches_per_round,
        "steps_per_call": config.steps_per_call,
        "accumulate": config.accumulate,
        "precision": config.precision,
        "devices": built.mesh.size,
    }


def compile_twice(built: Program) -> tuple[Any, dict[str, float]]:
    """The compiled step; seconds of tracing it, and of compiling it without and with a cache that
    has it, as the first and the second start of a run do."""
    used = jax.config.jax_compilation_cache_dir  # pyright: ignore
    seconds = {}
    with tempfile.TemporaryDirectory() as empty:
        try:
            for name in ("cold", "cached"):
                jax.clear_caches()
                jax.config.update("jax_compilation_cache_dir", empty)
                compilation_cache.reset_cache()
                begin = time.perf_counter()
                lowered = built.lower()
                traced = time.perf_counter()
                compiled = lowered.compile()
                seconds["trace"] = traced - begin
                seconds[name] = time.perf_counter() - traced
        finally:
            jax.config.update("jax_compilation_cache_dir", used)
            compilation_cache.reset_cache()
    return compiled, seconds


def opened(experiment: Experiment, built: Program, console: Console) -> DataRounds:
    """The experiment's own data; errors as of `open_rounds`."""
    with StopFlag() as flag:
        return open_rounds(experiment, built.recipe.batches_per_round, built.mesh, console, flag)


def over_data(
    experiment: Experiment, built: Program, compiled: Any, rounds: DataRounds, console: Console
) -> dict[str, float]:
    """The training loop over the experiment's own data: pictures a second, and the share of the
    time in which the step waits for the next batches."""
    console.say("timing the loop over the data")
    config = experiment.config
    per_call = config.steps_per_call
    examples = on_devices(rounds, built.mesh) if config.data.on_device else None
    source = feed(rounds, built.mesh, examples)
    calls = iterate(
        source,
        Calls(0, 10**9 * per_call, per_call, ()),
        source.put,
        threads=config.data.threads,
        prefetch=config.data.prefetch,
    )
    state, pending = built.own(built.initial(jax.random.key(config.seed))), None
    begin, waited, number = time.perf_counter(), 0.0, 0
    while number < 2 + LEAST_CALLS or time.perf_counter() - begin < LEAST_SECONDS:
        if number == 2:  # the first two calls fill the pipeline
            begin, waited = time.perf_counter(), 0.0
        asked = time.perf_counter()
        _, count, batches = next(calls)
        waited += time.perf_counter() - asked
        state, metrics = compiled(state, built.frozen, batches, np.int32(count))
        jax.device_get(pending)  # as the loop does, which records one call behind
        pending = metrics
        number += 1
    jax.block_until_ready(state)
    seconds = time.perf_counter() - begin
    images = (number - 2) * per_call * config.batch_size * built.recipe.batches_per_round
    return {"images_per_second": images / seconds, "wait_share": waited / seconds}
