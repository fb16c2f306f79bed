"""The command line: `gan-jax VERB …`. Nothing heavy is imported before the verb is known."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence

from gan_jax.errors import UsageError, UserError

VERBS = {
    "train": ("gan_jax.train", "start a run, or continue the one in --workdir"),
    "plan": ("gan_jax.plan", "what an experiment costs, without training: FLOPs, memory, hours"),
    "bench": ("gan_jax.bench", "step throughput: rounds, phases, data wait, compiling, memory"),
    "sample": ("gan_jax.sample", "pictures or a latent walk from a run directory"),
    "latents": ("gan_jax.latents_command.command", "walks, mixing, directions, projection"),
    "translate": ("gan_jax.translate", "your pictures through a trained translator"),
    "recognise": ("gan_jax.recognise", "the expression of a face, with its probabilities"),
    "evaluate": ("gan_jax.evaluate", "measure checkpoints, or pictures against pictures"),
    "data": ("gan_jax.data_command", "check, prepare or preview a data source, or cut out faces"),
    "weights": ("gan_jax.weights_command", "import, verify or list weights of feature networks"),
    "report": ("gan_jax.report.command", "one HTML page about one run or several"),
}

DESCRIPTION = "A JAX research framework for GAN experiments."
EPILOG = """\
examples:
  gan-jax train experiments/avatars_dcgan.py --workdir=runs/first
  gan-jax train experiments/digits_mlp.py:smoke --config.batch_size=8
  gan-jax sample runs/first --count=16 --out=samples.png
  gan-jax latents interpolate runs/first --loop --out=walk.gif
  gan-jax data preview avatars/64

exit codes: 0 done, 1 internal error, 2 usage, 3 diverged, 4 storage, 5 data,
130/143 stopped by Ctrl-C/SIGTERM and saved"""

Overrides = list[tuple[str, str]]


class Parser(argparse.ArgumentParser):
    """argparse whose errors are the one line of a UsageError."""

    def error(self, message: str):
        raise UsageError(f"{message} (see {self.prog} --help)")


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, Overrides]:
    """The verb's flags, and the `--config.KEY=VALUE` overrides among them.

    Raises:
        UsageError: no such verb or flag.
    """
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="gan-jax", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="store_true", help="print the version")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    for verb, (module, summary) in VERBS.items():
        added = verbs.add_parser(verb, help=summary, description=summary, formatter_class=raw)
        if verb == wanted:
            importlib.import_module(module).add_arguments(added)
        added.add_argument("--debug", action="store_true", help="show the traceback of an error")
    overrides, rest = split_pairs(arguments, "--config.")
    conditions: Overrides = []
    if wanted == "translate":
        conditions, rest = split_pairs(rest, "--condition.")
    namespace, unknown = parser.parse_known_args(rest)
    if unknown:
        raise UsageError(
            f"unrecognized arguments: {' '.join(unknown)} (see gan-jax {namespace.verb} --help)"
        )
    namespace.conditions = conditions
    if not namespace.verb and not namespace.version:
        parser.print_help()
        raise SystemExit(0)
    return namespace, overrides


def split_pairs(arguments: Sequence[str], prefix: str) -> tuple[Overrides, list[str]]:
    """Takes `PREFIX.KEY=VALUE` and `PREFIX.KEY VALUE` out of the arguments, with `prefix` such as
    `--config.`; gives those pairs, and the rest."""
    pairs, rest = [], []
    pending = iter(arguments)
    for argument in pending:
        if not argument.startswith(prefix):
            rest.append(argument)
            continue
        key, equals, value = argument.removeprefix(prefix).partition("=")
        if not equals:
            value = next(pending, "")
            if not value or value.startswith("--"):
                raise UsageError(f"{prefix}{key} needs a value: {prefix}{key}=VALUE")
        pairs.append((key, value))
    return pairs, rest


def run(arguments: Sequence[str]) -> int:
    """One command; returns its exit code and prints the line that an error ends in."""
    try:
        namespace, overrides = parse(arguments)
        if namespace.version:
            from importlib.metadata import version

            print(version("gan-jax"))
            return 0
        module = importlib.import_module(VERBS[namespace.verb][0])
        return module.main(namespace, overrides) or 0
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments:
            traceback.print_exc()
        message, code = explain(error)
    print(f"gan-jax: {message}", file=sys.stderr, flush=True)
    return code


def explain(error: BaseException) -> tuple[str, int]:
    """The line and the exit code of what ended a command."""
    if isinstance(error, UserError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 128 + signal.SIGINT
    return f"internal error: {type(error).__name__}: {error} (--debug shows where)", 1


def leave_together() -> None:
    """With several processes: lets the others end by their own error before the first of them,
    which they report to, is gone; waits ten seconds at most."""
    jax = sys.modules.get("jax")
    if jax is not None and jax.distributed.is_initialized():
        thread = threading.Thread(target=jax.distributed.shutdown, daemon=True)
        thread.start()
        thread.join(timeout=10)


def main() -> None:
    """The console script."""
    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    leave_together()
    if code:
        # Threads that read data ahead must not keep a failed command from ending.
        os._exit(code)
    sys.exit(0)
