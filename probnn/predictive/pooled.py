"""The mixture of what several models believe, and how far they disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import families
from probnn.data.classes import Classes
from probnn.predictive.predictive import Predictive, check_same_responses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probnn._types import Floats


class PooledPredictive(Predictive):
    """The mixture, with equal weights, of several models' distributions of the same rows.

    Parameters
    ----------
    members : sequence of Predictive
        Of one family and the same rows.

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

    def __init__(self, members: Sequence[Predictive]) -> None:
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
        each = [member.params for member in self.members]
        super().__init__(*_mixture(first.family, each, first.shape), classes=coding)

    def aleatoric_variance(self) -> Floats:
        """Return the mean of the members' variances, shape (n,)."""
        return np.mean([member.variance() for member in self.members], axis=0)

    def epistemic_variance(self) -> Floats:
        """Return the variance of the members' means, shape (n,)."""
        return np.var([member.mean() for member in self.members], axis=0)

    def _rows(self, index):
        return PooledPredictive([member._rows(index) for member in self.members])

    def _of_codes(self):
        other = super()._of_codes()
        other.members = [member._of_codes() for member in self.members]
        return other


def _mixture(base, each, shape):
    """Return the family and the parameters of the mixture of one family's distributions."""
    count = len(each)
    if base.closed_under_mixing:  # of probabilities alone, which are averaged
        return base, {name: np.mean([p[name] for p in each], axis=0) for name in base.params}
    if base.classes is not None:
        probs = np.mean([base.mean(**p) for p in each], axis=0)
        return families.Categorical(base.classes), {"probs": probs}
    if base.censored:
        family, params = _mixture(base.family, each, shape)
        return base.around(family), params
    if base.components is not None:  # of mixtures: one with all their components
        params = {name: np.concatenate([p[name] for p in each], axis=-1) for name in base.params}
        family = base.around(base.family, components=count * base.components)
        return family, {**params, "weights": params["weights"] / count}
    if base.y_columns is not None or base.circular:
        raise ValueError(
            f"Expected a family of numbers or classes. Received: {base!r}, whose mixtures are not "
            "implemented. Ask each member: [model.predict_distribution(x) for model in "
            "ensemble.members]."
        )
    params = {name: np.stack([p[name] for p in each], axis=-1) for name in base.params}
    weights = np.full((*shape, count), 1.0 / count)
    return families.Mixture(base, components=count), {**params, "weights": weights}
