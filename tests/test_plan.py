"""`gan-jax plan`: what it counts, what it estimates, and its bad input."""

import json

import pytest

from gan_jax import plan
from gan_jax.cli import run
from gan_jax.console import Console
from gan_jax.experiment import load_experiment
from gan_jax.table import amount, columns, rate
from tests.conftest import EXPERIMENTS

SMALL = f"{EXPERIMENTS}/avatars_stylegan2.py:smoke"
DIGITS = f"{EXPERIMENTS}/digits_mlp.py:smoke"


def planned(experiment, *overrides, device="h100", share=0.5, compiles=False):
    loaded = load_experiment(experiment, [("mesh.devices", "1"), *overrides])
    return plan.plan(loaded, device, share, compiles, Console(quiet=True))


def test_an_estimate_follows_from_what_is_counted():
    found = planned(SMALL)
    phases = {phase["name"]: phase for phase in found["phases"]}
    assert phases["r1"]["every"] == 8
    total = sum(phase["flops"] / phase["every"] for phase in found["phases"])
    assert found["flops_per_round"] == pytest.approx(total, rel=1e-12)
    assert found["flops_per_image"] == total / 8 and found["images_per_round"] == 8
    estimate = found["estimate"]
    assert estimate["images_per_second_at_peak"] == pytest.approx(494.7e12 / (total / 8))
    assert estimate["images_per_second"] == estimate["images_per_second_at_peak"] / 2
    hours = 20 * 8 / estimate["images_per_second"] / 3600
    assert estimate["hours"] == pytest.approx(hours)


@pytest.mark.slow
def test_precision_picks_the_peak_and_turns_multiply():
    half = planned(SMALL, ("precision", "bfloat16"), device="a100")
    assert half["device"]["peak_flops_per_second"] == 312e12
    assert half["flops_per_round"] == planned(SMALL)["flops_per_round"]
    wgan = f"{EXPERIMENTS}/avatars_wgan_gp.py:smoke"
    one, two = (planned(wgan, ("turns", turns)) for turns in ("1", "2"))
    assert two["phases"][0]["flops"] == 2 * one["phases"][0]["flops"]
    assert two["images_per_round"] == 2 * one["images_per_round"]


def test_states_and_parameters_are_those_of_the_program():
    found = planned(DIGITS)
    generator = next(net for net in found["networks"] if net["name"] == "generator")
    # Parameters, their average, and Adam's two moments, all float32; a few counters besides.
    assert 16 * generator["parameters"] <= generator["bytes"] <= 16.1 * generator["parameters"]
    assert sum(net["bytes"] for net in found["networks"]) <= found["state_bytes"]


def test_the_device_at_hand_is_measured_and_compiled_for():
    found = planned(DIGITS, device=None, compiles=True)
    assert found["device"]["peak_source"] == "measured"
    assert 1e9 < found["device"]["peak_flops_per_second"] < 1e14
    compiled = found["compiled"]
    assert compiled["argument_bytes"] >= found["state_bytes"] and compiled["fits"]
    assert compiled["peak_bytes"] >= compiled["argument_bytes"] + compiled["temporary_bytes"]


def test_a_total_in_epochs_has_no_hours(capsys):
    assert run(["plan", f"{EXPERIMENTS}/digits_mlp.py", "--device=t4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rounds"] is None and found["estimate"]["hours"] is None


def test_a_table_for_people(capsys):
    assert run(["plan", SMALL, "--device=tpu-v5e", "--share=0.4"]) == 0
    out = capsys.readouterr().out
    assert "20 rounds of 8 pictures, float32" in out
    assert "TPU v5e: 197 TFLOP/s in matrix products (data sheet)" in out
    assert "estimate at 40% of that" in out and "r1" in out


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--device=h1000", "--device='h1000': no such device; the nearest is h100; there are v100"),
        ("--share=0", "--share=0.0: must be above 0 and at most 1"),
        ("--config.precision=half", "precision='half': must be float32 or bfloat16"),
    ],
)
def test_bad_input_is_one_line(flag, message, capsys):
    assert run(["plan", DIGITS, flag]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"gan-jax: {message}") and error.count("\n") == 1


def test_amounts():
    assert [amount(x, "B") for x in (0, 12.34, 1e6, 2.5e13)] == ["0 B", "12.3 B", "1 MB", "25 TB"]
    assert (amount(999.9e15), rate(12345.6), rate(1.234)) == ("1,000 P", "12,346", "1.23")
    assert columns([("a", "b"), ("long", "1")]) == "a     b\nlong  1"
