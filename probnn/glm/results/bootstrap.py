"""The bootstrap: estimates from resampled rows."""

import warnings

import numpy as np

from probnn.fitting.curvature import Curvature
from probnn.fitting.optimum import ConvergenceWarning
from probnn.fitting.progress import Progress
from probnn.fitting.solve import solve

_ITERATIONS, _TOLERANCE = 25, 1e-6  # Newton's last step squares what is left
_FLAT = 1e6  # times the variance of an estimate: the likelihood of a resample has no maximum


class Bootstrap:
    """Estimates from resampled rows, and the uncertainty that they show.

    Parameters
    ----------
    results : Results
        Of a model with its data; a penalised fit is repeated with its penalty.
    nrep : int
        How many resamples.
    seed : int or numpy.random.Generator, optional
        Makes them repeatable.
    verbose : bool or "auto"
        Whether to show progress: "auto" does after a few seconds.

    Attributes
    ----------
    params : numpy.ndarray, shape (nrep - failed, p)
        The estimates of each resample; constant parameters, as a dispersion, in natural units.
    failed : int
        How many resamples have no estimates, as columns are dependent or classes separated in them.

    Raises
    ------
    ValueError
        If nrep is not an integer from 2 on, or fewer than two resamples have estimates; if more
        than 1 % have none, there is a `ConvergenceWarning`.

    Notes
    -----
    Rows, of several trials too, are drawn with replacement, responses and columns together, as
    often as their frequencies say: Efron and Tibshirani (1993), *An Introduction to the Bootstrap*,
    doi:10.1201/9780429246593. It needs rows that are independent, but no model of their variance.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.GLM([1, 2, 3, 2, 4, 6], [[1]] * 6, family="poisson").fit()
    >>> bootstrap = results.bootstrap(200, seed=0)
    >>> low, high = bootstrap.conf_int()[0]
    >>> bool(low < results.params[0] < high)
    True
    """

    def __init__(self, results, nrep=1000, seed=None, verbose="auto"):
        if not isinstance(nrep, (int, np.integer)) or nrep < 2:
            raise ValueError(f"Expected nrep to be an integer from 2 on. Received: {nrep!r}.")
        self._results, rng = results, np.random.default_rng(seed)
        data, model = results._data.used, results.model
        self._hessian = model.likelihood()(results.coef)[2]  # nearly that of every resample
        self._largest = _FLAT * _variances(self._hessian)
        found, progress = [], Progress(verbose, "resample", nrep)
        for rep in range(1, nrep + 1):
            found.append(self._refit(model.resampled(_counts(data, rng))))
            progress(rep)
        found = [coef for coef in found if coef is not None]
        self.failed = nrep - len(found)
        reason = (
            f"{self.failed} of {nrep} have none, as columns are dependent or classes separated in "
            "them. Penalise: fit(method='firth') or fit_regularized(alpha=...)."
        )
        if len(found) < 2:
            raise ValueError(f"Expected resamples that have estimates. Received: {reason}")
        if self.failed > 0.01 * nrep:
            warnings.warn(
                f"The resamples that have estimates show too little uncertainty: {reason}",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.params = np.array(found)
        for j, name in model.natural.items():
            self.params[:, j] = model.family.links[name].inverse(self.params[:, j])

    def _refit(self, model):
        """Return the coefficients of a resample; None if it has none."""
        found = self._results.optimum
        options = {"max_iterations": _ITERATIONS, "tol": _TOLERANCE, "near": self._hessian}
        try:
            optimum = solve(model.likelihood(), found.coef, found.penalty, **options)
            flat = _variances(optimum.hessian) > self._largest
            if found.penalty is None and np.delete(flat, list(model.constants)).any():
                return None  # a dispersion may tend to 0
        except (ArithmeticError, RuntimeError):
            return None
        return optimum.coef if optimum.converged else None

    def cov_params(self):
        """Return the covariance matrix of the estimates over resamples, (p, p)."""
        return self._results._labels.matrix(np.atleast_2d(np.cov(self.params, rowvar=False)))

    @property
    def bse(self):
        """Standard errors: the standard deviations of the estimates over resamples."""
        return self._results._labels.params(np.std(self.params, axis=0, ddof=1))

    def conf_int(self, alpha=0.05, method="percentile"):
        """Return confidence intervals of the estimates at level 1 - alpha, (p, 2).

        With method "percentile", quantiles q of the resamples; with "basic" those mirrored at the
        estimate b, from 2 b - q(1 - alpha / 2) to 2 b - q(alpha / 2).
        """
        low, high = np.quantile(self.params, [alpha / 2.0, 1.0 - alpha / 2.0], axis=0)
        if method == "basic":
            twice = 2.0 * self._results._natural[0]
            low, high = twice - high, twice - low
        elif method != "percentile":
            raise ValueError(f"Expected method 'percentile' or 'basic'. Received: {method!r}.")
        return self._results._labels.intervals(np.column_stack([low, high]))


def _counts(data, rng):
    """Return how often each row is drawn."""
    n, often = len(data), data.freq_weights
    if often is None:
        return np.bincount(rng.integers(0, n, n), minlength=n).astype("float64")
    return rng.multinomial(round(data.nobs), often / often.sum()).astype("float64")


def _variances(hessian):
    """Return the diagonal of the inverse of a Hessian."""
    return np.sum(Curvature(hessian).inverse_root() ** 2, axis=1)
