"""The mixture of what several models believe, and how far they disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import families
from probnn.data.classes import Classes
from probnn.predictive.predictive import Predictive, check_same_responses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probnn._types import ArrayLike, Floats


class PooledPredictive(Predictive):
    """The mixture of several models' distributions of the same rows.

    Parameters
    ----------
    members : sequence of Predictive
        Of one family and the same rows.
    weights : array_like, shape (members,), optional
        Not negative, with sum 1; equal by default.

    Raises
    ------
    ValueError
        If there are none, or families, classes or numbers of rows that differ.

    Notes
    -----
    The variance of a mixture is the mean of the members' variances, which more data would not make
    smaller (aleatoric), plus the variance of their means, which it would (epistemic):
    Lakshminarayanan et al. (2017), arXiv:1612.01474.

    Examples
    --------
    >>> import probnn as pn
    >>> members = [pn.Predictive("normal", {"loc": [m], "scale": [1.0]}) for m in (0.0, 2.0)]
    >>> d = pn.PooledPredictive(members)
    >>> d.mean().tolist(), d.aleatoric_variance().tolist(), d.epistemic_variance().tolist()
    ([1.0], [1.0], [1.0])
    >>> d.cdf(1.0).tolist()
    [0.5]
    """

    def __init__(self, members: Sequence[Predictive], weights: ArrayLike | None = None) -> None:
        self.members = list(members)
        if not self.members:
            raise ValueError("Expected at least one Predictive. Received: none.")
        self.labels = self.members[0].labels
        self.members = [each.aligned(self.labels) for each in self.members]
        check_same_responses(self.members)
        kinds = {each.family for each in self.members}
        sizes = {each.shape for each in self.members}
        if len(kinds) > 1 or len(sizes) > 1:
            raise ValueError(
                "Expected members of one family and the same rows. Received: families "
                f"{', '.join(sorted(map(repr, kinds)))}, with rows {sorted(sizes)}."
            )
        first, coding = self.members[0], None
        if first.classes is not None:
            coding, *others = (Classes(each.classes, each.ordered) for each in self.members)
            if any(other != coding for other in others):
                raise ValueError(
                    "Expected members with the same classes in the same order. Received: "
                    f"{'; '.join(map(str, (coding, *others)))}."
                )
        count = len(self.members)
        self.weights = (
            np.full(count, 1.0 / count) if weights is None else np.asarray(weights, float)
        )
        told = self.weights.shape == (count,) and (self.weights >= 0.0).all()
        if not (told and np.isclose(self.weights.sum(), 1.0, rtol=0.0, atol=1e-9)):
            raise ValueError(
                f"Expected {count} weights, not negative, with sum 1. Received: {weights!r}."
            )
        each = [member.params for member in self.members]
        mixed = _mixture(first.family, each, self.weights, first.shape)
        super().__init__(*mixed, classes=coding)

    def aleatoric_variance(self) -> Floats:
        """Return the mean of the members' variances, shape (n,)."""
        return self._average([member.variance() for member in self.members])

    def epistemic_variance(self) -> Floats:
        """Return the variance of the members' means, shape (n,)."""
        means = [member.mean() for member in self.members]
        return self._average(np.square(means - self._average(means)))

    def _average(self, values):
        return np.average(values, axis=0, weights=self.weights)

    def _rows(self, index):
        return PooledPredictive([member._rows(index) for member in self.members], self.weights)

    def _of_codes(self):
        other = super()._of_codes()
        other.members = [member._of_codes() for member in self.members]
        return other


def _mixture(base, each, weights, shape):
    """Return the family and the parameters of the mixture of one family's distributions."""

    def average(values):
        return np.average(values, axis=0, weights=weights)

    if base.closed_under_mixing:  # of probabilities alone, which are averaged
        return base, {name: average([p[name] for p in each]) for name in base.params}
    if base.classes is not None:
        probs = average([base.mean(**p) for p in each])
        return families.Categorical(base.classes), {"probs": probs}
    if base.censored:
        family, params = _mixture(base.family, each, weights, shape)
        return base.around(family), params
    if base.components is not None:  # of mixtures: one with all their components
        params = {name: np.concatenate([p[name] for p in each], axis=-1) for name in base.params}
        family = base.around(base.family, components=len(each) * base.components)
        return family, {**params, "weights": params["weights"] * weights.repeat(base.components)}
    if base.y_columns is not None or base.circular:
        raise ValueError(
            f"Expected a family of numbers or classes. Received: {base!r}, whose mixtures are not "
            "implemented. Ask each member: [model.predict_distribution(x) for model in "
            "ensemble.members]."
        )
    params = {name: np.stack([p[name] for p in each], axis=-1) for name in base.params}
    mixed = np.broadcast_to(weights, (*shape, len(each)))
    return families.Mixture(base, components=len(each)), {**params, "weights": mixed}
