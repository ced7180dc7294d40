"""Whether one model is another with restrictions: what tests of two fits suppose."""

import warnings

import numpy as np

_ROUNDING = 1e-7  # of a column, beyond the span of others


def check_nested(large, small, df):
    """Raise ValueError unless one fit is of a model that restricts that of another.

    Parameters
    ----------
    large, small : Results
        The fits. Of rows that are not in memory, names of columns are what is known.
    df : float
        How many estimates the large one has more.

    Notes
    -----
    The family, the link, the responses and the weights are the same, and what each linear predictor
    of the small model may be, its offset and the span of its columns, the large one's may be too.
    """
    _check_family(large, small)
    if df <= 0:
        raise ValueError(
            f"Expected a restricted model with fewer coefficients than {len(large.coef)}. "
            f"Received: {len(small.coef)}."
        )
    a, b = large.model.data.rows, small.model.data.rows
    if a is None or b is None:
        _check_names(large.model, small.model)
        return
    a, b = a.used, b.used
    for name in ("y", "trials", "freq_weights", "var_weights"):
        mine, its = (_filled(getattr(rows, name), rows) for rows in (a, b))
        if mine.shape != its.shape or not np.array_equal(mine, its):
            what = {"y": "responses"}.get(name, name)
            raise ValueError(f"Expected a restricted model of the same {what}. Received others.")
    for which, name in enumerate(large.model.raw_names):
        outside = _outside(_span(large.model, a, which), _span(small.model, b, which))
        if outside is not None:
            of = "" if name == large.family.location else f" of {name!r}"
            raise ValueError(
                f"Expected a restricted model: its columns{of} in the span of the larger one's. "
                f"Received: {outside}, which is not. Compare such models by AIC, or on held-out "
                "rows."
            )


def warn_if_robust(test, *results):
    """Warn, as statsmodels does, of a test that supposes what robust covariances do not."""
    robust = {r.cov_type: None for r in results if r.cov_type != "nonrobust"}
    if robust:
        from statsmodels.tools.sm_exceptions import InvalidTestWarning

        warnings.warn(
            f"{test} supposes that the model's variance is right and its rows independent, which "
            f"the covariance, {' and '.join(robust)}, does not: use wald_test.",
            InvalidTestWarning,
            stacklevel=3,
        )


def _check_family(large, small):
    link = large.family.links[large.family.location]
    other = small.family.links[small.family.location]
    if small.nobs != large.nobs or not small.family.like(large.family) or other != link:
        raise ValueError(
            "Expected a restricted model of the same rows, family and link. Received: "
            f"{small.nobs} rows of {small.family.name} ({other.name}), against "
            f"{large.nobs} of {large.family.name} ({link.name})."
        )


def _check_names(large, small):
    other = [name for name in small.parameter_names if name not in large.parameter_names]
    if other or small.has_offset != large.has_offset:
        raise ValueError(
            "Expected a restricted model whose columns are among the larger one's, and that has an "
            f"offset if it has one. Received: {', '.join(other) or 'another offset'}."
        )


def _filled(values, rows):
    return np.ones(len(rows)) if values is None else values


def _span(model, rows, which):
    """Return the offset (n,) of a raw value, and the columns (n, k) that it may add."""
    name, x = model.raw_names[which], rows.designs[which]
    offset = np.broadcast_to(rows.offsets.get(which, 0.0), len(rows))
    if name == model.dispersion:  # one number, found after the others
        return offset, np.ones((len(rows), 1)), ["const"]
    if x is None:
        return offset + model.known[which], np.empty((len(rows), 0)), []
    return offset, x.toarray(), x.names


def _outside(large, small):
    """Return the name of what a span has beyond another one; None if it has nothing."""
    (offset, x, _), (shift, z, names) = large, small
    beyond = np.column_stack([z, shift - offset])
    if x.shape[1]:
        size = np.sqrt(np.einsum("ij,ij->j", x, x))
        q = np.linalg.qr(x / size)[0]
        left = beyond - q @ (q.T @ beyond)
    else:
        left = beyond
    norms = np.linalg.norm(left, axis=0)
    bound = _ROUNDING * np.maximum(np.linalg.norm(beyond, axis=0), 1e-300)
    bound[-1] = _ROUNDING * max(np.linalg.norm(offset), np.linalg.norm(shift), 1e-300)
    over = np.flatnonzero(norms > bound)
    if not len(over):
        return None
    return "its offset" if over[0] == z.shape[1] else repr(names[over[0]])
