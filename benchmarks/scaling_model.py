"""What a round sends between devices, and what published bandwidths leave of their speed: a model.

    python benchmarks/scaling_model.py [--share=0.3] [--bandwidth_share=0.7] [--latency_us=20]

Nothing is trained or timed. Parameters, statistics and operations are counted on the traced
experiments, at a fixed number of pictures a device; the rest is the arithmetic of a ring, level by
level, after the computation and not beside it. The two tables are those of docs/scaling.md.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from gan_jax import costs, program
from gan_jax.devices import DEVICES
from gan_jax.experiment import load_experiment
from gan_jax.recipe import Phase

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
COUNTS = (8, 64, 512)
MEGA = 1e6


@dataclasses.dataclass(frozen=True)
class Workload:
    """An experiment at so many pictures a device; `overrides` are flags of its config."""

    name: str
    file: str
    pictures: int
    overrides: tuple[tuple[str, str], ...] = ()


PUBLISHED_128 = (
    ("data.size", "128"),
    ("num_classes", "1000"),
    ("latent_size", "120"),
    ("turns", "2"),
)
"""Brock et al. 2019; their batch of 2,048 over 128 devices is 16 for each."""

WORKLOADS = (
    Workload("SNGAN, CIFAR-10", "cifar10_sngan.py", 64),
    Workload("BigGAN, CIFAR-10", "cifar10_biggan.py", 64),
    Workload("BigGAN, 128×128", "cifar10_biggan.py", 16, PUBLISHED_128),
    Workload("StyleGAN2, FFHQ-256", "ffhq256_stylegan2.py", 8),
)


class Level(NamedTuple):
    """So many devices (or groups of the level below) in a ring; bytes/s that each device sends."""

    size: int
    bandwidth: float


INTERCONNECTS = {
    # NVIDIA's H100 data sheet: NVLink 900 GB/s, both directions together, in a machine of eight.
    # Its DGX H100 user guide: a ConnectX-7 of 400 Gbit/s for each GPU.
    "h100": (Level(8, 450e9), Level(4096, 50e9)),
    # Google's "TPU v5e": 1600 Gbit/s a chip over all its links, 256 chips in a pod.
    "tpu-v5e": (Level(256, 200e9),),
    # Google's "TPU v5p": 4800 Gbit/s a chip over all its links; the largest slice has 6,144 chips.
    "tpu-v5p": (Level(6144, 600e9),),
}


@dataclasses.dataclass(frozen=True)
class Sent:
    """What devices add up in one turn of a phase, in bytes, before the factor of the ring.

    Attributes:
        phase: its name.
        turns: in a round in which it is due.
        every: rounds between two of those.
        gradients: float32, of all networks that it trains.
        statistics: in the per-device view those of all networks are averaged too.
        batch_norm: in the global view two sums a feature, and in the backward pass two more.
        layers: its all-reduces, one a layer and pass.
    """

    phase: str
    turns: int
    every: int
    gradients: int
    statistics: int
    batch_norm: int
    layers: int

    @property
    def turns_a_round(self) -> float:
        """The mean over all rounds."""
        return self.turns / self.every


@dataclasses.dataclass(frozen=True)
class Traced:
    """A workload's phases and the operations of a round on one device."""

    workload: Workload
    sent: tuple[Sent, ...]
    flops: float


@dataclasses.dataclass(frozen=True)
class Assumptions:
    """What no data sheet says.

    Attributes:
        share: of its bfloat16 peak that a device reaches in matrix products.
        bandwidth_share: of the published bandwidth that an all-reduce reaches.
        latency: seconds that an all-reduce takes however little it sends.
    """

    share: float
    bandwidth_share: float
    latency: float


def traced(workload: Workload) -> Traced:
    """Traces one device's part of an experiment."""
    overrides = (
        *workload.overrides,
        ("batch_size", str(workload.pictures)),
        ("mesh.devices", "1"),
        ("precision", "bfloat16"),
    )
    experiment = load_experiment(str(EXPERIMENTS / workload.file), overrides)
    built = program.build(experiment)
    flops = sum(phase.flops_per_round for phase in costs.of_phases(experiment, built))
    nets = built.abstract_state.nets
    sent = tuple(sent_by(phase, nets) for phase in built.recipe.phases)
    return Traced(workload, sent, flops)


def sent_by(phase: Phase, nets: Any) -> Sent:
    """One turn of a phase of the noise recipe.

    Every phase draws pictures, so the generators' BatchNorm sums pass forwards in each; backwards
    too where the phase trains a generator.

    Raises:
        ValueError: a network that is no generator has BatchNorm, which is not reckoned with.
    """
    normalised = {
        name: jax.tree.leaves(net.stats["batch_stats"])
        for name, net in nets.items()
        if "batch_stats" in net.stats
    }
    if any(not name.startswith("generator") for name in normalised):
        raise ValueError(f"BatchNorm in {', '.join(normalised)}: only generators' is reckoned with")
    passes = 2 if any(name in normalised for name in phase.trains) else 1
    return Sent(
        phase=phase.name,
        turns=phase.repeat,
        every=phase.every,
        gradients=sum(size_of(nets[name].params) for name in phase.trains),
        statistics=sum(size_of(net.stats) for net in nets.values()),
        batch_norm=passes * size_of(normalised),
        layers=passes * sum(map(len, normalised.values())) // 2,  # a mean and a variance each
    )


def size_of(tree: Any) -> int:
    """Bytes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def ring(devices: int) -> float:
    """Bytes that each device sends in an all-reduce of one byte: reduce-scatter, all-gather."""
    return 2 * (devices - 1) / devices


def all_reduce_seconds(
    size: float, devices: int, levels: Sequence[Level], assumed: Assumptions
) -> float | None:
    """Seconds of one all-reduce of `size` bytes; None where the levels join fewer devices.

    Each level adds up what the one below has left to it: after a reduce-scatter among n devices
    each holds an n-th, which is all that it sends on. The devices fill whole levels.
    """
    seconds = assumed.latency
    for level in levels:
        joined = min(devices, level.size)
        seconds += ring(joined) * size / (level.bandwidth * assumed.bandwidth_share)
        size, devices = size / joined, devices // joined
    return seconds if devices == 1 else None


def round_seconds(
    sent: Iterable[Sent], devices: int, levels: Sequence[Level], assumed: Assumptions
) -> float | None:
    """Seconds that a round sends for in the per-device view: one all-reduce a turn."""
    total = 0.0
    for one in sent:
        seconds = all_reduce_seconds(one.gradients + one.statistics, devices, levels, assumed)
        if seconds is None:
            return None
        total += one.turns_a_round * seconds
    return total


def sent_table(found: Iterable[Traced]) -> str:
    """What a turn of each phase adds up, and what a round sends."""
    rows = []
    for each in found:
        for sent in each.sent:
            turns = str(sent.turns) if sent.every == 1 else f"{sent.turns} in {sent.every} rounds"
            rows.append(
                [
                    each.workload.name,
                    sent.phase,
                    turns,
                    f"{sent.gradients / MEGA:,.2f}",
                    f"{sent.statistics / MEGA:,.3f}",
                    f"{sent.batch_norm / MEGA:,.3f}",
                    str(sent.layers),
                    *[""] * len(COUNTS),
                ]
            )
        rows.append(_round_row(each))
    head = ["", "phase", "turns", "gradients, MB", "statistics, MB", "BatchNorm, MB"]
    head += ["its all-reduces", *(f"sent at {count}, MB" for count in COUNTS)]
    return markdown(head, rows)


def _round_row(each: Traced) -> list[str]:
    def total(field: str) -> float:
        return sum(sent.turns_a_round * getattr(sent, field) for sent in each.sent)

    reduced = total("gradients") + total("statistics")
    return [
        each.workload.name,
        "**a round**",
        "",
        f"{total('gradients') / MEGA:,.2f}",
        f"{total('statistics') / MEGA:,.3f}",
        f"{total('batch_norm') / MEGA:,.3f}",
        f"{total('layers'):g}",
        *(f"{ring(count) * reduced / MEGA:,.1f}" for count in COUNTS),
    ]


def efficiency_table(found: Iterable[Traced], assumed: Assumptions) -> str:
    """Compute time, sending time and what is left of the devices' speed."""
    rows = []
    for each in found:
        for device, levels in INTERCONNECTS.items():
            peak = DEVICES[device].bfloat16
            compute = each.flops / (peak * assumed.share)
            times = [round_seconds(each.sent, count, levels, assumed) for count in COUNTS]
            rows.append(
                [
                    each.workload.name,
                    str(each.workload.pictures),
                    f"{each.flops / 1e12:.2f}",
                    DEVICES[device].name,
                    f"{1e3 * compute:.1f}",
                    *("–" if time is None else f"{1e3 * time:.2f}" for time in times),
                    *(_percent(compute, time) for time in times),
                ]
            )
    head = ["", "pictures a device", "TFLOP a round", "device", "computing, ms"]
    head += [f"sending at {count}, ms" for count in COUNTS]
    return markdown([*head, *(f"efficiency at {count}" for count in COUNTS)], rows)


def _percent(compute: float, sending: float | None) -> str:
    return "–" if sending is None else f"{100 * compute / (compute + sending):.0f} %"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A name that repeats the row above is left out."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    last = ""
    for name, *cells in rows:
        lines.append("| " + " | ".join(["" if name == last else name, *cells]) + " |")
        last = name
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.3, help="of the bfloat16 peak")
    parser.add_argument("--bandwidth_share", type=float, default=0.7, help="of the published one")
    parser.add_argument("--latency_us", type=float, default=20.0, help="of an all-reduce")
    given = parser.parse_args()
    assumed = Assumptions(given.share, given.bandwidth_share, given.latency_us / 1e6)
    found = [traced(workload) for workload in WORKLOADS]
    print(sent_table(found))
    print()
    print(
        f"Assumed: {100 * given.share:g} % of the bfloat16 peak, {100 * given.bandwidth_share:g} % "
        f"of the bandwidth, {given.latency_us:g} µs an all-reduce."
    )
    print()
    print(efficiency_table(found, assumed))


if __name__ == "__main__":
    main()
