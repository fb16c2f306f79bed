"""Parameters `[P]` -> picture `[H, W, 4]` and part masks, at any resolution."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.data.avatars import accessories, body, brows, eyes, hair, head, mouth
from gan_jax.data.avatars.layers import Layer, composite, part_masks
from gan_jax.data.avatars.palette import palette
from gan_jax.data.avatars.parameters import named
from gan_jax.data.avatars.pen import Pen
from gan_jax.data.avatars.pose import picture_to_head, pose
from gan_jax.data.avatars.styles import style

BROW_THROUGH_HAIR = 0.55  # brows stay readable under a fringe, as is the custom in drawn faces


def pixel_centres(height: int, width: int) -> tuple[Array, Array, float]:
    """`[H, W]` x and y in picture space, where the shorter side is [-1, 1], and a pixel's width."""
    pixel = 2 / min(height, width)
    x = (jnp.arange(width) + 0.5 - width / 2) * pixel
    y = (jnp.arange(height) + 0.5 - height / 2) * pixel
    grid_x, grid_y = jnp.meshgrid(x, y)
    return grid_x, grid_y, pixel


def draw(vector: Array, height: int, width: int) -> list[Layer]:
    """All layers of the avatar `[P]`, from back to front."""
    parameters = named(vector)
    x, y, pixel = pixel_centres(height, width)
    turn, look = pose(parameters), style(parameters)
    pen = Pen(pixel, palette(parameters, look), look)
    hx, hy = picture_to_head(turn, x, y)
    shape = head.head(parameters, turn)
    both_eyes, both_brows = eyes.eyes(parameters, turn), brows.brows(parameters, turn)
    lips = mouth.mouth(parameters, turn)
    back = hair.back_strands(parameters, turn, hx, hy, pen)
    front = hair.front_strands(parameters, turn, hx, hy, pen)
    brow_right, brow_left = brows.brow_coverage(both_brows, hx, hy, pen)
    brow_layers = [
        Layer("brow_right", brow_right, pen.colours.brow),
        Layer("brow_left", brow_left, pen.colours.brow),
    ]
    return [
        *hair.draw_back(back, hy, pen),
        *body.draw_neck(turn, x, y, pen),
        *body.draw_clothes(parameters, x, y, pen),
        *head.draw_ears(parameters, turn, hx, hy, pen),
        *head.draw_face(parameters, shape, hx, hy, pen, front.distance),
        *head.draw_nose(parameters, turn, hx, hy, pen),
        *mouth.draw_mouth(lips, hx, hy, pen),
        *eyes.draw_eyes(both_eyes, parameters, hx, hy, pen),
        *brow_layers,
        *accessories.draw_eyewear(parameters, turn, hx, hy, pen),
        *accessories.draw_cat_ears(parameters, turn, hx, hy, pen),
        *hair.draw_front(front, turn, hx, hy, pen),
        *(layer._replace(coverage=layer.coverage * BROW_THROUGH_HAIR) for layer in brow_layers),
        *accessories.draw_headwear(parameters, turn, hx, hy, pen),
    ]


def render(vector: Array, size: int | tuple[int, int]) -> Array:
    """`[P]` -> `[H, W, 4]` float in [0, 1], RGB with straight alpha; `size` is H = W or (H, W)."""
    height, width = (size, size) if isinstance(size, int) else size
    return composite(draw(vector, height, width))


def masks(vector: Array, size: int, visible: bool = True) -> Array:
    """`[P]` -> `[H, W, M]` in [0, 1], one mask for each of `PARTS`.

    `visible`: what is seen of each part (the masks sum to alpha), else each part's whole shape.
    """
    return part_masks(draw(vector, size, size), visible)


def to_uint8(image: Array) -> Array:
    """[0, 1] -> 0..255, rounded."""
    return jnp.round(image * 255).astype(jnp.uint8)


@partial(jax.jit, static_argnums=1)
def render_batch(vectors: Array, size: int) -> Array:
    """`[B, P]` -> `[B, H, W, 4]` uint8; one by one, as small arrays stay in the processor's cache,
    so a picture's bits do not depend on the batch it was drawn in."""
    return jax.lax.map(lambda vector: to_uint8(render(vector, size)), vectors)


@partial(jax.jit, static_argnums=(1, 2))
def render_masks(vectors: Array, size: int, visible: bool = True) -> Array:
    """`[B, P]` -> `[B, H, W, M]` float; part masks on demand from stored parameters."""
    return jax.lax.map(lambda vector: masks(vector, size, visible), vectors)
