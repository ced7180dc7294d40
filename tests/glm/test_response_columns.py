"""The columns of a response of several numbers go by name."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import probnn as pn
from probnn.glm import GLM

N = 50
RNG = np.random.default_rng(1)
X = pd.DataFrame({"const": 1.0, "x": RNG.normal(size=N)})
Y = pd.DataFrame({"u": X.x + RNG.normal(size=N), "v": 3.0 - X.x + 0.1 * RNG.normal(size=N)})


@pytest.fixture(scope="module")
def results():
    return GLM(Y, X, "multivariate_normal").fit()


def test_vectors_are_scored_by_name(results):
    d = results.predict_distribution(X)
    left = Y.to_numpy() - X.to_numpy() @ np.linalg.lstsq(X, Y, rcond=None)[0]
    want = -stats.multivariate_normal(cov=left.T @ left / N).logpdf(left)
    turned = Y[["v", "u"]]
    for y in (Y, turned, Y.to_numpy(), turned[::-1]):
        np.testing.assert_allclose(pn.scores.log_score(y, d), want, rtol=1e-6)
    few = d[4:9]
    np.testing.assert_allclose(pn.scores.log_score(turned[4:9], few), want[4:9], rtol=1e-6)
    np.testing.assert_allclose(-np.sum(want), results.llf, rtol=1e-8)
    for wrong, message in (
        (Y.rename(columns={"u": "w"}), "no 'u'; 'w', which it does not know"),
        (Y.assign(w=0.0), "'w', which"),
        (Y["u"], r"shape \(50, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            pn.scores.log_score(wrong, d)


def test_what_is_fitted_has_their_names(results):
    found = results.predict(X)
    assert [*found.columns] == ["u", "v"]
    slopes = np.linalg.lstsq(X, Y, rcond=None)[0]  # one design for both: least squares of each
    np.testing.assert_allclose(found, X @ slopes, rtol=1e-6)
    assert results.model.y_name == "u, v"
    assert "u, v" in results.summary().as_text()
    turned = GLM(Y[["v", "u"]], X, "multivariate_normal").fit()
    np.testing.assert_allclose(turned.mu[["u", "v"]], results.mu, rtol=1e-6)


def test_bounds_go_by_name_and_arrays_by_position():
    lower = Y["u"].to_numpy()
    bounds = pd.DataFrame({"lower": lower, "upper": np.where(np.arange(N) % 3, lower, np.inf)})
    family = pn.families.get("censored", family="normal")
    results = GLM(bounds, X, family).fit()
    d = results.predict_distribution(X)
    want = np.sum(pn.scores.log_score(bounds.to_numpy(), d))
    np.testing.assert_allclose(-want, results.llf, rtol=1e-8)
    turned = bounds[["upper", "lower"]]
    np.testing.assert_allclose(np.sum(pn.scores.log_score(turned, d)), want, rtol=1e-12)
    bare = GLM(bounds.to_numpy(), X, family).fit()
    assert bare.model.y_columns.names is None
    np.testing.assert_allclose(bare.params, results.params)
