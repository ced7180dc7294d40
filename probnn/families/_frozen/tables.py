"""Tables of the probabilities of counts, some rows at once: their quantiles at any levels."""

import numpy as np

from probnn._parallel import share_blocks

_CHUNK = 1 << 18  # numbers of a table
_ROWS = 8192  # rows at once, of sums without one
_NEAR = 64.0  # a table whose first quantile is less above the lowest count begins there
_SURE = 1e-9  # levels nearer to 0 or 1 need more digits than a cumulative table has
_TIE = 1e-12  # nor has it those that tell which side of so near a level a probability is
# A count of a table takes about 10 + 3 L units of time, L levels without it about 4000 L.
_WORTH = (10.0, 3.0, 4000.0)


def chunks(rows, width):
    """Yield numbers of rows of about one width, and the largest, whose tables fill a chunk."""
    rows, start = rows[np.argsort(width[rows], kind="stable")], 0
    while start < len(rows):
        some = rows[start : start + int(max(1, _CHUNK // width[rows[start]]))]
        some = some[: max(1, int(_CHUNK // width[some[-1]]))]
        start += len(some)
        yield some, int(width[some[-1]])


def streams(rows, width):
    """Yield numbers of rows of about one width, and the largest, where no table is held."""
    rows, start = rows[np.argsort(width[rows], kind="stable")], 0
    sorted_width = width[rows]
    while start < len(rows):
        stop = np.searchsorted(sorted_width, 1.2 * sorted_width[start], side="right")
        some = rows[start : min(stop, start + _ROWS)]
        start += len(some)
        yield some, int(width[some[-1]])


def cumulative(frozen, low, count):
    """Return P(Y < low + j) for j = 0, ..., count, of n rows in a line, and infinity for some more.

    Shape (m, n), where m is a power of 2.
    """
    table = np.empty((1 << int(count).bit_length(), *frozen.shape))
    table[count + 1 :] = np.inf
    some = low > frozen.support()[0]
    table[0] = np.where(some, frozen.cdf(low - 1.0), 0.0) if some.any() else 0.0
    for j, mass in zip(range(count), frozen._masses(low), strict=False):
        np.add(table[j], mass, out=table[j + 1])
    return table


def tabled(frozen, p):
    """Return quantiles of counts, and the probabilities below and up to them, from tables.

    Parameters
    ----------
    frozen : Frozen
        Distributions of counts, with `_masses`.
    p : numpy.ndarray, shape (L, n)
        Levels of each row.

    Returns
    -------
    k, below, upto : numpy.ndarray, shape (L, n)
        The smallest k with P(Y <= k) >= p, P(Y < k) and P(Y <= k). NaN where a table would take
        longer than to search, and where its digits do not tell.
    """
    found = np.full((3, *p.shape), np.nan)
    sure = (p > _SURE) & (p < 1.0 - _SURE)
    with np.errstate(all="ignore"):
        ends = np.where(sure, p, 0.5)
        first = np.ravel(frozen._guess(ends.min(axis=0).reshape(frozen.shape))[0])
        last = np.ravel(frozen._guess(ends.max(axis=0).reshape(frozen.shape))[1])
        least = np.ravel(np.broadcast_to(frozen.support()[0], frozen.shape))
        low = np.where(first < least + _NEAR, least, np.floor(first - 0.02 * abs(first)) - 2.0)
        width = np.ceil(last + 0.05 * abs(last)) + 3.0 - low
        count, level, without = _WORTH
        worth = width * (count + level * len(p)) <= without * len(p)

    def look_up(chunk):
        rows, wide = chunk
        table = cumulative(frozen._of_rows(rows), low[rows], wide)
        for at in range(0, len(p), step := max(1, _CHUNK // len(rows))):
            some = slice(at, at + step)
            found[:, some, rows] = _looked_up(table, low[rows], p[some, rows], sure[some, rows])

    share_blocks(look_up, chunks(np.flatnonzero(sure.any(axis=0) & worth), width))
    return found


def _looked_up(table, low, p, sure):
    """Return counts and probabilities of `tabled`, of (L, r) levels in a table (m, r)."""
    flat, own = table.ravel(), np.arange(len(low))
    place = np.broadcast_to(own, p.shape)  # in the table, of the last that is below the level
    for step in 2 ** np.arange(len(table).bit_length() - 1)[::-1]:
        there = place + step * len(low)
        place = np.where(flat[there] < p, there, place)
    below, at = flat[place], (place - own) // len(low)
    upto = flat[np.minimum(place + len(low), len(flat) - 1)]
    upto = np.where(at + 1 < len(table), upto, np.inf)
    good = sure & (p - below > _TIE) & (upto - p > _TIE) & np.isfinite(upto)
    return np.where(good, (low + at, below, upto), np.nan)


def from_tables(frozen, level, upper):
    """Return quantiles of counts at a level, or 1 less it if `upper`: from tables, or searched for.

    Of the latter, `frozen._search(rows, level, upper)` has numbers of rows, as in a raveled array.
    """
    return _from_tables(frozen, level, upper)[0][()]


def around_quantiles(frozen, p):
    """Return P(Y < k) and P(Y <= k) of the quantiles k of counts at levels p."""
    if not hasattr(frozen, "_search"):  # its quantiles are had without tables
        k = frozen.ppf(p)
        return frozen.cdf(k - 1.0), frozen.cdf(k)
    return _from_tables(frozen, p, False, around=True)[1:]


def _from_tables(frozen, level, upper, around=False):
    level = np.asarray(level, dtype="float64")
    shape = np.broadcast_shapes(level.shape, frozen.shape)
    level = np.broadcast_to(level, shape).reshape(-1, int(np.prod(frozen.shape)))
    found = tabled(frozen, 1.0 - level if upper else level)
    left, rows = np.nonzero(np.isnan(found[0]))
    for start in range(0, len(rows), _CHUNK):
        some, these = left[start : start + _CHUNK], rows[start : start + _CHUNK]
        k = found[0, some, these] = frozen._search(these, level[some, these], upper)
        if around:
            part = frozen._of_rows(these)
            found[1:, some, these] = part.cdf(k - 1.0), part.cdf(k)
    return found.reshape(3, *shape)
