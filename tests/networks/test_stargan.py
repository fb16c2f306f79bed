"""StarGAN and GANimation: published sizes, and their layers written out in plain lax."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.networks.stargan import StarGANDiscriminator, StarGANTranslator, halvings

PICTURES = np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
VECTORS = np.random.default_rng(2).uniform(0, 1, (2, 5)).astype(np.float32)
MAPS = np.random.default_rng(3).uniform(-1, 1, (2, 16, 16, 5)).astype(np.float32)
HEADS = pytest.mark.parametrize("heads", ["colour", "mask"])


def shapes_of(module, *values):
    make = functools.partial(module.init_with_output, jax.random.key(0), train=True)
    return jax.eval_shape(make, *values)


def count(module, *values):
    _, variables = shapes_of(module, *values)
    assert list(variables) == ["params"]
    leaves = jax.tree.leaves(variables)
    assert all(leaf.dtype == jnp.float32 for leaf in leaves)
    return sum(leaf.size for leaf in leaves)


def variables_of(module, *values):
    """Random ones, away from the zeros and ones that hide what they do."""
    random = np.random.default_rng(4)

    def leaf(path, shape):
        if path[-1].key == "scale":
            draw = random.uniform(0.5, 1.5, shape.shape)
        else:
            draw = random.normal(0, np.prod(shape.shape[:-1]) ** -0.5, shape.shape)
        return draw.astype(np.float32)

    return jax.tree_util.tree_map_with_path(leaf, shapes_of(module, *values)[1])


@functools.partial(jax.jit, static_argnames=("module", "train"))
def apply(module, variables, *values, train=False):
    return module.apply(variables, *values, train=train)


def translator(condition=VECTORS, **settings):
    module = StarGANTranslator(**({"channels": 3, "width": 4, "blocks": 1} | settings))
    return module, variables_of(module, PICTURES, condition)


@pytest.mark.parametrize(
    ("heads", "conditions", "made", "judging"),
    [("colour", 5, 8_430_528, 44_762_048), ("mask", 17, 8_471_296, 44_860_352)],
)
def test_parameter_counts_are_the_published_ones(heads, conditions, made, judging):
    pictures, condition = jnp.zeros((2, 128, 128, 3)), jnp.zeros((2, conditions))
    assert count(StarGANTranslator(3, heads=heads), pictures, condition) == made
    assert count(StarGANDiscriminator(outputs=conditions), pictures) == judging


@pytest.mark.parametrize(
    ("size", "settings", "left", "features"),
    [
        (32, {}, 2, 512),
        (64, {}, 2, 1024),
        (128, {}, 2, 2048),
        (256, {}, 4, 2048),
        (256, {"layers": 9}, 2, 2048),
        (64, {"width": 16, "width_max": 128}, 2, 128),
        (96, {}, 3, 1024),
        (128, {"layers": 3}, 16, 256),
    ],
)
def test_the_discriminator_at_other_sizes(size, settings, left, features):
    module = StarGANDiscriminator(size=size, outputs=7, **settings)
    pictures = jnp.zeros((2, size, size, 4))
    judgement, variables = shapes_of(module, pictures)
    assert judgement.logits.shape == (2, left, left) and judgement.condition.shape == (2, 7)
    assert judgement.logits.dtype == judgement.condition.dtype == jnp.float32
    params = variables["params"]
    assert params["logits"]["kernel"].shape == (3, 3, features, 1)
    assert params["condition"]["kernel"].shape == (left, left, features, 7)


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64, 256])
@HEADS
def test_the_translator_at_other_sizes(size, heads):
    pictures = jnp.zeros((2, size, size, 4))
    for condition in (jnp.zeros((2, 3)), jnp.zeros((2, size, size, 3), jnp.int32)):
        translation, _ = shapes_of(StarGANTranslator(4, heads=heads), pictures, condition)
        assert translation.images.shape == pictures.shape
        if heads == "colour":
            assert translation.mask is None and translation.colour is None
        else:
            assert translation.mask.shape == (2, size, size, 1)
            assert translation.colour.shape == pictures.shape
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(translation))


def convolve(x, p, stride=1, edge=None):
    """An odd kernel keeps the size; `edge` is the zeros around the picture."""
    edge = p["kernel"].shape[0] // 2 if edge is None else edge
    pads = [(edge, edge)] * 2
    dimensions = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, p["kernel"], (stride, stride), pads, dimension_numbers=dimensions
    )
    return y + p.get("bias", 0.0)


def double(x, p):
    dimensions = ("NHWC", "HWIO", "NHWC")
    return lax.conv_transpose(x, p["kernel"], (2, 2), "SAME", dimension_numbers=dimensions)


def normalise(x, p):
    p = p["InstanceNorm_0"]
    x = x - x.mean((1, 2), keepdims=True)
    return x / jnp.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-5) * p["scale"] + p["bias"]


def resize(x, p):
    return convolve(np.repeat(np.repeat(x, 2, axis=1), 2, axis=2), p)


def plain_trunk(p, pictures, planes, skips=False):
    """7x7, two 4x4 of stride 2, a block of 3x3, two transposed 4x4, or 3x3 of pixels repeated."""
    names = ["TransposedConvolution_0", "TransposedConvolution_1"]
    up, names = (double, names) if names[0] in p else (resize, ["Convolution_3", "Convolution_4"])
    given = jnp.concatenate([pictures, planes], -1)
    norms = [p[f"PictureNormalisation_{index}"] for index in range(5)]
    whole = jax.nn.relu(normalise(convolve(given, p["Convolution_0"]), norms[0]))
    half = jax.nn.relu(normalise(convolve(whole, p["Convolution_1"], 2, 1), norms[1]))
    x = jax.nn.relu(normalise(convolve(half, p["Convolution_2"], 2, 1), norms[2]))
    block = p["TranslatorBlock_0"]
    h = normalise(convolve(x, block["Convolution_0"]), block["PictureNormalisation_0"])
    h = convolve(jax.nn.relu(h), block["Convolution_1"])
    x = x + normalise(h, block["PictureNormalisation_1"])
    x = jax.nn.relu(normalise(up(x, p[names[0]]), norms[3])) + skips * half
    x = jax.nn.relu(normalise(up(x, p[names[1]]), norms[4])) + skips * whole
    return jnp.concatenate([x, pictures], -1) if skips else x


@pytest.mark.parametrize(("skips", "upsample"), [(False, "transposed"), (True, "resize")])
def test_the_translator_is_the_written_architecture(skips, upsample):
    module, variables = translator(MAPS, heads="mask", skips=skips, upsample=upsample)
    p = variables["params"]
    found = apply(module, variables, PICTURES, MAPS)
    x = plain_trunk(p, PICTURES, MAPS, skips)
    colour = jnp.tanh(convolve(x, p["colour"]))
    mask = 1 / (1 + jnp.exp(-convolve(x, p["mask"])))
    np.testing.assert_allclose(found.colour, colour, atol=1e-5)
    np.testing.assert_allclose(found.mask, mask, atol=1e-5)
    np.testing.assert_allclose(found.images, mask * PICTURES + (1 - mask) * colour, atol=1e-5)
    assert np.std(colour) > 0.1 and np.std(mask) > 0.1


def test_the_colour_head_alone_paints_all():
    module, variables = translator()
    planes = np.tile(VECTORS[:, None, None], (1, 16, 16, 1))
    x = plain_trunk(variables["params"], PICTURES, planes)
    found = apply(module, variables, PICTURES, VECTORS)
    colour = jnp.tanh(convolve(x, variables["params"]["colour"]))
    np.testing.assert_allclose(found.images, colour, atol=1e-5)
    assert np.std(colour) > 0.1


def test_the_discriminator_is_the_written_architecture():
    """At 24 pixels, of which 3 x 3 are left."""
    pictures = np.random.default_rng(5).uniform(-1, 1, (2, 24, 24, 3)).astype(np.float32)
    module = StarGANDiscriminator(4, 24, outputs=5, width_max=8)
    variables = variables_of(module, pictures)
    p = variables["params"]
    assert p["Convolution_2"]["kernel"].shape == (4, 4, 8, 8)
    x = pictures
    for index in range(3):
        x = convolve(x, p[f"Convolution_{index}"], 2, 1)
        x = jnp.where(x > 0, x, 0.01 * x)
    found = apply(module, variables, pictures)
    np.testing.assert_allclose(found.logits, convolve(x, p["logits"])[..., 0], atol=1e-5)
    by_hand = np.einsum("bhwi,hwio->bo", x, p["condition"]["kernel"])
    np.testing.assert_allclose(found.condition, by_hand, atol=1e-5)
    assert np.std(found.logits) > 0.05 and np.std(found.condition) > 0.05


def test_logits_under_a_condition():
    """Maps weighed by the condition's numbers; without a condition, those of any picture."""
    module = StarGANDiscriminator(4, 16, outputs=2, conditions=5)
    variables = variables_of(module, PICTURES, VECTORS)
    p = variables["params"]
    x = PICTURES
    for index in range(3):
        x = convolve(x, p[f"Convolution_{index}"], 2, 1)
        x = jnp.where(x > 0, x, 0.01 * x)
    maps = np.asarray(convolve(x, p["logits"]))
    of_any = maps[..., 0]
    told = of_any + np.einsum("bhwk,bk->bhw", maps[..., 1:], VECTORS)
    found = apply(module, variables, PICTURES, VECTORS).logits
    np.testing.assert_allclose(found, told, atol=1e-5)
    np.testing.assert_allclose(apply(module, variables, PICTURES).logits, of_any, atol=1e-5)
    assert np.std(told - of_any) > 0.01


def test_a_constant_condition_is_seen():
    """Instance normalisation takes constants away; the border of zeros is what is left of them."""
    module, variables = translator()
    found = apply(module, variables, PICTURES, VECTORS).images
    other = apply(module, variables, PICTURES, 1 - VECTORS).images
    assert np.abs(found - other).mean() > 0.01


@pytest.mark.parametrize("modulated", [False, True])
def test_places_are_laid_over_the_picture(modulated):
    """As more channels, behind those of a condition that is laid over it too."""
    module = StarGANTranslator(3, 4, 1, modulated=modulated)
    places = np.random.default_rng(5).normal(size=(*PICTURES.shape[:3], 2)).astype(np.float32)
    variables = module.init(jax.random.key(0), PICTURES, VECTORS, places, train=True)
    kernel = variables["params"]["Convolution_0"]["kernel"]
    assert kernel.shape[2] == 3 + 2 + (0 if modulated else VECTORS.shape[1])
    found = apply(module, variables, PICTURES, VECTORS, places).images
    if modulated:
        other = apply(module, variables, PICTURES, VECTORS, 0 * places).images
        assert np.abs(found - other).mean() > 0.01
    else:
        planes = np.broadcast_to(VECTORS[:, None, None], (*PICTURES.shape[:3], VECTORS.shape[1]))
        maps = np.concatenate([planes, places], axis=-1)
        expected = apply(module, variables, PICTURES, maps).images
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("modulated", [False, True])
def test_who_it_is_scales_and_shifts_behind_each_normalisation(modulated):
    """At first not at all; a shift of one and a scale of zero leave what went in by one."""
    who = np.random.default_rng(6).normal(size=(len(PICTURES), 4)).astype(np.float32)
    module = StarGANTranslator(3, 4, 1, modulated=modulated)
    variables = module.init(jax.random.key(0), PICTURES, VECTORS, None, who, train=True)
    p = variables["params"]
    without = {
        name: {k: v for k, v in layer.items() if not k.startswith("Dense")}
        for name, layer in p.items()
        if not name.startswith("Dense")
    }
    expected = apply(module, {"params": without}, PICTURES, VECTORS).images
    found = apply(module, variables, PICTURES, VECTORS, None, who).images
    np.testing.assert_allclose(found, expected, atol=1e-6)
    layers = [name for name in p if name.startswith("Dense")]
    assert len(layers) == 5 and len([n for n in p["TranslatorBlock_0"] if "Dense" in n]) == 2
    random = np.random.default_rng(7)
    kernel = random.normal(size=p["Dense_4"]["kernel"].shape).astype(np.float32)
    changed = {**p, "Dense_4": {**p["Dense_4"], "kernel": kernel}}
    last = functools.partial(module.apply, capture_intermediates=True, train=False)
    captured = last({"params": changed}, PICTURES, VECTORS, None, who)[1]["intermediates"]
    norm = "StyleNormalisation_4" if modulated else "PictureNormalisation_4"
    scale, shift = jnp.split((who @ kernel)[:, None, None], 2, axis=-1)
    x = jax.nn.relu(captured[norm]["__call__"][0] * (1 + scale) + shift)
    found = captured["colour"]["__call__"][0]
    np.testing.assert_allclose(found, convolve(x, p["colour"]), atol=1e-4)


def test_a_mask_that_is_kept_from_closing():
    plain, variables = translator(heads="mask")
    bounded = plain.clone(mask_bound=1.5)
    kernel = variables["params"]["mask"]["kernel"]
    params = {**variables["params"], "mask": {"kernel": 4.0 * kernel}}
    before, after = (apply(m, {"params": params}, PICTURES, VECTORS) for m in (plain, bounded))
    mask = np.asarray(before.mask, np.float64)
    logits = np.log(mask / (1 - mask))
    assert np.abs(logits).max() > 1.5
    expected = 1 / (1 + np.exp(-1.5 * np.tanh(logits / 1.5)))
    np.testing.assert_allclose(after.mask, expected, rtol=1e-4)


def test_a_condition_that_modulates():
    """Each of the seven normalisations takes its scale and bias from the condition."""
    module, variables = translator(modulated=True)
    p = variables["params"]
    block = p["TranslatorBlock_0"]

    def modulate(x, layer):
        affine = layer["affine"]
        both = (VECTORS @ affine["kernel"] + affine["bias"])[:, None, None]
        scale, shift = jnp.split(both, 2, axis=-1)
        x = x - x.mean((1, 2), keepdims=True)
        return x / jnp.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-5) * (1 + scale) + shift

    norms = [p[f"StyleNormalisation_{index}"] for index in range(5)]
    x = jax.nn.relu(modulate(convolve(PICTURES, p["Convolution_0"]), norms[0]))
    x = jax.nn.relu(modulate(convolve(x, p["Convolution_1"], 2, 1), norms[1]))
    x = jax.nn.relu(modulate(convolve(x, p["Convolution_2"], 2, 1), norms[2]))
    h = modulate(convolve(x, block["Convolution_0"]), block["StyleNormalisation_0"])
    h = convolve(jax.nn.relu(h), block["Convolution_1"])
    x = x + modulate(h, block["StyleNormalisation_1"])
    x = jax.nn.relu(modulate(double(x, p["TransposedConvolution_0"]), norms[3]))
    x = jax.nn.relu(modulate(double(x, p["TransposedConvolution_1"]), norms[4]))
    found = apply(module, variables, PICTURES, VECTORS)
    np.testing.assert_allclose(found.images, jnp.tanh(convolve(x, p["colour"])), atol=2e-5)


def test_weights_start_at_their_scale():
    pictures, condition = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 5))
    key = jax.random.key(0, impl="unsafe_rbg")  # compiles quickly

    @jax.jit
    def start():
        params = StarGANTranslator(3, 16, 1).init(key, pictures, condition, train=True)
        return params["params"], StarGANDiscriminator(32, 16).init(key, pictures, train=True)

    params, judge = start()
    judge = judge["params"]
    block = params["TranslatorBlock_0"]
    layers = (params["Convolution_0"], block["Convolution_1"], judge["Convolution_1"])
    for layer, gain in zip(layers, (1 / 3, 1 / 3, 2), strict=True):  # the trunk's is He's
        fan_in = np.prod(layer["kernel"].shape[:3])
        assert np.std(layer["kernel"]) * np.sqrt(fan_in / gain) == pytest.approx(1, rel=0.03)
    assert not np.any(judge["Convolution_1"]["bias"])
    norm = block["PictureNormalisation_1"]["InstanceNorm_0"]
    assert np.all(norm["scale"] == 1) and not np.any(norm["bias"])


@pytest.mark.parametrize("kind", ["translator", "discriminator"])
def test_every_parameter_learns_and_training_changes_nothing_else(kind):
    if kind == "translator":
        module, values = StarGANTranslator(3, 4, 1, "mask"), (PICTURES, VECTORS)
    else:
        module, values = StarGANDiscriminator(4, 16), (PICTURES,)
    variables = variables_of(module, *values)

    @jax.jit
    def gradient(variables):
        def loss(variables):
            trained = jax.tree.leaves(module.apply(variables, *values, train=True))
            return sum(jnp.sum(jnp.sin(leaf)) for leaf in trained), trained

        return jax.grad(loss, has_aux=True)(variables)

    slopes, trained = gradient(variables)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(slopes))
    evaluated = jax.tree.leaves(apply(module, variables, *values))
    for left, right in zip(trained, evaluated, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.slow
def test_half_precision_stays_near():
    for build, values in (
        (functools.partial(StarGANTranslator, 3, 4, 1, "mask"), (PICTURES, VECTORS)),
        (functools.partial(StarGANDiscriminator, 4, 16), (PICTURES,)),
    ):
        variables = variables_of(build(), *values)
        exact = apply(build(), variables, *values)
        rough = apply(build(dtype=jnp.bfloat16), variables, *values)
        for left, right in zip(jax.tree.leaves(rough), jax.tree.leaves(exact), strict=True):
            assert left.dtype == jnp.float32
            error = np.sqrt(np.mean((left - right) ** 2) / np.mean(right**2))
            assert 1e-4 < error < 0.05


@pytest.mark.parametrize(
    ("settings", "shape", "condition", "message"),
    [
        ({}, (2, 18, 16, 3), (2, 5), "not 18 x 16"),
        ({}, (2, 4, 4, 3), (2, 5), "not 4 x 4"),
        ({"heads": "both"}, (2, 16, 16, 3), (2, 5), "colour, mask, not 'both'"),
        ({"upsample": "sharp"}, (2, 16, 16, 3), (2, 5), "transposed, resize, not 'sharp'"),
        ({"heads": "mask", "channels": 4}, (2, 16, 16, 3), (2, 5), "not of 3 and 4"),
        ({}, (2, 16, 16, 3), (3, 5), r"not \[3, 5\]"),
        ({}, (2, 16, 16, 3), (2, 8, 8, 5), r"not \[2, 8, 8, 5\]"),
        ({}, (2, 16, 16, 3), (2,), r"not \[2\]"),
        ({"modulated": True}, (2, 16, 16, 3), (2, 16, 16, 5), "leave modulated at False for maps"),
    ],
)
def test_what_the_translator_refuses(settings, shape, condition, message):
    module = StarGANTranslator(**({"channels": 3} | settings))
    with pytest.raises(UsageError, match=message):
        shapes_of(module, jnp.zeros(shape), jnp.zeros(condition))


def test_what_the_discriminator_refuses():
    with pytest.raises(UsageError, match="64 x 64 pixels and got 32 x 32"):
        shapes_of(StarGANDiscriminator(size=64), jnp.zeros((1, 32, 32, 3)))
    for size, most in ((100, 6), (3, 6), (64, 0)):
        with pytest.raises(UsageError, match=f"cannot halve {size} pixels"):
            halvings(size, most)
