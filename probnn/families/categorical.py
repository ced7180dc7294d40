"""The categorical distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.base import Frozen
from probnn.families._numerics import of_others
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register
from probnn.links import Link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from probnn._types import Floats, Tensor


class MultinomialLogit(Link):
    """eta_c = log(mu_c / mu_0) for c = 1, ..., C - 1: log-odds against the first class."""

    name = "multinomial_logit"
    elementwise = False
    domain = domains.UNIT

    def forward(self, mu):
        """Return (..., C - 1) log-odds of probabilities (..., C)."""
        m = backend.math(mu)
        return m.log(mu[..., 1:]) - m.log(mu[..., :1])

    def inverse(self, eta):
        """Return (..., C) probabilities of log-odds (..., C - 1)."""
        return backend.math(eta).exp(self.log_inverse(eta))

    def log_inverse(self, eta):
        """Return the logarithms of the (..., C) probabilities."""
        m = backend.math(eta)
        return m.log_softmax(m.after_zero(eta))


@register
class Categorical(Family):
    """The categorical distribution of class codes: multinomial logistic regression.

    The parameter is `probs`, the C class probabilities, from C - 1 raw log-odds against the first
    class, so that the coefficients are identified (statsmodels' MNLogit has the same ones).

    Parameters
    ----------
    classes : int
        The number of classes C, at least 2. Responses are the codes 0, 1, ..., C - 1.

    Notes
    -----
    CRPS is the ranked probability score over the codes, which presumes that their order means
    something: Epstein (1969), doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.Categorical(classes=3)
    >>> family.to_params(np.zeros((1, 2)))["probs"].round(3).tolist()
    [[0.333, 0.333, 0.333]]
    """

    name = "categorical"
    discrete = True
    of_mean = True
    kind = "categorical"
    canonical_link = "multinomial_logit"
    closed_under_mixing = True

    def __init__(self, classes: int = 2) -> None:
        if int(classes) != classes or classes < 2:
            raise ValueError(f"Expected `classes` to be a whole number >= 2. Received: {classes}.")
        self.classes = int(classes)
        self.support = domains.codes(self.classes)
        super().__init__()

    @classmethod
    def sizes(cls, params: dict[str, Any]) -> dict[str, int]:
        """Return the number of classes, that of their probabilities."""
        shape = np.shape(params.get("probs", ()))
        return {"classes": shape[-1]} if shape and shape[-1] > 1 else {}

    def _parameters(self):
        size, length = self.classes - 1, self.classes
        return {"probs": Param(MultinomialLogit(), domains.NEAR_SIMPLEX, size, length)}

    def distribution(self, probs: Tensor) -> Any:
        """Return the backend's Categorical."""
        return backend.distributions.Categorical(probs=probs)

    def frozen(self, probs: Tensor) -> Any:
        """Return SciPy-like functions of the probabilities (..., C)."""
        return FrozenCategorical(self, probs, {"probs": probs})

    def _distribution(self, probs):
        return backend.distributions.Categorical(logits=probs.log)

    def _log_prob(self, y, probs):
        return backend.math(probs.raw).pick(probs.log, y)

    def class_log_probs(self, raw: Tensor) -> Tensor:
        """Return the log-probabilities of all classes, shape (..., classes)."""
        return self.linked(raw)["probs"].log

    def derivatives(
        self, y: Any, raw: Tensor, second: bool = True, columns: Sequence[int] | None = None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Return what `Family.derivatives` does, in closed form: Hessians only where wanted."""
        code, rows = y.astype(int), np.arange(len(y))
        probs = np.zeros((len(y), self.classes))
        probs[:, 1:] = raw
        top = probs.argmax(axis=1)
        probs -= probs[rows, top, None]
        value = -probs[rows, code]
        np.exp(probs, out=probs)
        probs[rows, top] = 0.0  # it is 1, beside which the others would lose their digits
        others = probs.sum(axis=1)
        value += np.log1p(others)
        probs[rows, top] = 1.0
        probs /= (1.0 + others)[:, None]
        hessian, later = None, probs[:, 1:]
        if second:
            hessian = np.einsum("ni,nj->nij", -later, later)
            np.einsum("ijj->ij", hessian)[...] += later
        probs[rows, code] -= 1.0
        return value, later, hessian

    def _start(self, y):
        counts = np.bincount(y.astype(int), minlength=self.classes).astype(float)
        if (counts == 0).any():  # half a row more in each class keeps every log-odds finite
            counts += 0.5
        return {"probs": counts / counts.sum()}

    def _crps(self, y, probs):
        reached = np.arange(self.classes - 1) >= np.asarray(y)[..., None]
        after = np.cumsum(probs[..., :0:-1], axis=-1)[..., ::-1]  # 1 - P(Y <= k) would cancel
        below = np.cumsum(probs[..., :-1], axis=-1)
        return np.sum(np.where(reached, after, below) ** 2, axis=-1)

    def _support_hint(self):
        return (
            "Code the classes from 0, without gaps, and give the family their number: "
            f"probnn.families.Categorical(classes=...), now {self.classes}."
        )

    def __repr__(self):
        return f"<family categorical: {self.classes} classes>"


class FrozenCategorical(Frozen):
    """Distributions of class codes, with probabilities (..., C); moments are of C indicators."""

    discrete = True

    def __init__(self, family, probs, params):
        self.family, self.params = family, params
        self.probs = np.asarray(probs, dtype="float64")
        self.shape, self.classes = self.probs.shape[:-1], self.probs.shape[-1]
        self.cumulative = np.cumsum(self.probs, axis=-1)
        self.cumulative[..., -1] = 1.0

    def _at(self, table, k):
        k = np.asarray(k)
        code = np.clip(np.floor(np.nan_to_num(k)), 0, self.classes - 1).astype(int)
        rows = np.broadcast_shapes(code.shape, table.shape[:-1])
        table = np.broadcast_to(table, (*rows, self.classes))
        return np.take_along_axis(table, np.broadcast_to(code, rows)[..., None], axis=-1)[..., 0]

    def cdf(self, k):
        """Return P(Y <= k)."""
        return np.where(np.asarray(k) < 0, 0.0, self._at(self.cumulative, k))

    def ppf(self, q):
        """Return the smallest code whose cdf is at least q."""
        q = np.asarray(q, dtype="float64")
        code = (self.cumulative < q[..., None]).sum(axis=-1).astype("float64")
        return np.where((q >= 0) & (q <= 1), np.minimum(code, self.classes - 1), np.nan)

    def mean(self):
        """Return the means of the C indicators: the probabilities."""
        return self.probs

    def var(self):
        """Return the variances of the C indicators, p (1 - p)."""
        return self.probs * of_others(self.probs)

    def entropy(self):
        """Return the entropy, in nats."""
        from scipy.special import entr

        return entr(self.probs).sum(axis=-1)

    def support(self):
        """Return the smallest and the largest code."""
        return 0, self.classes - 1
