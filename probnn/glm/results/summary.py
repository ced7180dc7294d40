"""The summary table, in statsmodels' own form."""

from types import SimpleNamespace

import numpy as np


def summary(results, alpha=0.05, title=None, kind="glm"):
    """Return statsmodels' `Summary` of results, as it has it of a kind: see `Results.summary`."""
    from statsmodels.iolib.summary import Summary

    model = results.model
    left, right, titled = _TOPS[kind](results)
    # Classes of a response are one block below another; Summary reads flat names.
    flat = _flat(results, alpha)
    table = Summary()
    table.add_table_2cols(flat, gleft=left, gright=right, title=title or titled)
    if results.optimum.has_covariance:
        table.add_table_params(flat, alpha=alpha, use_t=results.use_t)
    else:
        table.tables.append(_coefficients(results))
    if kind == "ols" and model.data.rows is not None:
        left, right = _residual_tests(results)
        table.add_table_2cols(flat, gleft=left, gright=right, title="")
    table.add_extra_txt(_notes(results))
    return table


def _coefficients(results):
    """Return a table of the estimates alone."""
    from statsmodels.iolib.table import SimpleTable
    from statsmodels.iolib.tableformatting import fmt_params

    rows = [[f"{value:.4f}"] for value in results._natural[0]]
    return SimpleTable(rows, ["coef"], results.model.parameter_names, txt_fmt=fmt_params)


def _flat(results, alpha):
    natural, model = results._natural[0], results.model
    names = SimpleNamespace(endog_names=model.y_name, exog_names=model.parameter_names)
    flat = {"model": type(type(results.model).__name__, (), vars(names))(), "params": natural}
    for name in ("nobs", "df_model", "df_resid", "llf", "use_t"):
        flat[name] = getattr(results, name)
    if results.optimum.has_covariance:
        flat["bse"] = np.sqrt(np.diag(results._cov))
        flat["tvalues"] = natural / flat["bse"]
        flat["pvalues"] = 2.0 * results._reference.sf(np.abs(flat["tvalues"]))
        flat["conf_int"] = lambda alpha=alpha: np.asarray(results.conf_int(alpha))
    return SimpleNamespace(**flat)


def _top(results, method):
    left = [
        ("Dep. Variable:", None),
        ("Model:", None),
        ("Method:", [method]),
        ("Date:", None),
        ("Time:", None),
    ]
    right = [("No. Observations:", None), ("Df Residuals:", None), ("Df Model:", None)]
    return left, right


def _ols(results):
    left, right = _top(results, "Least Squares")
    uncentered = "" if results.k_constant else " (uncentered)"
    top = [
        (f"R-squared{uncentered}:", [f"{results.rsquared:#8.3f}"]),
        (f"Adj. R-squared{uncentered}:", [f"{results.rsquared_adj:#8.3f}"]),
        ("F-statistic:", [f"{results.fvalue:#8.4g}"]),
        ("Prob (F-statistic):", [f"{results.f_pvalue:#6.3g}"]),
        ("Log-Likelihood:", None),
    ]
    if results.optimum.penalty is None:
        top += [("AIC:", [f"{results.aic:#8.4g}"]), ("BIC:", [f"{results.bic:#8.4g}"])]
    return [*left, *right, _covariance(results)], top, "OLS Regression Results"


def _logit(results):
    left, right = _top(results, _method(results))
    right += [
        ("Pseudo R-squ.:", [f"{results.prsquared:#6.4g}"]),
        ("Log-Likelihood:", None),
        ("LL-Null:", [f"{results.llnull:#8.5g}"]),
    ]
    if results.optimum.penalty is None and results.cov_type == "nonrobust":
        right.append(("LLR p-value:", [f"{results.llr_pvalue:#6.4g}"]))
    left += [("converged:", [str(results.converged)]), _covariance(results)]
    return left, right, "Logit Regression Results"


def _glm(results):
    left, right = _top(results, _method(results))
    family = results.family
    links = ", ".join(family.links[name].name for name in dict.fromkeys(results.model.predicted))
    left[2:2] = [("Model Family:", [family.label]), ("Link Function:", [links])]
    left += [("No. Iterations:", [str(len(results.fit_history["nll"]))]), _covariance(results)]
    right += [("Scale:", [f"{results.scale:#8.5g}"]), ("Log-Likelihood:", None)]
    if family.of_mean and family.params[family.location].size is None:
        right += [
            ("Deviance:", [f"{results.deviance:#8.5g}"]),
            ("Pearson chi2:", [f"{results.pearson_chi2:#6.3g}"]),
        ]
    right += [("Pseudo R-squ. (CS):", [f"{results.pseudo_rsquared('cs'):#6.4g}"])]
    return left, right, "Generalized Linear Model Regression Results"


_TOPS = {"glm": _glm, "ols": _ols, "logit": _logit}


def _method(results):
    if results.optimum.penalty is not None:
        return results.optimum.penalty.label
    return "MLE" if results.method == "newton" else results.method


def _covariance(results):
    return ("Covariance Type:", [results.cov_type])


def _residual_tests(results):
    from statsmodels.stats.stattools import durbin_watson, jarque_bera, omni_normtest

    counts = results._data.counts
    resid = np.asarray(results.resid_pearson)[... if counts is None else counts]
    jb, jb_p, skew, kurtosis = jarque_bera(resid)
    omni, omni_p = omni_normtest(resid) if len(resid) >= 8 else (np.nan, np.nan)
    left = [
        ("Omnibus:", [f"{omni:#6.3f}"]),
        ("Prob(Omnibus):", [f"{omni_p:#6.3f}"]),
        ("Skew:", [f"{skew:#6.3f}"]),
        ("Kurtosis:", [f"{kurtosis:#6.3f}"]),
    ]
    right = [
        ("Durbin-Watson:", [f"{durbin_watson(resid):#8.3f}"]),
        ("Jarque-Bera (JB):", [f"{jb:#8.3f}"]),
        ("Prob(JB):", [f"{jb_p:#8.3g}"]),
        ("Cond. No.", [f"{results.condition_number:#8.3g}"]),
    ]
    return left, right


def _notes(results):
    notes = []
    if not results.optimum.has_covariance:
        notes.append(f"Penalised, {results.penalty}: no standard errors.")
    elif results.cov_type == "nonrobust":
        notes.append("Standard errors assume that the model is right.")
    else:
        notes.append(f"Standard errors are robust ({results.cov_type}).")
    if results.model.n_missing:
        notes.append(f"{results.model.n_missing} rows with missing values were dropped.")
    if results.is_conditional:
        notes.append("Inference on the last layer, conditional on the network's features.")
    if results.certificate is not None:
        notes.append(str(results.certificate))
    return notes
