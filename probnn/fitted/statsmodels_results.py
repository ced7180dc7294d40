"""Fitted models of statsmodels."""

import re
from dataclasses import replace

import numpy as np

from probnn import families
from probnn.fitted.base import FittedModel
from probnn.fitted.fit import Fit, distribution, divisor, known_of, log_prob, shifted, weighted
from probnn.fitted.tables import matrix, renamed
from probnn.fitting import dispersion

_LINEAR = ("OLS", "WLS", "GLS", "GLSAR")
_FAMILIES = {
    **dict.fromkeys((*_LINEAR, "Gaussian"), "normal"),
    **dict.fromkeys(("Logit", "Probit", "Binomial"), "bernoulli"),
    "MNLogit": "categorical",
}
_LINKS = {
    **dict.fromkeys(_LINEAR, "identity"),
    **{"Logit": "logit", "Probit": "probit", "MNLogit": "multinomial_logit"},
    **{"Poisson": "log", "NegativeBinomial": "log"},
    **{"InversePower": "inverse", "Cauchy": "cauchit", "CLogLog": "cloglog", "LogLog": "loglog"},
}


def _snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class FittedStatsmodels(FittedModel):
    """Results of statsmodels, out of their wrapper."""

    def __init__(self, results):
        super().__init__(getattr(results, "_results", results))

    @property
    def label(self):
        """The class of the model."""
        return f"statsmodels {type(self.model.model).__name__}"

    def read(self, name, table=None, y=None):
        """Return the `Fit`."""
        return renamed(_fit_of(self.model, name), table)


def _fit_of(results, name):
    model, kind = results.model, type(results.model).__name__
    is_glm = hasattr(model, "family")
    label = type(model.family).__name__ if is_glm else kind
    family = _FAMILIES.get(label, _snake(label))
    nb1 = getattr(model, "loglike_method", "nb2") != "nb2"
    known = None if nb1 or family not in families.FAMILIES else families.get(family)
    family = label if known is None else family
    label = type(model.family.link).__name__ if is_glm else kind
    link = _LINKS.get(label, _snake(label) if is_glm else "")
    params = np.asarray(results.params, dtype="float64")
    labels = list(model.exog_names)
    if kind == "NegativeBinomial":
        labels[-1] = "dispersion"
    if params.ndim == 2:
        labels = [f"{n} [{j + 1}]" for j in range(params.shape[1]) for n in labels]
    flat, se = params.ravel(order="F"), getattr(results, "bse", None)
    weights = {n: getattr(model, n, None) for n in ("freq_weights", "var_weights")}
    if kind in _LINEAR:
        weights = {"var_weights": model.weights}
    shifts = [getattr(model, n, None) for n in ("offset", "exposure")]
    stopped = getattr(results, "converged", None) is False or not getattr(
        results, "mle_retvals", {}
    ).get("converged", True)
    # Its GLMs take the expected information, its discrete models the observed one.
    canonical = known is not None and known.canonical_link == link
    expected = is_glm and getattr(results, "method", "IRLS") == "IRLS"
    shrunk = type(results).__name__.startswith(("L1", "Regularized"))
    inputs = np.asarray(model.exog)
    cov_type = None if se is None else getattr(results, "cov_type", "nonrobust")
    if cov_type in ("HC1", "HC2", "HC3") and kind not in _LINEAR:
        cov_type = f"HC0 under the name of {cov_type}"  # statsmodels has no other there
    found = Fit(
        name=name,
        family=family,
        link=link,
        known=known,
        coef=dict(zip(labels, flat, strict=True)),
        se={} if se is None else dict(zip(labels, np.ravel(se, order="F"), strict=True)),
        size=len(flat),
        df=_df(results),
        nobs=float(getattr(results, "nobs", len(inputs))),
        llf=_llf(results),
        y=np.asarray(model.endog),
        inputs=dict(zip(model.exog_names[: inputs.shape[1]], inputs.T, strict=True)),
        cov_type=cov_type,
        information=None if canonical or not link else "expected" if expected else "observed",
        penalty="fit_regularized" if shrunk else "",
        weights=weighted(weights),
        dropped=len(getattr(model.data, "missing_row_idx", None) or []),
        offset=shifted(shifts),
        given=known_of({**weights, "offset": sum(each for each in shifts if each is not None)}),
        stopped="its optimiser did not converge" if stopped else "",
    )
    return _with_distribution(found, results, params)


def _df(results):
    """Return the degrees of freedom of Student's t where the tables have it; else infinity."""
    if not getattr(results, "use_t", False):
        return np.inf
    return getattr(results, "df_resid_inference", None) or results.df_resid


def _llf(results):
    try:
        return float(results.llf)
    except (AttributeError, NotImplementedError):  # penalised, or no likelihood
        return np.nan


def _with_distribution(found, results, params):
    """Add what follows from the distribution of each row, where this package has the family."""
    model, family, known = results.model, found.family, {}
    if found.known is None:
        return found
    of_glm = getattr(model, "family", None)
    if hasattr(of_glm, "alpha"):
        known["dispersion"] = of_glm.alpha
    elif type(model).__name__ == "NegativeBinomial":
        known["dispersion"] = params[-1]
    power = getattr(of_glm, "var_power", None)
    if power is not None:
        if not 1.0 < power < 2.0:
            return found
        family = families.Tweedie(power)
    mean, y, size = np.asarray(results.predict()), found.y, found.size
    unit = distribution(family, mean, 1.0, **known)
    dispersed = bool(unit.family.with_dispersion(1.0))
    linear = unit.family.loss == "squared_error" and found.link == "identity"
    phi = scale = 1.0
    if dispersed:
        total = np.sum((y - mean) ** 2 / unit.variance())
        scale = float(getattr(results, "scale", total / found.nobs))
        phi = total / found.nobs
        found.scale, found.uncounted = scale, linear
        if not found.weights:
            found.divisor = divisor(total, scale, found.nobs, found.nobs - size)
    precise, often = (getattr(model, n, 1.0) for n in ("var_weights", "freq_weights"))

    def each_at(phi):
        return distribution(family, mean, phi / precise, **known).log_prob(y)

    if dispersed and not linear:  # its own llf is at Pearson's dispersion, and counts none
        phi = dispersion.maximum(lambda phi: float(np.sum(often * each_at(phi))), phi)
        found.llf, found.size = float(np.sum(often * each_at(phi))), size + 1
    each = each_at(phi)
    if np.isnan(found.llf):
        found.llf = float(each.sum())
    # Weights and numbers of trials have a part in the likelihood that the rows alone do not show.
    whole = np.isclose(each.sum(), found.llf, rtol=1e-6)
    formula = getattr(model, "formula", None) is not None
    names = model.exog_names[: np.shape(model.exog)[1]]

    def held_out(table, y):
        mean = np.asarray(results.predict(table if formula else matrix(names, table)))
        return log_prob(distribution(family, mean, scale, **known), y)

    return replace(
        found,
        predictive=found.divisor,
        log_likelihood=each if whole else None,
        log_prob=held_out,
        maximised=not found.penalty,
    )
