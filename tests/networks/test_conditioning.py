"""Any conditioning on any discriminator without a head of its own, and DCGAN's generator's."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.layers.heads import (
    AuxiliaryClassifierHead,
    ContrastiveHead,
    LinearHead,
    ProjectionHead,
)
from gan_jax.layers.verdict import verdict_of
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.networks.mlp import MLPDiscriminator
from gan_jax.networks.r3gan import R3GANDiscriminator
from gan_jax.networks.stylegan import StyleGANDiscriminator
from gan_jax.networks.stylegan2.discriminator import StyleGAN2Discriminator
from gan_jax.recipes import classification

CLASSES = 3
LABELS = np.array([0, 1, 2, 0])
OTHERS = np.array([0, 1, 2, 1])
"""The same but for the last."""
NARROW = {"channel_base": 64, "channel_max": 8}
# The network, and the layer that a head takes the place of with what its weights are times.
DISCRIMINATORS = {
    "dcgan": (DCGANDiscriminator(28, width=4), "Dense_0", 1.0),
    "dcgan_spectral": (
        DCGANDiscriminator(28, width=4, normalise=False, spectral=True),
        "SpectralDense_0",
        None,
    ),
    "mlp": (MLPDiscriminator(hidden=(7,), dropout=0.0), "Dense_1", 1.0),
    "stylegan": (StyleGANDiscriminator(8, **NARROW), "logit", 8**-0.5),
    "stylegan2": (StyleGAN2Discriminator(8, **NARROW), "logit", 8**-0.5),
    "r3gan": (
        R3GANDiscriminator(8, widths=(16, 8), group_width=8, blocks=1),
        "stage_4/basis/Dense_0",
        1.0,
    ),
}
CONDITIONINGS = {
    "projection": (ProjectionHead, None),
    "auxiliary": (AuxiliaryClassifierHead, classification.auxiliary_classifier(of_fakes=True)),
    "contrastive": (ContrastiveHead, classification.contrastive(temperature=1.0)),
    "d2d": (ContrastiveHead, classification.data_to_data(temperature=0.5, margin=0.98)),
}
FURTHER_OUTPUTS = {
    ProjectionHead: {},
    AuxiliaryClassifierHead: {"class_logits": (4, CLASSES)},
    ContrastiveHead: {"embedding": (4, 5), "proxies": (CLASSES, 5)},
}
STATISTICS = ["batch_stats", "spectral"]
EVERY = pytest.mark.parametrize("kind", DISCRIMINATORS)
EACH = pytest.mark.parametrize("conditioning", CONDITIONINGS)


def pictures(kind):
    size = 28 if "dcgan" in kind else 8
    return np.random.default_rng(2).uniform(-1, 1, (4, size, size, 3)).astype(np.float32)


def conditioned(kind, conditioning, **settings):
    """The discriminator with the head, and the classification that teaches it."""
    head, learned = CONDITIONINGS[conditioning]
    more = {"embedding": 5} if head is ContrastiveHead else {}
    spectral = kind == "dcgan_spectral"
    module = DISCRIMINATORS[kind][0].clone(head=head(CLASSES, spectral, **more), **settings)
    return module, learned


def shapes_of(module, *inputs):
    make = functools.partial(module.init, jax.random.key(0), train=True)
    return jax.eval_shape(make, *inputs)


def variables_of(module, *inputs):
    """Random ones, away from the zeros and ones that hide what they do."""
    random = np.random.default_rng(3)

    def leaf(path, shape):
        positive = path[-1].key in ("scale", "var")
        draw = random.uniform(0.5, 1.5, shape) if positive else random.normal(0.05, 0.3, shape)
        return draw.astype(np.float32)

    shapes = shapes_of(module, *inputs)
    return jax.tree_util.tree_map_with_path(lambda path, s: leaf(path, s.shape), shapes)


def by_path(tree):
    """Leaves by `layer/parameter`."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


@functools.partial(jax.jit, static_argnames=("module", "train"))
def apply(module, variables, value, label=None, *, train=True):
    return module.apply(variables, value, label, train=train, mutable=STATISTICS)


@EACH
@EVERY
def test_verdicts_are_finite_and_labels_matter(kind, conditioning):
    module, learned = conditioned(kind, conditioning)
    images = pictures(kind)
    variables = variables_of(module, images, LABELS)
    out, other = (apply(module, variables, images, label)[0] for label in (LABELS, OTHERS))
    verdict = verdict_of(out)
    shapes = {name: value.shape for name, value in verdict._asdict().items() if value is not None}
    assert shapes == {"logits": (4,)} | FURTHER_OUTPUTS[type(module.head)]
    for value in jax.tree.leaves(verdict):
        assert value.dtype == jnp.float32 and np.all(np.isfinite(value))
    assert np.std(verdict.logits) > 0
    if learned is None:
        assert not np.allclose(out[3], other[3])
        np.testing.assert_allclose(out[:3], other[:3], rtol=1e-5)
        return
    jax.tree.map(np.testing.assert_array_equal, out, other)  # labels are in the loss
    losses = [learned.loss(verdict, label) for label in (LABELS, OTHERS)]
    assert losses[0].shape == (4,) and np.all(np.isfinite(losses))
    assert not np.allclose(losses[0][3], losses[1][3])


@pytest.mark.slow
@EACH
@EVERY
def test_gradients_reach_every_parameter(kind, conditioning):
    module, learned = conditioned(kind, conditioning)
    images = pictures(kind)
    variables = variables_of(module, images, LABELS)

    @jax.jit
    @jax.grad
    def gradient(params):
        verdict = verdict_of(apply(module, variables | {"params": params}, images, LABELS)[0])
        total = jnp.sum(jnp.tanh(verdict.logits) ** 2)
        return total if learned is None else total + jnp.sum(learned.loss(verdict, LABELS))

    for path, leaf in by_path(gradient(variables["params"])).items():
        assert np.all(np.isfinite(leaf)) and np.any(leaf), path


@EACH
@EVERY
def test_a_head_takes_the_place_of_the_last_layer_alone(kind, conditioning):
    """Also where classes are named: the label is the head's, and stands nowhere below it."""
    plain, last, _ = DISCRIMINATORS[kind]
    images = pictures(kind)
    below = by_path(shapes_of(plain, images)["params"])
    assert any(path.startswith(f"{last}/") for path in below)
    below = {path: leaf for path, leaf in below.items() if not path.startswith(f"{last}/")}
    for classes in (0, CLASSES):
        module, _ = conditioned(kind, conditioning, num_classes=classes)
        with_head = shapes_of(module, images, LABELS)["params"]
        with_head.pop("head")
        assert by_path(with_head) == below


@pytest.mark.parametrize("kind", [kind for kind in DISCRIMINATORS if kind != "dcgan_spectral"])
def test_a_linear_head_with_the_last_layers_weights_is_the_network_itself(kind):
    plain, last, gain = DISCRIMINATORS[kind]
    images = pictures(kind)
    variables = variables_of(plain, images)
    expected, _ = apply(plain, variables, images)
    weights = by_path(variables["params"])
    logits = {
        "kernel": gain * weights[f"{last}/kernel"],
        "bias": weights.get(f"{last}/bias", np.zeros(1, np.float32)),
    }
    module = plain.clone(head=LinearHead(spectral=False))
    params = variables["params"] | {"head": {"logits": logits}}
    params.pop(last, None)
    found, _ = apply(module, variables | {"params": params}, images)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@EACH
@EVERY
def test_wrong_labels_are_one_clear_line(kind, conditioning):
    module, _ = conditioned(kind, conditioning)
    for label in (np.zeros((4, 2), np.float32), np.zeros((4, 1), np.int32), np.zeros(4)):
        with pytest.raises(UsageError, match=r"a label is int32 \[B\] or float \[B, 3\]") as caught:
            shapes_of(module, pictures(kind), label)
        assert "\n" not in str(caught.value)
    if conditioning == "projection":
        with pytest.raises(UsageError, match="made for 3 classes and got no label"):
            shapes_of(module, pictures(kind))


Z = np.random.default_rng(1).normal(size=(4, 10)).astype(np.float32)
GENERATOR = DCGANGenerator(28, 3, width=4, num_classes=CLASSES, conditional_norm=True)


@pytest.mark.parametrize("train", [True, False])
def test_conditional_norm_is_batch_norm_with_a_classs_gain_and_bias(train):
    """For a batch of one class, the generator without classes with that class's rows."""
    variables = variables_of(GENERATOR, Z, LABELS)
    params, statistics = {}, {}
    for name, layer in variables["params"].items():
        kind, _, index = name.rpartition("_")
        if kind != "ConditionalBatchNorm":
            params[name] = layer
            continue
        gain, bias = (layer[part]["embedding"] for part in ("gain", "bias"))
        assert gain.shape[0] == bias.shape[0] == CLASSES
        params[f"BatchNorm_{index}"] = {"scale": 1 + gain[2], "bias": bias[2]}
        statistics[f"BatchNorm_{index}"] = variables["batch_stats"][name]["BatchNorm_0"]
    assert len(statistics) == 3 and "label" not in params
    plain = GENERATOR.clone(num_classes=0)
    of_plain = {"params": params, "batch_stats": statistics}
    jax.tree.map(lambda a, b: None, of_plain, variables_of(plain, Z))  # the same structure
    expected, moved = apply(plain, of_plain, Z, train=train)
    found, after = apply(GENERATOR, variables, Z, np.full(4, 2), train=train)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for name, layer in moved["batch_stats"].items():
        ours = after["batch_stats"][f"Conditional{name}"]["BatchNorm_0"]
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
                     ours, layer)  # fmt: skip


def test_conditional_norm_tells_labels_apart():
    variables = variables_of(GENERATOR, Z, LABELS)
    vectors = np.eye(CLASSES, dtype=np.float32)[LABELS]
    out, other, of_vectors = (
        apply(GENERATOR, variables, Z, label, train=False)[0] for label in (LABELS, OTHERS, vectors)
    )
    assert not np.allclose(out[3], other[3])
    np.testing.assert_allclose(out[:3], other[:3], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out, of_vectors)
    for label in (None, vectors[:, :2], np.zeros(4, np.float32)):
        with pytest.raises(UsageError, match="label"):
            shapes_of(GENERATOR, Z, label)


def test_conditional_norm_starts_plain_and_learns_its_classes():
    """Gains and biases start as one and the same; those of classes that are seen move."""
    key = jax.random.key(0, impl="unsafe_rbg")  # compiles quickly
    seen = np.array([0, 2, 0, 2])
    targets = np.where(seen == 0, -0.5, 0.5)[:, None, None, None]
    variables = jax.jit(lambda: GENERATOR.init(key, Z, seen, train=True))()
    tables = {path: leaf for path, leaf in by_path(variables["params"]).items() if "gain" in path}
    assert len(tables) == 3 and not any(np.any(table) for table in tables.values())

    @jax.jit
    @jax.value_and_grad
    def gradient(params):
        out, _ = apply(GENERATOR, variables | {"params": params}, Z, seen)
        return jnp.mean((out - targets) ** 2)

    params, values = variables["params"], []
    for _ in range(10):
        value, slope = gradient(params)
        params = jax.tree.map(lambda p, g: p - 0.5 * g, params, slope)
        values.append(float(value))
    assert values[-1] < 0.5 * values[0]
    for name in ("gain", "bias"):
        table = params["ConditionalBatchNorm_0"][name]["embedding"]
        assert np.any(table[0] != table[2]) and not np.any(table[1])


def test_without_classes_conditional_norm_is_plain():
    plain = DCGANGenerator(28, 3, width=4)
    assert shapes_of(plain.clone(conditional_norm=True), Z) == shapes_of(plain, Z)
