"""Style transfer by optimisation (Gatys et al. 2016): the pixels themselves are what is trained.

A fixed encoder says what a picture shows, by the features of one layer, and how it is drawn, by the
Gram matrices of several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.typing import Dtype
from jax import Array, lax

from gan_jax.errors import UsageError
from gan_jax.networks.canvas import Canvas
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe
from gan_jax.recipes.needed_values import check_values
from gan_jax.recipes.paired import no_latents
from gan_jax.style_losses import content_loss, gram_loss, gram_matrix, total_variation
from gan_jax.translation import Translation

NEEDED = ("content_weight", "style_weight", "variation_weight")


class Taps(NamedTuple):
    """The layers of the encoder that are read: one for what is shown, some for how."""

    content: str
    style: tuple[str, ...]


def gatys_recipe(
    *,
    encoder: nn.Module,
    taps: Taps,
    count: int,
    shape: tuple[int, int, int],
    values: Mapping[str, float],
    optimizer: optax.GradientTransformationExtraArgs,
    steps: int,
    dtype: Dtype | None,
) -> Recipe:
    """A batch holds `index` int32 `[B]` of the pair, its content `image` and style `reference`.
    What is optimised is the difference to the content, so that is where it begins.

    The loss is summed over pictures, which so do not depend on one another: `content_weight` times
    the content's, `style_weight` times the mean of the layers' Gram losses, `variation_weight`
    times the total variation. A user's pictures are optimised on their own, by `steps` of
    `optimizer`; the Gram matrices of several references are averaged.

    Args:
        count, shape: of the pairs, and `(H, W, C)` of every picture.
        optimizer: of a user's pictures; if it searches along lines it gets the value.

    Raises:
        UsageError: a value that is missing or negative, or no layers.
    """
    check_values(values, NEEDED)
    if not taps.style:
        raise UsageError("style transfer reads at least one layer for the style")
    read = (taps.content, *taps.style)

    def losses(nets: Nets, images: Array, shown: Array, grams: list[Array]) -> dict[str, Array]:
        """`[B]` each. Colours past the ends of their range count as they are, and only results are
        clipped: a clip here would take the gradient from white, which is where paper begins."""
        found = nets.fixed("encoder")(images, taps=read)
        pairs = zip(taps.style, grams, strict=True)
        of_layers = [gram_loss(gram_matrix(found[tap]), gram) for tap, gram in pairs]
        return {
            "content": content_loss(found[taps.content], shown),
            "style": jnp.mean(jnp.stack(of_layers), axis=0),
            "variation": total_variation(images),
        }

    def shown_in(nets: Nets, contents: Array) -> Array:
        return nets.fixed("encoder")(contents, taps=(taps.content,))[taps.content]

    def grams_of(nets: Nets, styles: Array) -> list[Array]:
        """Of styles `[B, R, H, W, C]`, the mean over R."""
        encode = nets.fixed("encoder")
        each = [encode(styles[:, i], taps=taps.style) for i in range(styles.shape[1])]
        return [
            jnp.mean(jnp.stack([gram_matrix(found[tap]) for found in each]), axis=0)
            for tap in taps.style
        ]

    def total(terms: Mapping[str, Array], values: Mapping[str, float | Array]) -> Array:
        return sum(
            (values[f"{name}_weight"] * jnp.sum(terms[name]) for name in terms), jnp.zeros(())
        )

    def loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]):
        change, nets = nets("canvas", batch["index"])
        shown, grams = shown_in(nets, batch["image"]), grams_of(nets, batch["reference"][:, None])
        terms = losses(nets, batch["image"] + change, shown, grams)
        return total(terms, values), Aux(nets, extra, {k: jnp.mean(v) for k, v in terms.items()})

    def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
        return jnp.clip(batch["image"] + nets("canvas", batch["index"])[0], -1.0, 1.0)

    def translate(nets: Nets, batch: Batch) -> Array:
        def one(pair: tuple[Array, Array]) -> Array:
            content, styles = (leaf[None] for leaf in pair)
            shown, grams = shown_in(nets, content), grams_of(nets, styles)

            def objective(change: Array) -> Array:
                return total(losses(nets, content + change, shown, grams), values)

            return content[0] + minimised(objective, jnp.zeros_like(content), optimizer, steps)[0]

        # One after another: what an optimizer of all would do to one depends on the others.
        images = lax.map(one, (batch["image"], batch["reference"]))
        return jnp.clip(images, -1.0, 1.0)

    return Recipe(
        networks={"canvas": Canvas(count, shape, dtype)},
        frozen={"encoder": encoder},
        phases=(Phase(name="canvas", trains=("canvas",), loss=loss),),
        inputs=lambda batch: {"canvas": (batch["index"],)},
        values=values,
        given=("image", "reference", "index"),
        latents=no_latents,
        generate=generate,
        translation=Translation(run=translate, references="required", like_faces=False),
    )


def minimised(
    objective: Callable[[Array], Array],
    start: Array,
    optimizer: optax.GradientTransformationExtraArgs,
    steps: int,
) -> Array:
    """Where so many steps of an optimizer lead; one that searches along lines asks `objective`."""

    def step(_: Array, carry: tuple[Array, Any]) -> tuple[Array, Any]:
        point, state = carry
        value, grad = jax.value_and_grad(objective)(point)
        updates, state = optimizer.update(
            grad, state, point, value=value, grad=grad, value_fn=objective
        )
        moved: Any = optax.apply_updates(point, updates)
        return moved, state

    return lax.fori_loop(0, steps, step, (start, optimizer.init(start)))[0]
