"""Predictions of a fitted model: means and new responses, with their intervals."""

import numpy as np

from probnn.data import ResponseLabels
from probnn.data.alignment import RowIndex
from probnn.families._frozen import FrozenMixture
from probnn.glm.results import rows
from probnn.glm.results.wrap import Labels
from probnn.predictive import Predictive

# Nodes of Gauss and Hermite's rule, and up to which standard errors their error is below 1e-16.
_NODES = ((5, 0.035), (9, 0.18), (21, np.inf))


def _raw(results, exog, kwargs):
    """Return the `Observations` of new, or of the training, rows, and their raw values."""
    if exog is None:
        data = results._data
        if any(value is not None for value in kwargs.values()):
            raise ValueError(
                f"Expected {', '.join(kwargs)} together with exog, for new rows. Received: exog "
                "None, which stands for the training rows with their own."
            )
    else:
        data = results.model.new_rows(exog, **kwargs)
    return data, data.likelihood(results.family, results.model.known).raw(results.coef)


def predict(results, exog=None, which="mean", **kwargs):
    """Return means, or linear predictors, of rows: see `Results.predict`."""
    if which not in ("mean", "linear"):
        raise ValueError(f"Expected which='mean' or 'linear'. Received: {which!r}.")
    _, raw = _raw(results, exog, kwargs)
    size = results.family.params[results.family.location].size
    linear = raw[:, 0] if size is None else raw[:, :size]
    values = rows.means(results.family, raw) if which == "mean" else linear
    return _labels_of(results, exog).rows(values)


def _labels_of(results, exog):
    """Return the `Labels` of new, or of the training, rows."""
    if exog is None:
        return results._labels
    rows = RowIndex.of(exog, "exog")
    return Labels(results.model, rows.labels, rows.library)


def predict_distribution(results, exog=None, **kwargs):
    """Return the `Predictive` of rows: see `Results.predict_distribution`."""
    index = results.model.rows_of(exog)
    if index.kept is not None and exog is not None:
        kwargs = {"rows": index, **kwargs}
    data, raw = _raw(results, exog, kwargs)
    params = _params(results, raw, results.scale / rows.precision(data))
    d = Predictive(results.family, params, classes=results.model.classes)
    known = None if index.index is index.kept is None else index
    return d.labelled(ResponseLabels(known, results.model.y_columns, index.library))


def _params(results, raw, scale):
    params = results.family.to_params(raw)
    if results.model.dispersion is not None:
        params |= results.family.with_dispersion(scale)
        shape = np.shape(params[results.family.location])
        params = {name: np.broadcast_to(values, shape) for name, values in params.items()}
    return params


class Prediction:
    """Means of rows with confidence intervals, and intervals of new responses.

    Parameters
    ----------
    results : Results
        A fitted model of one location.
    exog : array_like, optional
        New rows; the training rows by default.
    **kwargs
        `offset`, `exposure`, `designs`: as for the model.

    Attributes
    ----------
    predicted_mean, se_mean : numpy.ndarray, shape (n,)
        The means and their standard errors, by the delta method.

    Notes
    -----
    The confidence interval of a mean is that of its linear predictor, sent through the inverse
    link. The interval of a new response holds its share of the distribution that averages the
    family's over the normal distribution of the linear predictors: for linear regression, Student's
    t with the variance of the mean and of the response; else by Gauss-Hermite quadrature, for which
    the dispersion is taken as known. Lawless and Fredette (2005), doi:10.1093/biomet/92.3.529.
    Of a fitted row the response has the row's own var_weight; where that is 0, of no observation,
    it is that of a new row, where statsmodels' and R's intervals are infinite.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.OLS([1.0, 2.0, 4.0, 4.0], [[1, 0], [1, 1], [1, 2], [1, 3]]).fit()
    >>> frame = results.get_prediction([[1, 4]]).summary_frame(alpha=0.05)
    >>> frame.round(3).loc[0, ["mean", "obs_ci_lower", "obs_ci_upper"]].tolist()
    [5.5, 1.475, 9.525]
    """

    def __init__(self, results, exog=None, *, offset=None, exposure=None, designs=None):
        family = results.family
        if family.params[family.location].size is not None or family.classes is not None:
            raise ValueError(
                "Expected a model of one location. Received: one of classes, components or "
                "vectors, whose probabilities or means are results.predict(exog)."
            )
        self.results = results
        kwargs = {"offset": offset, "exposure": exposure, "designs": designs}
        self._data, self._raw = _raw(results, exog, kwargs)
        self._labels = _labels_of(results, exog)
        self._covariance = self._raw_covariance()
        self.predicted_mean, slope, _ = family.mean_derivatives(self._raw, second=False)
        variance = np.einsum("na,nab,nb->n", slope, self._covariance, slope)
        self.se_mean = np.sqrt(np.maximum(variance, 0.0))
        self._by_link = not slope[:, 1:].any()

    def _raw_covariance(self):
        """Return the covariance (n, k, k) of the raw values of each row."""
        results, data = self.results, self._data
        cov = results.cov_raw
        likelihood = data.likelihood(results.family, results.model.known)
        k = results.family.size
        found = np.zeros((len(data), k, k))
        x = {a: data.designs[a].toarray() for a in likelihood.predicted}
        for a in likelihood.predicted:
            for b in likelihood.predicted:
                block = cov[likelihood.slices[a], likelihood.slices[b]]
                found[:, a, b] = np.einsum("np,np->n", np.dot(x[a], block), x[b])
        return found

    def conf_int(self, alpha=0.05, obs=False):
        """Return intervals (n, 2) of the means or, with `obs`, of new responses.

        Parameters
        ----------
        alpha : float
            1 - the level.
        obs : bool
            Whether the intervals are of new responses.
        """
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"Expected alpha between 0 and 1. Received: {alpha}.")
        if obs:
            return self._quantiles([[alpha / 2.0], [1.0 - alpha / 2.0]]).T
        results = self.results
        factor = results._reference.ppf(1.0 - alpha / 2.0)
        if not self._by_link:
            half = factor * self.se_mean
            return np.column_stack([self.predicted_mean - half, self.predicted_mean + half])
        ends = []
        for sign in (-1.0, 1.0):
            moved = self._raw.copy()
            moved[:, 0] += sign * factor * np.sqrt(self._covariance[:, 0, 0])
            ends.append(rows.means(results.family, moved))
        return np.sort(np.column_stack(ends), axis=1)

    def _quantiles(self, p):
        """Return the quantiles (m, n) of each row's new response at probabilities (m, 1)."""
        results = self.results
        scale = results.scale / rows.precision(self._data)
        if results.model.is_linear:
            width = np.sqrt(self._covariance[:, 0, 0] + scale)
            return self.predicted_mean + results._reference.ppf(p) * width
        found, which, count = np.empty((len(p), len(self._raw))), *self._node_counts(scale)
        for size in np.unique(count):
            some = count == size
            nodes, weights = self._nodes(some, which, size)
            params = _params(results, nodes, np.broadcast_to(scale, len(some))[some, None])
            found[:, some] = FrozenMixture(results.family, weights, params).ppf(p)
        return found

    def _node_counts(self, scale):
        """Return which raw values are uncertain, and how many nodes each of them needs in a row.

        Of one of them, m nodes have an error of about (t^2 / 2)^m, where t is its standard error in
        units of the response's spread, and of its own.
        """
        # A parameter that may be anything, as a dispersion at its edge, is taken at its estimate.
        raw, errors = self._raw, np.sqrt(np.einsum("naa->na", self._covariance))
        spread = errors.max(axis=0)
        which = (spread > 0) & (spread < 10.0 * (1.0 + np.abs(raw).max(axis=0)))
        count = np.full(len(raw), {0: 1, 1: _NODES[-1][0], 2: 9}.get(int(which.sum()), 5))
        if which.sum() == 1:
            family = self.results.family
            slope = family.mean_derivatives(raw, second=False)[1][:, which][:, 0]
            with np.errstate(all="ignore"):
                variance = family.variance(**_params(self.results, raw, scale))
                t = errors[:, which][:, 0] * np.maximum(1.0, abs(slope) / np.sqrt(variance))
            for size, far in _NODES[-2::-1]:
                count = np.where(t <= far, size, count)
        return which, count

    def _nodes(self, some, which, size):
        """Return raw values (n, m, k) and weights (m,) that stand for their normal distribution."""
        raw, d = self._raw[some], int(which.sum())
        if d == 0:
            return raw[:, None, :], np.ones(1)
        points, weights = np.polynomial.hermite_e.hermegauss(size)
        grid = np.stack(np.meshgrid(*[points] * d, indexing="ij"), axis=-1).reshape(-1, d)
        total = np.prod(np.stack(np.meshgrid(*[weights] * d, indexing="ij"), -1).reshape(-1, d), 1)
        cov = self._covariance[some][:, which][:, :, which]
        values, vectors = np.linalg.eigh(cov)
        half = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        nodes = np.repeat(raw[:, None, :], len(grid), axis=1)
        nodes[:, :, which] += np.einsum("nab,mb->nma", half, grid)
        return nodes, total / total.sum()

    def summary_frame(self, alpha=0.05):
        """Return a DataFrame: mean, mean_se, mean_ci_lower/upper, obs_ci_lower/upper.

        The last two are left out where new rows have no known number of trials. Of a polars frame
        or a pyarrow table it is one of these.
        """
        mean = self.conf_int(alpha)
        columns = {
            "mean": self.predicted_mean,
            "mean_se": self.se_mean,
            "mean_ci_lower": mean[:, 0],
            "mean_ci_upper": mean[:, 1],
        }
        if not self.results.family.given:
            new = self.conf_int(alpha, obs=True)
            columns |= {"obs_ci_lower": new[:, 0], "obs_ci_upper": new[:, 1]}
        return self._labels.table(columns)
