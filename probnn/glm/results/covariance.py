"""Covariances of coefficients: from the information, and robust ones from each row's score."""

import numpy as np

from probnn.fitting.curvature import Curvature
from probnn.glm.results.rows import variances

COV_TYPES = ("nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "HAC")
_EXACT = 20_000_000  # numbers n p^2 up to which the information is factorised from its rows


class SingularInformationError(ValueError):
    """The information at some coefficients is not positive definite: they have no covariance."""


def check(cov_type, cov_kwds):
    """Raise ValueError for a covariance that is not known, or options that it does not take."""
    if cov_type not in COV_TYPES:
        raise ValueError(
            f"Expected cov_type to be one of {', '.join(COV_TYPES)}. Received: {cov_type!r}."
        )
    if cov_kwds and cov_type not in ("cluster", "HAC"):
        raise ValueError(
            f"Expected cov_kwds with cov_type 'cluster' or 'HAC'. Received: {sorted(cov_kwds)} "
            f"with {cov_type!r}."
        )


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
    from scipy.linalg import lapack, qr

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
            r = qr(x / curvature.scale, mode="r", check_finite=False)[0][: likelihood.size]
            return lapack.dtrtri(r)[0] / curvature.scale[:, None]
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
        The options of "cluster" and "HAC".
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
    unknown = sorted({*options} - {"groups", "use_correction", "df_correction"})
    if "groups" not in options or unknown:
        raise ValueError(
            "Expected cov_kwds of 'cluster' to be groups, and perhaps use_correction and "
            f"df_correction. Received: {sorted(kwds)}."
        )
    groups = np.asarray(options["groups"])
    if groups.ndim not in (1, 2) or (groups.dtype.kind == "f" and not np.isfinite(groups).all()):
        raise ValueError(
            f"Expected groups of shape ({len(scores)},) or ({len(scores)}, 2), none of them "
            f"missing. Received: shape {groups.shape}, type {groups.dtype}."
        )
    if groups.ndim == 2 and groups.shape[0] in (1, 2) and groups.shape[1] == len(scores):
        groups = groups.T
    groups = groups[:, None] if groups.ndim == 1 else groups
    if groups.shape[0] != len(scores) or groups.shape[1] not in (1, 2):
        raise ValueError(
            f"Expected groups of shape ({len(scores)},) or ({len(scores)}, 2), for the rows that "
            f"are fitted: without those dropped as missing. Received: {groups.shape}."
        )
    codes = [np.unique(column, return_inverse=True)[1] for column in groups.T]
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

    unknown = sorted({*kwds} - {"maxlags", "use_correction"})
    if "maxlags" not in kwds or unknown:
        raise ValueError(
            "Expected cov_kwds of 'HAC' to be maxlags, and perhaps use_correction. Received: "
            f"{sorted(kwds)}."
        )
    lags = kwds["maxlags"]
    if not isinstance(lags, (int, np.integer)) or not 0 <= lags < len(scores):
        raise ValueError(
            f"Expected maxlags to be a whole number from 0 to {len(scores) - 1}. Received: "
            f"{lags!r}."
        )
    factor = nobs / (nobs - size) if kwds.get("use_correction", False) else 1.0
    return factor * S_hac_simple(scores, int(lags))
