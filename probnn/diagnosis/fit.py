"""Checks of the fit: whether it is an optimum, worth its parameters, and good for other rows.

Each check takes an `Evidence`, and returns None or (value, threshold, message, remedy).
"""

import re

import numpy as np

from probnn.diagnosis.evidence import IMPOSSIBLE, able, log_scores, need
from probnn.diagnosis.thresholds import limit
from probnn.fitting import separation
from probnn.predictive import Predictive

_FAR = 20.0  # nats: a row beyond them must not hide in the variance that it makes itself


def _tail(level):
    """Return how many standard errors one side of the normal distribution has that level."""
    from scipy.special import ndtri

    return -float(ndtri(level))


def not_converged(e):
    """Compare the weights of the head with the optimum of its likelihood."""
    from scipy.stats import chi2

    if e.model.convergence is not None:
        converged, decrement = e.model.convergence
        if converged:
            return None
        return (
            float(decrement),
            1e-9,
            f"the fit stopped {decrement:.3g} standard errors from the optimum (Newton decrement).",
            "raise maxiter, standardise the columns, or leave out those that are nearly dependent.",
        )
    why = e.model.penalised
    able(not why, f"{why}: its optimum is another than that of the likelihood")
    certificate, gap = e.certificate, e.certificate.gap
    if not e.bridge.is_conditional:
        if certificate.largest <= limit("distance"):
            return None
        return (
            certificate.largest,
            limit("distance"),
            f"the coefficient of {certificate.name} is {certificate.largest:.3g} standard errors "
            f"from the optimum, and the mean NLL {gap:.3g} above it.",
            "pn.polish(model, x, y), more epochs, or a lower learning rate at the end.",
        )
    size = len(e.bridge.coef())
    ratio, usual = 2 * len(e.train) * gap, float(chi2.isf(limit("level"), size))
    if ratio <= usual or gap <= limit("gap"):
        return None
    return (
        gap,
        limit("gap"),
        f"given its features, the head's mean NLL is {gap:.3g} above the optimum; the likelihood "
        f"ratio is {ratio:.4g} for {size} coefficients, where {usual:.3g} would be much.",
        "pn.polish(model, x, y) for the head, more epochs, or a lower learning rate at the end.",
    )


def worse_than_marginal(e):
    """Compare log scores with those of the intercept-only fit, on each set of rows.

    On the training rows that fit has the advantage of its own parameters, which a likelihood ratio
    accounts for; on validation rows the difference has a standard error.
    """
    from scipy.stats import chi2

    for rows, where in ((e.train, "training"), (e.validation, "validation")):
        if rows is None:
            continue
        marginal = rows.means(log_scores(e.marginal_of(rows), rows.y))
        impossible = int(np.sum((rows.log_prob <= IMPOSSIBLE) & (marginal > IMPOSSIBLE)))
        remedy = (
            "an intercept, scaled x, a lower learning rate, or more epochs."
            if rows is e.train
            else "a smaller network, fewer epochs, or training rows that are more like these."
        )
        if impossible:
            return (
                np.inf,
                limit("below marginal"),
                f"y has probability 0 in {impossible} of {rows.n} {where} rows, and more than 0 "
                "in one distribution for all rows: the mean log score is -inf.",
                remedy,
            )
        loss, z = _mean_and_z(marginal - rows.log_prob)
        if rows is e.train:
            sure = 2 * len(rows) * loss > chi2.isf(limit("level"), e.marginals.size)
        else:
            sure = rows.n >= limit("rows") and z > _tail(limit("level"))
        if sure and loss > limit("below marginal"):
            return (
                loss,
                limit("below marginal"),
                f"the mean log score of the {where} rows is {loss:.3g} nats per row below that of "
                "one distribution for all rows.",
                remedy,
            )
    return None


def _mean_and_z(values):
    """Return the mean, and its distance from 0 in standard errors, of values held to +-_FAR."""
    held = np.clip(values, -_FAR, _FAR)
    error = held.std(ddof=1) / np.sqrt(len(held)) if len(held) > 1 else np.inf
    return float(np.mean(values)), float(held.mean() / max(error, 1e-300))


def scale_collapsed(e):
    """Compare the width of each row's distribution with that of the marginal."""
    e.need_continuous()
    family = e.family
    need(not family.atom and family.y_columns is None, "the family has an atom, or bounds")
    each = np.unique(e.response_of(e.train), return_index=True, return_inverse=True)
    usual = np.maximum(_width(e.marginal_of(e.train)[each[1]]), 1e-300)[each[2]]
    parts = [_width(d) for d in _components(e.train.d)]
    widths = np.fmin.reduce(parts) / usual
    share = float(np.mean(widths < limit("scale")))
    if share == 0.0:
        return None
    one = np.ptp(widths) < 1e-6 * widths.max()
    which = "the constant width" if one else f"the width in {share:.2%} of the rows"
    remedy = "more data, fewer epochs, or jitter of a duplicated y."
    if one:
        remedy = "a look at y: is it a function of x, or are its values duplicates?"
    elif e.spread is not None and e.spread not in e.model.constants:
        remedy = e.model.to_hold(e.spread) + remedy
    return (
        float(np.nanmin(widths)),
        limit("scale"),
        f"{which} of the predicted distributions is below {limit('scale'):g} of that of y, the "
        f"smallest {np.nanmin(widths):.3g} of it.",
        remedy,
    )


def _components(d):
    """Return the distributions, one of each component of a mixture that has weight."""
    if d.family.components is None:
        return [d]
    weights = d.params["weights"]
    count = weights.shape[-1]
    parts = []
    for c in np.flatnonzero(weights.max(axis=0) > 1e-3):
        own = {
            name: v[..., c] if v.shape[-1] == count and v.ndim == 2 else v
            for name, v in d.params.items()
            if name != "weights"
        }
        parts.append(Predictive(d.family.family, own))
    return parts


def _width(d):
    """Return the distance of the quartiles, on the scale where the support is a line."""
    support = d.family.support
    q = d.quantile([0.25, 0.75])
    with np.errstate(divide="ignore", invalid="ignore"):
        if support.open and support.low == 0.0:
            q = np.log(q) - (np.log1p(-q) if support.high == 1.0 else 0.0)
    return q[:, 1] - q[:, 0]


def separable(e):
    """Ask whether the columns separate the classes; of a deep network, its last features.

    Features that are trained separate a few rows in part also where nothing is wrong: of them, all
    rows must lie on their right sides.
    """
    kind = e.family.kind
    need(kind in ("binary", "categorical"), "the response is not one of classes")
    need(e.train.given.ndim == 1, "rows are numbers of trials")
    e.need_rows(e.train)
    need(not e.model.penalised, f"{e.model.penalised}, which is a remedy")
    if e.model.x_names is not None:
        x, names, deep = e.columns_of(e.train), e.model.x_names, False
    else:
        x, names, deep = e.bridge.design, e.bridge.labels, e.bridge.is_conditional
    try:
        separation.check(e.train.given, x, kind, names)
    except separation.PerfectSeparationError as error:
        if deep and not error.complete:
            return None
        found = [*dict.fromkeys(re.sub(r" \(class [^()]*\)$", "", c) for c in error.columns)]
        one = len(found) == 1
        which = "feature" if deep else "column"
        which = f"{which}{'s' * (not one)} of {'the last layer' if deep else 'x'}"
        how = "completely" if error.complete else "in part"
        more = ", ..." if len(found) > 5 else ""
        score = -np.inf if e.train.impossible else np.mean(e.train.log_prob)
        return (
            float(len(found)),
            0.0,
            f"{len(found)} {which} separate{'s' * one} the classes {how} "
            f"({', '.join(found[:5])}{more}): the likelihood grows with the weights for "
            f"ever, and the log scores, now {score:.3g} on average, go to 0.",
            f"a penalty ({e.model.penalising}), fewer columns{' or units' * deep}, or more data.",
        )
    return None


def over_fitting(e):
    """Compare the mean log score of the training rows with that of validation rows."""
    able(e.validation is not None, "no validation_data was given")
    able(min(e.train.n, e.validation.n) >= limit("rows"), "there are too few rows")
    able(not e.train.impossible, "y has probability 0 in training rows already")
    train, held = (rows.log_prob for rows in (e.train, e.validation))
    inside = [np.clip(v - train.mean(), -_FAR, _FAR) for v in (train, held)]
    error = np.sqrt(sum(v.var(ddof=1) / len(v) for v in inside))
    impossible = e.validation.impossible
    loss = np.inf if impossible else float(train.mean() - held.mean())
    z = (inside[0].mean() - inside[1].mean()) / max(error, 1e-300)
    if z <= _tail(limit("level")) or loss <= limit("over-fitting"):
        return None
    return (
        loss,
        limit("over-fitting"),
        f"y has probability 0 in {impossible} of {len(held)} validation rows, and in no training "
        "row: the mean log score is -inf."
        if impossible
        else f"the mean log score is {loss:.3g} nats per row lower on validation rows than on "
        f"training rows, {z:.3g} standard errors.",
        "fewer epochs (keras.callbacks.EarlyStopping), a smaller network, Dropout, weight decay, "
        "or more data.",
    )
