"""Whether the columns of a design are independent."""

import numpy as np
from scipy.linalg import qr
from scipy.linalg.lapack import dpotrf

from probnn._parallel import one_blas_thread


class DependentColumnsError(ValueError):
    """The coefficients of a design's columns are not determined by its rows."""


def _far_from_dependent(gram):
    """Return whether columns with these products are independent, and no rounding is part of it."""
    factor, failed = dpotrf(gram, lower=1)  # whose rounding is in proportion to each column's size
    return not failed and (factor.diagonal() > 1e-4 * np.sqrt(gram.diagonal())).all()


def check_rank(design, names, what="X", seed=0):
    """Raise DependentColumnsError, which names columns, if those of a `Design` are dependent."""
    n, p = design.shape
    if n < p:
        raise DependentColumnsError(
            f"Expected at least as many rows as columns. Received: {what} with {n} rows and {p} "
            "columns, whose coefficients no data determine. Leave columns out, or penalise them: "
            "fit_regularized(alpha=...)."
        )
    # Rows whose columns are independent settle it, and their products where they are far from
    # dependent; only if they are not, all rows are looked at.
    if _far_from_dependent(design.glimpse[1]):
        return
    few, parts = 20 * p + 500, [design]
    if few < n // 5:
        parts = [design.take(np.sort(np.random.default_rng(seed).integers(0, n, few))), design]
    for part in parts:
        size = np.sqrt(part.gram.diagonal())
        if not size.all():
            if part is design:
                raise DependentColumnsError(
                    f"Expected no column of zeros in {what}, in rows that have weight. Received: "
                    f"{names[int(np.argmin(size))]!r}. Leave it out."
                )
            continue
        if _far_from_dependent(part.gram):
            return
        with one_blas_thread():
            r, order = qr(part.toarray() / size, mode="r", pivoting=True)
        pivots = np.abs(np.diag(r[:p]))
        if pivots[-1] > 1e-14 * np.sqrt(p) * pivots[0]:
            return
    rank = int(np.sum(pivots > 1e-14 * np.sqrt(p) * pivots[0]))
    last = order[rank]
    share = np.linalg.lstsq(r[:rank, :rank], r[:rank, rank], rcond=None)[0]
    with_it = [names[j] for j, w in zip(order[:rank], share, strict=True) if abs(w) > 1e-8]
    raise DependentColumnsError(
        f"Expected linearly independent columns in {what}. Received: {names[last]!r}, a "
        f"combination of {', '.join(map(repr, with_it))}. Leave one of them out, or penalise them: "
        "fit_regularized(alpha=...)."
    )
