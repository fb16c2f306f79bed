"""A window of steps under JAX's profiler."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax.errors import UsageError
from gan_jax.profile import Window, window_of


def test_a_window_is_traced_once_and_closed(tmp_path):
    said = []
    window = Window(tmp_path / "profile", 3, 2, said.append)
    double = jax.jit(lambda x: 2 * x)
    state = double(jnp.ones(3))
    for step in range(8):
        window.before(step, state)
        assert bool(said) == (step >= 5)
        state = double(state)
    window.close(state)
    assert len(said) == 1 and "steps from 3 are traced" in said[0]
    assert len(list(tmp_path.rglob("*.xplane.pb"))) == 1


def test_a_run_that_ends_within_its_window(tmp_path):
    said = []
    window = Window(tmp_path / "profile", 0, 100, said.append)
    window.before(0, jnp.ones(1))
    window.close(jnp.ones(1))
    assert "traced" in said[0]


def test_a_run_beyond_its_window_traces_nothing(tmp_path):
    said = []
    window = Window(tmp_path / "profile", 3, 2, said.append)
    window.before(5, jnp.ones(1))
    window.close(jnp.ones(1))
    assert not (tmp_path / "profile").exists()
    assert said == ["nothing traced: no call of this run began at steps 3-4"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "profile").write_text("a file")
    said = []
    window = Window(tmp_path / "profile", 0, 1, said.append)
    window.before(0, jnp.ones(1))
    window.close(jnp.ones(1))
    assert "no trace in" in said[0]


@pytest.mark.parametrize("text", ["5", "5:0", "a:b", "5:", "-1:3", "5:3:1"])
def test_bad_windows(text):
    with pytest.raises(UsageError, match="must be FIRST:COUNT"):
        window_of(text)
    assert window_of("100:10") == (100, 10)
