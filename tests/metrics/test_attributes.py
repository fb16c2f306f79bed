"""Readings to numbers: each against its formula written out, and at the edges."""

import numpy as np
import pytest

from gan_jax.metrics.attributes import (
    expression_accuracy,
    expression_error,
    identity_drift,
    landmark_error,
    modes_covered,
    style_accuracy,
)


def sure(choices, count, probability=1.0):
    """Rows that give `probability` to each choice and share the rest evenly."""
    table = np.full((len(choices), count), (1 - probability) / (count - 1))
    table[np.arange(len(choices)), choices] = probability
    return table


class TestModesCovered:
    def test_every_cell_once(self):
        h, e, s = (axis.ravel() for axis in np.meshgrid(*map(np.arange, (3, 4, 2)), indexing="ij"))
        modes = modes_covered(sure(h, 3), sure(e, 4), sure(s, 2))
        assert (modes.covered, modes.cells) == (24, 24)
        np.testing.assert_array_equal(modes.counts, np.ones((3, 4, 2)))
        assert modes.entropy == pytest.approx(np.log(24))

    def test_copies_cover_one_cell(self):
        modes = modes_covered(sure([1] * 9, 3), sure([2] * 9, 4), sure([0] * 9, 2))
        assert modes.covered == 1 and modes.counts[1, 2, 0] == 9 == modes.counts.sum()
        assert modes.entropy == 0.0

    def test_confidence_is_the_product(self):
        """0.8^3 = 0.512 counts, 0.79^3 = 0.493 does not, though each reading alone is sure."""
        for probability, covered in ((0.8, 1), (0.79, 0)):
            tables = [sure([1], count, probability) for count in (3, 4, 2)]
            assert modes_covered(*tables).covered == covered
        tables = [sure([1], count, p) for count, p in ((3, 1.0), (4, 1.0), (2, 0.5))]
        assert modes_covered(*tables, confidence=0.5).covered == 1, ">=, not >"

    def test_a_lower_bar_covers_more(self):
        random = np.random.default_rng(0)
        tables = [random.dirichlet(np.ones(count), 500) for count in (8, 8, 4)]
        covered = [modes_covered(*tables, confidence=c).covered for c in (0.0, 0.3, 0.6, 1.0)]
        assert covered == sorted(covered, reverse=True) and covered[0] > covered[2]
        assert modes_covered(*tables, confidence=0.0).counts.sum() == 500

    def test_entropy_of_uneven_counts(self):
        modes = modes_covered(sure([0, 0, 0, 1], 2), sure([0] * 4, 2), sure([0] * 4, 2))
        assert modes.entropy == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))

    def test_nothing_is_sure(self):
        modes = modes_covered(*(np.full((5, count), 1 / count) for count in (8, 8, 4)))
        assert modes.covered == 0 and modes.entropy == 0.0

    @pytest.mark.parametrize(
        "broken",
        [
            np.zeros((0, 3)),
            np.ones((2, 3)),
            sure([0, 1, 2], 3),
            np.array([[1.5, -0.5, 0.0]] * 2),
            np.full((2, 3), np.nan),
            np.full(3, 1 / 3),
        ],
        ids=["none", "logits", "more pictures", "negative", "nan", "one axis"],
    )
    def test_refuses(self, broken):
        with pytest.raises(ValueError):
            modes_covered(broken, sure([0, 1], 4), sure([0, 1], 2))


@pytest.mark.parametrize("accuracy", [expression_accuracy, style_accuracy])
def test_accuracy(accuracy):
    scores = np.array([[5.0, -1.0], [0.0, 1.0], [2.0, 3.0], [9.0, 8.0]])
    assert accuracy(scores, [0, 1, 0, 0]) == 0.75
    with pytest.raises(ValueError):
        accuracy(scores, [0, 1])
    with pytest.raises(ValueError):
        accuracy(np.zeros((0, 2)), [])


def test_expression_error():
    assert expression_error([[0.0, 1.0], [0.5, 0.5]], [[0.25, 1.0], [0.5, 0.0]]) == 0.75 / 4
    with pytest.raises(ValueError):
        expression_error([[0.0, 1.0]], [[0.0]])


class TestLandmarkError:
    true = np.array([[[0.3, 0.4], [0.7, 0.4], [0.5, 0.8]], [[0.4, 0.4], [0.6, 0.4], [0.5, 0.8]]])

    def test_is_relative_to_the_eyes_of_each_picture(self):
        """A shift of (0.03, 0.04) is 0.05 long: 0.05 / 0.4 and 0.05 / 0.2."""
        error = landmark_error(self.true + [0.03, 0.04], self.true, outer_corners=(0, 1))
        assert error == pytest.approx((0.05 / 0.4 + 0.05 / 0.2) / 2)
        assert landmark_error(self.true, self.true, outer_corners=(0, 1)) == 0.0

    def test_scale_does_not_matter(self):
        read = self.true + np.random.default_rng(0).normal(0, 0.01, self.true.shape)
        small = landmark_error(read, self.true, outer_corners=(0, 1))
        assert landmark_error(64 * read, 64 * self.true, outer_corners=(0, 1)) == pytest.approx(
            small
        )

    def test_refuses_eyes_in_one_place(self):
        with pytest.raises(ValueError, match="one place"):
            landmark_error(self.true, self.true * 0, outer_corners=(0, 1))


def test_identity_drift():
    drift = identity_drift(
        [[0, 1, 2], [3, 3, 3]], [[0, 1, 0], [3, 3, 3]], [[0.5], [1.0]], [[0], [1]]
    )
    assert drift.changed == pytest.approx(1 / 6) and drift.moved == pytest.approx(0.25)
    same = identity_drift([[4]], [[4]], [[0.3]], [[0.3]])
    assert same == (0.0, 0.0)
    with pytest.raises(ValueError):
        identity_drift([[0, 1]], [[0]], [[0.5]], [[0.5]])
