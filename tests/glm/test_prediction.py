import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from tables.glms import data
from tables.peers import NEWTON

import probnn as pn
from probnn.glm import GLM, OLS, Logit

LINKS = sm.families.links


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("spector", ("bernoulli", "logit"), lambda: sm.families.Binomial()),
        ("spector", ("bernoulli", "cloglog"), lambda: sm.families.Binomial(LINKS.CLogLog())),
        ("cpunish", ("poisson", "log"), lambda: sm.families.Poisson()),
        ("scotland", ("gamma", "log"), lambda: sm.families.Gamma(LINKS.Log())),
        ("scotland", ("normal", "log"), lambda: sm.families.Gaussian(LINKS.Log())),
    ],
)
def test_means_as_statsmodels(name, ours, theirs):
    y, x = data(name)
    found = GLM(y, x, *ours).fit().get_prediction(x[:6])
    model = sm.GLM(y, x, family=theirs())
    start = model.fit(tol=1e-13).params
    want = model.fit(start_params=start, tol=1e-14, tol_criterion="params").get_prediction(x[:6])
    frame = want.summary_frame(alpha=0.1)
    np.testing.assert_allclose(found.predicted_mean, frame["mean"], rtol=1e-7)
    np.testing.assert_allclose(found.se_mean, frame["mean_se"], rtol=1e-7)
    ends = frame[["mean_ci_lower", "mean_ci_upper"]]
    np.testing.assert_allclose(found.conf_int(alpha=0.1), ends, rtol=1e-7)


@pytest.mark.parametrize("fit", [{}, {"cov_type": "HC1"}])
def test_ols_as_statsmodels(fit):
    y, x = data("scotland")
    found = OLS(y, x).fit(**fit).get_prediction(x[:6]).summary_frame(alpha=0.05)
    want = sm.OLS(y, x).fit(**fit).get_prediction(x[:6]).summary_frame(alpha=0.05)
    pd.testing.assert_frame_equal(found, want, rtol=1e-8)


def test_exposure_and_offset_of_new_rows():
    y, x = data("cpunish")
    exposure = 1.0 + np.arange(len(y)) % 4
    found = GLM(y, x, "poisson", exposure=exposure).fit()
    new = found.predict(x[:5], exposure=np.full(5, 2.0))
    np.testing.assert_allclose(new, 2.0 * found.predict(x[:5]), rtol=1e-12)
    np.testing.assert_allclose(found.predict(), found.predict(x, exposure=exposure), rtol=1e-12)
    with pytest.raises(ValueError, match="together with exog"):
        found.predict(exposure=exposure)
    linear = found.predict(x[:5], which="linear", offset=np.ones(5))
    np.testing.assert_allclose(np.exp(linear), np.e * found.predict(x[:5]), rtol=1e-12)


@pytest.mark.parametrize(
    ("family", "n", "link"),
    [
        ("poisson", 12, "log"),
        ("poisson", 150, "log"),
        ("poisson", 6000, "log"),
        ("poisson", 150, "identity"),
        ("geometric", 150, "log"),
        ("gamma", 150, "log"),
    ],
)
def test_intervals_of_new_responses_are_those_of_many_nodes(family, n, link, rng):
    x = np.column_stack([np.ones(n), rng.random((n, 2))])
    mean = x @ [3.0, 2.0, 1.0] if link == "identity" else np.exp(x @ [1.0, 0.5, -0.5])
    y = rng.poisson(mean) + (family == "gamma") * rng.random(n)
    results = GLM(y, x, family, link).fit()
    new = x[:12] * [1.0, 1.2, 1.2]
    frame = results.get_prediction(new).summary_frame(alpha=0.07)
    eta = results.predict(new, which="linear")
    error = np.sqrt(np.einsum("ij,jk,ik->i", new, results.cov_params(), new))
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    some = weights > 1e-17
    nodes, weights = nodes[some], weights[some]
    linear = eta[:, None] + error[:, None] * nodes
    means = linear if link == "identity" else np.exp(linear)
    params = {"rate" if family == "poisson" else "mean": means}
    if family == "gamma":
        params["shape"] = np.full(means.shape, 1.0 / results.scale)
    d = pn.Predictive(
        pn.families.Mixture(family, len(nodes)),
        {**params, "weights": np.broadcast_to(weights / weights.sum(), means.shape)},
    )
    np.testing.assert_allclose(frame.obs_ci_lower, d.quantile(0.035), rtol=1e-10)
    np.testing.assert_allclose(frame.obs_ci_upper, d.quantile(0.965), rtol=1e-10)


class TestPredictionIntervals:
    """Coverage of a new response is what an interval promises, however few the rows."""

    def coverage(self, simulate, fit, n=25, sets=400, level=0.8):
        rng = np.random.default_rng(0)
        inside = total = 0
        for _ in range(sets):
            x = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
            y, new = simulate(rng, x), simulate(rng, x)
            ends = fit(y, x).get_prediction().conf_int(1 - level, obs=True)
            inside += np.sum((ends[:, 0] <= new) & (new <= ends[:, 1]))
            total += n
        return inside / total

    def test_normal(self):
        found = self.coverage(
            lambda rng, x: x @ [1.0, 2.0] + rng.normal(size=len(x)),
            lambda y, x: OLS(y, x).fit(),
            n=6,
        )
        assert abs(found - 0.8) < 0.025

    @pytest.mark.slow
    def test_gamma(self):
        found = self.coverage(
            lambda rng, x: rng.gamma(4.0, np.exp(x @ [1.0, 0.5]) / 4.0),
            lambda y, x: GLM(y, x, "gamma", "log").fit(),
        )
        assert abs(found - 0.8) < 0.025

    @pytest.mark.slow
    def test_heteroscedastic_normal(self):
        found = self.coverage(
            lambda rng, x: x @ [1.0, 2.0] + np.exp(x @ [0.0, 0.5]) * rng.normal(size=len(x)),
            lambda y, x: GLM(y, x, "normal", designs={"scale": x}).fit(),
            n=40,
            sets=200,
        )
        assert abs(found - 0.8) < 0.03

    @pytest.mark.slow
    def test_poisson_holds_at_least_its_level(self):
        found = self.coverage(
            lambda rng, x: rng.poisson(np.exp(x @ [2.0, 0.5])),
            lambda y, x: GLM(y, x, "poisson").fit(),
        )
        assert 0.8 <= found < 0.88

    def test_discrete_interval_is_the_smallest_with_its_tails(self):
        y, x = data("cpunish")
        prediction = GLM(y, x, "poisson").fit().get_prediction()
        lower, upper = prediction.conf_int(0.1, obs=True).T
        eta, se = prediction._raw[:, 0], np.sqrt(prediction._covariance[:, 0, 0])
        z = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)

        def cdf(k):
            rate = np.exp(eta[:, None] + se[:, None] * z)
            return stats.poisson.cdf(k[:, None], rate).mean(axis=1)

        assert np.all(cdf(upper) >= 0.95 - 1e-4)
        assert np.all(cdf(upper - 1) < 0.95 + 1e-4)
        assert np.all(cdf(lower) >= 0.05 - 1e-4)
        assert np.all(cdf(lower - 1) < 0.05 + 1e-4)


def test_predictive_distribution_has_the_scale():
    y, x = data("scotland")
    found = OLS(y, x).fit()
    d = found.predict_distribution(x[:4])
    np.testing.assert_allclose(d.params["scale"], np.sqrt(found.scale))
    np.testing.assert_allclose(d.mean(), found.predict(x[:4]))
    gamma = GLM(y, x, "gamma", "log").fit()
    np.testing.assert_allclose(gamma.predict_distribution().variance(), gamma.scale * gamma.mu**2)


def test_new_columns_go_by_name():
    y, x = data("spector")
    found = Logit(y, x).fit()
    np.testing.assert_allclose(found.predict(x[x.columns[::-1]]), found.predict(x), rtol=1e-13)
    with pytest.raises(ValueError, match="without \\['PSI'\\]"):
        found.predict(x.drop(columns="PSI"))
    with pytest.raises(ValueError, match=r"shape \(m, 4\)"):
        found.predict(np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        found.predict(np.full((2, 4), np.nan))
    with pytest.raises(ValueError, match="'mean' or 'linear'"):
        found.predict(x, which="odds")


def test_further_designs_of_new_rows():
    y, x = data("engel")
    found = GLM(y, x, "normal", designs={"scale": x}).fit()
    new = found.predict_distribution(x[:3], designs={"scale": x[:3]})
    np.testing.assert_allclose(new.mean(), found.mu[:3])
    with pytest.raises(ValueError, match="as for the model"):
        found.predict(x[:3])


def test_classes_are_predicted_as_probabilities():
    y, x = data("anes96")
    found = GLM(y, x, pn.families.Categorical(classes=7)).fit()
    want = sm.MNLogit(y, x).fit(**NEWTON).predict(x[:5])
    np.testing.assert_allclose(found.predict(x[:5]), want, rtol=1e-7)
    with pytest.raises(ValueError, match="of classes"):
        found.get_prediction(x[:5])


def test_intervals_of_proportions_without_trials(rng):
    y = np.column_stack([rng.integers(0, 10, 80), np.full(80, 9)])
    found = pn.glm.GLM(y, np.ones((80, 1)), "beta_binomial").fit().get_prediction()
    frame = found.summary_frame()
    assert list(frame.columns) == ["mean", "mean_se", "mean_ci_lower", "mean_ci_upper"]
    np.testing.assert_allclose(frame["mean"], y[:, 0].mean() / 9, rtol=0.05)
