"""Which parts of a noise recipe go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gan_jax.errors import UsageError
from gan_jax.recipes.contest import Contest
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import GeneratorRegulariser
from gan_jax.recipes.regularisers import Regulariser


def check(
    contest: Contest,
    values: Mapping[str, float],
    regularisers: Sequence[Regulariser],
    generator_regularisers: Sequence[GeneratorRegulariser],
    keeps_top_k: bool,
) -> None:
    """Refuses parts that exclude one another, and values that are missing.

    Raises:
        UsageError: the first such thing found.
    """
    names = [term.name for term in (*regularisers, *generator_regularisers)]
    needed = ["ema_decay", *(f"{name}_weight" for name in names)]
    needed += contest.augmentation.needs
    needed += ["classification_weight"] * (contest.classification is not None)
    needed += ["top_k"] * keeps_top_k
    for value in needed:
        if value not in values:
            raise UsageError(f"the recipe's values lack {value!r}: add it to values={{…}}")
    if len(set(names)) < len(names):
        raise UsageError(f"a regulariser is listed twice: {', '.join(sorted(names))}")
    if contest.loss.boundary is None:
        for part in (contest.augmentation, *regularisers):
            if part.reads_logits:
                name = getattr(part, "name", "adaptive augmentation")
                raise UsageError(
                    f"{name} reads single logits, but under this loss only their differences mean "
                    "something: choose another loss, or leave it out"
                )
    if contest.classification is not None and not contest.conditional:
        raise UsageError("a classification needs labels: set num_classes")
    for term in generator_regularisers:
        if term.needs_styles and not isinstance(contest.drawing, Styled):
            raise UsageError(f"{term.name} works on styles: it needs drawing=Styled(…)")
