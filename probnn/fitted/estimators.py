"""Fitted estimators of scikit-learn, which is not imported."""

import numpy as np

from probnn import families
from probnn.data import to_numpy
from probnn.data.classes import Classes
from probnn.fitted.base import FittedModel
from probnn.fitted.fit import Fit, distribution, log_prob
from probnn.fitted.tables import renamed
from probnn.fitting import dispersion

_REGRESSORS = {"PoissonRegressor": ("poisson", "log"), "GammaRegressor": ("gamma", "log")}


class FittedEstimator(FittedModel):
    """A fitted estimator, a pipeline or a search.

    Notes
    -----
    Steps of a pipeline that are together linear, as StandardScaler, are collapsed with the
    estimator, so that coefficients are in the units of x. A regressor is the normal family with
    its predictions for means and the maximum-likelihood scale, the mean squared residual; the
    Poisson and gamma regressors are those families.
    """

    @property
    def label(self):
        """The class of the estimator, the last of a pipeline."""
        return type(_steps(self.model)[1][-1]).__name__

    def read(self, name, table=None, y=None):
        """Return the `Fit`."""
        return renamed(_fit_of(self.model, name, table, y), table)


def of_contract(model):
    """Return the adapter of a type that is not registered: by what scikit-learn's contract asks."""
    fitted = hasattr(model, "get_params") and hasattr(model, "n_features_in_")
    return (FittedEstimator if fitted else FittedModel)(model)


def _steps(model):
    """Return what a search found, and the steps of a pipeline."""
    model = getattr(model, "best_estimator_", model)
    return model, [step for _, step in getattr(model, "steps", [("", model)])]


def _fit_of(model, name, table, y):
    model, steps = _steps(model)
    last, before = steps[-1], [s for s in steps[:-1] if s not in (None, "passthrough")]
    classes = getattr(model, "classes_", None)
    if classes is not None and not hasattr(model, "predict_proba"):
        raise ValueError(
            f"Expected a classifier with probabilities. Received: {type(last).__name__} for "
            f"{name!r}, without predict_proba. Use LogisticRegression, or calibrate it."
        )
    if classes is None:
        family, link = _REGRESSORS.get(type(last).__name__, ("normal", "identity"))
    else:
        binary = len(classes) == 2
        family, link = ("bernoulli", "logit") if binary else ("categorical", "multinomial_logit")
    names = [str(n) for n in getattr(model, "feature_names_in_", ())]
    if not names and table is not None and table.shape[1] == model.n_features_in_:
        names = [str(c) for c in table.columns]
    names = names or [f"x{j + 1}" for j in range(model.n_features_in_)]
    coef, transformed = _coefficients(model, last, before, names, table)
    found = Fit(
        name=name,
        family=family,
        link=link,
        known=families.get(family),
        coef=coef,
        classes={
            f" [{code}]": f" [{label}]"
            for code, label in enumerate(() if classes is None else classes)
            if code != label
        },
        size=len(coef) if coef else np.nan,
        penalty=_penalty(last),
        transformed=transformed,
        stopped=_stopped(last),
    )
    if table is None or y is None:
        return found

    def mean(table):
        rows = _rows(model, table)
        if classes is None:
            return np.ravel(model.predict(rows))
        probs = model.predict_proba(rows)
        return probs[:, 1] if len(classes) == 2 else probs

    fitted, codes = mean(table), _codes(classes, y)
    unit = distribution(family, fitted, 1.0)
    phi = 1.0
    if unit.family.with_dispersion(1.0):
        phi = float(np.mean((codes - fitted) ** 2 / unit.variance()))
        found.scale, found.divisor, found.predictive = phi, "n", "n"
    found.y, found.nobs = codes, len(codes)
    found.inputs = {n: to_numpy(table[n]) for n in names if n in table}
    alone = unit.family.loss == "squared_error"

    def each_at(phi):
        return distribution(family, fitted, phi).log_prob(codes)

    best = phi
    if found.divisor and not alone:
        best = dispersion.maximum(lambda phi: float(each_at(phi).sum()), phi)
        found.size += 1
    found.uncounted = bool(found.divisor) and alone
    found.log_likelihood = each_at(best)
    found.llf = float(found.log_likelihood.sum())
    found.log_prob = lambda table, y: log_prob(
        distribution(family, mean(table), phi), _codes(classes, y)
    )
    found.maximised = bool(coef) and not found.penalty
    centre, target = np.mean(fitted, axis=0), np.mean(codes)
    apart = np.ndim(centre) == 0 and abs(centre - target) > 0.01 * np.std(codes)
    if coef and "const" in coef and apart:
        found.stopped = (
            f"its predictions average {centre:.4g} on x, and y {target:.4g}, so that it was fitted "
            "on other rows, on inputs in other units than x, or ended early"
        )
    return found


def _rows(model, table):
    """Return rows of x as the estimator was given them: with names, or without."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return to_numpy(table)
    if all(name in table for name in names):
        return table[list(names)]
    return table.set_axis(names, axis=1)


def _codes(classes, y):
    return np.asarray(y, dtype="float64") if classes is None else Classes(classes).encode(y)


def _coefficients(model, last, before, names, table):
    """Return name -> coefficient in the units of x, and the steps that stand in the way."""
    if not hasattr(last, "coef_"):
        return {}, ""
    slope = np.atleast_2d(np.asarray(last.coef_, dtype="float64"))
    shift = np.broadcast_to(np.ravel(last.intercept_), len(slope)).astype("float64")
    transformed = ""
    if before:
        chain = _chain(model, before, names, table)
        if chain is None:
            transformed = ", ".join(type(step).__name__ for step in before)
            names = [str(n) for n in model[:-1].get_feature_names_out()]
        else:
            shift, slope = shift + slope @ chain[1], slope @ chain[0].T
    constant = last.get_params().get("fit_intercept", True) or bool(np.any(shift))
    if len(slope) > 1:  # of every class: the first becomes the reference
        slope, shift = slope[1:] - slope[0], shift[1:] - shift[0]
    found = {}
    for j, (values, first) in enumerate(zip(slope, shift, strict=True)):
        suffix = f" [{j + 1}]" if np.shape(last.coef_)[0] > 1 and np.ndim(last.coef_) == 2 else ""
        found |= {f"const{suffix}": first} if constant else {}
        found |= {f"{n}{suffix}": v for n, v in zip(names, values, strict=True)}
    return {n: float(v) for n, v in found.items()}, transformed


def _chain(model, steps, names, table):
    """Return the matrix (p, m) and vector (m,) that steps before the last are, or None."""
    import pandas as pd

    width = len(names)
    if table is None:
        probes = np.random.default_rng(0).normal(size=(3, width))
    else:
        numbers = table[names] if all(n in table for n in names) else table
        probes = to_numpy(numbers[:100])
        if probes.dtype.kind not in "biuf":
            return None
    values = np.vstack([np.zeros(width), np.eye(width), probes]).astype("float64")
    if hasattr(model, "feature_names_in_"):
        values = pd.DataFrame(values, columns=model.feature_names_in_)
    try:
        for step in steps:
            values = step.transform(values)
    except (TypeError, ValueError):  # of a step that takes text, or only what it has seen
        return None
    values = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    first, slope, rest = values[0], values[1 : width + 1] - values[0], values[width + 1 :]
    linear = np.allclose(probes @ slope + first, rest, rtol=1e-6, atol=1e-8)
    return (slope, first) if linear else None


def _penalty(estimator):
    """Return what an estimator is penalised by, as text."""
    params = estimator.get_params()
    if params.get("penalty", "") in (None, "none"):
        return ""
    for name in ("C", "alpha"):
        if name not in params and not hasattr(estimator, f"{name}_"):
            continue
        value = np.asarray(getattr(estimator, f"{name}_", params.get(name)), dtype="float64")
        strength = 1.0 / value if name == "C" else value
        if np.any(strength > 0):
            return f"{name}={value.flat[0]:g}"
    return ""


def _stopped(estimator):
    most = estimator.get_params().get("max_iter")
    done = getattr(estimator, "n_iter_", None)
    if most is None or done is None or np.max(done) < most:
        return ""
    return f"it ended at max_iter={most}"
