"""Covariances of coefficients: from the information, and robust ones from each row's score."""

import numpy as np
from scipy.linalg.lapack import dtrtri

from probnn.data.alignment import column_of
from probnn.data.frames import to_numpy
from probnn.fitting.curvature import Curvature, triangle
from probnn.glm.results.rows import variances

COV_TYPES = ("nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "HAC")
_OPTIONS = {
    "cluster": ("groups", "use_correction", "df_correction"),
    "HAC": ("maxlags", "use_correction"),
}
_EXACT = 20_000_000  # numbers n p^2 up to which the information is factorised from its rows


class SingularInformationError(ValueError):
    """The information at some coefficients is not positive definite: they have no covariance."""


def options(model, cov_type, cov_kwds):
    """Return the options of a covariance: of clusters the groups as codes (n, 1) or (n, 2).

    Raises
    ------
    ValueError
        For a covariance that is not known, options that it does not take, or groups that are not
        those of the rows.
    """
    if cov_type not in COV_TYPES:
        raise ValueError(
            f"Expected cov_type to be one of {', '.join(COV_TYPES)}. Received: {cov_type!r}."
        )
    found = dict(cov_kwds or {})
    if cov_type not in _OPTIONS:
        if found:
            raise ValueError(
                f"Expected cov_kwds with cov_type 'cluster' or 'HAC'. Received: {sorted(found)} "
                f"with {cov_type!r}."
            )
        return found
    needed, *more = _OPTIONS[cov_type]
    if needed not in found or {*found} - {needed, *more}:
        raise ValueError(
            f"Expected cov_kwds of {cov_type!r} to be {needed}, and perhaps {' and '.join(more)}. "
            f"Received: {sorted(found)}."
        )
    if cov_type == "cluster":
        found["groups"] = _groups(model, found["groups"])
    return found


def _groups(model, groups):
    """Return the clusters of the rows that count as codes, (n, 1) or (n, 2)."""
    counts = model.data.whole().counts  # raises where rows are gone, or in batches
    used = ... if counts is None else counts
    n, names = len(model), [groups] if isinstance(groups, str) else groups
    if isinstance(names, (list, tuple)) and len(names) < 3 and all(type(v) is str for v in names):
        if model.table is not None:
            columns = (column_of(model.table, name, "groups") for name in names)
            columns = [model.rows.align(column, "groups") for column in columns]
            return np.column_stack([_codes(to_numpy(column)[used]) for column in columns])
        if n > 2:
            raise ValueError(
                f"Expected groups with one value for each of {n} rows. Received: {groups!r}. The "
                "names of columns are for models of a formula."
            )
    if isinstance(groups, (list, tuple)):
        groups = np.array(groups, dtype=object)  # in which 1 and "1" are two
    if np.shape(groups) in {(k, m) for k in (1, 2) for m in (n, model.rows.count)} - {(2, 2)}:
        groups = to_numpy(groups).T
    groups = to_numpy(model.rows.align(groups, "groups"))
    groups = groups[:, None] if groups.ndim == 1 else groups
    if groups.ndim != 2 or groups.shape[0] != n or groups.shape[1] not in (1, 2):
        raise ValueError(
            f"Expected groups of shape ({n},) or ({n}, 2), of the rows that are fitted, or of all "
            f"{model.rows.count} that were given. Received: shape {groups.shape}."
        )
    return np.column_stack([_codes(column) for column in groups[used].T])


def _codes(groups):
    """Return groups (n,) as codes; raise if one is missing, or they are numbers and text."""
    import pandas as pd

    codes, found = pd.factorize(groups)
    if (codes < 0).any():
        count, first = int((codes < 0).sum()), int(np.argmin(codes))
        raise ValueError(
            f"Expected groups of which none is missing. Received: {count} missing, the first in "
            f"row {first}. Leave these rows out, or make each a group."
        )
    kinds = {isinstance(each, str) for each in found}
    if len(kinds) > 1:
        raise ValueError(
            "Expected groups of one type. Received: text and other values, of which '1' and 1 are "
            "two groups. Give groups.astype(str), if they are one."
        )
    return codes


def inverse_root(hessian, likelihood, coef, weights=None):
    """Return a square root R, (p, p), of the inverse of an information matrix: R R'.

    Parameters
    ----------
    hessian : numpy.ndarray, shape (p, p)
        The information.
    likelihood : Objective
        The model's, whose rows, where they are in memory, give more digits.
    coef : numpy.ndarray, shape (p,)
        Where.
    weights : numpy.ndarray, shape (n,), optional
        The weights of its rows in the information, where they are not the Hessian's.

    Raises
    ------
    SingularInformationError
        If the information is not positive definite.

    Notes
    -----
    From the QR factorisation of the weighted rows where that is cheap: the matrix itself has the
    square of their condition number.
    """
    curvature = Curvature(hessian)
    if curvature.damped:
        raise SingularInformationError(
            "Expected an information matrix that is positive definite. Received one that is not: "
            "these coefficients are not near a maximum of the likelihood. Polish the weights, "
            "probnn.polish, or raise maxiter."
        )
    small = likelihood.in_memory and len(likelihood) * likelihood.size**2 <= _EXACT
    if small and len(likelihood.predicted) == 1:
        if weights is None:
            a = likelihood.predicted[0]
            weights = likelihood.curvatures(coef)[:, a, a]
        if weights.min() >= 0:
            x = likelihood.designs[likelihood.predicted[0]].toarray() * np.sqrt(weights)[:, None]
            return dtrtri(triangle(x / curvature.scale))[0] / curvature.scale[:, None]
    return curvature.inverse_root()


def expected_weights(family, data, raw):
    """Return the weights of rows in the expected information of a mean's raw values.

    With mu the mean and V its variance at dispersion 1, (d mu / d eta)^2 / V: McCullagh and Nelder
    (1989), section 2.5, doi:10.1201/9780203753736.
    """
    slope = family.mean_derivatives(raw, second=False)[1][:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.nan_to_num(slope**2 / variances(family, raw), posinf=0.0)
    return weights if data.weights is None else weights * data.weights


def meat(scores, cov_type, kwds, *, nobs, size, freq_weights=None, leverage=None):
    """Return the middle of the sandwich, (p, p), and the degrees of freedom it leaves, or None.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n, p)
        The gradient of each row's log-likelihood, weights included, in any basis.
    cov_type : str
        One of `COV_TYPES` but "nonrobust".
    kwds : dict
        What `options` returned.
    nobs, size : float, int
        The numbers of observations and of coefficients.
    freq_weights : numpy.ndarray, shape (n,), optional
        How many observations a row stands for.
    leverage : numpy.ndarray, shape (n,), optional
        The diagonal of the hat matrix, for HC2 and HC3.

    Notes
    -----
    MacKinnon and White (1985), doi:10.1016/0304-4076(85)90158-7; Cameron and Miller (2015),
    doi:10.3368/jhr.50.2.317; Newey and West (1987), doi:10.2307/1913610. The factors for small
    samples are statsmodels': n / (n - p) for HC1, G / (G - 1) * (n - 1) / (n - p) for G clusters.
    statsmodels gives HC0 under the names HC1 to HC3 but for OLS; here they are what they say.
    """
    if cov_type == "cluster":
        return _clusters(scores, kwds, nobs, size)
    if freq_weights is not None:  # a frequency repeats a row, it does not scale its score
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.nan_to_num(scores / np.sqrt(freq_weights)[:, None])
            leverage = None if leverage is None else np.nan_to_num(leverage / freq_weights)
    if cov_type == "HAC":
        return _newey_west(scores, kwds, nobs, size), None
    if cov_type in ("HC2", "HC3"):
        power = 0.5 if cov_type == "HC2" else 1.0
        scores = scores / np.maximum(1.0 - leverage, 1e-12)[:, None] ** power
    factor = nobs / (nobs - size) if cov_type == "HC1" else 1.0
    return factor * (scores.T @ scores), None


def _clusters(scores, kwds, nobs, size):
    from statsmodels.stats.sandwich_covariance import S_crosssection

    options = {"use_correction": True, "df_correction": True, **kwds}
    codes = [*options["groups"].T]
    if len(codes) == 2:
        both = np.unique(codes[0] * (codes[1].max() + 1) + codes[1], return_inverse=True)[1]
        codes.append(both)
    total, counts = 0.0, []
    for sign, code in zip((1, 1, -1), codes, strict=False):
        count = int(code.max()) + 1
        if count < 2:
            raise ValueError("Expected groups with at least two clusters. Received one.")
        factor = count / (count - 1.0) * (nobs - 1.0) / (nobs - size)
        factor = factor if options["use_correction"] else 1.0
        total = total + sign * factor * S_crosssection(scores, code)
        counts.append(count)
    return total, min(counts[:2]) - 1.0 if options["df_correction"] else None


def _newey_west(scores, kwds, nobs, size):
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    lags = kwds["maxlags"]
    if not isinstance(lags, (int, np.integer)) or not 0 <= lags < len(scores):
        raise ValueError(
            f"Expected maxlags to be a whole number from 0 to {len(scores) - 1}. Received: "
            f"{lags!r}."
        )
    factor = nobs / (nobs - size) if kwds.get("use_correction", False) else 1.0
    return factor * S_hac_simple(scores, int(lags))
