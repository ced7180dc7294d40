"""Models, each by this package and by statsmodels, on statsmodels' own data sets."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import statsmodels.api as sm
from statsmodels.tools.sm_exceptions import InvalidTestWarning

import probnn as pn
from tables.peers import NEWTON

LINKS = sm.families.links


def _family(name):
    """Return a function of a link that returns a function that makes the family: it may warn."""
    cls = getattr(sm.families, name)
    return lambda *link, **kwargs: lambda: cls(*[each() for each in link], **kwargs)


GAUSS, GAMMA, POISSON, BINOMIAL, NEGBIN = (
    _family(name) for name in ("Gaussian", "Gamma", "Poisson", "Binomial", "NegativeBinomial")
)


@cache
def data(name):
    """Return y and X, with a constant first, of one of statsmodels' data sets."""
    loaded = getattr(sm.datasets, name).load_pandas()
    x = loaded.exog
    if name == "fair":
        x = x.assign(children=x.children > 1)  # 0 and 1 in place of means of classes
        return (loaded.endog > 0).astype(float), sm.add_constant(x.astype(float))
    if name == "engel":
        loaded.endog, x = loaded.data.foodexp, loaded.data[["income"]]
    if name == "committee":
        x = x[["SIZE", "SUBS", "PRESTIGE", "BILLS103"]]
    if name == "cancer":
        x = np.log(x.to_frame() if x.ndim == 1 else x)
    if name == "randhie":
        loaded.endog, x = loaded.endog[::5], x[::5]
    x = x.to_frame() if x.ndim == 1 else x
    return loaded.endog.reset_index(drop=True), sm.add_constant(x).reset_index(drop=True)


def groups(n):
    """Return 16 clusters of n rows."""
    return np.arange(n) * 16 // n


def weights(n, whole=False):
    """Return weights that differ from row to row."""
    values = 1.0 + np.arange(n) % 3
    return values if whole else values / 2.0


@dataclass(frozen=True)
class GLMCase:
    """One model. `ours` and `theirs` take y and X, and return results."""

    name: str
    data: str
    ours: Callable
    theirs: Callable
    only: str = ""  # attributes that are compared, in place of those of the kind
    kind: str = "glm"


def _glm(family, **kwargs):
    """Return a function that fits statsmodels' GLM to its last digit."""
    fit = kwargs.pop("fit", {})

    def fitted(y, x):
        made = {k: v(len(y)) if callable(v) else v for k, v in kwargs.items()}
        options = {k: v(len(y)) if callable(v) else v for k, v in fit.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of domains, and of a last step that is rounding
            model = sm.GLM(y, x, family=family(), **made)
            start = model.fit(tol=1e-12, maxiter=200).params
            start = model.fit(start_params=start, method="newton", tol=1e-13, disp=0).params
            return model.fit(start_params=start, tol=1e-14, tol_criterion="params", **options)

    return fitted


def _ours(family, link=None, **kwargs):
    fit = kwargs.pop("fit", {})

    def fitted(y, x):
        made = {k: v(len(y)) if callable(v) else v for k, v in kwargs.items()}
        options = {k: v(len(y)) if callable(v) else v for k, v in fit.items()}
        return pn.glm.GLM(y, x, family, link, **made).fit(**options)

    return fitted


def _pair(name, data, family, theirs, **kwargs):
    family, link = family if isinstance(family, tuple) else (family, None)
    both = {k: v for k, v in kwargs.items() if k not in ("ours", "only")}
    return GLMCase(
        name,
        data,
        _ours(family, link, **both, **kwargs.get("ours", {})),
        _glm(theirs, **both),
        only=kwargs.get("only", ""),
    )


def _cluster(n):
    return {"groups": groups(n)}


def _two_way(n):
    return {"groups": np.column_stack([groups(n), np.arange(n) % 5])}


def _ols(name, data="longley", **fit):
    def options(y):
        return {k: v(len(y)) if callable(v) else v for k, v in fit.items()}

    return GLMCase(
        name,
        data,
        lambda y, x: pn.glm.OLS(y, x).fit(**options(y)),
        lambda y, x: sm.OLS(y, x).fit(**options(y)),
        kind="ols",
    )


def _logit(name, data, **fit):
    def options(y):
        return {k: v(len(y)) if callable(v) else v for k, v in fit.items()}

    return GLMCase(
        name,
        data,
        lambda y, x: pn.glm.Logit(y, x).fit(**options(y)),
        lambda y, x: sm.Logit(y, x).fit(**NEWTON, **options(y)),
        kind="logit",
    )


HAC = {"cov_type": "HAC", "cov_kwds": {"maxlags": 2}}
HAC_CORRECTED = {"cov_type": "HAC", "cov_kwds": {"maxlags": 3, "use_correction": True}}
CLUSTER = {"cov_type": "cluster", "cov_kwds": _cluster}
TWO_WAY = {"cov_type": "cluster", "cov_kwds": _two_way}

GLMS = [
    _ols("ols"),
    _ols("ols without a constant", "engel"),
    *(_ols(f"ols {each}", "scotland", cov_type=each) for each in ("HC0", "HC1", "HC2", "HC3")),
    _ols("ols HAC", "scotland", **HAC),
    _ols("ols HAC corrected", "scotland", **HAC_CORRECTED),
    _ols("ols cluster", "scotland", **CLUSTER),
    _ols("ols cluster t", "scotland", use_t=True, **CLUSTER),
    _ols("ols two-way", "randhie", **TWO_WAY),
    _logit("logit", "spector"),
    _logit("logit large", "fair"),
    _logit("logit HC0", "fair", cov_type="HC0"),
    _logit("logit cluster", "fair", **CLUSTER),
    _pair("normal", "longley", "normal", GAUSS()),
    _pair("normal log", "scotland", ("normal", "log"), GAUSS(LINKS.Log)),
    _pair("normal inverse", "scotland", ("normal", "inverse"), GAUSS(LINKS.InversePower)),
    _pair("normal weights", "scotland", "normal", GAUSS(), var_weights=weights),
    _pair("logit", "spector", "bernoulli", BINOMIAL()),
    _pair("probit", "spector", ("bernoulli", "probit"), BINOMIAL(LINKS.Probit)),
    _pair("cloglog", "spector", ("bernoulli", "cloglog"), BINOMIAL(LINKS.CLogLog)),
    _pair("loglog", "spector", ("bernoulli", "loglog"), BINOMIAL(LINKS.LogLog)),
    _pair("cauchit", "spector", ("bernoulli", "cauchit"), BINOMIAL(LINKS.Cauchy)),
    _pair(
        "probit HC0",
        "fair",
        ("bernoulli", "probit"),
        BINOMIAL(LINKS.Probit),
        fit={"cov_type": "HC0"},
    ),
    _pair("binomial", "star98", "bernoulli", BINOMIAL()),
    _pair("binomial probit", "star98", ("bernoulli", "probit"), BINOMIAL(LINKS.Probit)),
    _pair("poisson", "cpunish", "poisson", POISSON()),
    _pair("poisson large", "randhie", "poisson", POISSON()),
    _pair("poisson exposure", "committee", "poisson", POISSON(), exposure=weights),
    _pair("poisson offset", "cancer", "poisson", POISSON(), offset=weights),
    _pair(
        "poisson weights",
        "randhie",
        "poisson",
        POISSON(),
        freq_weights=lambda n: weights(n, whole=True),
    ),
    _pair("poisson precision", "randhie", "poisson", POISSON(), var_weights=weights),
    _pair(
        "poisson weighted HC0",
        "randhie",
        "poisson",
        POISSON(),
        freq_weights=lambda n: weights(n, whole=True),
        fit={"cov_type": "HC0"},
    ),
    _pair("poisson cluster", "randhie", "poisson", POISSON(), fit=CLUSTER),
    _pair("poisson two-way", "randhie", "poisson", POISSON(), fit=TWO_WAY),
    _pair("poisson HAC", "randhie", "poisson", POISSON(), fit=HAC),
    _pair("poisson sqrt", "cpunish", ("poisson", "sqrt"), POISSON(LINKS.Sqrt)),
    _pair(
        "quasi-Poisson",
        "randhie",
        "poisson",
        POISSON(),
        fit={"scale": "X2"},
        only="params bse scale pearson_chi2 deviance tvalues",
    ),
    _pair("gamma", "scotland", ("gamma", "inverse"), GAMMA()),
    _pair("gamma log", "scotland", ("gamma", "log"), GAMMA(LINKS.Log)),
    _pair("gamma identity", "scotland", ("gamma", "identity"), GAMMA(LINKS.Identity)),
    _pair("gamma log HC0", "scotland", ("gamma", "log"), GAMMA(LINKS.Log), fit={"cov_type": "HC0"}),
    _pair("gamma weights", "scotland", ("gamma", "log"), GAMMA(LINKS.Log), var_weights=weights),
    _pair("gamma dev", "scotland", ("gamma", "log"), GAMMA(LINKS.Log), fit={"scale": "dev"}),
    _pair(
        "negative binomial",
        "randhie",
        "negative_binomial",
        NEGBIN(alpha=1.5),
        ours={"fixed": {"dispersion": 1.5}},
    ),
    GLMCase(
        "negative binomial, dispersion estimated",
        "randhie",
        lambda y, x: pn.glm.GLM(y, x, "negative_binomial").fit(),
        lambda y, x: sm.NegativeBinomial(y, x).fit(
            start_params=sm.NegativeBinomial(y, x).fit(disp=0, warn_convergence=False).params,
            method="newton",
            **NEWTON,
        ),
        only="params bse tvalues pvalues cov_params llf aic bic df_model df_resid",
    ),
    GLMCase(
        "categorical",
        "anes96",
        lambda y, x: pn.glm.GLM(y, x, pn.families.Categorical(classes=7)).fit(),
        lambda y, x: sm.MNLogit(y, x).fit(**NEWTON),
        only="params bse tvalues pvalues cov_params conf_int llf prsquared aic bic df_model "
        "df_resid resid_response",
    ),
]

BASE = (
    "params bse tvalues pvalues cov_params conf_int fittedvalues resid_response resid_pearson llf "
    "aic bic df_model df_resid nobs scale"
)
AT_SCALE = ("llf", "aic", "bic")  # statsmodels has them at Pearson's dispersion
NAMES = {
    "glm": BASE.replace(
        "nobs",
        "nobs mu resid_deviance resid_anscombe deviance null_deviance "
        "pearson_chi2 llf_scaled llnull bic_deviance",
    ),
    "logit": BASE.replace(" scale", " llnull llr llr_pvalue prsquared"),
    "ols": BASE.replace("resid_response", "resid")
    + " rsquared rsquared_adj fvalue f_pvalue ssr ess centered_tss uncentered_tss mse_model "
    "mse_resid mse_total",
}


def values(results, name):
    found = getattr(results, name)
    return np.asarray(found() if callable(found) else found, dtype="float64")


def scale_of(name, want, theirs):
    """Return what an error is relative to: the number, or what it is a difference or tail of."""
    if name.startswith("resid"):
        return np.abs(want).max()
    if name == "conf_int":
        return np.abs(want).max(axis=-1, keepdims=True)
    if name == "cov_params":
        return np.sqrt(np.outer(np.diag(want), np.diag(want)))
    if name in ("pvalues", "llr_pvalue"):  # the tail moves by t^2 times what t moves by
        return np.abs(want) * (1 + (values(theirs, "tvalues") ** 2 if want.ndim else theirs.llr))
    return np.abs(want)


def compare(case):
    """Return our results, and by name the largest error against statsmodels'."""
    y, x = data(case.data)
    if case.name == "ols without a constant":
        x = x.drop(columns="const")
    ours, theirs = case.ours(y, x), case.theirs(y, x)
    errors = {}
    for name in (case.only or NAMES[case.kind]).split():
        dispersed = case.kind == "glm" and ours.model.dispersion
        if dispersed and (name == "llnull" or (name in AT_SCALE and not ours.model.is_linear)):
            continue
        want = values(theirs, name)
        with warnings.catch_warnings():  # of tests that robust covariances make doubtful
            warnings.simplefilter("ignore", InvalidTestWarning)
            found = values(ours, name)
        error = np.abs(found.reshape(want.shape) - want)
        scale = np.where(error > 0, scale_of(name, want, theirs), 1.0)  # 0 over 0 is no error
        with np.errstate(divide="ignore"):
            errors[name] = float(np.max(error / scale))
    return ours, errors
