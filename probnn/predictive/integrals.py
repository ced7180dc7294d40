"""What has no closed form: quadrature over levels, and sums and maxima over counts."""

from itertools import islice

import numpy as np

from probnn._quadrature import tanh_sinh
from probnn.families._frozen.counts import sum_over_counts
from probnn.families._frozen.tables import around_quantiles, streams

_CHUNK = 1_000_000  # numbers held at once in a sum over counts
_LONG = 8_192  # counts of a row, from which on they are not taken in steps
_AMONG = (0.1, 0.4, 0.7)  # levels of counts that are probable
_SAME = 1e-12  # by which probabilities differ from rounding


def numeric_crps(d, y):
    """Return the CRPS of each row of a Predictive, by quadrature or by a sum over counts."""
    if d.family.discrete:
        return sum_over_counts(d.frozen, _squared_gap, y, _gaps_in_steps)
    return _over_levels(d.frozen, y)


def _squared_gap(frozen, k, y):
    """Return (P(Y <= k) - 1{y <= k})^2."""
    return np.where(k < y, frozen.cdf(k), frozen.sf(k)) ** 2


def _gaps_in_steps(frozen, low, count, y):
    """Return the sums of squared gaps from one count of each row on."""
    upto, above, k = frozen.cdf(low), frozen.sf(low), low
    total = np.where(k < y, upto, above) ** 2
    masses = islice(frozen._masses(low), count)
    next(masses)
    for mass in masses:
        k, upto, above = k + 1.0, upto + mass, above - mass
        total += np.where(k < y, upto, np.maximum(above, 0.0)) ** 2
    return total


def _over_levels(frozen, y):
    """Integrate 2 (1{y < q} - p) (q - y) over the levels p of the quantiles q = Q(p)."""
    level, survival = frozen.cdf(y), frozen.sf(y)
    total = np.zeros(np.shape(y))
    for a, b, w in zip(*tanh_sinh(), strict=True):
        # Each level with its complement, so that neither tail's quantile is rounded away.
        below = _from_tail(frozen, a * level, b * level + survival)
        above = _from_tail(frozen, a * survival + level, b * survival)
        total += w * (a * level**2 * (y - below) + b * survival**2 * (above - y))
    return 2.0 * total


def _from_tail(frozen, p, q):
    """Return the quantile at p = 1 - q from the nearer end; finite, as its weight may be 0."""
    near, far = (np.clip(level, 1e-300, 0.5) for level in (p, q))
    return np.where(p < q, frozen.ppf(near), frozen.isf(far))


def central_probabilities(d, levels):
    """Return the probabilities of the central intervals of counts, (L, *d.shape); None if slow."""
    if not d.frozen.stepwise:
        return None
    each = (-1, *[1] * len(d.shape))
    low, high = (np.reshape(ends, each) for ends in ((1 - levels) / 2, (1 + levels) / 2))
    below, upto = around_quantiles(d.frozen, np.concatenate([low, high]))
    return upto[len(levels) :] - below[: len(levels)]


def most_probable(d):
    """Return the count of each row of d with the largest probability, the first of several."""
    if (known := d.frozen._mode()) is not None:
        return known
    near = [d.frozen.pmf(k) for k in np.moveaxis(d.quantile(_AMONG), -1, 0)]
    least = (1.0 - 1e-9) * np.max(near, axis=0)  # beyond its quantiles no count has as much
    low, high = d._ppf(least), d.frozen.isf(least) + 1.0
    found, width = np.empty(d.shape).ravel(), (high - low + 1.0).ravel()
    stepped = (width <= _LONG) & d.frozen.stepwise
    for rows, wide in streams(np.flatnonzero(stepped), width):
        found[rows] = _highest(d.frozen._of_rows(rows), low.ravel()[rows], wide)
    found = found.reshape(d.shape)
    if not stepped.all():
        left = ~stepped.reshape(d.shape)
        found[left] = _most_probable_among(d._rows(left), low[left], high[left])
    return found


def _highest(frozen, low, count):
    """Return the count with the largest probability, of those from one of each row on."""
    best, at, k = np.zeros(low.shape), low, low
    for mass in islice(frozen._masses(low), count):
        more = mass * (1.0 - _SAME) > best
        best, at, k = np.where(more, mass, best), np.where(more, k, at), k + 1.0
    return at


def _most_probable_among(d, low, high):
    best = _over_counts(d, lambda frozen, k, _: frozen.pmf(k), low, high, None, np.maximum)

    def first(frozen, k, best):
        return np.where(frozen.pmf(k) >= (1.0 - _SAME) * best, k, np.inf)

    return _over_counts(d, first, low, high, best, np.minimum)


def _over_counts(d, term, low, high, y, combine):
    """Return the combination over k = low, ..., high of term(frozen, k, y), for each row of d."""
    shape = d.shape
    low, high = low.ravel(), high.ravel()
    params = {
        name: v.reshape(-1, *v.shape[len(shape) :]) for name, v in {**d.params, **d.given}.items()
    }
    y = None if y is None else y.ravel()
    # Pieces of rows, none longer than a chunk; then as many pieces at once as fill one.
    parts = ((high - low) // _CHUNK + 1).astype(np.int64)
    row = np.repeat(np.arange(len(low)), parts)
    first = np.concatenate([[0], np.cumsum(parts)[:-1]])
    begin = low[row] + _CHUNK * (np.arange(len(row)) - first[row])
    sizes = np.minimum(high[row] - begin + 1, _CHUNK).astype(np.int64)
    totals = np.empty(len(sizes))
    block = (np.cumsum(sizes) - 1) // _CHUNK
    for pieces in np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(block)) + 1):
        index = np.repeat(row[pieces], sizes[pieces])
        starts = np.concatenate([[0], np.cumsum(sizes[pieces])[:-1]])
        k = np.repeat(begin[pieces] - starts, sizes[pieces]) + np.arange(len(index))
        frozen = d.family.frozen(**{name: values[index] for name, values in params.items()})
        terms = term(frozen, k, None if y is None else y[index])
        totals[pieces] = combine.reduceat(terms, starts)
    return combine.reduceat(totals, first).reshape(shape)
