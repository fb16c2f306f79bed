"""Imports go down the floors of docs/architecture.md only; heavy libraries stay in their place."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_jax"

FLOORS = {
    0: "errors losses class_losses penalties regularisation variational information style_losses "
    "heat_maps alignment augment schedules optimizers ops metrics flops",
    1: "layers networks",
    2: "recipe translation recognition state update step population recipes",
    3: "data images weights checkpoint checkpoint_directory manifest retention flat_state durable "
    "processes orbax_noise workdir writer mesh feed timing signals durations hardware devices "
    "ceiling profile",
    4: "evaluators latents faces",
    5: "settings config experiment console program training_data recorder loop run run_directory "
    "fine_tuning sample_writer train trained sample report data_command weights_command cli "
    "costs table plan bench bench_rounds bench_report evaluation world evaluate evaluate_run "
    "evaluate_pictures population_program translate latents_command faces_command recognise "
    "__main__ __init__",
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}
FILES = sorted(PACKAGE.rglob("*.py"))


def floor(module: str) -> int:
    """Of `gan_jax.x.y`: that of x."""
    return FLOOR_OF[module.split(".")[1]]


def imported(path: Path) -> set[str]:
    """Full names of all that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= (
                {f"{module}.{alias.name}" for alias in node.names}
                if (module == "gan_jax")
                else {module}
            )
    return names


def module_of(path: Path) -> str:
    return ".".join(["gan_jax", *path.relative_to(PACKAGE).with_suffix("").parts])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    mine = floor(module_of(path))
    for name in imported(path):
        if name.startswith("gan_jax."):
            other = floor(name)
            assert other <= mine, f"{path} (floor {mine}) imports {name} (floor {other})"
            assert {mine, other} != {2, 3}, f"{path}: floors 2 and 3 do not see each other ({name})"
        if name.startswith(("ml_collections", "absl.flags")):
            assert mine == 5, f"{path}: only commands and experiments know {name}"
        if name.startswith("orbax"):
            assert path.name == "checkpoint.py", f"{path}: only checkpoint.py knows Orbax"
        if name.startswith(("tensorflow.", "torch")) or name == "tensorflow":
            raise AssertionError(f"{path} imports {name}")


def test_every_file_has_a_floor():
    for path in FILES:
        floor(module_of(path))


def test_no_file_is_a_drawer():
    for path in FILES:
        assert path.stem not in ("utils", "helpers", "common"), path
