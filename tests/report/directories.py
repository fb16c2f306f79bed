"""Run directories as a training leaves them, made in a moment: rows, pictures, evaluations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_jax.config import base_config

TF1 = {
    "name": "tf1",
    "network": "inception",
    "weights_sha256": "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "verified": True,
    "resize": "tf1",
}
CLEAN = {**TF1, "name": "clean", "resize": "clean", "verified": False}
REAL = {"name": "avatars/64 train", "samples": 10_000, "fingerprint": "5d1d1e3cc4645943"}


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_run(
    path: Path,
    *,
    steps: int = 3000,
    log_every: int = 50,
    settings: Mapping[str, Any] | None = None,
    evaluations: Sequence[Mapping[str, Any]] = (),
    events: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
) -> Path:
    """A run of `steps` steps with two falling losses and a lazy phase."""
    path.mkdir(parents=True)
    config = {**base_config().to_dict(), "total": f"{steps} steps", "seed": seed}
    (path / "config.json").write_text(json.dumps({**config, **(settings or {})}))
    run = {"experiment": "avatars_dcgan", "argument": "", "started": "2026-11-20T12:50:56+00:00"}
    (path / "run.json").write_text(json.dumps({**run, "packages": {"jax": "0.10.2"}}))
    (path / "experiment.py").write_text('"""An experiment."""\n')
    write_lines(path / "metrics.jsonl", metric_rows(steps, log_every, seed))
    if evaluations:
        write_lines(path / "evaluations.jsonl", evaluations)
    if events:
        write_lines(path / "events.jsonl", events)
    return path


def metric_rows(steps: int, log_every: int, seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    rows = []
    for step in range(log_every, steps + 1, log_every):
        noise = random.normal(size=3)
        row: dict[str, Any] = {
            "step": step,
            "images_seen": 16 * step,
            "discriminator/loss": float(1.4 * np.exp(-step / 900) + 0.3 + 0.1 * noise[0] ** 2),
            "generator/loss": float(0.7 + step / 1500 + 0.3 * noise[1]),
            "skipped": 0.0,
            "seconds": round(step * 0.11, 3),
        }
        if step % 200 == 0:
            row["r1/loss"] = float(0.05 * np.exp(noise[2]))
        rows.append(row)
    return rows


def evaluation(step: int, *, fid: float, protocol: Mapping[str, Any] = TF1, **more: Any) -> dict:
    """A row of evaluations.jsonl."""
    return {
        "step": step,
        "images_seen": 16 * step,
        "time": "2026-11-20 13:00:00 +0000",
        "seconds": 41.2,
        "evaluator": "fidelity",
        "parameters": "ema",
        "truncation": 1.0,
        "statistics": "running",
        "samples": 10_000,
        "seed": 0,
        "dtype": "float32",
        "protocol": dict(protocol),
        "real": REAL,
        "metrics": {
            "fid": {"value": fid},
            "kid": {"value": fid / 1000, "std": fid / 10_000},
            "precision": {"value": 1 / (1 + fid / 20), "low": 0.9 / (1 + fid / 20), "high": 0.95},
        },
        "warnings": [],
        **more,
    }


def grid_picture(seed: int, side: int = 512) -> np.ndarray:
    """uint8 `[side, side, 3]` that compresses about as a grid of generated avatars does: 64 cells
    of soft shapes with hard edges and a little noise."""
    random = np.random.default_rng(seed)
    cell = side // 8
    y, x = np.mgrid[0:cell, 0:cell] / cell - 0.5
    picture = np.full((side, side, 3), 255.0)
    for row in range(8):
        for column in range(8):
            part = picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
            for _ in range(6):
                centre, radius = random.uniform(-0.3, 0.3, 2), random.uniform(0.05, 0.35)
                inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
                part[inside] = random.uniform(0, 255, 3) + 60 * x[inside][:, None]
    picture += random.normal(0, 6, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def save_fast(path: Path, picture: np.ndarray) -> None:
    """A PNG that is not compressed much."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(picture).save(path, compress_level=1)


def add_samples(path: Path, steps: Sequence[int], *, side: int = 512) -> None:
    """EMA and raw grids, all different, and reals."""
    grids = [grid_picture(seed, side) for seed in range(4)]
    for index, step in enumerate(steps):
        for offset, suffix in enumerate(("", "_raw")):
            picture = np.roll(grids[2 * (index % 2) + offset], 3 * index, axis=1)
            save_fast(path / "samples" / f"{step:07d}{suffix}.png", picture)
    save_fast(path / "reals.png", grid_picture(4, side))
