"""Models of the families, against those that statsmodels has, and closed forms."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import optimize
from statsmodels.discrete.truncated_model import HurdleCountModel
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.miscmodels.tmodel import TLinearModel
from statsmodels.othermod.betareg import BetaModel
from tables.glms import data
from tables.peers import newton_step

import probnn as pn

LINKS = sm.families.links


def test_zero_inflated_poisson_of_the_fish(read_data):
    from sklearn.model_selection import train_test_split

    fish = read_data("fish.csv")
    x = sm.add_constant(fish[["livebait", "camper", "persons", "child"]].astype(float))
    parts = train_test_split(x, fish["count"], test_size=0.2, random_state=42)
    x_train, x_test, y_train, y_test = parts
    family = pn.families.ZeroInflated("poisson")
    # Duerr, Sick and Murina, "Probabilistic Deep Learning" (2020): both parts see the features.
    found = pn.glm.GLM(y_train, x_train, family, designs={"inflation": x_train}).fit()
    believed = found.predict_distribution(x_test, designs={"inflation": x_test})
    # The published number is of a fit that stopped 1e-6 from the optimum.
    np.testing.assert_allclose(-believed.log_prob(y_test).mean(), 2.238054, atol=2e-6)
    theirs = sm.ZeroInflatedPoisson(y_train, x_train, exog_infl=x_train)
    start = [*found.params[[f"inflation: {name}" for name in x]], *found.params[list(x)]]
    np.testing.assert_allclose(found.llf, theirs.loglike(np.array(start)), rtol=1e-12)
    np.testing.assert_allclose(start, newton_step(theirs, start)[0], rtol=1e-7)


@pytest.mark.parametrize(
    ("base", "theirs"),
    [
        ("poisson", sm.ZeroInflatedPoisson),
        ("negative_binomial", sm.ZeroInflatedNegativeBinomialP),
    ],
)
def test_zero_inflated_as_statsmodels(base, theirs):
    y, x = data("randhie")
    x = x.iloc[:, :5]
    family = pn.families.ZeroInflated(base)
    ours = pn.glm.GLM(y, x, family, designs={"inflation": x}).fit()
    names = [f"inflate_{name}" for name in x] + list(x)
    want = theirs(y, x, exog_infl=x)
    start = [*ours.params[[f"inflation: {name}" for name in x]], *ours.params[list(x)]]
    if base == "negative_binomial":
        start.append(ours.params["dispersion"])
    np.testing.assert_allclose(ours.llf, want.loglike(np.array(start)), rtol=1e-12)
    # Their Newton from our optimum stays there; their Hessian in closed form misses a term, so
    # errors are compared with that of their likelihood by differences.
    fitted = want.fit(start_params=start, method="newton", disp=0, maxiter=50)
    np.testing.assert_allclose(start[: len(names)], fitted.params[names], rtol=1e-5, atol=1e-7)
    errors = newton_step(want, start, closed_form=False)[1][x.shape[1] : 2 * x.shape[1]]
    np.testing.assert_allclose(ours.bse[list(x)], errors, rtol=1e-4)


@pytest.mark.parametrize("base", ["poisson", "negative_binomial"])
def test_hurdle_as_statsmodels(base):
    y, x = data("randhie")
    x = x.iloc[:, :4]
    family = pn.families.Hurdle(base)
    ours = pn.glm.GLM(y, x, family, designs={"zero_probs": x}).fit()
    dist = {"poisson": "poisson", "negative_binomial": "negbin"}[base]
    theirs = HurdleCountModel(y, x, dist=dist, zerodist="poisson").fit(disp=0, maxiter=200)
    zero = sm.Logit((y == 0).astype(float), x).fit(disp=0)
    # Both parts maximise a likelihood of their own: theirs for counts, a logit for zeros.
    np.testing.assert_allclose(
        ours.params[[f"zero_probs: {name}" for name in x]], zero.params, rtol=1e-6
    )
    counts = theirs.results_count
    gap = ours.params[list(x)] - np.asarray(counts.params)[: x.shape[1]]
    assert (gap.abs() < 1e-2 * ours.bse[list(x)]).all()  # where their optimiser stops
    np.testing.assert_allclose(ours.llf, zero.llf + counts.llf, rtol=1e-7)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_ordinal_as_ordered_model(link):
    from scipy import stats

    y, x = data("anes96")
    x = x.drop(columns="const")
    distr = {"logit": "logit", "probit": "probit", "cloglog": stats.gumbel_l}[link]
    theirs = OrderedModel(y, x, distr=distr)
    ours = pn.glm.GLM(y, x, pn.families.Ordinal(classes=7, link=link)).fit()
    start = ours.params.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it cannot go on from the optimum
        theirs = theirs.fit(start_params=start, method="bfgs", disp=0, gtol=1e-9)
    np.testing.assert_allclose(ours.llf, theirs.llf, rtol=1e-10)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-4)
    for name in ("aic", "bic", "df_model", "df_resid", "llnull"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-7)
    np.testing.assert_allclose(ours.predict(x[:20]), theirs.predict(x[:20]), rtol=1e-6)


def test_ordinal_with_a_formula(rng):
    n = 500
    frame = pd.DataFrame({"dose": rng.normal(size=n), "group": rng.choice(list("abc"), n)})
    latent = frame.dose + (frame.group == "b") + rng.logistic(size=n)
    names = ["low", "middle", "high"]
    levels = np.array(names)[np.digitize(latent, [-0.5, 1.0])]
    frame["rating"] = pd.Categorical(levels, categories=names, ordered=True)
    ours = pn.glm.glm("rating ~ dose + group", frame, family="ordinal", link="probit").fit()
    theirs = OrderedModel.from_formula("rating ~ dose + group", frame, distr="probit")
    theirs = theirs.fit(start_params=ours.params, method="bfgs", disp=0, gtol=1e-6)
    shared = ["dose", "group[T.b]", "group[T.c]"]
    np.testing.assert_allclose(ours.params[shared], theirs.params[shared], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.llf, theirs.llf, rtol=1e-10)
    cuts = ["cutpoints low|middle", "cutpoints middle|high (log gap)"]
    assert list(ours.params.index)[-2:] == cuts
    assert list(ours.wald_test_terms().summary_frame().index) == ["dose", "group"]
    with pytest.raises(ValueError, match="ordered=True"):
        pn.glm.glm("rating ~ dose", frame.assign(rating=levels), family="ordinal")
    for constant in (np.ones((n, 1)), np.eye(2)[np.arange(n) % 2]):
        with pytest.raises(ValueError, match="cutpoints of the ordinal family stand for it"):
            pn.glm.GLM(frame.rating.cat.codes, constant, pn.families.Ordinal(classes=3))


def test_an_ordinal_network_is_polished_to_the_model(rng):
    x = rng.normal(loc=3.0, scale=2.0, size=(400, 2))
    y = np.digitize(x @ [0.5, -0.3] + rng.logistic(size=400), [-0.5, 0.5, 1.5])
    exact = pn.glm.GLM(y, x, pn.families.Ordinal(classes=4)).fit()
    standardise = keras.layers.Normalization()
    standardise.adapt(x.astype("float32"))
    model = pn.Sequential([keras.Input((2,)), standardise, pn.Head("ordinal", classes=4)])
    model.compile(keras.optimizers.Adam(0.05), metrics=["accuracy"])
    model.fit(x, y, epochs=3, verbose=0)
    found = pn.polish(model, x, y)
    np.testing.assert_allclose(found.params, exact.params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), exact.predict(x), rtol=1e-4)
    assert found.certificate.converged
    effects = exact.get_margeff().margeff
    np.testing.assert_allclose(effects.sum(axis=1), 0.0, atol=1e-12)  # probabilities sum to 1


def test_beta_as_statsmodels(rng):
    # R's betareg on its gasoline data needs them; statsmodels' BetaModel was checked against it.
    x = sm.add_constant(rng.normal(size=(300, 2)))
    mean = 1 / (1 + np.exp(-x @ [-0.5, 0.4, -0.7]))
    y = rng.beta(mean * 12, (1 - mean) * 12)
    ours = pn.glm.GLM(y, x, "beta").fit()
    theirs = BetaModel(y, x, link_precision=LINKS.Log())
    raw = [*ours.params[:3], np.log(ours.params[3])]
    best, errors = newton_step(theirs, raw)
    np.testing.assert_allclose(raw, best, rtol=1e-9)
    np.testing.assert_allclose(ours.bse[:3], errors[:3], rtol=1e-9)
    np.testing.assert_allclose(ours.llf, theirs.loglike(best), rtol=1e-12)
    z = np.column_stack([np.ones(300), x[:, 1]])
    ours = pn.glm.GLM(y, x, "beta", designs={"precision": z}).fit()
    best, errors = newton_step(
        BetaModel(y, x, exog_precision=z, link_precision=LINKS.Log()), ours.params
    )
    np.testing.assert_allclose(ours.params, best, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.bse, errors, rtol=1e-9)


def test_student_t_as_statsmodels():
    engel = sm.datasets.engel.load_pandas().data / 1000.0
    y, x = engel["foodexp"], sm.add_constant(engel[["income"]])
    ours = pn.glm.GLM(y, x, "student_t").fit()
    start = ours.params[["const", "income", "df", "scale"]].to_numpy()
    theirs = TLinearModel(y, x)
    np.testing.assert_allclose(ours.llf, theirs.loglike(start), rtol=1e-10)
    best, errors = newton_step(theirs, start, closed_form=False)
    np.testing.assert_allclose(ours.bse[["const", "income", "df", "scale"]], errors, rtol=1e-3)
    np.testing.assert_allclose((start - best) / errors, 0.0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "theirs", "link"),
    [
        ("inverse_gaussian", lambda: sm.families.InverseGaussian(LINKS.Log()), "log"),
        ("inverse_gaussian", lambda: sm.families.InverseGaussian(), "inverse_squared"),
        ("tweedie", lambda: sm.families.Tweedie(LINKS.Log(), var_power=1.5), "log"),
    ],
)
def test_dispersion_families_as_statsmodels(name, theirs, link):
    y, x = data("scotland")
    ours = pn.glm.GLM(y, x, name, link).fit()
    want = sm.GLM(y, x, family=theirs()).fit(tol=1e-14, maxiter=300)
    # Their last step is rounding: what is compared is of its size.
    scale = want.bse * 1e-6
    assert ((ours.params - want.params).abs() < scale + 1e-7 * want.params.abs()).all()
    np.testing.assert_allclose(ours.bse, want.bse, rtol=1e-6)
    for attribute in ("scale", "pearson_chi2", "deviance", "df_resid"):
        np.testing.assert_allclose(getattr(ours, attribute), getattr(want, attribute), rtol=1e-7)
    np.testing.assert_allclose(ours.resid_pearson, want.resid_pearson, rtol=1e-5, atol=1e-7)
    if name == "inverse_gaussian":
        np.testing.assert_allclose(ours.llf_scaled(), want.llf, rtol=1e-8)


def test_exponential_and_geometric_as_gamma_and_negative_binomial():
    y, x = data("scotland")
    ours = pn.glm.GLM(y, x, "exponential").fit()
    want = sm.GLM(y, x, family=sm.families.Gamma(LINKS.Log())).fit(scale=1.0, tol=1e-14)
    np.testing.assert_allclose(ours.params, want.params, rtol=1e-7)
    np.testing.assert_allclose(ours.bse, want.bse, rtol=1e-7)
    y, x = data("randhie")
    ours = pn.glm.GLM(y, x, "geometric").fit()
    want = sm.GLM(y, x, family=sm.families.NegativeBinomial(alpha=1.0)).fit(tol=1e-14)
    np.testing.assert_allclose(ours.params, want.params, rtol=1e-7)
    np.testing.assert_allclose(ours.llf, want.llf, rtol=1e-10)
    np.testing.assert_allclose(ours.deviance, want.deviance, rtol=1e-8)


def test_binomial_is_logistic_regression():
    y, x = data("star98")
    theirs = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-14)
    trials = np.column_stack([y.iloc[:, 0], y.sum(axis=1)])
    ours = pn.glm.GLM(trials, x, "binomial").fit()
    for name in ("params", "bse", "llf", "deviance", "pearson_chi2"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8)


def test_laplace_is_least_absolute_deviations():
    engel = sm.datasets.engel.load_pandas().data
    y, x = engel["foodexp"], sm.add_constant(engel[["income"]])
    ours = pn.glm.GLM(y, x, "laplace").fit()
    # Koenker and Bassett: a linear programme, of coefficients and residuals above and below.
    sides = np.hstack([x, np.eye(len(y)), -np.eye(len(y))])
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * len(y))
    best = optimize.linprog(
        np.repeat([0.0, 1.0], [2, 2 * len(y)]), A_eq=sides, b_eq=y, bounds=bounds
    )
    np.testing.assert_allclose(ours.params[["const", "income"]], best.x[:2], rtol=1e-6)
    residual = np.abs(y - x @ ours.params[["const", "income"]])
    np.testing.assert_allclose(ours.params["scale"], residual.mean(), rtol=1e-12)
    # Expected information: X'X / scale^2 for the location, n / scale^2 for the scale.
    scale = residual.mean()
    want = scale * np.sqrt(np.diag(np.linalg.inv(x.T @ x)))
    np.testing.assert_allclose(ours.bse, [*want, scale / np.sqrt(len(y))], rtol=1e-6)
    with pytest.raises(ValueError, match="constant scale"):
        pn.glm.GLM(y, x, "laplace", designs={"scale": x}).fit()
    with pytest.raises(ValueError, match="the laplace family itself"):
        pn.glm.GLM(y, x, pn.families.Mixture("laplace", components=1)).fit()
    with pytest.raises(ValueError, match="residuals that are all 0"):
        pn.glm.GLM(np.ones(len(y)), x, "laplace").fit()
    median = np.median(y)
    scale = np.abs(y - median).mean()
    want = -len(y) * (np.log(2 * scale) + 1)
    null = pn.glm.GLM(y, np.ones((len(y), 1)), "laplace").fit()
    np.testing.assert_allclose(null.llf, want, rtol=1e-10)
    np.testing.assert_allclose(ours.llnull, want, rtol=1e-10)
    draws = ours.bootstrap(40, seed=0, verbose=False).bse["income"]
    assert 0.5 * ours.bse["income"] < draws < 5.0 * ours.bse["income"]


def test_multivariate_normal_is_regression_of_each_column(rng):
    x = sm.add_constant(rng.normal(size=(200, 2)))
    factor = np.array([[1.0, 0.0], [0.7, 0.4]])
    y = x @ [[1.0, 0.0], [0.5, -1.0], [0.2, 0.3]] + rng.normal(size=(200, 2)) @ factor.T
    found = pn.glm.GLM(y, x, pn.families.MultivariateNormal(units=2)).fit()
    each = [sm.OLS(column, x).fit() for column in y.T]
    np.testing.assert_allclose(found.params[:6], np.concatenate([f.params for f in each]), 1e-8)
    residual = np.column_stack([f.resid for f in each])
    covariance = residual.T @ residual / 200
    # Zellner: with the same regressors, the errors are those of each column at ML variance.
    want = np.sqrt(
        np.concatenate([np.diag(np.linalg.inv(x.T @ x)) * s for s in np.diag(covariance)])
    )
    np.testing.assert_allclose(found.bse[:6], want, rtol=1e-7)
    scale = found.predict_distribution(x[:1]).params["scale_tril"][0]
    np.testing.assert_allclose(found.family.covariance(scale), covariance, rtol=1e-7)
    np.testing.assert_allclose(found.resid_response, residual, atol=1e-9)


@pytest.mark.parametrize(
    ("family", "simpler"),
    [
        ("beta_binomial", "binomial"),
        ("negative_binomial", "poisson"),
        ("zero_inflated", "poisson"),
    ],
)
def test_a_limit_of_the_family_is_told(family, simpler, rng):
    x = np.ones((300, 1))
    y = {"beta_binomial": np.arange(300.0) % 3 + 4}.get(family, np.arange(300.0) % 3 + 2)
    options = {"beta_binomial": {"trials": 10}, "zero_inflated": {"family": "poisson"}}
    made = pn.families.get(family, **options.get(family, {}))
    with pytest.warns(pn.glm.ConvergenceWarning, match=f"fit family='{simpler}'"):
        pn.glm.GLM(y, x, made).fit()
