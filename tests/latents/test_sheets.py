"""Single latents under one noise, and what stands where on a sheet."""

import jax
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.latents.model import BLOCK, LatentModel
from gan_jax.latents.sheets import (
    class_sheet,
    layers_of,
    mixed,
    mixing_sheet,
    towards,
    truncation_sheet,
)
from gan_jax.latents.spaces import mapped
from gan_jax.ops.pixels import to_uint8
from gan_jax.recipe import Recipe
from tests.latents.tiny import (
    Linear,
    drawn,
    linear_model,
    model_of,
    recipe_of,
    states_of,
    styled_model,
)


def test_pictures_are_those_that_the_recipe_generates():
    model = linear_model()
    latents, batch = drawn(model, 5)
    expected = to_uint8(model.recipe.generate(model.view, latents, batch, 1.0))
    np.testing.assert_array_equal(model.pictures(latents, batch), expected)
    np.testing.assert_array_equal(
        model.pictures(latents, batch, 0.5),
        to_uint8(model.recipe.generate(model.view, latents, batch, 0.5)),
    )


def test_a_picture_depends_on_no_other_and_noise_is_one_for_all():
    model = styled_model(strengths=1.0)
    latents, batch = drawn(model, BLOCK + 3)
    many = model.pictures(latents, batch)
    for rows in (slice(0, 1), slice(BLOCK, BLOCK + 2)):
        some = model.pictures(latents[rows], {"label": batch["label"][rows]})
        np.testing.assert_array_equal(some, many[rows])
    same = model.pictures(np.repeat(latents[:1], 3, axis=0), {"label": batch["label"][:3]})
    assert (same == same[0]).all()
    other = LatentModel(model.recipe, states_of(model), {}, jax.random.key(6))
    assert not np.array_equal(other.pictures(latents, batch), many)  # the noise does act


def test_the_first_of_several_generators_draws():
    model = model_of(recipe_of((Linear(), Linear())))
    latents, batch = drawn(model, 4)
    pictures = model.pictures(latents, batch)
    alone = model.view("generator_0", latents, None)[0]
    np.testing.assert_array_equal(pictures, to_uint8(alone))


def test_styles_lead_to_the_same_pictures():
    model = styled_model()
    latents, batch = drawn(model, 3)
    ws = model.styles(latents, batch)
    assert ws.shape == (3, 4, 6)
    np.testing.assert_array_equal(model.synthesise(ws), model.pictures(latents, batch))
    np.testing.assert_array_equal(mapped(model, latents, batch), ws[:, 0])


def test_what_a_model_cannot():
    model = linear_model()
    with pytest.raises(UsageError, match=r"no intermediate latents w .*Linear.*Styled"):
        model.styles(*drawn(model, 1))
    silent = Recipe(networks={}, phases=(), inputs=lambda batch: {})
    with pytest.raises(ValueError, match="generates no pictures"):
        LatentModel(silent, {}, {}, jax.random.key(0))


def test_truncation_row_by_row():
    model = styled_model()
    latents, batch = drawn(model, 2)
    sheet = truncation_sheet(model, latents, batch, (0.0, 0.5, 1.0)).reshape(2, 3, 8, 8, 1)
    np.testing.assert_array_equal(sheet[:, 2], model.pictures(latents, batch))
    np.testing.assert_array_equal(sheet[0, 0], sheet[1, 0])  # the average w
    np.testing.assert_array_equal(sheet[:, 1], model.pictures(latents, batch, 0.5))


def test_the_same_latents_as_every_class():
    model = styled_model(num_classes=3)
    latents, _ = drawn(model, 2)
    sheet = class_sheet(model, latents, np.arange(3, dtype=np.int32)).reshape(3, 2, 8, 8, 1)
    for label in range(3):
        batch = {"label": np.full(2, label, np.int32)}
        np.testing.assert_array_equal(sheet[label], model.pictures(latents, batch))
    assert not np.array_equal(sheet[0], sheet[1])


def test_the_chosen_layers_come_from_the_column():
    rows = np.arange(2 * 4 * 3).reshape(2, 4, 3).astype(np.float32)
    columns = -1 - np.arange(3 * 4 * 3).reshape(3, 4, 3).astype(np.float32)
    made = mixed(rows, columns, (0, 2)).reshape(2, 3, 4, 3)
    for row in range(2):
        for column in range(3):
            for layer in range(4):
                expected = columns[column, layer] if layer in (0, 2) else rows[row, layer]
                np.testing.assert_array_equal(made[row, column, layer], expected)
    assert rows.min() == 0  # the sources are left alone


def test_the_sheet_of_mixtures():
    model = styled_model()
    ws = model.styles(*drawn(model, 5))
    rows, columns = ws[:2], ws[2:]
    sheet = mixing_sheet(model, rows, columns, (1,)).reshape(3, 4, 8, 8, 1)
    assert not sheet[0, 0].any()
    np.testing.assert_array_equal(sheet[0, 1:], model.synthesise(columns))
    np.testing.assert_array_equal(sheet[1:, 0], model.synthesise(rows))
    one = rows[1].copy()
    one[1] = columns[2, 1]
    np.testing.assert_array_equal(sheet[2, 3], model.synthesise(one[None])[0])


def test_layers_in_words():
    assert layers_of("0-3", 8) == (0, 1, 2, 3)
    assert layers_of("5, 0-1", 8) == (0, 1, 5)
    for text, message in (
        ("0-8", "layers 0 to 7"),
        ("3-1", "3-1 runs backwards: 1-3"),
        ("0-99999999999", "layers 0 to 7"),
        ("²", "as 0-3"),
        ("coarse", "as 0-3"),
        ("-1", "as 0-3"),
        ("1-", "as 0-3"),
    ):
        with pytest.raises(UsageError, match=message):
            layers_of(text, 8)


def test_truncated_styles():
    ws, mean = np.ones((2, 3, 4), np.float32), np.full(4, 3.0, np.float32)
    assert towards(mean, ws, 1.0) is ws
    np.testing.assert_allclose(towards(mean, ws, 0.0), 3.0)
    np.testing.assert_allclose(towards(mean, ws, 0.25), 2.5)
