"""The weights that come with the package are those of their cards, and fit their networks."""

import json

import jax
import jax.numpy as jnp
import pytest

from gan_jax.networks.features.avatar_judge import SIZE, AvatarJudge
from gan_jax.networks.identity_recogniser import IdentityRecogniser
from gan_jax.networks.landmark_finder import LandmarkFinder
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.weights.folder import SHIPPED, shipped_weights
from gan_jax.weights.store import find_weights

NETWORKS = {
    "avatar_judge": AvatarJudge(),
    "avatar_encoder": AvatarEncoder(),
    "avatar_landmarks": LandmarkFinder(),
    "avatar_identity": IdentityRecogniser(),
}


def test_all_are_known():
    assert set(shipped_weights()) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_file_card_and_network_fit(name):
    weights = find_weights(name, None)
    card = json.loads((SHIPPED / f"{name}.json").read_text())
    assert weights.verified and weights.sha256 == card["sha256"]
    assert weights.path.stat().st_size < 4e6
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
    wanted = jax.eval_shape(lambda x: NETWORKS[name].init(jax.random.key(0), x, train=False), image)
    found = jax.tree.map(jnp.shape, weights.variables)
    assert found == jax.tree.map(jnp.shape, wanted)
