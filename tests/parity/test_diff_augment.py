"""DiffAugment against PyTorch at the same draws: each policy picture by picture, channels first,
and the gradient through all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from gan_jax.augment import diff_augment as module  # noqa: E402
from tests.parity.agreement import PRECISIONS, assert_agree, precision  # noqa: E402

BATCH, HEIGHT, WIDTH = 6, 16, 24
FARTHEST = (2, 3)  # an eighth of the sides
HOLE = (8, 12)  # a half


def color(image, draw):
    """`[C, H, W]`."""
    brightness, saturation, contrast = draw
    image = image + brightness
    grey = image.mean(0, keepdim=True).expand_as(image)
    image = torch.lerp(grey, image, saturation)
    return torch.lerp(image.mean().expand_as(image), image, contrast)


def translation(image, pixels):
    """Zeros all around, of which a window is kept."""
    down, right = (int(far - n) for far, n in zip(FARTHEST, pixels, strict=True))
    padded = F.pad(image, (FARTHEST[1], FARTHEST[1], FARTHEST[0], FARTHEST[0]))
    return padded[:, down : down + HEIGHT, right : right + WIDTH]


def cutout(image, centre):
    mask = torch.ones(1, HEIGHT, WIDTH, dtype=image.dtype)
    for row in range(HOLE[0]):
        for column in range(HOLE[1]):
            y, x = (int(c) + n - side // 2
                    for c, n, side in zip(centre, (row, column), HOLE, strict=True))  # fmt: skip
            if 0 <= y < HEIGHT and 0 <= x < WIDTH:
                mask[:, y, x] = 0
    return image * mask


def draws(key, dtype):
    """What each policy draws from the key of the call, in their order."""
    keys = [jax.random.fold_in(key, number) for number in range(3)]
    colors = module.draw_color(keys[0], BATCH, dtype)
    shifts = module.draw_shift(keys[1], BATCH, FARTHEST)
    centres = module.draw_centre(keys[2], BATCH, (HEIGHT, WIDTH), HOLE)
    return (
        torch.tensor(np.stack(colors, axis=1)),
        np.asarray(shifts),
        np.asarray(centres),
    )


def reference(images, drawn, policies):
    found = []
    for image, *draw in zip(images.permute(0, 3, 1, 2), *drawn, strict=True):
        for policy, value in zip((color, translation, cutout), draw, strict=True):
            if policy.__name__ in policies:
                image = policy(image, value)
        found.append(image)
    return torch.stack(found).permute(0, 2, 3, 1)


@PRECISIONS
@pytest.mark.parametrize("channels", [1, 3])
def test_value_and_gradient(channels, dtype, tolerance):
    random = np.random.default_rng(0)
    shape = BATCH, HEIGHT, WIDTH, channels
    images, weights = random.uniform(-1, 1, (2, *shape)).astype(dtype)
    policies = ("color", "translation", "cutout")
    with precision(dtype):
        key = jax.random.key(1)
        drawn = draws(key, dtype)

        @jax.jit
        def total(images):
            augmented = module.diff_augment(images, key, policies)
            return jnp.sum(weights * jnp.tanh(augmented)), augmented

        slope, augmented = jax.grad(total, has_aux=True)(jnp.asarray(images))
    theirs = torch.tensor(images, requires_grad=True)
    expected = reference(theirs, drawn, policies)
    (torch.tensor(weights) * torch.tanh(expected)).sum().backward()
    assert_agree(augmented, expected, tolerance)
    assert_agree(slope, theirs.grad, tolerance)


@PRECISIONS
def test_each_policy_at_given_draws(dtype, tolerance):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (BATCH, HEIGHT, WIDTH, 3)).astype(dtype)
    colors = random.uniform((-0.5, 0, 0.5), (0.5, 2, 1.5), (BATCH, 3)).astype(dtype)
    shifts = np.array([[0, 0], [2, 3], [-2, -3], [2, -3], [-1, 2], [1, 0]])
    centres = np.array([[0, 0], [HEIGHT, WIDTH], [0, WIDTH], [8, 12], [3, 20], [15, 1]])
    drawn = torch.tensor(colors), shifts, centres
    with precision(dtype):
        given = jnp.asarray(images)
        found = {
            "color": module.recolor(given, module.ColorDraw(*jnp.asarray(colors.T))),
            "translation": module.shift(given, jnp.asarray(shifts), FARTHEST),
            "cutout": module.cut_out(given, jnp.asarray(centres), HOLE),
        }
    for policy, augmented in found.items():
        assert_agree(augmented, reference(torch.tensor(images), drawn, (policy,)), tolerance)
