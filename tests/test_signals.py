"""The first signal is noted, the second ends the process, in Python code and in C code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from gan_jax.signals import ONE_REQUEST_SECONDS, StopFlag

RUN = """
import ctypes, time
from gan_jax.signals import StopFlag
with StopFlag() as stop:
    print("ready", flush=True)
    {wait}
    print("saved", flush=True)
    raise SystemExit(128 + stop.requested)
"""
POLL = "while stop.requested is None: time.sleep(0.01)"
# PyDLL would hold the interpreter's lock; CDLL lets it go, as a compilation does.
IN_C = "[ctypes.CDLL(None).poll(None, 0, 30_000) for _ in range(9)]"


def running(wait):
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(wait=wait)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def wait_for(condition):
    limit = time.monotonic() + 5
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)
    assert condition()


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_one_signal_lets_the_run_save(number, code):
    process = running(POLL)
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == "saved\n"
    assert process.returncode == code


def test_the_same_request_passed_on_twice_counts_once():
    process = running(POLL + "\n    time.sleep(0.5)")
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "saved\n"
    assert process.returncode == 130


@pytest.mark.parametrize("wait", ["time.sleep(60)", IN_C])
def test_the_second_signal_ends_at_once(wait):
    process = running(wait)
    process.send_signal(signal.SIGTERM)
    time.sleep(ONE_REQUEST_SECONDS + 1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=5)[0] == ""
    assert process.returncode == 130


def test_handlers_come_back_and_the_flag_can_be_used_again():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    for _ in range(2):
        with StopFlag() as stop:
            assert stop.requested is None and stop.agreed(3) is None
            os.kill(os.getpid(), signal.SIGTERM)
            wait_for(lambda stop=stop: stop.requested == signal.SIGTERM)
            assert stop.agreed(3) == signal.SIGTERM
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_other_signals_are_not_requests():
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        with StopFlag() as stop:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.1)
            assert stop.requested is None
    finally:
        signal.signal(signal.SIGUSR1, previous)
