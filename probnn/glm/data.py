"""The data of a model: columns with names, checked before anything is computed."""

from dataclasses import dataclass, field

import numpy as np

from probnn._parallel import one_blas_thread, share
from probnn.data import to_numpy
from probnn.fitting.likelihood import Likelihood


@dataclass
class Observations:
    """Rows of data, as the likelihood and the residuals read them.

    Attributes
    ----------
    y : numpy.ndarray, shape (n,)
        Responses; proportions where `trials` are given.
    designs : list
        The design of each raw column of the family, or None.
    offsets : dict
        Raw column -> array (n,).
    freq_weights, var_weights, trials : numpy.ndarray, shape (n,), or None
        How many rows each row stands for; how precise it is; of how many trials y is a proportion.
    """

    y: np.ndarray
    designs: list
    offsets: dict = field(default_factory=dict)
    freq_weights: np.ndarray | None = None
    var_weights: np.ndarray | None = None
    trials: np.ndarray | None = None

    def __len__(self):
        return len(self.y)

    @property
    def precision(self):
        """The product of what makes rows precise, but for their frequency; None if all are 1."""
        return _product(self.var_weights, self.trials)

    @property
    def weights(self):
        """The product of all weights; None if all are 1."""
        return _product(self.freq_weights, self.precision)

    @property
    def nobs(self):
        """The number of rows, each as often as its frequency says."""
        return len(self) if self.freq_weights is None else float(np.sum(self.freq_weights))

    def likelihood(self, family, known):
        """Return the `Likelihood` of these rows."""
        return Likelihood(family, self.y, self.designs, known, self.offsets, self.weights)


def _product(a, b):
    if a is None or b is None:
        return b if a is None else a
    return a * b


def is_labelled(values):
    """Return whether an array carries names, as pandas and polars objects do."""
    return hasattr(values, "columns") or hasattr(values, "name")


def check_aligned(x, other, what):
    """Raise ValueError if two pandas objects of as many rows have different indices."""
    one, two = (getattr(each, "index", None) for each in (x, other))
    if not (hasattr(one, "equals") and hasattr(two, "equals")) or len(one) != len(two):
        return
    if not one.equals(two):
        raise ValueError(
            f"Expected {what} with the index of X: rows go together by position. Received other "
            f"labels, or another order. Align them first, {what}.reindex(X.index), or pass "
            f"{what}.to_numpy() if positions are right."
        )


def read_matrix(x, what="X"):
    """Return a float64 matrix (n, p), and the names of its columns or None, checked.

    Raises
    ------
    ValueError
        If it has zero rows or columns, is not numeric, or is not two-dimensional.
    """
    labels = getattr(x, "columns", None)
    labels = [getattr(x, "name", None)] if labels is None and is_labelled(x) else labels
    x = _numeric(to_numpy(x), what, labels)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(
            f"Expected {what} of shape (n, p) with at least one row and one column. Received: "
            f"shape {x.shape}."
        )
    return x, None if labels is None else [str(label) for label in labels]


def read_design(x, what="X"):
    """Return a float64 matrix (n, p) and the names of its columns, checked.

    Raises
    ------
    ValueError
        As `read_matrix`; or if two columns have one name, a value is not finite, or a column is 0.
    """
    x, names = read_matrix(x, what)
    if names is None:
        counter, constant = iter(range(1, x.shape[1] + 1)), set(constant_columns(x))
        names = ["const" if j in constant else f"x{next(counter)}" for j in range(x.shape[1])]
    elif len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"Expected columns of {what} with different names. Received: {twice!r} twice."
        )
    check_finite(x, what, names)
    zero = [j for j in range(x.shape[1]) if not x[0, j] and not x[:, j].any()]
    if zero:
        raise ValueError(
            f"Expected no column of zeros in {what}. Received: {names[zero[0]]!r}. Leave it out."
        )
    return x, names


def read_column(values, n, what, minimum=None):
    """Return one float64 number for each of n rows, checked; None stays None."""
    if values is None:
        return None
    values = _numeric(to_numpy(values), what)
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,):
        raise ValueError(
            f"Expected {what} of shape ({n},), one number for each row. Received: shape "
            f"{values.shape}."
        )
    bad = ~np.isfinite(values) if minimum is None else ~((values >= minimum) & np.isfinite(values))
    if bad.any():
        bound = "" if minimum is None else f" numbers from {minimum} on, all"
        raise ValueError(
            f"Expected {what} to be{bound} finite. Received: {values[bad][0]} in row "
            f"{int(np.flatnonzero(bad)[0])}, and {int(bad.sum())} such value(s) in all."
        )
    return values


def as_bernoulli(family, y):
    """Return a family of trials as that of each, with y as numbers of successes and of failures.

    The likelihoods differ by terms of y alone, which `Results.llf` counts; others pass unchanged.
    """
    each = family.per_trial()
    if each is None:
        return family, y
    values = _numeric(to_numpy(y), "y")
    if family.trials is not None and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 + len(family.y_shape):
        raise ValueError(
            "Expected y of shape (n, 2), successes and trials, or with trials= of the family (n,). "
            f"Received: shape {values.shape}."
        )
    family.check(values)
    successes, trials = values.T if family.trials is None else (values, float(family.trials))
    pairs = np.column_stack([successes, trials - successes])
    if is_labelled(y):
        import pandas as pd

        name = getattr(y, "name", None) or next(iter(getattr(y, "columns", ["y"])))
        pairs = pd.DataFrame(pairs, getattr(y, "index", None), [str(name), "failures"])
    return each, pairs


def read_response(y, family):
    """Return y (n,), the number of trials of each row or None, and its name.

    Two columns, for the Bernoulli family, are numbers of successes and of failures.
    """
    name = getattr(y, "name", None)
    if name is None and getattr(y, "columns", None) is not None:
        name = y.columns[0]
    y = _numeric(to_numpy(y), "y")
    columns = family.y_columns
    if columns is not None:
        if y.ndim != 2 or y.shape[1] != columns or not len(y):
            raise ValueError(family.columns_problem("y", f"(n, {columns})", y.shape))
        family.check(y)
        return np.ascontiguousarray(y), None, str(name or "y")
    if y.ndim == 0 or y.shape[0] == 0:
        raise ValueError(f"Expected y with at least one row. Received: shape {y.shape}.")
    trials = None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.shape[1] == 2 and family.proportions:
        trials = y.sum(axis=1)
        if not (np.isfinite(y).all() and (y >= 0).all() and (trials > 0).all()):
            raise ValueError(
                "Expected two columns of y to be numbers of successes and failures, from 0 on, "
                "with at least one trial in each row. Received others."
            )
        return y[:, 0] / trials, trials, name or "y"
    if y.ndim != 1:
        raise ValueError(
            f"Expected y of shape (n,), for the {family.name} family. Received: shape {y.shape}. "
            "Successes and failures, in two columns, are for the bernoulli family."
        )
    family.check(y)
    return np.ascontiguousarray(y), None, str(name) if name is not None else "y"


def _numeric(values, what, labels=None):
    if values.dtype.kind not in "biuf":
        shown = ""
        if labels is not None and values.ndim == 2:
            for label, column in zip(labels, values.T, strict=True):
                first = column[0] if len(column) else None
                if isinstance(first, str):
                    shown = f", {label!r} with {first!r} in the first row"
                    break
        raise ValueError(
            f"Expected {what} to be numeric. Received: values of type {values.dtype}{shown}. "
            "Encode them first, or use a formula, which encodes categories: "
            "probnn.glm.glm('y ~ x', data)."
        )
    return values.astype("float64", copy=False)


def check_finite(x, what, names):
    """Raise ValueError if a number of the matrix is NaN or infinite."""
    # Sums find them in one pass without a copy; only a suspect block is looked at by element.
    step = max(1, 200_000 // x.shape[1])
    ones = np.ones(x.shape[1])

    def first_bad(rows):
        with np.errstate(all="ignore"):
            for start in range(rows.start, rows.stop, step):
                block = x[start : min(start + step, rows.stop)]
                if not np.isfinite(np.dot(block, ones).sum()):
                    bad = np.argwhere(~np.isfinite(block))
                    if len(bad):
                        return start + int(bad[0, 0]), int(bad[0, 1])
        return None

    bad = [found for found in share(first_bad, *x.shape) if found is not None]
    if bad:
        row, column = bad[0]
        raise ValueError(
            f"Expected finite numbers in {what}. Received: {x[row, column]} in row {row}, column "
            f"{names[column]!r}. Drop rows with missing values (missing='drop'), or impute them."
        )


def constant_columns(x):
    """Return the indices of columns that have one value."""
    likely = np.flatnonzero((x[:100] == x[0]).all(axis=0))
    return [int(j) for j in likely if (x[:, j] == x[0, j]).all()]


def has_constant(x):
    """Return whether some combination of the columns, none constant itself, is 1 in every row."""
    head = x[:: max(1, len(x) // 1000)]
    weights, *_ = np.linalg.lstsq(head, np.ones(len(head)), rcond=None)
    if np.abs(head @ weights - 1.0).max() > 1e-8:
        return False
    return bool(np.abs(x @ weights - 1.0).max() < 1e-8)


def check_rank(x, names, what="X", seed=0):
    """Raise ValueError, naming columns, if the columns of a matrix are linearly dependent."""
    from scipy.linalg import qr

    n, p = x.shape
    if n < p:
        raise ValueError(
            f"Expected at least as many rows as columns. Received: {what} with {n} rows and {p} "
            "columns, whose coefficients no data determine. Leave columns out, or penalise them: "
            "fit_regularized(alpha=...)."
        )
    # Rows whose columns are independent settle it; only if they are not, all rows are looked at.
    few = 20 * p + 500
    samples = [x[np.sort(np.random.default_rng(seed).integers(0, n, few))]] if few < n // 2 else []
    for rows in (*samples, x):
        size = np.sqrt(np.einsum("ij,ij->j", rows, rows))
        if not size.all():
            if rows is x:
                raise ValueError(
                    f"Expected no column of zeros in {what}, in rows that have weight. Received: "
                    f"{names[int(np.argmin(size))]!r}. Leave it out."
                )
            continue
        with one_blas_thread():
            r, order = qr(rows / size, mode="r", pivoting=True)
        pivots = np.abs(np.diag(r[:p]))
        if pivots[-1] > 1e-14 * np.sqrt(p) * pivots[0]:
            return
    rank = int(np.sum(pivots > 1e-14 * np.sqrt(p) * pivots[0]))
    last = order[rank]
    share = np.linalg.lstsq(r[:rank, :rank], r[:rank, rank], rcond=None)[0]
    with_it = [names[j] for j, w in zip(order[:rank], share, strict=True) if abs(w) > 1e-8]
    raise ValueError(
        f"Expected linearly independent columns in {what}. Received: {names[last]!r}, a "
        f"combination of {', '.join(map(repr, with_it))}. Leave one of them out, or penalise them: "
        "fit_regularized(alpha=...)."
    )
