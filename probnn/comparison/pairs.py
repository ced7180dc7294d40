"""Tests of two models of a comparison."""

import numpy as np

from probnn.comparison.causes import SAME, differences, same_rows, unconverged


def standard_error(values):
    """Return the standard error of the mean of values."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def distinct(fits):
    """Return the fits without those that repeat an earlier one."""
    found = []
    for fit in fits:
        if not any(_is_repeat(fit, one) for one in found):
            found.append(fit)
    return found


def _is_repeat(a, b):
    if not a.coef or (a.family, a.link, {*a.coef}) != (b.family, b.link, {*b.coef}):
        return False
    found = differences(a, b)
    return same_rows(a, b) and max(found.get(name, 0.0) for name in ("coef", "llf")) <= SAME


def tested(a, b):
    """Return the test of two fits: its row of the table; None where there is none to make."""
    if not same_rows(a, b) or a.discrete != b.discrete:
        return None
    if not _given_alike(a, b):
        return None
    if a.coef and b.coef and (a.family, a.link) == (b.family, b.link):
        small, large = sorted((a, b), key=lambda fit: fit.size)
        if {*small.coef} <= {*large.coef}:
            return _likelihood_ratio(large, small)
    if a.coef and not b.coef:
        a, b = b, a
    if a.held_out is not None and b.held_out is not None:
        gain = b.held_out - a.held_out
        return _z_test(a, b, "held-out z", gain, len(gain) > 1 and standard_error(gain))
    if not (_has_likelihood(a) and _has_likelihood(b)) or _nested(a, b) or _nested(b, a):
        return None
    gain = a.log_likelihood - b.log_likelihood
    return _z_test(a, b, "Vuong z", gain, np.std(gain) / np.sqrt(len(gain)))


def _given_alike(a, b):
    """Return whether two fits of the same rows have the same offset and weights."""
    return all(
        np.allclose(*(each.given.get(name, float(name != "offset")) for each in (a, b)))
        for name in {*a.given, *b.given}
    )


def _nested(a, b):
    """Return whether the family of one fit has that of the other as a limit."""
    return None not in (a.known, b.known) and a.known.reduces_to(b.known)


def _has_likelihood(fit):
    """Return whether the likelihood of each row is there, at the model's maximum if it has one."""
    at_best = fit.hidden or not (fit.penalty or unconverged(fit))
    return fit.log_likelihood is not None and at_best


def _likelihood_ratio(large, small):
    from scipy import stats

    fits = all(fit.maximised and not unconverged(fit) for fit in (large, small))
    shared = [name for name in small.inputs if name in large.inputs]
    same = all(np.allclose(small.inputs[name], large.inputs[name]) for name in shared)
    # A variance that is estimated counts here, though not in AIC.
    df = sum(s * (c.size + c.uncounted) for s, c in ((1, large), (-1, small)))
    if not fits or not same or df <= 0:
        return None
    gain = (large.llf - small.llf) / large.nobs
    statistic = 2.0 * (large.llf - small.llf)
    if statistic < 0.0:
        return None
    pvalue = float(stats.chi2.sf(statistic, df))
    return large.name, small.name, "likelihood ratio", gain, np.nan, statistic, int(df), pvalue


def _z_test(a, b, name, gain, se):
    """Return the test that the mean gain of a over b is 0."""
    from scipy import stats

    if not np.isfinite(gain).all() or not se > 0:
        return None
    mean = float(np.mean(gain))
    z = mean / se
    return a.name, b.name, name, mean, se, z, 0, float(2.0 * stats.norm.sf(abs(z)))
