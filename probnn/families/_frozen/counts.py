"""Sums over counts, and quantiles of counts, of many rows at once and counts of any size."""

import numpy as np

from probnn._parallel import share_blocks
from probnn._quadrature import gauss_legendre, merged
from probnn.families._frozen.tables import streams

_CHUNK = 1_000_000  # numbers held at once
_LONG = 2_048  # counts of a row, from which on they are summed by a rule
_NODES = 20  # of the rule in a panel
_FIRST = 16  # counts of the first panel, which takes each, of those that double
# Levels whose quantiles, from either end, cut counts into panels on which terms are smooth.
_LEVELS = (1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.15, 0.3, 0.5)


def sum_over_counts(frozen, term, y=None, in_steps=None):
    """Return the sums of term(part, k, y) over all counts k, in each row.

    Of few counts each is taken. Many are cut into panels, between quantiles and of lengths that
    double; a panel's sum is that of the polynomial through 20 of its counts.

    Parameters
    ----------
    frozen : Frozen
        Distributions of counts.
    term : callable
        Of distributions of some rows (r,), counts (m, r), and the y of these rows.
    y : numpy.ndarray, optional
        A count of each row, at which the terms have a jump.
    in_steps : callable, optional
        The sums again, of distributions of rows in a line, from a first count of each, over so many
        of their `_masses`, given y: where those are soon had.

    Returns
    -------
    numpy.ndarray
        In the shape of the rows.
    """
    shape, n = frozen.shape, int(np.prod(frozen.shape))
    low, high = (
        np.array(np.broadcast_to(end, shape), "float64").ravel() for end in frozen._range()
    )
    if y is not None:
        y = np.broadcast_to(y, shape).ravel()
        low, high = np.minimum(low, y), np.maximum(high, y)
    total, width = np.empty(n), high - low + 1.0
    stepped = np.zeros(n, bool)
    if in_steps is not None and frozen.stepwise:
        stepped = width <= _LONG

        def step(stream):
            rows, wide = stream
            part = frozen._of_rows(rows)
            total[rows] = in_steps(part, low[rows], wide, None if y is None else y[rows])

        share_blocks(step, streams(np.flatnonzero(stepped), width))
    for rows in _groups(frozen, width, ~stepped):
        part = frozen if rows is None else frozen._of_rows(rows)
        rows = slice(None) if rows is None else rows
        of_rows = shape if isinstance(rows, slice) else (len(rows),)
        at = None if y is None else y[rows].reshape(of_rows)
        found = np.zeros(of_rows)
        panels = _panels(part, low[rows].reshape(of_rows), high[rows].reshape(of_rows), at)
        for k, weight in panels:
            with np.errstate(all="ignore"):
                terms = term(part, k, at)
            found += np.where(weight == 0, 0.0, weight * terms).sum(axis=0)
        total[rows] = found.ravel()
    return total.reshape(shape)[()]


def _groups(frozen, width, left):
    """Yield numbers of rows left that have about as many counts; or None, for all at once."""
    if frozen.family is None:
        yield None
        return
    kind = np.ceil(np.log2(np.clip(width, 1.0, _LONG + 1.0)))
    for each in np.unique(kind[left]):
        rows = np.flatnonzero(left & (kind == each))
        step = int(max(1, _CHUNK // (2.0**each)))
        for first in range(0, len(rows), step):
            yield rows[first : first + step]


def _panels(frozen, low, high, y):
    """Yield counts (m, ...) and their weights, some at once, for rows with these ends."""
    width = np.max(high - low, initial=0.0) + 1.0
    step = max(1, int(_CHUNK // max(1, low.size)))
    one = (1,) * low.ndim
    if width <= _LONG:
        for first in range(0, int(width), step):
            k = low + np.arange(first, min(first + step, int(width))).reshape(-1, *one)
            yield k, (k <= high).astype("float64")
        return
    edges = _edges(frozen, low, high, y)
    each = max(1, step // _NODES)
    for first in range(0, len(edges) - 1, each):
        start, stop = edges[first:-1][:each], edges[first + 1 :][:each]
        place, weight = _rule(stop - start)
        k = start[:, None] + place
        yield k.reshape(-1, *low.shape), weight.reshape(-1, *low.shape)


def _edges(frozen, low, high, y):
    """Return counts (m, ...) in order, from low to high + 1, between which terms are smooth."""
    from probnn.families._frozen.base import parts_of

    length = _FIRST * 2.0 ** np.arange(np.ceil(np.log2(np.max(high - low) / _FIRST + 1.0)))
    length = length.reshape(-1, *(1,) * low.ndim)
    edges = [low, high + 1.0, *(low + length)]
    if np.isfinite(frozen.support()[1]).all():
        edges += [*(high + 1.0 - length)]
    if y is not None:
        edges += [y, y + 1.0]
    with np.errstate(all="ignore"):
        cuts = np.stack([_quantiles(part, low.shape) for _, part in parts_of(frozen)])
        cuts = np.where(np.isfinite(cuts), cuts, np.nan).reshape(*cuts.shape[:2], -1)
        cuts = merged(np.moveaxis(cuts, -1, 0)).T
    edges = np.stack([*np.broadcast_arrays(*edges), *cuts.reshape(-1, *low.shape)])
    edges = np.where(np.isfinite(edges), np.floor(edges), low)
    return np.sort(np.clip(edges, low, high + 1.0), axis=0)


def _quantiles(frozen, shape):
    """Return quantiles (m, *shape), or guesses near them, at levels from either end, in order."""
    lower, upper = frozen.ppf, frozen.isf
    if frozen.stepwise:
        lower, upper = (lambda p: frozen._guess(p)[0]), (lambda q: frozen._guess(1.0 - q)[1])
    low, high = ([np.full(shape, p) for p in _LEVELS[:m]] for m in (None, -1))
    return np.stack([*map(lower, low), *map(upper, high[::-1])])


def _rule(length):
    """Return places (p, 20, ...) and weights of sums over 0, 1, ..., length - 1, for (p, ...).

    Notes
    -----
    The places are counts near Gauss's nodes. The weights sum the discrete Chebyshev polynomials of
    degree below 20, which are orthogonal to 1: DLMF 18.19, with the recurrence of Gram polynomials.
    """
    shape, length = length.shape, length.ravel()
    index = np.arange(_NODES)
    lengths, back = np.unique(length, return_inverse=True)
    few = lengths <= _NODES
    places = np.where(few[:, None], index, 0.0)
    weights = np.where(few[:, None], index < lengths[:, None], 0.0)
    n = lengths[~few][:, None]
    if n.size:
        near = np.rint(gauss_legendre(_NODES)[0] * (n - 1.0))
        near = index + np.maximum.accumulate(near - index, axis=1)  # all of them different
        near = np.minimum(near, n - _NODES + index)
        x = (2.0 * near - n + 1.0) / n
        rows = [np.ones_like(x), x]
        for j in range(1, _NODES - 1):
            lost = j * (1.0 - (j / n) ** 2)
            rows.append(((2 * j + 1) * x * rows[-1] - lost * rows[-2]) / (j + 1))
        right = np.zeros((len(n), _NODES, 1))
        right[:, 0] = n
        places[~few] = near
        weights[~few] = np.linalg.solve(np.stack(rows, axis=1), right)[..., 0]
    found = (np.moveaxis(v[back].reshape(*shape, _NODES), -1, 1) for v in (places, weights))
    return tuple(found)


def first_count(reached, start, low=0.0, high=np.inf):
    """Return the smallest count that is reached: from a guess, by steps that double, then halve.

    Parameters
    ----------
    reached : callable
        Whether counts are at least those that are looked for.
    start : numpy.ndarray
        Guesses, NaN where there is none to find.
    low, high : float
        The ends of the counts.

    Returns
    -------
    numpy.ndarray
    """
    start = np.clip(np.asarray(start, dtype="float64"), low, high)
    none = ~np.isfinite(start)
    known = np.where(none, low, start)
    above, step = reached(known), 1.0
    under, over = np.where(above, known - 1.0, known), np.where(above, known, known + 1.0)
    while True:
        there = reached(np.where(above, np.maximum(under, low), np.minimum(over, high)))
        down, up = above & (under >= low) & there & ~none, ~above & (over < high) & ~there & ~none
        if not (down | up).any():
            break
        step *= 2.0
        over, under = np.where(down, under, over), np.where(up, over, under)
        under = np.where(down, np.maximum(under - step, low - 1.0), under)
        over = np.where(up, np.minimum(over + step, high), over)
    while (open_ := (over - under > np.maximum(1.0, 4e-16 * over)) & ~none).any():
        middle = np.where(open_, np.floor(0.5 * (under + over)), over)
        there = reached(middle)
        over = np.where(open_ & there, middle, over)
        under = np.where(open_ & ~there, middle, under)
    return np.where(none, start, np.clip(over, low, high))[()]
