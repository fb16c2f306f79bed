"""Feed-forward style transfer (AdaIN, Huang and Belongie 2017): a picture in the style of another.

A fixed encoder reads both; the content's features get the style's means and deviations, channel by
channel, and a decoder learns to draw what those features are of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe
from gan_jax.recipes.needed_values import check_values
from gan_jax.recipes.paired import no_latents
from gan_jax.schedules import Schedule
from gan_jax.style_losses import adain, content_loss, statistics, statistics_loss, total_variation
from gan_jax.translation import Number, Translation

NEEDED = ("style_weight", "variation_weight", "identity_weight", "ema_decay")


def style_transfer_recipe(
    *,
    encoder: nn.Module,
    decoder: nn.Module,
    layer: str,
    taps: tuple[str, ...],
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
) -> Recipe:
    """`encoder(images, taps=) -> {tap: [B, h, w, F]}`, frozen; `decoder(features of the layer) ->
    images`. A batch holds contents `image` and styles `reference`, both `[B, H, W, C]`.

    The loss is the content's, to the features of `layer` that were asked for (section 5, equation
    12), plus `style_weight` times the means' and deviations' at all `taps` (equation 13), plus
    `variation_weight` times the total variation, plus `identity_weight` times the mean absolute
    difference of a picture to what the decoder draws of its own features (Park and Lee 2019,
    equation 7, pixels alone; no part of AdaIN: with 0 and no schedule its pass is left out), for
    what an encoder's pools do not see, its features do not forbid. A user's several references are
    averaged after AdaIN (section 7.3, style interpolation); `alpha` trades content against style
    (equation 14).

    Raises:
        UsageError: a value that is missing or negative, or no taps.
    """
    check_values(values, NEEDED)
    if not taps:
        raise UsageError("style transfer reads at least one tap of the encoder")
    read = (layer, *taps)
    has_identity = values["identity_weight"] > 0 or "identity_weight" in schedules

    def restyled(nets: Nets, content: Array, styles: Array, alpha: Array) -> Array:
        """Pictures of `content` `[B, H, W, C]` in the mean of `styles` `[B, R, H, W, C]`."""
        features = nets("encoder", content, taps=(layer,))[0][layer]
        count = styles.shape[1]
        of_styles = [nets("encoder", styles[:, i], taps=(layer,))[0][layer] for i in range(count)]
        target = jnp.mean(jnp.stack([adain(features, each) for each in of_styles]), axis=0)
        mixed = alpha * target + (1.0 - alpha) * features
        return drawn(nets, mixed, content)[0]

    def drawn(nets: Nets, features: Array, content: Array) -> tuple[Array, Nets]:
        """The decoder's picture, of the content's size."""
        images, nets = nets("decoder", features)
        return images[:, : content.shape[1], : content.shape[2]], nets

    def loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]):
        encode = nets.fixed("encoder")
        of_content = encode(batch["image"], taps=(layer,))
        of_style = encode(batch["reference"], taps=read)
        target = adain(of_content[layer], of_style[layer])
        images, nets = drawn(nets, target, batch["image"])
        found = encode(images, taps=read)
        style = sum(
            statistics_loss(statistics(found[tap]), statistics(of_style[tap])) for tap in taps
        )
        terms = {
            "content": jnp.mean(content_loss(found[layer], target)),
            "style": jnp.mean(jnp.asarray(style)),
            "variation": jnp.mean(total_variation(images)),
        }
        if has_identity:
            same, nets = drawn(nets, of_content[layer], batch["image"])
            terms["identity"] = jnp.mean(jnp.abs(same - batch["image"]))
        weighed = [name for name in terms if name != "content"]
        value = terms["content"] + sum(values[f"{name}_weight"] * terms[name] for name in weighed)
        return value, Aux(nets, extra, terms)

    def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
        return clipped(restyled(nets, batch["image"], batch["reference"][:, None], jnp.ones(())))

    def translate(nets: Nets, batch: Batch) -> Array:
        alpha = batch["alpha"][:, None, None, None]
        return clipped(restyled(nets, batch["image"], batch["reference"], alpha))

    def inputs(batch: Batch):
        return {"decoder": (blank_features(encoder, batch["image"], layer),)}

    return Recipe(
        networks={"decoder": decoder},
        frozen={"encoder": encoder},
        phases=(Phase(name="decoder", trains=("decoder",), loss=loss),),
        inputs=inputs,
        values=values,
        schedules=schedules,
        ema={"decoder": "ema_decay"},
        given=("image", "reference"),
        latents=no_latents,
        generate=generate,
        translation=Translation(
            run=translate,
            conditions={"alpha": Number(0.0, 1.0, 1.0)},
            references="required",
            like_faces=False,
        ),
    )


def blank_features(encoder: nn.Module, images: Array, tap: str) -> Array:
    """Zeros in the form of the encoder's features of `images`."""

    def features(images: Array) -> Array:
        found: Any = encoder.init_with_output(jax.random.key(0), images, taps=(tap,), train=False)
        return found[0][tap]

    shape = jax.eval_shape(features, images)
    return jnp.zeros(shape.shape, shape.dtype)


def clipped(images: Array) -> Array:
    """The decoder is linear at its end: colours out of [-1, 1] are brought to its ends."""
    return jnp.clip(images, -1.0, 1.0)
