"""The contact sheet: rows of eight captioned tiles."""

from __future__ import annotations

import numpy as np
import pytest

from gan_jax.data.avatars.contact_sheet import BACKGROUND, COLUMNS, TILE, _systematic, contact_sheet
from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.parameters import HAIR_BACK, HAIR_FRONT, HEADWEAR, STYLES


def test_every_row_is_full_and_everything_is_shown():
    captions = [caption for caption, _ in _systematic()]
    assert len(captions) % COLUMNS == 0
    wanted = {*EXPRESSIONS, *STYLES, *HAIR_FRONT, *HAIR_BACK, *HEADWEAR[1:]}
    assert wanted <= set(captions)


@pytest.mark.slow
def test_the_sheet_is_a_picture_with_avatars_in_it():
    sheet = contact_sheet(32, random_rows=1)
    assert sheet.dtype == np.uint8 and sheet.ndim == 3 and sheet.shape[2] == 3
    assert sheet.shape[1] == COLUMNS * (32 + 2) + 2
    colours, counts = np.unique(sheet.reshape(-1, 3), axis=0, return_counts=True)
    share = dict(zip(map(tuple, colours.tolist()), counts / counts.sum(), strict=True))
    assert share[BACKGROUND] < 0.6 and share[TILE] < 0.5
    np.testing.assert_array_equal(sheet, contact_sheet(32, random_rows=1))
