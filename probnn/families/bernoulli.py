"""The Bernoulli distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register
from probnn.links import get as get_link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from probnn._types import Floats, Tensor


@register
class Bernoulli(Family):
    """The Bernoulli distribution: binary classification and logistic regression.

    The parameter is `probs`, P(Y = 1). The default link is the logit; probit, cloglog, loglog and
    cauchit give the other binary regressions.

    Notes
    -----
    log p(1) = log(probs) and log p(0) = log(1 - probs), each from the raw output by its own stable
    form, so that neither tail is lost. CRPS is the Brier score, (probs - y)^2: Gneiting and Raftery
    (2007), doi:10.1198/016214506000001437.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.Bernoulli()
    >>> float(family.log_prob(np.array(1.0), np.array([0.0])))
    -0.6931471805599453
    """

    name = "bernoulli"
    parameters = {"probs": Param("logit", domains.PROBABILITY)}
    support = domains.BINARY
    discrete = True
    of_mean = True
    canonical_link = "logit"
    proportions = True
    closed_under_mixing = True

    def distribution(self, probs: Tensor) -> Any:
        """Return the backend's Bernoulli."""
        return backend.distributions.Bernoulli(probs=probs)

    def frozen(self, probs: Tensor) -> Any:
        """Return `scipy.stats.bernoulli`."""
        from scipy import stats

        return FrozenScipy(self, Scipys(stats.bernoulli, probs), probs=probs)

    def variance(self, probs: Tensor) -> Any:
        """Return probs (1 - probs)."""
        return probs * (1.0 - probs)

    def _distribution(self, probs):
        return backend.distributions.Bernoulli(logits=probs.log - probs.log_complement)

    def _log_prob(self, y, probs):
        if isinstance(y, np.ndarray) and not np.all((y == 0) | (y == 1)):  # proportions
            one, zero = np.where(y > 0, probs.log, 0.0), np.where(y < 1, probs.log_complement, 0.0)
            return y * one + (1.0 - y) * zero
        if probs.link.symmetric:
            return probs.link.log_inverse((2.0 * y - 1.0) * probs.raw)
        return backend.math(probs.raw).where(y > 0.5, probs.log, probs.log_complement)

    def derivatives(
        self, y: Any, raw: Tensor, second: bool = True, columns: Sequence[int] | None = None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Return what `Family.derivatives` does; y may be a proportion of successes."""
        if self.links["probs"] == get_link("logit") or np.all((y == 0) | (y == 1)):
            return super().derivatives(y, raw, second)
        ones, zeros = np.ones_like(y), np.zeros_like(y)
        success, failure = (
            super(Bernoulli, self).derivatives(v, raw, second) for v in (ones, zeros)
        )
        return tuple(
            None if one is None else y.reshape(-1, *[1] * (one.ndim - 1)) * (one - zero) + zero
            for one, zero in zip(success, failure, strict=True)
        )

    def _derivatives(self, y, raw):
        if self.links["probs"] != get_link("logit"):
            return None
        eta = raw[:, 0]
        tail = np.exp(-np.abs(eta))
        odds = 1.0 / (1.0 + tail)
        mu = np.where(eta < 0.0, tail, 1.0) * odds
        value = np.log1p(tail) + np.maximum(eta, 0.0) - y * eta
        return value, (mu - y)[:, None], (tail * odds * odds)[:, None, None]

    def _start(self, y):
        # Half a success and half a failure more keep the log-odds finite when y has one value.
        ones, n = float(np.sum(y)), len(y)
        return {"probs": ones / n if 0 < ones < n else (ones + 0.5) / (n + 1.0)}

    def _crps(self, y, probs):
        return (probs - y) ** 2

    def _support_hint(self):
        return (
            "Recode y as 0 and 1, or use the categorical family for more classes. Shares of "
            "successes become two columns: of a GLM, the numbers of successes and of failures; of "
            "a network with the binomial family, those of successes and of trials."
        )
