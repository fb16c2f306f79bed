"""What a user may ask of a recipe that translates."""

import pytest

from gan_jax import translate
from gan_jax.errors import UsageError
from gan_jax.translation import Choice, Number, Translation


def test_conditions_have_defaults():
    translation = Translation(
        run=lambda nets, batch: batch["image"],
        conditions={"a": Choice(("x", "y")), "b": Number(0.0, 1.0, 0.5)},
    )
    assert translation.parse({}) == {"a": 0, "b": 0.5}
    assert translation.parse({"a": "y", "b": "1"}) == {"a": 1, "b": 1.0}
    asking = Translation(run=translation.run, conditions={"a": Choice(("x", "y"), None)})
    assert asking.parse({"a": "y"}) == {"a": 1}
    with pytest.raises(UsageError, match="--condition.a= is needed: one of x, y"):
        asking.parse({})
    with pytest.raises(UsageError, match="no condition 'c'; there are a, b$"):
        translation.parse({"c": "1"})


def test_a_recipe_that_translates_nothing(tmp_path, monkeypatch):
    class Bare:
        directory = tmp_path

        class program:
            class recipe:
                translation = None

    with pytest.raises(UsageError, match="translates no pictures of yours"):
        translate.translation_of(Bare)  # pyright: ignore
