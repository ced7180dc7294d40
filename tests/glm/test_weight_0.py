"""Rows of weight 0 are no observations: a fit says what it says without them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import probnn as pn
from probnn.glm import GLM, OLS, Logit

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame({"const": 1.0, "a": RNG.normal(size=N), "b": RNG.uniform(size=N)})
ETA = X.to_numpy() @ [0.5, 0.3, -0.2]
MU = np.exp(ETA)
W = np.where(np.arange(N) % 5 == 0, 0.0, 0.5 + np.arange(N) % 3)
USED = W > 0
Y = {
    "normal": ETA + RNG.normal(size=N),
    "poisson": RNG.poisson(MU).astype(float),
    "gamma": RNG.gamma(2.0, MU / 2.0),
    "inverse_gaussian": RNG.wald(MU, 2.0),
    "tweedie": RNG.gamma(2.0, MU) * (RNG.uniform(size=N) < 0.7),
    "negative_binomial": RNG.negative_binomial(2, 2 / (2 + MU)).astype(float),
    "bernoulli": (RNG.uniform(size=N) < 0.5).astype(float),
    "student_t": ETA + RNG.standard_t(4, size=N),
}
LINKS = {"gamma": "log", "inverse_gaussian": "log"}
NUMBERS = (
    *("nobs", "df_resid", "df_model", "scale", "scale_ml", "llf", "llnull", "aic", "bic"),
    *("bic_deviance", "deviance", "null_deviance", "pearson_chi2", "condition_number", "bse"),
)


def model(name, rows=slice(None), **weights):
    family = pn.families.Tweedie(power=1.5) if name == "tweedie" else name
    weights = {kind: values[rows] for kind, values in weights.items()}
    return GLM(Y[name][rows], X[rows], family, LINKS.get(name), **weights)


def assert_same(found, want, names=NUMBERS):
    for name in names:
        if name.endswith(("deviance", "chi2")) and not want.family.of_mean:
            continue
        values = getattr(found, name), getattr(want, name)
        np.testing.assert_allclose(*values, rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("kind", ["var_weights", "freq_weights"])
@pytest.mark.parametrize("family", Y)
def test_of_every_family_they_are_as_not_there(family, kind):
    found = model(family, **{kind: W}).fit()
    want = model(family, USED, **{kind: W}).fit()
    assert_same(found, want)
    assert found.nobs == USED.sum()
    assert len(found.mu) == len(found.resid_response) == N


@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "HC2", "HC3", "cluster", "HAC"])
@pytest.mark.parametrize("kind", ["var_weights", "freq_weights"])
def test_of_every_covariance_they_are_as_not_there(kind, cov_type):
    groups = np.where(USED, np.arange(N) % 7, 99)  # a cluster of these rows alone is none
    found = model("poisson", **{kind: W}).fit(cov_type=cov_type, cov_kwds=options(cov_type, groups))
    want = model("poisson", USED, **{kind: W})
    want = want.fit(cov_type=cov_type, cov_kwds=options(cov_type, groups[USED]))
    assert_same(found, want, ["bse", "df_resid_inference"])


def options(cov_type, groups):
    return {"cluster": {"groups": groups}, "HAC": {"maxlags": 2}}.get(cov_type)


def test_degrees_of_freedom_are_those_of_r_where_statsmodels_counts_them():
    weights = np.where(USED, 1.0, 0.0)
    found = OLS(Y["normal"], X, var_weights=weights).fit()
    dropped = sm.OLS(Y["normal"][USED], X[USED]).fit()
    assert found.df_resid == dropped.df_resid == N - 12 - 3  # R's lm says 45 too
    np.testing.assert_allclose(found.bse, dropped.bse, rtol=1e-9)
    for name in ("rsquared", "rsquared_adj", "fvalue", "f_pvalue", "llf", "bic", "centered_tss"):
        np.testing.assert_allclose(getattr(found, name), getattr(dropped, name), rtol=1e-9)
    assert sm.WLS(Y["normal"], X, weights=weights).fit().df_resid == N - 3
    residuals = found.summary().tables[2].as_text()
    assert residuals == OLS(Y["normal"][USED], X[USED]).fit().summary().tables[2].as_text()


def test_what_only_they_have_changes_nothing():
    x = X.assign(a=np.where(USED, X.a, 1e6), const=np.where(USED, 1.0, 7.0))  # infinite means
    found = GLM(Y["poisson"], x, "poisson", var_weights=W).fit()
    want = GLM(Y["poisson"][USED], x[USED], "poisson", var_weights=W[USED]).fit()
    assert_same(found, want)
    assert found.k_constant == 1
    np.testing.assert_allclose(found.hat_matrix_diag[USED], want.hat_matrix_diag, rtol=1e-8)
    with pytest.raises(ValueError, match="all above 0"):
        GLM(Y["poisson"], X, "poisson", var_weights=W, freq_weights=1.0 * ~USED)


def test_tests_resamples_margins_and_penalties_leave_them_out():
    found, want = model("poisson", var_weights=W).fit(), model("poisson", USED, var_weights=W).fit()
    extra = pd.DataFrame({"c": np.sin(np.arange(N))})
    ours, theirs = found.get_influence(), want.get_influence()
    np.testing.assert_allclose(ours.d_params[USED], theirs.d_params, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found.score_test(extra), want.score_test(extra[USED]), rtol=1e-7)
    ours, theirs = (each.bootstrap(3, seed=1).params for each in (found, want))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)
    for at in ("overall", "mean", "zero"):
        ours, theirs = (each.get_margeff(at).summary_frame() for each in (found, want))
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)
    small = GLM(Y["poisson"][USED], X[["const", "a"]][USED], "poisson", var_weights=W[USED]).fit()
    np.testing.assert_allclose(found.compare_lr_test(small), want.compare_lr_test(small), rtol=1e-7)
    ours = model("poisson", var_weights=W).fit_regularized(0.1, 0.5)
    theirs = model("poisson", USED, var_weights=W).fit_regularized(0.1, 0.5)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-7)
    ours, theirs = (pn.compare({"a": r, "small": small}).to_frame() for r in (found, want))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-7)


def test_of_formulas_they_are_as_not_there():
    data = X.assign(y=Y["poisson"], k=list("abc") * 20, w=W)
    data.loc[~USED, "k"] = "only here"
    with pytest.raises(ValueError, match="only here"):
        pn.glm.glm("y ~ a + k", data, "poisson", var_weights="w").fit()
    data.loc[~USED, "k"] = "a"
    found = pn.glm.glm("y ~ a * k", data, "poisson", var_weights="w").fit()
    want = pn.glm.glm("y ~ a * k", data[USED], "poisson", var_weights="w").fit()
    assert_same(found, want)
    ours, theirs = (each.get_margeff().summary_frame() for each in (found, want))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)


def test_of_batches_they_are_as_not_there():
    def batches(w, kind):
        rows = [slice(0, 20), slice(20, 25), slice(25, N)]
        return [(Y["gamma"][r], X[r], {kind: w[r]}) for r in rows]

    w = W.copy()
    w[20:25] = 0.0  # a whole batch
    for kind in ("var_weights", "freq_weights"):
        found = GLM.from_batches(batches(w, kind), "gamma", "log").fit(verbose=False)
        want = GLM(Y["gamma"][w > 0], X[w > 0], "gamma", "log", **{kind: w[w > 0]}).fit()
        assert_same(found, want, ["nobs", "df_resid", "scale", "llf", "bic", "bse"])


def test_inference_leaves_them_out():
    import keras

    network = pn.Sequential([keras.Input((2,)), pn.Head("poisson")])
    network.set_weights([np.array([[0.3], [-0.2]]), np.array([0.5])])
    x, y = X[["a", "b"]], Y["poisson"]
    found = pn.inference(network, x, y, sample_weight=W)
    want = pn.inference(network, x[USED], y[USED], sample_weight=W[USED])
    assert_same(found, want, ["nobs", "df_resid", "llf", "bic", "bse", "params"])


@pytest.mark.parametrize("family", ["normal", "gamma", "poisson"])
def test_they_are_predicted_as_new_rows(family):
    results = model(family, var_weights=W).fit()
    fitted, new = results.get_prediction(), results.get_prediction(X)
    ends = fitted.conf_int(obs=True)
    assert np.isfinite(ends).all()
    np.testing.assert_allclose(ends[~USED], new.conf_int(obs=True)[~USED], rtol=1e-9)
    if family == "normal":  # of others its own weight
        half = stats.norm.ppf(0.975) * np.sqrt(fitted.se_mean**2 + results.scale / W.clip(0.5))
        np.testing.assert_allclose(np.diff(ends).ravel()[USED] / 2, half[USED], rtol=1e-9)


@pytest.mark.parametrize("where", ["y", "a"])
def test_a_missing_value_of_theirs_is_one(where):
    data = X.assign(y=Y["poisson"], w=W)
    data.loc[~USED, where] = np.nan
    with pytest.raises(ValueError, match="missing"):
        GLM(data.y, data[["const", "a"]], "poisson", var_weights=data.w)
    found = GLM(data.y, data[["const", "a"]], "poisson", var_weights=data.w, missing="drop")
    assert (found.n_missing, found.nobs) == (12, 48)
    found = pn.glm.glm("y ~ a", data, "poisson", var_weights="w").fit()
    want = GLM(Y["poisson"][USED], X[["const", "a"]][USED], "poisson", var_weights=W[USED]).fit()
    np.testing.assert_allclose(found.bse, want.bse, rtol=1e-8)


def test_report_is_of_the_other_rows():
    figure = pn.plots.report(model("poisson", var_weights=W).fit())
    assert "48 rows" in figure.get_suptitle()
    plt.close("all")


def test_logit_of_trials():
    y = np.column_stack([RNG.integers(0, 5, N), np.full(N, 5)])
    found = Logit(y, X, freq_weights=W).fit()
    assert_same(found, Logit(y[USED], X[USED], freq_weights=W[USED]).fit())


@pytest.mark.parametrize("given", ["exposure", "designs"])
def test_report_of_fitted_rows_knows_what_x_does_not_tell(given):
    t = 1.0 + np.arange(N) % 4
    if given == "exposure":
        data = X.assign(y=RNG.poisson(t * MU), t=t, w=1.0 * USED)
        data.loc[1, "a"] = np.nan
        results = pn.glm.glm("y ~ a", data, "poisson", exposure="t", var_weights="w").fit()
        rest = data.drop(index=1)[np.delete(USED, 1)]
        y, d = rest.y, results.predict_distribution(rest, exposure=rest.t)
        said = "47 rows (1 row with missing values left out, 12 rows of weight 0 left out)"
    else:
        x = X[["const", "a"]]
        results = GLM(Y["normal"], x, "normal", designs={"scale": x}).fit()
        y, d = Y["normal"], results.predict_distribution(x, designs={"scale": x})
        said = "60 rows"
    figure = pn.plots.report(results)
    assert figure.get_suptitle().endswith(said)
    plots = (
        lambda ax: pn.plots.residuals(y, d, kind="fitted", ax=ax),
        lambda ax: pn.plots.pit(y, d, ax=ax),
        lambda ax: pn.plots.coverage(y, d, ax=ax),
        lambda ax: pn.plots.residuals(y, d, ax=ax),
    )
    for ax, want, plot in zip(figure.axes, plt.subplots(4)[1], plots, strict=True):
        plot(want)
        for line, other in zip(ax.lines, want.lines, strict=True):
            np.testing.assert_allclose(line.get_xydata(), other.get_xydata(), rtol=1e-7)
    with pytest.raises(ValueError, match=r"offset|designs"):
        pn.plots.report(results, X, Y["normal"])
    plt.close("all")
