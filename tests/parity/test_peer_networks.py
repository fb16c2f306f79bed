"""PyTorch's BigGAN, StyleGAN2 and R3GAN of the benchmarks against gan_jax's, on equal weights."""

from __future__ import annotations

import copy
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.peers.jax_round import networks  # noqa: E402
from benchmarks.peers.torch_networks import biggan, r3gan, stylegan2  # noqa: E402
from benchmarks.peers.torch_networks import convolution as twice  # noqa: E402
from benchmarks.peers.torch_networks.spectral import track  # noqa: E402
from benchmarks.peers.work import WORKS, Work  # noqa: E402
from tests.parity.agreement import precision  # noqa: E402

BY_NAME = {work.name: work for work in WORKS}
MODULES = {"biggan": biggan, "stylegan2": stylegan2, "r3gan": r3gan}
NETWORKS = ("generator", "discriminator")


def small(name: str, **fields) -> Work:
    return dataclasses.replace(BY_NAME[name], **fields)


STYLE = {"latent_size": 12, "w_features": 10, "batch": 4, "group_size": 2}
SMALL = {
    "biggan": small("biggan32", width=8, latent_size=16, batch=4),
    "stylegan2-orig": small("stylegan2_32", size=16, width=96, **STYLE),
    "stylegan2-resnet": small("stylegan2_256", size=16, width=96, **STYLE),
    "r3gan": small("r3gan32", size=16, widths=(32, 16, 8), latent_size=6, batch=3),
    "biggan-unconditional": small("biggan32", width=8, latent_size=16, batch=4, classes=0),
    "r3gan-unconditional": small(
        "r3gan32", size=8, widths=(16, 16), latent_size=6, batch=3, classes=0
    ),
}
EACH = pytest.mark.parametrize(
    "work",
    [
        pytest.param(work, id=name, marks=pytest.mark.slow if "unconditional" in name else ())
        for name, work in SMALL.items()
    ],
)
PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 1e-5), pytest.param("float64", 1e-10, marks=pytest.mark.slow)],
)


@functools.cache
def variables_of(work: Work, dtype: str) -> dict:
    """Of both networks, every parameter moved away from where it starts."""
    z, label, images = given(work, "float32")
    generator, discriminator = networks(work)
    keys = {"params": jax.random.key(1), "noise": jax.random.key(2)}
    random = np.random.default_rng(3)

    def moved(leaf):
        leaf = np.asarray(leaf, dtype)
        size = np.sqrt(np.mean(np.square(leaf))) or 0.5
        return leaf + (0.3 * size * random.normal(size=leaf.shape)).astype(dtype)

    found = {}
    for name, network, x in zip(NETWORKS, (generator, discriminator), (z, images), strict=True):
        made = jax.jit(functools.partial(network.init, train=True))(keys, x, label)
        found[name] = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), dict(made))
        found[name]["params"] = jax.tree.map(moved, made["params"])
    return found


def given(work: Work, dtype: str):
    """z `[B, Z]`, label `[B]` or None, images `[B, H, W, C]`."""
    random = np.random.default_rng(4)
    z = random.normal(size=(work.batch, work.latent_size)).astype(dtype)
    images = random.uniform(-1, 1, (work.batch, work.size, work.size, work.channels)).astype(dtype)
    label = random.integers(0, work.classes, work.batch) if work.classes else None
    return z, label, images


def channels_first(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.asarray(x), -1, 1)))


def channels_last(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


def loaded(work: Work, variables, dtype: str):
    """PyTorch's networks, channels last."""
    module = MODULES[work.family]
    torch.manual_seed(0)
    pair = [module.generator(work), module.discriminator(work)]
    pair = [
        network.to(getattr(torch, dtype)).to(memory_format=torch.channels_last) for network in pair
    ]
    module.load(*pair, variables)
    return pair


def close(found, expected, tolerance):
    """Relative to the largest number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def parameters_agree(work: Work, name: str, network, gradients, variables, dtype, tolerance):
    """Every parameter's `.grad` against Flax's tree, which `load` puts into PyTorch's order.

    A parameter without influence (PyTorch: no gradient) must have none in Flax either.
    """
    tree = {**variables, name: {**variables[name], "params": gradients}}
    other = loaded(work, tree, dtype)[NETWORKS.index(name)]
    largest = max(parameter.abs().max() for parameter in other.parameters())
    for (path, parameter), expected in zip(
        network.named_parameters(), other.parameters(), strict=True
    ):
        grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        error = (grad - expected).abs().max()
        # What cancels exactly (a bias before a normalisation) is only rounding.
        assert error <= tolerance * torch.maximum(expected.abs().max(), 1e-2 * largest), path


def ours(module, variables, *arguments, method=None, **keywords):
    """Output and moved collections of a train-mode call."""
    collections = [name for name in variables if name != "params"]
    return module.apply(
        variables, *arguments, train=True, method=method, mutable=collections, **keywords
    )


def noiseless(work: Work) -> dict[str, str]:
    """What makes a generator draw nothing."""
    return {"noise": "constant"} if work.family == "stylegan2" else {}


def tensors(z, label):
    return torch.from_numpy(z), None if label is None else torch.from_numpy(label)


@EACH
@PRECISIONS
def test_generator(work, dtype, tolerance):
    """Pictures, moved statistics, and the gradient of a loss in z and every parameter."""
    variables, (z, label, images) = variables_of(work, dtype), given(work, dtype)
    module, keywords = networks(work)[0], noiseless(work)

    def loss(params, z):
        of = {**variables["generator"], "params": params}
        pictures, moved = ours(module, of, z, label, **keywords)
        return jnp.sum(pictures * images), (pictures, moved)

    with precision(dtype):
        (_, (pictures, moved)), (by_params, by_z) = jax.jit(
            jax.value_and_grad(loss, (0, 1), has_aux=True)
        )(variables["generator"]["params"], z)
    network = loaded(work, variables, dtype)[0]
    tz, tlabel = tensors(z, label)
    found = network(tz.requires_grad_(), tlabel, **keywords)
    (found * channels_first(images)).sum().backward()
    close(channels_last(found), pictures, tolerance)
    close(tz.grad, by_z, 20 * tolerance)
    parameters_agree(work, "generator", network, by_params, variables, dtype, 20 * tolerance)
    statistics_agree(work, "generator", network, moved, variables, dtype, tolerance)


def statistics_agree(work, name, network, moved, variables, dtype, tolerance):
    """Buffers after a call; PyTorch's running variances are of the unbiased kind."""
    tree = {**variables, name: {**variables[name], **jax.tree.map(np.asarray, dict(moved))}}
    expected = dict(loaded(work, tree, dtype)[NETWORKS.index(name)].named_buffers())
    before = dict(loaded(work, variables, dtype)[NETWORKS.index(name)].named_buffers())
    for path, buffer in network.named_buffers():
        if path.endswith(("running_var", "num_batches_tracked", "kernel")):
            continue
        close(buffer, expected[path], tolerance)
        if not path.endswith("plane"):
            assert not torch.equal(buffer, before[path]), path


@EACH
@PRECISIONS
def test_discriminator(work, dtype, tolerance):
    """Logits, moved vectors, gradients in pictures and parameters, and R1's in parameters."""
    variables, (_, label, images) = variables_of(work, dtype), given(work, dtype)
    module = networks(work)[1]

    def logits(params, images):
        of = {**variables["discriminator"], "params": params}
        return ours(module, of, images, label)

    def loss(params):
        found, moved = logits(params, images)
        return jnp.mean(jax.nn.softplus(found)), (found, moved)

    def penalty(params):
        by_images = jax.grad(lambda images: jnp.sum(logits(params, images)[0]))(images)
        return jnp.sum(jnp.square(by_images)), by_images

    with precision(dtype):
        params = variables["discriminator"]["params"]
        by_params, (expected, moved) = jax.jit(jax.grad(loss, has_aux=True))(params)
        second, by_images = jax.jit(jax.grad(penalty, has_aux=True))(params)
    network = loaded(work, variables, dtype)[1]
    label = None if label is None else torch.from_numpy(label)
    pictures = channels_first(images).requires_grad_()
    found = network(pictures, label)
    torch.nn.functional.softplus(found).mean().backward(retain_graph=True)
    close(found.detach(), expected, tolerance)
    agree = functools.partial(
        parameters_agree, work, "discriminator", network, variables=variables, dtype=dtype
    )
    agree(by_params, tolerance=20 * tolerance)
    statistics_agree(work, "discriminator", network, moved, variables, dtype, tolerance)
    (gradient,) = torch.autograd.grad(found.sum(), pictures, create_graph=True)
    close(channels_last(gradient), by_images, 20 * tolerance)
    network.zero_grad()
    gradient.square().sum().backward()
    agree(second, tolerance=100 * tolerance)


@pytest.mark.parametrize("grouped", [False, True])
@PRECISIONS
def test_path_lengths(grouped, dtype, tolerance):
    """The gradient in every parameter of the gradient in ws, in both forms of modulation."""
    work = SMALL["stylegan2-resnet"]
    assert work.path_length_weight
    variables, (z, label, images) = variables_of(work, dtype), given(work, dtype)
    module = networks(work)[0]

    def lengths(params):
        of = {**variables["generator"], "params": params}
        ws, _ = ours(module, of, z, label, method="map")

        def projected(ws):
            pictures, _ = ours(module, of, ws, method="synthesise", noise="constant")
            return jnp.sum(pictures * images)

        by_ws = jax.grad(projected)(ws)
        return jnp.sum(jnp.sqrt(jnp.sum(jnp.square(by_ws), axis=2))), by_ws

    with precision(dtype):
        expected, by_ws = jax.jit(jax.grad(lengths, has_aux=True))(variables["generator"]["params"])
    pair = loaded(work, variables, dtype)
    network = stylegan2.Generator(work, grouped).to(getattr(torch, dtype))
    network.load_state_dict(pair[0].state_dict())
    ws = network.map(*tensors(z, label), track=False)
    assert torch.equal(network.average, pair[0].average)
    pictures = network.synthesise(ws, "constant")
    projected = (pictures * channels_first(images)).sum()
    (gradient,) = torch.autograd.grad(projected, ws, create_graph=True)
    close(gradient.detach(), by_ws, 20 * tolerance)
    gradient.square().sum(2).sqrt().sum().backward()
    parameters_agree(
        work, "generator", network, expected, variables, dtype, tolerance=100 * tolerance
    )


@pytest.mark.parametrize("name", sorted({work.name for work in SMALL.values()}))
def test_full_size_counts(name):
    """As many parameters at full size."""
    full = BY_NAME[name]
    z, label, images = given(dataclasses.replace(full, batch=2), "float32")
    pair = networks(full)
    module = MODULES[full.family]
    found = [module.generator(full), module.discriminator(full)]
    for network, theirs, x in zip(pair, found, (z, images), strict=True):
        make = functools.partial(network.init, jax.random.key(0), train=True)
        shapes = jax.eval_shape(make, x, label)["params"]
        expected = sum(leaf.size for leaf in jax.tree.leaves(shapes))
        assert sum(parameter.numel() for parameter in theirs.parameters()) == expected


@EACH
@pytest.mark.parametrize("name", NETWORKS)
def test_load_refuses_what_does_not_fit(work, name):
    variables = variables_of(work, "float32")
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(variables[name])]
    for path in paths:
        changed = copy.deepcopy(variables)
        *above, last = (key.key for key in path)
        parent = functools.reduce(lambda tree, key: tree[key], above, changed[name])
        leaf = parent.pop(last)
        with pytest.raises(ValueError, match="have no"):
            loaded(work, changed, "float32")
        parent[last] = np.zeros((*leaf.shape, 2), np.float32)
        with pytest.raises((ValueError, RuntimeError)):
            loaded(work, changed, "float32")
    changed = copy.deepcopy(variables)
    changed[name]["params"]["more"] = {"kernel": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match="left over of the variables: params/more/kernel"):
        loaded(work, changed, "float32")


def test_spectral_vectors_stay_where_they_are_not_tracked():
    """The same logits, from the same iteration."""
    work = SMALL["biggan"]
    _, label, images = given(work, "float32")
    network = loaded(work, variables_of(work, "float32"), "float32")[1]
    given_ = channels_first(images), torch.from_numpy(label)
    before = copy.deepcopy(dict(network.named_buffers()))
    track(network, False)
    first = network(*given_)
    assert all(torch.equal(buffer, before[path]) for path, buffer in network.named_buffers())
    track(network, True)
    assert torch.equal(first, network(*given_))
    assert not any(torch.equal(buffer, before[path]) for path, buffer in network.named_buffers())
    assert not torch.equal(first, network(*given_))


@pytest.mark.slow
@EACH
def test_half_precision(work):
    """bfloat16 where ours has it: as far from float32 as ours."""
    work = dataclasses.replace(work, precision="bfloat16")
    variables, (z, label, images) = variables_of(work, "float32"), given(work, "float32")
    pair = loaded(work, variables, "float32")
    tz, tlabel = tensors(z, label)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = pair[0](tz, tlabel, **noiseless(work)), pair[1](channels_first(images), tlabel)
    full = networks(dataclasses.replace(work, precision="float32"))
    for module, precise, name, x, theirs, keywords in zip(
        networks(work), full, NETWORKS, (z, images), found, (noiseless(work), {}), strict=True
    ):
        assert theirs.dtype == torch.float32
        theirs = channels_last(theirs) if theirs.ndim == 4 else theirs.numpy()
        expected, exact = (
            jax.jit(functools.partial(ours, network, **keywords))(variables[name], x, label)[0]
            for network in (module, precise)
        )
        error, rounding = (np.abs(np.asarray(a) - exact).max() for a in (theirs, expected))
        assert rounding > 0 and 0.2 * rounding < error < 5 * rounding


GEOMETRIES = [
    (twice.Geometry(1, 1), (5, 4, 3, 3)),
    (twice.Geometry(2, 0, 2), (6, 2, 3, 3)),
    (twice.Geometry(2, 0, 1, True), (4, 5, 3, 3)),
    (twice.Geometry(2, 1, 4, True), (4, 1, 4, 4)),
]


@pytest.mark.parametrize(("geometry", "shape"), GEOMETRIES)
@pytest.mark.parametrize("biased", [False, True])
def test_convolution_differentiated_twice(geometry, shape, biased):
    """Against PyTorch's own derivatives, in float64."""
    random = torch.Generator().manual_seed(0)
    features = shape[1] * geometry.groups if geometry.transposed else shape[0]
    sizes = ((2, 4, 7, 5), shape, (features,))
    x, weight, bias = (torch.randn(s, generator=random, dtype=torch.float64) for s in sizes)
    leaves = [x.requires_grad_(), weight.requires_grad_()]
    if biased:
        leaves.append(bias.requires_grad_())

    def derivatives(fast):
        y = twice.convolution(x, weight, bias if biased else None, geometry, twice=fast)
        first = torch.autograd.grad(y.sin().sum(), leaves, retain_graph=True)
        (by_x,) = torch.autograd.grad(y.cos().sum(), x, create_graph=True)
        second = torch.autograd.grad(by_x.square().sum() + y.square().sum(), leaves)
        return y, *first, by_x, *second

    for found, expected in zip(derivatives(True), derivatives(False), strict=True):
        close(found.detach(), expected.detach(), 1e-12)
    y = twice.convolution(x, weight, None, geometry, twice=True)
    (by_weight,) = torch.autograd.grad(y.sin().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        by_weight.square().sum().backward()


def test_a_gradient_in_pictures_takes_none_in_weights(monkeypatch):
    """What `_WeightGradient` is for."""
    asked = []
    gradients = twice._gradients

    def counted(dy, x, weight, geometry, *which):
        asked.append(which)
        return gradients(dy, x, weight, geometry, *which)

    monkeypatch.setattr(twice, "_gradients", counted)
    layer = twice.Conv2d(3, 4, 3, padding=1, twice=True)
    x = torch.randn(2, 3, 5, 5, requires_grad=True)
    torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    assert asked == [(True, False, False)]
    asked.clear()
    layer(x.detach()).sum().backward()
    assert asked == [(False, True, True)]
