"""Any loss with any regulariser, with and without labels, on dense networks too small to learn."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.layers.heads import ProjectionHead
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_jax.optimizers import clip_weights
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import (
    generator_orthogonality,
    latent_sensitivity,
    path_length,
)
from tests.recipes.parts import (
    CLASSES,
    COMPILES_QUICKLY,
    REGULARISERS,
    SHAPE,
    StyledGenerator,
    changed,
    recipe,
    start,
    train,
)

LIMIT = 0.05
LOSSES = {name: loss for name, loss in vars(losses).items()
          if isinstance(loss, losses.AdversarialLoss)}  # fmt: skip
LOSSES["label_smoothing"] = losses.label_smoothing(0.9)
NAMES = [*REGULARISERS, "path_length", "generator_orthogonality", "weight_clipping"]


def parts(name, every, classes):
    """Of a recipe but for its loss. Path length needs styles; latent consistency has two halves."""
    made = {
        "generator": MLPGenerator(SHAPE, hidden=(6,), num_classes=classes),
        "discriminator": MLPDiscriminator(
            hidden=(7,),
            dropout=0.0,
            head=ProjectionHead(classes, spectral=False) if classes else None,
        ),
        "num_classes": classes,
        "regularisers": REGULARISERS[name](every) if name in REGULARISERS else (),
    }
    if name == "path_length":
        made |= {"generator": StyledGenerator(), "drawing": Styled(mixing=0.9)}
        made["generator_regularisers"] = (path_length(every),)
    if name == "generator_orthogonality":
        made["generator_regularisers"] = (generator_orthogonality(every),)
    if name == "latent_consistency":
        made["generator_regularisers"] = (latent_sensitivity(0.07, every),)
    return made


def optimizers_of(name):
    plain = optax.sgd(0.05)
    clipped = optax.chain(plain, clip_weights(LIMIT))
    return {
        "generator": plain,
        "discriminator": clipped if name == "weight_clipping" else plain,
    }


@functools.cache
def before(name, every, classes):
    """The state at the start, which no loss changes."""
    return start(recipe(**parts(name, every, classes)), optimizers_of(name), classes)


def case(name, loss, classes):
    """Every fourth case, in which each loss and each regulariser comes with labels and without, is
    among those that the project's check runs; all of them take about seven minutes on two cores."""
    chosen = (NAMES.index(name) + list(LOSSES).index(loss)) % 4 == (2 if classes else 0)
    kind = "projection" if classes else "none"
    marks = () if chosen else pytest.mark.long
    return pytest.param(name, loss, classes, id=f"{kind}-{name}-{loss}", marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "loss", "classes"),
    [case(*chosen) for chosen in itertools.product(NAMES, LOSSES, (0, CLASSES))],
)
def test_any_loss_with_any_regulariser(name, loss, classes):
    """Twenty finite steps, unless the two exclude one another; half of the pairs have a term that
    joins the loss without labels and comes every second round with them, half the reverse."""
    every = 1 + (NAMES.index(name) + list(LOSSES).index(loss) + bool(classes)) % 2
    given = parts(name, every, classes) | {"loss": LOSSES[loss]}
    if name == "le_cam" and LOSSES[loss].relativistic:
        with pytest.raises(UsageError, match="le_cam"):
            recipe(**given)
        return
    first = before(name, every, classes)
    last, rows = train(
        recipe(**given), optimizers_of(name), first, 20, classes=classes, options=COMPILES_QUICKLY
    )
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    terms = [*given["regularisers"], *given.get("generator_regularisers", ())]
    for term in terms:
        assert term.every == every
        assert any(metric.endswith(f"/{term.name}") for metric in rows[0])
    judge, of_judge = first.nets["discriminator"].params, last.nets["discriminator"].params
    if classes:
        assert changed(judge["head"]["label"], of_judge["head"]["label"])
    if name == "weight_clipping":
        assert any(jnp.any(jnp.abs(leaf) > LIMIT) for leaf in jax.tree.leaves(judge))
        assert all(jnp.all(jnp.abs(leaf) <= LIMIT) for leaf in jax.tree.leaves(of_judge))
