from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from tables.glms import GLMS, compare, data
from tables.peers import NEWTON

import probnn as pn
from probnn.glm import GLM, OLS, Logit


@pytest.mark.parametrize("case", GLMS, ids=lambda case: case.name)
def test_as_statsmodels(case):
    ours, errors = compare(case)
    assert ours.converged
    assert {name: error for name, error in errors.items() if not error <= 1e-8} == {}


def test_working_residuals_are_on_the_scale_of_the_predictor():
    y, x = data("scotland")
    ours = GLM(y, x, "gamma", "log").fit()
    theirs = sm.GLM(y, x, family=sm.families.Gamma(sm.families.links.Log())).fit(tol=1e-14)
    np.testing.assert_allclose(ours.resid_working, theirs.resid_working, rtol=1e-8)


def test_hc1_to_hc3_of_a_glm_follow_their_definitions():
    y, x = data("spector")
    x = x.to_numpy()
    fits = {
        kind: Logit(y, x).fit(cov_type=kind) for kind in ("nonrobust", "HC0", "HC1", "HC2", "HC3")
    }
    plain = fits["nonrobust"]
    mu = 1 / (1 + np.exp(-x @ plain.params))
    w = mu * (1 - mu)
    bread = np.linalg.inv((x.T * w) @ x)
    h = np.einsum("ij,jk,ik->i", x, bread, x) * w
    n, p = x.shape
    for kind, factor in {
        "HC0": 1,
        "HC1": n / (n - p),
        "HC2": 1 / (1 - h),
        "HC3": 1 / (1 - h) ** 2,
    }.items():
        meat = (x.T * ((y - mu) ** 2 * factor).to_numpy()) @ x
        want = bread @ meat @ bread
        np.testing.assert_allclose(fits[kind].cov_params(), want, rtol=1e-9)


def test_certified_digits_of_longley_reach_the_results():
    y, x = data("longley")
    found = OLS(y, x).fit()
    certified = {  # NIST StRD, Longley
        "const": (-3482258.63459582, 890420.383607373),
        "GNPDEFL": (15.0618722713733, 84.9149257747669),
        "GNP": (-0.358191792925910e-01, 0.334910077722432e-01),
        "UNEMP": (-2.02022980381683, 0.488399681651699),
        "ARMED": (-1.03322686717359, 0.214274163161675),
        "POP": (-0.511041056535807e-01, 0.226073200069370),
        "YEAR": (1829.15146461355, 455.478499142212),
    }
    for name, (coef, se) in certified.items():
        np.testing.assert_allclose(found.params[name], coef, rtol=1e-13)
        np.testing.assert_allclose(found.bse[name], se, rtol=1e-12)


def test_robust_errors_of_longley_equal_rational_arithmetic():
    y, x = data("longley")
    rows = [[Fraction(v) for v in row] for row in x.to_numpy().tolist()]
    n, p = x.shape
    gram = [[sum(r[i] * r[j] for r in rows) for j in range(p)] for i in range(p)]
    right = [
        sum(r[i] * Fraction(v) for r, v in zip(rows, y.tolist(), strict=True)) for i in range(p)
    ]
    inverse = [solve(gram, [Fraction(int(i == j)) for i in range(p)]) for j in range(p)]
    coef = solve(gram, right)
    e2 = [(Fraction(v) - dot(r, coef)) ** 2 for r, v in zip(rows, y.tolist(), strict=True)]
    along = [[dot(inverse[j], r) for j in range(p)] for r in rows]
    h = [dot(r, a) for r, a in zip(rows, along, strict=True)]
    for kind, factor in (
        ("HC0", [Fraction(1)] * n),
        ("HC1", [Fraction(n, n - p)] * n),
        ("HC2", [1 / (1 - v) for v in h]),
        ("HC3", [1 / (1 - v) ** 2 for v in h]),
    ):
        want = [
            float(sum(f * e * a[j] ** 2 for f, e, a in zip(factor, e2, along, strict=True))) ** 0.5
            for j in range(p)
        ]
        np.testing.assert_allclose(OLS(y, x).fit(cov_type=kind).bse, want, rtol=1e-10)


def dot(a, b):
    return sum(u * v for u, v in zip(a, b, strict=True))


def solve(matrix, right):
    """Return the exact solution of a linear system of fractions, by Gauss and Jordan."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j in range(len(rows)):
            if j != i:
                rows[j] = [v - rows[j][i] * w for v, w in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]


class TestSeveralParameters:
    def simulate(self, n=3000):
        rng = np.random.default_rng(5)
        x = np.column_stack([np.ones(n), rng.normal(size=n)])
        y = x @ [1.0, 2.0] + np.exp(x @ [-0.5, 0.4]) * rng.normal(size=n)
        return y, x

    def test_heteroscedastic_normal_is_the_maximum_that_scipy_finds(self):
        y, x = self.simulate()

        def nll(b):
            return -stats.norm.logpdf(y, x @ b[:2], np.exp(x @ b[2:])).sum()

        from scipy.optimize import minimize

        want = minimize(nll, [0, 0, 0, 0], method="BFGS", options={"gtol": 1e-6})
        found = GLM(y, x, "normal", designs={"scale": x}).fit()
        np.testing.assert_allclose(found.params, want.x, atol=2e-6)
        np.testing.assert_allclose(found.llf, -want.fun, rtol=1e-12)
        names = ["const", "x1", "scale: const", "scale: x1"]
        assert found.model.parameter_names == names

    def test_standard_errors_are_those_of_the_expected_information_on_average(self):
        y, x = self.simulate(200_000)
        found = GLM(y, x, "normal", designs={"scale": x}).fit()
        precision = np.exp(-2 * x @ [-0.5, 0.4])
        for part, weight in ((slice(0, 2), precision), (slice(2, 4), np.full(len(y), 2.0))):
            want = np.sqrt(np.diag(np.linalg.inv((x.T * weight) @ x)))
            np.testing.assert_allclose(found.bse[part], want, rtol=0.02)

    def test_constant_scale_as_a_parameter_is_the_ml_estimate(self):
        y, x = data("engel")
        found = GLM(y, x, "normal", designs={"scale": np.ones((len(y), 1))}).fit()
        ols = sm.OLS(y, x).fit()
        np.testing.assert_allclose(
            np.exp(found.params.iloc[-1]), np.sqrt(ols.ssr / len(y)), rtol=1e-9
        )
        np.testing.assert_allclose(found.llf, ols.llf, rtol=1e-12)

    def test_heteroscedastic_gamma_and_negative_binomial(self):
        rng = np.random.default_rng(1)
        x = np.column_stack([np.ones(50_000), rng.normal(size=50_000)])
        mean, shape = np.exp(x @ [0.5, 0.3]), np.exp(x @ [1.0, -0.5])
        found = GLM(rng.gamma(shape, mean / shape), x, "gamma", designs={"shape": x}).fit()
        assert np.all(np.abs(found.params - [0.5, 0.3, 1.0, -0.5]) < 4 * found.bse)
        alpha = np.exp(x @ [-1.0, 0.5])
        y = rng.negative_binomial(1 / alpha, 1 / (1 + alpha * mean))
        found = GLM(y, x, "negative_binomial", designs={"dispersion": x}).fit()
        assert np.all(np.abs(found.params - [0.5, 0.3, -1.0, 0.5]) < 4 * found.bse)


class TestChoices:
    def test_information_and_scale(self):
        y, x = data("scotland")
        expected = GLM(y, x, "gamma", "log").fit()
        observed = GLM(y, x, "gamma", "log").fit(information="observed")
        model = sm.GLM(y, x, family=sm.families.Gamma(sm.families.links.Log()))
        theirs = model.fit(tol=1e-14)
        hessian = model.hessian(theirs.params, observed=True)
        np.testing.assert_allclose(
            observed.bse, np.sqrt(np.diag(np.linalg.inv(-hessian))), rtol=1e-8
        )
        np.testing.assert_allclose(expected.bse, theirs.bse, rtol=1e-8)
        fixed = GLM(y, x, "gamma", "log").fit(scale=0.01)
        np.testing.assert_allclose(
            fixed.bse, expected.bse * np.sqrt(0.01 / expected.scale), rtol=1e-9
        )

    def test_ml_scale_maximises_the_likelihood(self):
        y, x = data("scotland")
        ml = GLM(y, x, "gamma", "log").fit(scale="ml")
        joint = GLM(y, x, "gamma", "log", designs={"shape": np.ones((len(y), 1))}).fit()
        np.testing.assert_allclose(1 / ml.scale, np.exp(joint.params.iloc[-1]), rtol=1e-6)
        np.testing.assert_allclose(ml.llf, joint.llf, rtol=1e-10)

    def test_start_params_and_history(self):
        y, x = data("spector")
        first = Logit(y, x).fit()
        again = Logit(y, x).fit(start_params=first.params)
        assert len(again.fit_history["nll"]) == 1 < len(first.fit_history["nll"])
        assert np.all(np.diff(first.fit_history["nll"]) <= 1e-12)
        np.testing.assert_allclose(again.params, first.params, rtol=1e-12)

    def test_arrays_in_arrays_out(self):
        y, x = data("spector")
        found = Logit(y.to_numpy(), x.to_numpy()).fit()
        for name in ("params", "bse", "mu", "cov_params", "conf_int"):
            value = getattr(found, name)
            assert isinstance(value() if callable(value) else value, np.ndarray)
        assert found.model.parameter_names == ["const", "x1", "x2", "x3"]
        named = Logit(y, x).fit()
        assert named.params.index.tolist() == ["const", "GPA", "TUCE", "PSI"]
        assert named.mu.index.equals(y.index)

    def test_polars(self):
        import polars as pl

        y, x = data("spector")
        found = Logit(pl.Series("GRADE", y.to_list()), pl.DataFrame(x.to_dict("list"))).fit()
        pd.testing.assert_series_equal(found.params, Logit(y, x).fit().params)
        assert found.model.y_name == "GRADE"

    def test_missing_rows_are_dropped_and_counted(self):
        y, x = data("spector")
        y, x = y.copy(), x.copy()
        y.iloc[3], x.iloc[5, 1] = np.nan, np.nan
        model = Logit(y, x, missing="drop")
        assert model.n_missing == 2
        kept = y.notna() & x.notna().all(axis=1)
        pd.testing.assert_series_equal(model.fit().params, Logit(y[kept], x[kept]).fit().params)


class TestTests:
    def test_linear_hypotheses(self):
        y, x = data("fair")
        ours, theirs = Logit(y, x).fit(), sm.Logit(y, x).fit(**NEWTON)
        for hypothesis in ("age = 0", "age = yrs_married, religious = -0.4", np.eye(9)[2:5]):
            a, b = ours.wald_test(hypothesis), theirs.wald_test(hypothesis, scalar=True)
            np.testing.assert_allclose([a.statistic, a.pvalue], [b.statistic, b.pvalue], rtol=1e-8)
            a, b = ours.t_test(hypothesis), theirs.t_test(hypothesis)
            np.testing.assert_allclose(a.tvalue, b.tvalue, rtol=1e-8)
            a, b = ours.f_test(hypothesis), theirs.f_test(hypothesis)
            np.testing.assert_allclose(a.fvalue, b.fvalue, rtol=1e-8)

    def test_likelihood_ratio_and_f(self):
        y, x = data("longley")
        less = x.drop(columns=["GNP", "POP"])
        ours = OLS(y, x).fit(), OLS(y, less).fit()
        theirs = sm.OLS(y, x).fit(), sm.OLS(y, less).fit()
        for name in ("compare_lr_test", "compare_f_test"):
            np.testing.assert_allclose(
                getattr(ours[0], name)(ours[1]), getattr(theirs[0], name)(theirs[1]), rtol=1e-8
            )
        with pytest.raises(ValueError, match="fewer coefficients"):
            ours[1].compare_lr_test(ours[0])
        with pytest.raises(ValueError, match="fewer coefficients"):
            ours[1].compare_f_test(ours[0])

    @pytest.mark.parametrize(
        ("name", "family", "theirs"),
        [
            ("spector", "bernoulli", sm.families.Binomial()),
            ("randhie", "poisson", sm.families.Poisson()),
            ("scotland", "gamma", sm.families.Gamma(sm.families.links.Log())),
        ],
    )
    def test_score_test(self, name, family, theirs):
        y, x = data(name)
        less, extra = x.iloc[:, :-2], x.iloc[:, -2:]
        want = sm.GLM(y, less, family=theirs).fit(tol=1e-14).score_test(extra)
        found = GLM(y, less, family).fit().score_test(extra)
        np.testing.assert_allclose(found[:2], [np.squeeze(v) for v in want[:2]], rtol=1e-7)
        assert found[2] == 2
        with pytest.raises(ValueError, match="rows, as the model"):
            GLM(y, less, family).fit().score_test(extra.to_numpy()[:-1])
        with pytest.raises(ValueError, match="linearly independent"):
            GLM(y, less, family).fit().score_test(less.iloc[:, [1]].to_numpy())

    def test_terms_without_a_formula_are_columns(self):
        y, x = data("longley")
        ours, theirs = OLS(y, x).fit(), sm.OLS(y, x).fit()
        a, b = ours.wald_test_terms().summary_frame(), theirs.wald_test_terms().summary_frame()
        np.testing.assert_allclose(a.to_numpy(float), b.to_numpy(float), rtol=1e-7)

    def test_constants_are_no_terms(self):
        y, x = data("randhie")
        found = GLM(y, x, "negative_binomial").fit()
        assert [*found.wald_test_terms().summary_frame().index] == [*x.columns]
        ordered = pn.glm.glm("level ~ x", {"level": [0, 1, 2, 1, 0, 2], "x": range(6)}, "ordinal")
        assert [*ordered.fit().wald_test_terms().summary_frame().index] == ["x"]


def test_intervals_of_constants_are_those_on_the_scale_of_the_link():
    y, x = data("randhie")
    found = GLM(y, x, "negative_binomial").fit()
    peer = sm.NegativeBinomial(y, x).fit(
        start_params=np.asarray(found.params), method="newton", **NEWTON
    )
    want = np.asarray(peer.conf_int())
    alpha, se = np.asarray(peer.params)[-1], np.asarray(peer.bse)[-1]
    want[-1] = alpha * np.exp(np.array([-1.0, 1.0]) * stats.norm.ppf(0.975) * se / alpha)
    np.testing.assert_allclose(found.conf_int(), want, rtol=1e-8)
    table = found.summary().tables[1].data[-1]
    assert [float(table[-2]), float(table[-1])] == np.round(want[-1], 3).tolist()


def test_intervals_of_shares_of_zeros_stay_between_0_and_1():
    from statsmodels.discrete.count_model import ZeroInflatedPoisson
    from statsmodels.tools.numdiff import approx_hess3

    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(150), rng.normal(size=150)])
    y = rng.poisson(np.exp(x @ [0.2, 0.4])) * (rng.random(150) > 0.03)
    found = GLM(y, x, pn.families.get("zero_inflated", family="poisson")).fit()
    share = found.params[-1]
    at = np.array([np.log(share / (1.0 - share)), *found.params[:-1]])
    loglike = ZeroInflatedPoisson(y, x).loglike  # by differences: its Hessian is off by a tenth
    np.testing.assert_allclose(loglike(at), found.llf, rtol=1e-10)
    se = np.sqrt(np.linalg.inv(-approx_hess3(at, loglike))[0, 0])
    want = 1.0 / (1.0 + np.exp(-at[0] - np.array([-1.0, 1.0]) * stats.norm.ppf(0.975) * se))
    np.testing.assert_allclose(found.conf_int()[-1], want, rtol=1e-4)
    assert 0 < want[0] < want[1] < 1
    assert share - 2 * found.bse[-1] < 0  # where an interval on its own scale leaves


def test_densities_have_no_pseudo_r_squared_of_mcfadden():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    mean = 1.0 / (1.0 + np.exp(-x))
    found = pn.glm.glm("y ~ x", {"y": rng.beta(5 * mean, 5 * (1 - mean)), "x": x}, "beta").fit()
    assert np.isnan(found.prsquared)
    assert np.isnan(found.pseudo_rsquared("mcf"))
    assert 0 < found.pseudo_rsquared("cs") < 1
    y, x = data("longley")
    linear = OLS(y, x).fit()
    assert np.isnan(linear.prsquared)
    np.testing.assert_allclose(linear.pseudo_rsquared("cs"), linear.rsquared, rtol=1e-10)


class TestErrors:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"y": [0, 1, 2, 0]}, "support of the bernoulli family"),
            ({"y": [0, 1, np.nan, 0]}, "support of the bernoulli"),
            ({"y": []}, "at least one row"),
            ({"y": [0, 1, 1]}, "as many rows as y"),
            ({"y": np.zeros((4, 3))}, r"shape \(n,\)"),
            ({"y": [[1, 0], [0, 0], [1, 1], [2, 1]]}, "at least one trial"),
            ({"X": [[1.0, np.inf], [1, 2], [1, 3], [1, 4]]}, "finite numbers in X.*'x1'"),
            ({"X": [[1.0, 0], [1, 0], [1, 0], [1, 0]]}, "no column of zeros.*'x1'|zeros"),
            ({"X": np.empty((4, 0))}, "one row and one column"),
            ({"X": [["a"], ["b"], ["a"], ["b"]]}, "numeric"),
            ({"family": "binomal"}, "Unknown family"),
            ({"link": "logitt"}, "Unknown link"),
            ({"offset": [1.0, 2.0]}, r"offset of shape \(4,\)"),
            ({"freq_weights": [1, -1, 1, 1]}, "freq_weights"),
            ({"freq_weights": [0, 0, 0, 0]}, "value above 0"),
            ({"var_weights": [1] * 4, "weights": [1] * 4}, "give it once"),
            ({"exposure": [1, 2, 3, 4]}, "log link"),
            ({"fixed": {"prob": 0.5}}, "name parameters"),
            ({"fixed": {"probs": 0.5}}, "each parameter once"),
            ({"designs": {"scale": np.ones((4, 1))}}, "name parameters"),
            ({"missing": "ignore"}, "'none' or 'drop'"),
        ],
    )
    def test_bad_arguments(self, change, message):
        given = {"y": [0, 1, 1, 0], "X": np.array([[1.0, 0], [1, 1], [1, 2], [1, 3]])}
        given |= {"family": "bernoulli"} | change
        with pytest.raises(ValueError, match=message):
            GLM(**given)

    def test_dependent_columns_are_named(self):
        rng = np.random.default_rng(0)
        x = pd.DataFrame(rng.normal(size=(50, 3)), columns=["a", "b", "c"])
        x["d"] = x.a - 2 * x.c
        with pytest.raises(ValueError, match="linearly independent") as error:
            OLS(rng.normal(size=50), x).fit()
        named = str(error.value).split("Leave")[0]
        assert all(f"'{name}'" in named for name in "acd")
        assert "'b'" not in named

    def test_two_constants(self):
        x = np.column_stack([np.ones(10), 2 * np.ones(10), np.arange(10.0)])
        with pytest.raises(ValueError, match="linearly independent"):
            OLS(np.arange(10.0), x).fit()

    def test_more_columns_than_rows(self):
        with pytest.raises(ValueError, match="as many rows as columns"):
            OLS(np.ones(3), np.random.default_rng(0).normal(size=(3, 5))).fit()

    def test_unknown_options_of_fit(self):
        y, x = data("spector")
        for option in (
            {"cov_type": "HC9"},
            {"information": "fisher"},
            {"scale": "x2"},
            {"method": "bfgs"},
            {"cov_type": "cluster"},
            {"cov_type": "HAC"},
            {"cov_type": "HAC", "cov_kwds": {"maxlags": -1}},
            {"cov_type": "HC0", "cov_kwds": {"maxlags": 1}},
            {"cov_kwds": {"groups": np.arange(32)}},
            {"cov_type": "cluster", "cov_kwds": {"groups": "g"}},
            {"cov_type": "cluster", "cov_kwds": {"groups": np.full(32, np.nan)}},
            {"scale": -1.0},
            {"maxiter": -1},
            {"tol": np.nan},
        ):
            with pytest.raises(ValueError, match="Expected"):
                Logit(y, x).fit(**option).cov_params()

    def test_too_few_iterations_warn_with_the_remedy(self):
        y, x = data("spector")
        with pytest.warns(pn.glm.ConvergenceWarning, match="Raise maxiter"):
            found = Logit(y, x).fit(maxiter=2)
        assert not found.converged

    def test_y_with_one_value(self):
        _, x = data("spector")
        with pytest.raises(pn.glm.PerfectSeparationError):
            Logit(np.ones(len(x)), x).fit()
        assert OLS(np.full(len(x), 3.0), x).fit().params["const"] == pytest.approx(3.0)

    @pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
    def test_separation_that_ends_in_slopes_that_are_all_alike(self, link):
        x = np.column_stack([np.ones(6), [-1.0, 1.0] * 3])
        with pytest.raises(pn.glm.PerfectSeparationError) as info:
            Logit([0, 1] * 3, x, family=pn.families.Bernoulli(link)).fit()
        assert info.value.columns == ["x1"]
        overlap = Logit([0, 1, 0, 1, 1, 0], x, family=pn.families.Bernoulli(link)).fit()
        np.testing.assert_allclose(overlap.mu[0], 1 / 3, rtol=1e-9)


def test_scale_as_a_parameter_is_no_parameter_more():
    y, x = data("engel")
    constant = OLS(y, x).fit()
    growing = GLM(y, x, designs={"scale": x / [1.0, 1000.0]}).fit()
    statistic, _, df = growing.compare_lr_test(constant)
    assert df == 1
    np.testing.assert_allclose(statistic, 2 * (growing.llf - sm.OLS(y, x).fit().llf), rtol=1e-10)
    with pytest.raises(ValueError, match="family and link"):
        GLM(y, x, "normal", "log").fit().compare_lr_test(constant)


def test_results_of_classes_are_saved(tmp_path):
    y, x = data("anes96")
    found = GLM(y, x, pn.families.Categorical(classes=7)).fit()
    np.testing.assert_allclose(found.deviance, -2 * found.llf, rtol=1e-12)
    found.save(tmp_path / "classes.pkl")
    loaded = pn.glm.load(tmp_path / "classes.pkl")
    np.testing.assert_array_equal(loaded.predict(x), found.predict(x))
    assert (loaded.llf, loaded.prsquared) == (found.llf, found.prsquared)


def test_results_without_a_deviance_are_saved(tmp_path):
    y, x = data("engel")
    found = GLM(y, x, "laplace").fit()
    found.save(tmp_path / "laplace.pkl")
    loaded = pn.glm.load(tmp_path / "laplace.pkl")
    pd.testing.assert_series_equal(loaded.bse, found.bse)
    assert (loaded.llf, loaded.llnull) == (found.llf, found.llnull)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("model", [OLS, Logit])
def test_frequencies_repeat_rows(model, cov_type):
    y, x = data("spector")
    weights = 1 + np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), weights)
    found = model(y, x, freq_weights=weights).fit(cov_type=cov_type)
    want = model(y.to_numpy()[rows], x.to_numpy()[rows]).fit(cov_type=cov_type)
    for name in ("params", "bse", "llf", "llnull", "aic", "bic", "df_resid", "deviance"):
        np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-10)
    np.testing.assert_allclose(found.pseudo_rsquared("cs"), want.pseudo_rsquared("cs"), rtol=1e-9)


@pytest.mark.parametrize("kind", ["freq_weights", "var_weights"])
@pytest.mark.parametrize("model", [OLS, Logit])
def test_rows_of_weight_0_are_as_not_there(model, kind):
    y, x = data("spector")
    weights = (np.arange(len(y)) % 4 > 0).astype(float)
    x = x.assign(only_there=1.0 * (weights == 0))
    with pytest.raises(ValueError, match="'only_there'"):
        model(y, x, **{kind: weights}).fit()
    x = x.drop(columns="only_there")
    found, used = model(y, x, **{kind: weights}).fit(), weights > 0
    want = model(y[used], x[used]).fit()
    np.testing.assert_allclose(found.params, want.params, rtol=1e-9)
    if kind == "freq_weights" or model is Logit:
        np.testing.assert_allclose([*found.bse, found.llf], [*want.bse, want.llf], rtol=1e-9)
    assert np.isfinite(found.llf)


def test_likelihood_ratios_are_at_the_maximum_over_the_dispersion():
    rng = np.random.default_rng(2)
    y, x = rng.gamma(0.5, 2.0, 40), np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    statistic, _, df = GLM(y, x, "gamma").fit().compare_lr_test(GLM(y, x[:, :2], "gamma").fit())
    one = np.ones((40, 1))
    joint = [GLM(y, z, "gamma", designs={"shape": one}).fit().llf for z in (x, x[:, :2])]
    np.testing.assert_allclose(statistic, 2 * (joint[0] - joint[1]), rtol=1e-5)
    assert df == 1
    other = GLM(y + 1, x[:, :2], "gamma").fit()
    with pytest.raises(ValueError, match="same responses"):
        GLM(y, x, "gamma").fit().compare_lr_test(other)


def test_rows_go_by_their_labels():
    y, x = data("spector")
    w = 1.0 + np.arange(len(y))
    w = pd.Series(w, y.index)
    want = Logit(y, x, offset=w / 9, freq_weights=w).fit()
    turned = {"y": y[::-1], "offset": w[::-1] / 9, "freq_weights": w[::-1]}
    pd.testing.assert_series_equal(Logit(X=x, **turned).fit().params, want.params)
    for name, values in turned.items():
        other = {**turned, name: values.set_axis(values.index + 1)}
        with pytest.raises(ValueError, match=f"{name} with the labels of the rows of X"):
            Logit(X=x, **other)


def test_counts_without_overdispersion_are_said_to_be_poisson():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(150), rng.normal(size=150)])
    y = rng.binomial(20, 0.3, 150)
    with pytest.warns(pn.glm.ConvergenceWarning, match="dispersion went to 0"):
        found = GLM(y, x, "negative_binomial").fit()
    poisson = GLM(y, x, "poisson").fit()
    np.testing.assert_allclose(found.params[:2], poisson.params, rtol=1e-5)
    ends = found.get_prediction(x[:9]).conf_int(obs=True)
    np.testing.assert_array_equal(ends, poisson.get_prediction(x[:9]).conf_int(obs=True))


def test_penalised_fits_have_no_tests_of_likelihood():
    y, x = data("spector")
    for found in (Logit(y, x).fit(method="firth"), Logit(y, x).fit_regularized(0.1)):
        for name in ("aic", "bic", "llr", "llr_pvalue"):
            with pytest.raises(AttributeError, match="maximum of the likelihood"):
                getattr(found, name)
        assert "LLR" not in found.summary().as_text()


@pytest.mark.parametrize("model", [OLS, Logit])
def test_loaded_results_say_what_the_saved_did(model, tmp_path):
    y, x = data("spector")
    found = model(y, x).fit(cov_type="HC0")
    found.save(tmp_path / "r.pkl")
    loaded = pn.glm.load(tmp_path / "r.pkl")
    names = "llf llnull aic bic bic_deviance deviance df_resid df_model nobs scale prsquared"
    more = " rsquared rsquared_adj fvalue f_pvalue condition_number ssr" if model is OLS else ""
    for name in (names + more).split():
        np.testing.assert_equal(getattr(loaded, name), getattr(found, name), name)
    assert "No. Observations" in loaded.summary().as_text()
    loaded.save(tmp_path / "again.pkl")
    assert repr(pn.glm.load(tmp_path / "again.pkl")) == repr(found)
    import pickle

    (tmp_path / "other.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="file of Results"):
        pn.glm.load(tmp_path / "other.pkl")


def test_standard_errors_of_polynomials_equal_rational_arithmetic():
    x = np.vander(np.arange(1960.0, 2000.0), 5, increasing=True)
    y = np.sin(np.arange(40.0))
    rows = [[Fraction(v) for v in row] for row in x.tolist()]
    gram = [[sum(r[i] * r[j] for r in rows) for j in range(5)] for i in range(5)]
    right = [
        sum(r[i] * Fraction(v) for r, v in zip(rows, y.tolist(), strict=True)) for i in range(5)
    ]
    coef = solve(gram, right)
    ssr = sum((Fraction(v) - dot(r, coef)) ** 2 for r, v in zip(rows, y.tolist(), strict=True))
    inverse = [solve(gram, [Fraction(int(i == j)) for i in range(5)])[j] for j in range(5)]
    found = OLS(y, x).fit()
    np.testing.assert_allclose(found.params, [float(b) for b in coef], rtol=1e-13)
    want = [float(ssr / 35 * v) ** 0.5 for v in inverse]
    np.testing.assert_allclose(found.bse, want, rtol=1e-13)


def test_save_and_load(tmp_path):
    y, x = data("spector")
    found = Logit(y, x).fit(cov_type="HC1")
    found.save(tmp_path / "logit.pkl")
    assert (tmp_path / "logit.pkl").stat().st_size < 20_000
    loaded = pn.glm.load(tmp_path / "logit.pkl")
    pd.testing.assert_series_equal(loaded.bse, found.bse)
    np.testing.assert_array_equal(loaded.predict(x), found.predict(x))
    assert (loaded.llf, loaded.aic, loaded.prsquared) == (found.llf, found.aic, found.prsquared)
    assert (
        loaded.summary().as_text().split("Time:")[0] == found.summary().as_text().split("Time:")[0]
    )
    with pytest.raises(AttributeError, match="rows of the training data"):
        loaded.resid_response  # noqa: B018
