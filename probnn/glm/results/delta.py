"""The delta method: what the covariance of the coefficients says of functions of them.

With J the derivatives of functions in the coefficients and V the covariance of these, that of the
functions is J V J': Oehlert (1992), doi:10.1080/00031305.1992.10475842. All is on the raw scale.
"""

import numpy as np


def errors(results, jacobian):
    """Return the standard errors (m,) of functions with a Jacobian (m, p)."""
    variance = ((jacobian @ results.cov_raw) * jacobian).sum(axis=1)
    return np.sqrt(np.maximum(variance, 0.0))


def covariance(results, jacobian):
    """Return the covariance (m, m) of functions with a Jacobian (m, p)."""
    return jacobian @ results.cov_raw @ jacobian.T


def jacobian_of_means(likelihood, slope, parts):
    """Return the Jacobian (parts, p) of the averages of equal parts of the rows' means.

    Parameters
    ----------
    likelihood : Likelihood
        Of the rows.
    slope : numpy.ndarray, shape (n, k)
        The derivatives of the means in the raw values.
    parts : int
        How many; n of them are the means themselves.
    """
    found = np.zeros((parts, likelihood.size))
    for a in likelihood.predicted:
        each = slope[:, a, None] * likelihood.designs[a].toarray()
        found[:, likelihood.slices[a]] = each.reshape(parts, -1, each.shape[1]).mean(axis=1)
    return found


def error_of_means(results, exog, parts, of=None):
    """Return the standard errors (parts,) of averages of equal parts of the means of new rows.

    Parameters
    ----------
    results : Results
    exog : array_like
        As for `Results.predict`.
    parts : int
        How many.
    of : int, optional
        Of a model of classes, the code of that whose probability is averaged.
    """
    model = results.model
    likelihood = model.new_rows(exog).likelihood(results.family, model.known)
    codes = None if of is None else [of]
    raw = likelihood.raw(results.coef)
    slope = mean_derivatives(results.family, raw, second=False, codes=codes)[1]
    return errors(results, jacobian_of_means(likelihood, slope[:, :, 0], parts))


def mean_derivatives(family, raw, log=False, second=True, codes=None):
    """Return the means (n, C), or their logarithms, and derivatives (n, k, C), (n, k, k, C).

    There is one mean of numbers; of classes the means are the probabilities, by default of all,
    whose logarithms are the log-likelihoods of rows in those classes.
    """
    if family.classes is None:
        mean, slope, curvature = family.mean_derivatives(raw, second)
        if log and mean.min() <= 0:
            raise ValueError(
                "Expected positive means, for effects on their logarithm. Received: a mean of "
                f"{mean.min():.4g}. Use method='dydx' or 'dyex'."
            )
        found = [_of_log(mean, slope, curvature) if log else (mean, slope, curvature)]
    else:
        codes = np.arange(family.classes) if codes is None else codes
        found = [family.derivatives(np.full(len(raw), float(c)), raw) for c in codes]
        found = [(-nll, -slope, -curvature) for nll, slope, curvature in found]
        found = found if log else [_of_exp(*one) for one in found]
    return [None if one[0] is None else np.stack(one, axis=-1) for one in zip(*found, strict=True)]


def _of_log(value, slope, curvature):
    """Return the logarithm of a function of rows, and its derivatives, from the function's."""
    slope = slope / value[:, None]
    if curvature is not None:
        curvature = curvature / value[:, None, None] - slope[:, :, None] * slope[:, None, :]
    return np.log(value), slope, curvature


def _of_exp(value, slope, curvature):
    """Return the exponential of a function of rows, and its derivatives, from the function's."""
    value, outer = np.exp(value), slope[:, :, None] * slope[:, None, :]
    return value, value[:, None] * slope, value[:, None, None] * (curvature + outer)
