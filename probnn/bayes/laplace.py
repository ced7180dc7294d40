"""The normal approximation of a posterior about its mode, and the evidence for a prior by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from probnn._priors import Normal
from probnn.bayes.checked import check_level, check_whole
from probnn.bayes.mixing import pooled, roots
from probnn.bayes.network_laplace import STRUCTURES, NetworkLaplacePosterior
from probnn.bayes.posterior import Posterior
from probnn.bayes.priors import Priors
from probnn.bayes.subjects import subject_of
from probnn.bayes.target import Target
from probnn.bayes.weights import NetworkWeights
from probnn.glm.results import rows

if TYPE_CHECKING:
    from probnn._types import AnyModel, ArrayLike, Floats, Rows
    from probnn.predictive import PooledPredictive

_TIMES = 50  # steps to the best prior
_LEAST = 1e-3  # of the default's width, that of columns which say nothing


def laplace(
    model: AnyModel,
    x: Rows | None = None,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    scope: Literal["last", "all"] = "last",
    structure: Literal["full", "kron", "diag"] = "full",
    prior: str | float | dict | Priors = "auto",
    draws: int = 1000,
    seed: int = 0,
) -> LaplacePosterior | NetworkLaplacePosterior:
    """Approximate a posterior by the normal distribution about its mode.

    Parameters
    ----------
    model : GLM, Results, or keras.Model
        A model of columns; or a network that ends in a `Head` with units=1.
    x, y : array_like, optional
        The rows, for a network.
    sample_weight : array_like, shape (n,), optional
        Of a network, what the log-likelihood of each row is multiplied by, as in `fit`; a GLM has
        weights of its own.
    scope : "last" or "all"
        Of a network, what is uncertain: the coefficients of its head, given the layers before it,
        about their own mode; or all trainable weights, about those that it was trained to.
    structure : "full", "kron" or "diag"
        Of all weights, what is kept of the covariance: the whole of up to 5,000; for each kernel
        of a Dense layer the Kronecker product of two factors, and all else layer by layer; or the
        variances alone.
    prior : "auto", "layers", float, dict or Priors
        "auto" has the defaults of `Priors`, those of coefficients of columns all widened or
        narrowed by the factor that maximises the marginal likelihood; a number is the precision of
        every coefficient on the raw scale; a dict has priors by name, see `Priors`. Of all weights,
        "auto" and "layers" find one precision, or one of each layer, with the largest marginal
        likelihood; a number is that of every weight as it is trained; and a dict has precisions, or
        normal priors about 0, by names or patterns ("dense*"), and finds that of the others.
    draws : int
        How many draws `draws` and `to_frame()` have.
    seed : int
        That of the draws.

    Returns
    -------
    LaplacePosterior or NetworkLaplacePosterior
        The second of all weights.

    Raises
    ------
    ValueError
        If a prior fits no coefficient, or there is no posterior mode.

    Warns
    -----
    UserWarning
        If all weights are farther from a mode of the likelihood than a draw of the posterior.

    Notes
    -----
    MacKay (1992), doi:10.1162/neco.1992.4.3.448; Daxberger et al. (2021), arXiv:2106.14806. Of a
    linear model with known scale and normal priors it is exact.

    Of all weights the curvature is the generalised Gauss-Newton matrix, the sum of J' H J over
    rows, with J the Jacobian of the raw values and H their expected information; predictions are of
    the network made linear: Immer, Korzepa and Bauer (2021), arXiv:2008.08216. It is taken at the
    weights as they are, which should be trained to the end. The head's location is in standard
    units as it trains, so that no precision depends on the units of y; the head's intercepts and
    constants have the prior N(m, 2.5^2), m what y alone says. Factors: Ritter, Botev and Barber
    (2018), ICLR.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> model = pn.glm.GLM([1, 2, 3, 2, 4, 6], x, family="poisson")
    >>> posterior = pn.bayes.laplace(model, prior=0.01)
    >>> posterior.mean.round(3).tolist(), posterior.sd.round(3).tolist()
    ([0.693, 0.693], [0.408, 0.499])
    """
    check_whole(draws=draws)
    check_whole(0, seed=seed)
    if scope not in ("last", "all") or structure not in STRUCTURES:
        raise ValueError(
            "Expected scope 'last' or 'all', and structure 'full', 'kron' or 'diag'. Received: "
            f"scope={scope!r}, structure={structure!r}."
        )
    if scope == "all":
        found = NetworkLaplacePosterior(
            NetworkWeights(model, x, y, sample_weight), prior, structure, draws=draws, seed=seed
        )
        found.warn()
        return found
    if structure != "full":
        raise ValueError(
            f"Expected structure='full' of coefficients. Received: {structure!r}, which is for all "
            "weights of a network: scope='all'."
        )
    subject = subject_of(model, x, y, sample_weight)
    is_number = isinstance(prior, (int, float, np.number)) and not isinstance(prior, bool)
    is_auto = isinstance(prior, str) and prior == "auto"
    if not (is_number or is_auto or isinstance(prior, (dict, Priors))):
        raise ValueError(
            f"Expected prior 'auto', a precision, a dict or Priors. Received: {prior!r}."
        )
    if is_number:
        target = Target(subject.model, Priors.of_precision(subject.model, prior), subject.start)
    elif is_auto:
        target = _best(subject)
    else:
        target = Target.of(subject.model, prior, subject.start)
    return LaplacePosterior(subject, target, draws, seed)


def _best(subject):
    """Return the target at the width of the prior that maximises the marginal likelihood.

    MacKay's fixed point: width^2 is |b|^2 / (p - tr S / width^2), with b the coefficients at the
    mode and S their covariance, both in units of the default's standard deviations.
    """
    model, first = subject.model, Priors(subject.model)
    shrunk = [
        j for j in range(len(first.names)) if j not in first.constants and j not in model.constants
    ]
    if not shrunk:
        return Target(model, first, subject.start)

    def at(width, start):
        each = {first.names[j]: Normal(0.0, first.each[j].scale * width) for j in shrunk}
        return Target(model, first.replaced(each), start)

    default, width, start = np.array([first.each[j].scale for j in shrunk]), 1.0, subject.start
    if start is not None:  # of many features the default may be too wide for a mode
        width = max(float(np.sqrt(np.mean(np.square(start[shrunk] / default)))), 10.0 * _LEAST)
    target = at(width, start)
    for _ in range(_TIMES):
        scaled = target.mode[shrunk] / default
        variance = np.square(target.root()).sum(axis=1)[shrunk] / default**2
        free = max((1.0 - variance / width**2).sum(), 1e-8)
        last, width = width, max(float(np.sqrt(scaled @ scaled / free)), _LEAST)
        target = at(width, target.mode)
        if abs(width / last - 1.0) < 1e-6:
            break
    return target


class LaplacePosterior(Posterior):
    """A posterior that is normal about its mode, on the raw scale of the coefficients.

    Attributes
    ----------
    mode : numpy.ndarray, shape (p,)
        The most probable coefficients, on the raw scale.
    covariance_raw : numpy.ndarray, shape (p, p)
        Their covariance: the inverse of the Hessian there.
    """

    def __init__(self, subject: Any, target: Any, draws: int = 1000, seed: int = 0) -> None:
        self.mode, self._root = target.mode, target.root()
        self.covariance_raw = self._root @ self._root.T
        z = np.random.default_rng(seed).standard_normal((draws, len(self.mode)))
        super().__init__(
            subject, (self.mode + z @ self._root.T)[None], target.priors, method="laplace"
        )
        self._log_density = self._log_joint(target)

    def _log_joint(self, target):
        """Return the logarithm of the likelihood times the prior, at the mode."""
        data = self.model.data.whole().used
        raw = data.likelihood(self.family, self.model.known).raw(self.mode)
        each = rows.log_likelihood(self.family, data, raw, None)
        weights = 1.0 if data.freq_weights is None else data.freq_weights
        return float(np.sum(weights * each)) + target.priors.log_prob(self.mode)

    def state(self) -> dict[str, Any]:
        """Return name -> what more a file holds than draws and priors."""
        return {
            "mode": self.mode,
            "covariance_raw": self.covariance_raw,
            "_root": self._root,
            "_log_density": self._log_density,
        }

    @classmethod
    def restored(
        cls, subject: Any, coef: Floats, priors: Priors, state: dict[str, Any], **kwargs: Any
    ) -> LaplacePosterior:
        """Return a posterior of what a file holds; `state` is as of the method of that name."""
        found = cls.__new__(cls)
        found.mode, found.covariance_raw = state["mode"], state["covariance_raw"]
        found._root, found._log_density = state["_root"], state["_log_density"]
        Posterior.__init__(found, subject, coef, priors, **kwargs)
        return found

    def how(self) -> str:
        """Return in words how the posterior was found."""
        return f"Laplace's method: log marginal likelihood {self.log_marginal_likelihood():.6g}"

    def convergence(self) -> dict[str, Floats]:
        """Return nothing: the draws are independent."""
        return {}

    def problems(self) -> list[str]:
        """Return nothing: the draws are those of the normal distribution."""
        return []

    def log_marginal_likelihood(self) -> float:
        """Return the logarithm of the probability of y under the model, by Laplace's method.

        The sum of log-likelihood and log-prior at the mode, p log(2 pi) / 2, and half the
        log-determinant of the covariance: the higher of two models' is the better supported one.
        """
        log_det = np.linalg.slogdet(self._root)[1]
        return self._log_density + 0.5 * len(self.mode) * np.log(2.0 * np.pi) + log_det

    @property
    def _slopes(self):
        values, slopes = self.mode.copy(), np.ones(len(self.mode))
        for j, name in self.model.natural.items():
            link = self.family.links[name]
            values[j] = link.inverse(self.mode[j])
            slopes[j] = np.exp(link.log_slope(self.mode[j]))
        return values, slopes

    @property
    def mean(self) -> Floats:
        """The mode, (p,), constants in natural units."""
        return self._slopes[0]

    @property
    def sd(self) -> Floats:
        """The standard deviations, (p,); of constants in natural units by the delta method."""
        return np.sqrt(np.diag(self.covariance()))

    def covariance(self) -> Floats:
        """Return the covariance, (p, p); of constants in natural units by the delta method."""
        slopes = self._slopes[1]
        return slopes[:, None] * self.covariance_raw * slopes

    def interval(self, level: float = 0.95) -> Floats:
        """Return central intervals of the coefficients, (p, 2); of constants in their domain."""
        from scipy.special import ndtri

        check_level(level)
        half = ndtri(0.5 + level / 2.0) * np.sqrt(np.diag(self.covariance_raw))
        ends = np.column_stack([self.mode - half, self.mode + half])
        for j, name in self.model.natural.items():
            ends[j] = np.sort(self.family.links[name].inverse(ends[j]))
        return ends

    def predict_distribution(self, exog: Rows | None = None, **kwargs: Any) -> PooledPredictive:
        """Return the posterior predictive distribution of rows.

        The raw values of a row are normal, and integrated over: of one or two that vary by Gauss
        and Hermite's rule, of more by a lattice of 256 normal points that is always the same.

        Parameters
        ----------
        exog : array_like or frame, optional
            New rows, as the model takes them; by default the training rows.
        **kwargs
            `offset`, `exposure`, `designs`: as for the model.

        Returns
        -------
        PooledPredictive
            Its `epistemic_variance()` is what more data would take away.
        """
        data, labels = self.subject.rows(exog, **kwargs)
        likelihood = data.likelihood(self.family, self.model.known)
        raw, root = likelihood.raw(self.mode), self._root_of_rows(data, likelihood)
        return pooled(self.family, raw, likelihood.predicted, root, self.model.classes, labels)

    def _root_of_rows(self, data, likelihood):
        """Return roots (n, k, k) of the covariances of the rows' predicted raw values."""
        parts = []
        for a in likelihood.predicted:
            parts.append(data.designs[a].toarray() @ self._root[likelihood.slices[a]])
        jacobian = np.stack(parts, axis=1)  # (n, k, p), times a root of the covariance
        return roots(jacobian)
