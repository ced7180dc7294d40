"""Perfect separation, proven absent by a few Newton steps, or found by linear programmes.

Estimates do not exist where a direction of the parameters makes no row less likely and some row
more so: one constraint per row, of which a small subset nearly always decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from probnn.fitting import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBERS = 50_000  # of x, taken at once: a block and its products stay in cache
_TOLERANCE = 1e-9  # of a row's margin, relative to the row and to the direction
_MANY = 32  # parameters, above which a few Newton steps cost less than a programme
_TINY = np.finfo(np.float64).tiny


class PerfectSeparationError(ValueError):
    """Maximum-likelihood estimates do not exist, as columns separate the responses.

    Attributes
    ----------
    columns : list of str
        Those that each separate them alone, or else a small set that does; with the class, where
        there are more than two.
    complete : bool
        Whether all columns together have every row strictly on its right side, none on the
        boundary.
    """

    def __init__(self, message: str, columns: Sequence[str] = (), complete: bool = False) -> None:
        super().__init__(message)
        self.columns, self.complete = list(columns), complete


def check(y, x, kind, names, classes=None, firth=True):
    """Raise an error if the responses are separated, completely or quasi-completely.

    Parameters
    ----------
    y : array_like, shape (n,)
        For ``"binary"``, in [0, 1], proportions between; for ``"categorical"``, the codes 0, 1, ...
        of classes; for ``"counts"``, with a log link, not negative.
    x : array_like, shape (n, p)
        The design, with a constant column if there is an intercept. It is not copied.
    kind : {"binary", "categorical", "counts"}
        The responses.
    names : sequence of str
        The names of the columns.
    classes : sequence, optional
        The labels of the classes of a categorical response; by default the codes up to the largest.
    firth : bool
        Whether the error offers Firth's penalty for a binary response, as it is for the logit link.

    Raises
    ------
    PerfectSeparationError
        If maximum-likelihood estimates do not exist.
    ValueError
        If shapes do not agree, a value of x is not finite, or the kind is not known.

    Notes
    -----
    Write a_i'b >= 0 where a direction b makes row i no less likely: a_i is x_i for y = 1, -x_i for
    y = 0, and for categories x_i in the columns of its class less x_i in those of another: Albert
    and Anderson (1984), doi:10.1093/biomet/71.1.1. A proportion, and a positive count, need
    a_i'b = 0: Correia, Guimaraes and Zylkin (2019), doi:10.48550/arXiv.1903.01633. There are no
    estimates where a feasible b has some a_i'b > 0, which the maximum of sum_i w_i a_i'b over all
    rows tells, w > 0: Konis (2007), https://ora.ox.ac.uk/objects/uuid:8f9ee0d0-d78e-4101-9ab4-f9cbceed2a2a.
    Here only a subset of rows constrains it, a relaxation: if its maximum is 0, so is that of the
    whole. Otherwise the rows that the maximiser violates join the subset, until there are none.

    Examples
    --------
    >>> import numpy as np
    >>> from probnn.fitting.separation import check
    >>> x = np.column_stack([np.ones(6), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    >>> check([0, 0, 1, 0, 1, 1], x, "binary", ["const", "dose"])
    >>> try:
    ...     check([0, 0, 0, 1, 1, 1], x, "binary", ["const", "dose"])
    ... except ValueError as error:
    ...     print(error.columns, error.complete)
    ['dose'] True
    """
    y, x = np.asarray(y), np.asarray(x)
    if x.ndim != 2 or 0 in x.shape or y.shape != x.shape[:1] or len(names) != x.shape[1]:
        raise ValueError(
            "Expected x of shape (n, p), y of shape (n,) and p names, n and p positive. Received: "
            f"{x.shape}, {y.shape} and {len(names)} names."
        )
    if kind not in ("binary", "categorical", "counts"):
        raise ValueError(f"Expected kind 'binary', 'categorical' or 'counts'. Received: {kind!r}.")
    classes = [] if classes is None else list(classes)
    count = max(2, len(classes), int(y.max()) + 1) if kind == "categorical" else 2
    if _overlap_is_proven(y, x, kind, count):
        return
    system = _System(y, x, kind, count)
    every = np.ones(system.shape, bool)
    b = system.search(every)
    if b is not None:
        raise _explain(system, every, b, kind, names, classes, firth)


def _codes(y, kind, count):
    """Return the class of each row, or as one more, `count`, that it has a_i'b = 0."""
    if kind == "categorical":
        return y
    return np.where(y == 0, 0, np.where((y == 1) & (kind == "binary"), 1, count))


def _overlap_is_proven(y, x, kind, count):
    """Return whether Newton's steps on all rows, or on a few of many, prove that all overlap.

    A direction that separates all rows separates those few or is 0 on each of them, and their
    columns are independent. Classes overlap where pairs that do link all of them.
    """
    each = max(200, 5 * x.shape[1] * (count - 1))
    if len(y) < 20 * each:
        codes = _codes(y, kind, count)
    else:
        rng = np.random.default_rng(0)
        draws = np.unique(rng.integers(len(y), size=20 * each))
        codes = _codes(y[draws], kind, count)
        few = [
            rng.permutation(np.flatnonzero(codes == g))[: each // count] for g in np.unique(codes)
        ]
        few = np.sort(np.concatenate(few))
        codes, x = codes[few], x[draws[few]]
    linked, others = [0], [*range(1, count)]
    with np.errstate(all="ignore"):
        for one in linked:
            for other in [*others]:
                pair = (codes == one) | (codes == other) | (codes == count)
                side = 1.0 * (codes[pair] == other) - (codes[pair] == one)
                if _newton_proves_overlap(side, np.asarray(x[pair], np.float64)):
                    linked.append(other)
                    others.remove(other)
    return not others


def _newton_proves_overlap(side, x, steps=8):
    """Return whether Newton's steps for a logistic regression meet a proof that rows overlap.

    Weights u_i of rows, positive where side_i is 1 and negative where it is -1, of any sign where
    it is 0, with sum_i u_i x_i = 0 leave no b with every side_i x_i'b >= 0, some above, and x_i'b =
    0 where the side is 0 (Stiemke 1915, doi:10.1007/BF01458223). With s a step, the residuals less
    their change along it are such weights, if their signs are right; the columns are independent.
    """
    bound, b = side != 0, np.zeros(x.shape[1])
    x = x / np.sqrt((x**2).sum(axis=0))
    for _ in range(steps):
        mean = np.tanh(x @ b)
        residual, curvature = side - mean, 1.0 - mean**2
        factor, failed = dpotrf((x * curvature[:, None]).T @ x, lower=1)
        if failed:
            return False
        step = dpotrs(factor, x.T @ residual, lower=1)[0]
        weights = side * (residual - curvature * (x @ step))
        if weights[bound].min(initial=np.inf) > 1e-6 * np.abs(residual).max():  # no rounding
            diagonal = np.diag(factor)
            return bool(diagonal.min() > 1e-4 * diagonal.max())
        b = b + step
    return False


def _newton_separates(a, steps=20):
    """Return a direction b with every a_i'b > 0 that Newton's steps meet, or None.

    They are those of a logistic regression: if there is such a direction, it goes to infinity.
    """
    b, size = np.zeros(a.shape[1]), 100 * _TOLERANCE * np.abs(a).sum(axis=1)
    for _ in range(steps):
        margin = a @ b
        if (margin > size * np.abs(b).max()).all():
            return b
        tail = 0.5 - 0.5 * np.tanh(0.5 * margin)
        factor, failed = dpotrf((a * (tail * (1.0 - tail))[:, None]).T @ a, lower=1)
        if failed:
            return None
        b = b + dpotrs(factor, a.T @ tail, lower=1)[0]
    return None


class _System:
    """The constraints a_i'b >= 0: those of all rows by blocks, those of a subset as a matrix."""

    def __init__(self, y, x, kind, count):
        self.x, self.at = x, 0
        self.count, self.shape = count, (x.shape[1], count - 1)  # of b: log-odds against class 0
        self.codes = np.empty(len(y), np.min_scalar_type(count))  # the last one is: a_i'b = 0
        self.sizes = np.zeros(count + 1, int)
        for rows in _blocks(len(y)):
            self.codes[rows] = _codes(y[rows], kind, count)
            self.sizes += np.bincount(self.codes[rows], minlength=count + 1)
        each = max(200, 5 * x.shape[1] * (count - 1)) / (count - 1) / np.count_nonzero(self.sizes)
        sample = self._sample(int(np.ceil(each)))
        with np.errstate(invalid="ignore", over="ignore"):
            self._scale(np.asarray(x[sample], np.float64))
            self.gain = self._gain().ravel()
        if not np.isfinite(self.gain).all():
            raise ValueError("Expected finite x. Received: NaN or infinity. Drop those rows.")
        sample, rival = np.repeat(sample, count), np.tile(np.arange(count), len(sample))
        self.a, self.keys = np.empty((0, self.gain.size)), np.empty(0, int)
        self._add(*np.array([sample, rival])[:, self._own(sample) != rival])

    def _own(self, rows):
        return np.minimum(self.codes[rows], self.count - 1).astype(int)

    def _sample(self, each):
        """Return rows at random, as many of each class, or all of a rare one."""
        rng = np.random.default_rng(0)
        draws = np.unique(rng.integers(len(self.codes), size=20 * each * len(self.sizes)))
        rows = []
        for code in np.flatnonzero(self.sizes):
            own = draws[self.codes[draws] == code]
            own = own if len(own) >= each else np.flatnonzero(self.codes == code)
            rows.append(rng.choice(own, min(each, len(own)), replace=False))
        return np.concatenate(rows)

    def _scale(self, sample):
        """Choose a linear map that makes columns comparable: with any, the proof holds."""
        middle = np.median(sample, axis=0)
        constant = np.flatnonzero((sample == middle).all(axis=0) & (middle != 0))[:1]
        self.constant = int(constant[0]) if constant.size else 0
        self.centre = middle / middle[constant] if constant.size else np.zeros_like(middle)
        self.centre[constant] = 0
        size = np.abs(sample - sample[:, [self.constant]] * self.centre)
        size[size < 1e-14 * np.abs(middle)] = 0
        # A median, which no outlier moves, but not of the zeros of a dummy.
        spread = np.array([np.median(part[part > 0]) if (part > 0).any() else 0 for part in size.T])
        rare = np.flatnonzero(spread == 0)  # the sample has one value
        for rows in _blocks(len(self.x), len(rare)) if rare.size else ():
            part = self.x[rows][:, rare] - self.x[rows, self.constant, None] * self.centre[rare]
            spread[rare] = np.maximum(spread[rare], np.abs(part).max(axis=0))
        self.spread = np.where(spread > 0, spread, 1)
        self.weight = 1 / np.maximum(self.spread, np.abs(middle))

    def _scaled(self, rows, columns=slice(None)):
        part = np.asarray(self.x[rows][:, columns], np.float64)
        if self.centre.any():
            part = part - self.x[rows, self.constant, None] * self.centre[columns]
        return part / self.spread[columns]

    def _gain(self):
        """Return the mean of all a_i, weighted by their norms: an outlier must not hide others."""
        table = self.count * np.eye(self.count + 1)[:, 1 : self.count] - 1
        table[-1] = 0
        total = np.zeros(self.shape)
        for rows in _blocks(*self.x.shape):
            part = np.asarray(self.x[rows], np.float64)
            norm = np.maximum(np.abs(part) @ self.weight, _TINY)
            total += part.T @ (table[self.codes[rows]] / norm[:, None])
        total -= self.centre[:, None] * total[self.constant]
        return total / self.spread[:, None] / len(self.x)

    def _add(self, rows, rival):
        """Add to the subset constraints of rows, each against a rival class."""
        z, each = self._scaled(rows), np.arange(len(rows))
        norm = np.maximum(np.abs(z).sum(axis=1, keepdims=True), _TINY)
        z /= norm / np.sqrt(np.maximum(norm, 1))  # an outlier's other entries must not vanish
        a = np.zeros((len(z), self.shape[0], self.count))
        a[each, :, self._own(rows)] = z
        a[each, :, rival] = -z
        self.a = np.vstack([self.a, a[:, :, 1:].reshape(len(z), -1)])
        self.keys = np.append(self.keys, rows * self.count + rival)
        self.equal = self.codes[self.keys // self.count] == self.count

    def search(self, free, complete=False):
        """Return a direction over free parameters that separates, or None."""
        while True:
            b = np.zeros(self.gain.size)
            b[free.ravel()], value = self._maximise(free.ravel(), complete)
            if value < 1e-2 * _TOLERANCE:  # less than a row's: there may be a million rows
                return None
            b = (b / np.abs(b).max()).reshape(self.shape)
            wrong, strict, rows, rival = self.scan(b, complete)
            if not wrong:
                return b if strict else None
            if not len(rows):  # within what the solver tolerates: not to be told from overlap
                return None
            self._add(rows, rival)

    def _maximise(self, free, complete):
        """Solve the programme of the subset: the most gain, or least margin, within a box."""
        from scipy.optimize import linprog

        a, equal, zero = self.a[:, free], self.equal, np.zeros((len(self.a), 1))
        if a.shape[1] > _MANY and not equal.any():
            b = _newton_separates(a)
            if b is not None:  # it serves as well as the one of most gain
                return b, 1.0
        cost = np.append(self.gain[free] * (not complete), float(complete))
        found = linprog(
            -cost,
            A_ub=np.hstack([-a, zero + 1])[~equal],
            b_ub=zero[~equal, 0],
            A_eq=np.hstack([a, zero])[equal],
            b_eq=zero[equal, 0],
            bounds=[(-1, 1)] * a.shape[1] + [(0, int(complete))],
            method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        ).x
        return (0, 0.0) if found is None else (found[:-1], cost @ found)

    def constants(self):
        """Return whether each column has one value, not 0."""
        same = self.x[0] != 0
        for rows in _blocks(*self.x.shape):
            same = same & (self.x[rows] == self.x[0]).all(axis=0)
        return same

    def scan(self, b, complete=False):
        """Count wrong and strict rows, and return wrong ones that are new: stop at enough."""
        wrong = strict = enough = 0
        new, most = [np.empty((3, 0))], min(500, 100 + b.size)
        size = _TOLERANCE * np.abs(b).max(axis=1)
        if self.centre.any():  # what is centred has the rounding of the constant
            size[self.constant] = _TOLERANCE
        used = slice(None) if size.all() else np.flatnonzero(size)
        blocks = list(_blocks(*self.x.shape))
        for _ in blocks:
            rows = blocks[self.at % len(blocks)]
            self.at += 1  # the next walk goes on from here
            z = self._scaled(rows, used)
            slack = np.abs(z) @ size[used]
            odds = np.hstack([np.zeros((len(z), 1)), z @ b[used]])
            own, each = self._own(rows), np.arange(len(z))
            tie = self.codes[rows] == self.count
            mine, odds[each, own] = odds[each, own], np.inf
            strict += np.count_nonzero(mine - odds.min(axis=1) > slack)
            odds[each, own] = -np.inf
            least = mine - odds.max(axis=1)
            least[tie] = -np.abs(least[tie])
            bad = np.flatnonzero(least <= slack if complete else least < -slack)
            if bad.size:
                wrong += bad.size
                rival = odds[bad].argmax(axis=1)
                depth, row = least[bad] / np.maximum(slack[bad], _TINY), rows.start + bad
                fresh = ~np.isin(row * self.count + rival, self.keys)
                new.append(np.array([depth, row, rival])[:, fresh])
                enough += np.count_nonzero(fresh)
                if enough >= most:
                    break
        new = np.hstack(new)
        return wrong, strict, *new[1:, np.argsort(new[0])[:most]].astype(int)


def _blocks(n, p=1):
    size = max(1, _NUMBERS // p)
    return (slice(i, i + size) for i in range(0, n, size))


def _explain(system, every, b, kind, names, labels, firth):
    """Return the error: what separates, told by few columns, and what to do."""
    n, p = system.x.shape
    complete = not system.sizes[-1] and system.search(every, complete=True) is not None
    base = every & system.constants()[:, None]
    labels += range(len(labels), system.count)
    if system.search(base) is not None:
        missing = [repr(labels[k]) for k in np.flatnonzero(system.sizes[:-1] == 0)]
        missing = "a count above 0" if kind == "counts" else " or ".join(missing)
        return PerfectSeparationError(
            "Expected y to take every value, so that maximum-likelihood estimates exist. Received: "
            f"{n} rows without {missing}: separation by the constant alone. "
            "Check how y is coded, or leave out a class that never occurs.",
            [name for name, constant in zip(names, base[:, 0], strict=True) if constant],
            complete,
        )
    apart = ranges.apart(system.x, system.codes, system.sizes.size, _blocks(n, p))
    able = np.flatnonzero(~base[:, 0] & apart)
    units = [base | (np.arange(p) == j)[:, None] for j in able]
    for strictly in (True, False) if complete else (False,):
        alone = [(unit & ~base, system.search(unit, strictly)) for unit in units]
        groups = [unit & (np.abs(one) > 1e-7) for unit, one in alone if one is not None]
        if groups:
            break
    else:
        groups = [_fewest(system, every, b, base) & ~base]

    def label(j, k):
        return names[j] if system.count == 2 else f"{names[j]} (class {labels[k + 1]})"

    union = np.any(groups, axis=0)
    listed = [[repr(label(*at)) for at in np.argwhere(group)] for group in groups]
    listed = _join(", by ", [_join(" with ", group) for group in listed])
    best = system.search(base | union, complete=True) if complete else None
    how = "quasi-complete" if best is None else "complete"
    best = system.search(base | union) if best is None else best
    strict = "some" if best is None else system.scan(best)[1]
    firth = (
        'fit(method="firth"), which penalises the likelihood, or '
        if kind == "binary" and firth
        else ""
    )
    hint = (
        f"Use {firth}fit_regularized(alpha=..., L1_wt=0), a ridge; or leave columns out, or merge "
        "rare categories."
    )
    return PerfectSeparationError(
        f"Expected {'zeros and other counts' if kind == 'counts' else 'classes'} that overlap, so "
        "that maximum-likelihood estimates exist. Received: "
        f"{how} separation by {listed}: {strict} of {n} rows lie strictly on the "
        f"right side, and none on the wrong one. {hint}",
        [label(*at) for at in np.argwhere(union)],
        complete,
    )


def _join(word, parts, most=8):
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return word.join(parts[:most]) + more


def _fewest(system, free, b, base):
    """Return parameters that separate, those of base among them: none that the rest could spare."""
    order = np.argsort(-np.where(base, -1, np.abs(b)), axis=None)[: np.sum(~base)]
    count = 1
    while count < len(order):
        fewer = base.copy()
        fewer.flat[order[:count]] = True
        if system.search(fewer) is not None:
            free = fewer
            break
        count *= 2
    for index in order[:count][::-1] if count <= 32 else ():  # of more, none would read the names
        fewer = free.copy()
        fewer.flat[index] = False
        free = free if system.search(fewer) is None else fewer
    return free
