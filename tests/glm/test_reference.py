"""Published and certified numbers, to all digits that are printed."""

import json

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.model_selection import train_test_split

import probnn as pn


@pytest.fixture
def banknote(read_data):
    return read_data("banknote_authentication.csv")


@pytest.fixture
def fish(read_data):
    data = read_data("fish.csv")
    columns = ["livebait", "camper", "persons", "child"]
    split = train_test_split(data[columns], data["count"], test_size=0.2, random_state=42)
    return tuple(split)


def test_banknotes_by_two_features(banknote):
    x = sm.add_constant(banknote[["skewness", "entropy"]])
    found = pn.glm.Logit(banknote["class"], x).fit()
    assert round(-found.llf / len(banknote), 7) == 0.5114348
    assert round(found.params["const"], 4) == -0.1790
    assert round(found.params["skewness"], 4) == -0.3293
    assert round(found.params["entropy"], 5) == -0.52701
    assert found.bse.round(5).tolist() == [0.07509, 0.01951, 0.04214]
    assert round(float(np.mean((found.mu > 0.5) == banknote["class"])), 5) == 0.70845


def test_banknotes_nearly_separated_by_four_features(banknote):
    x = sm.add_constant(banknote[["variance", "skewness", "curtosis", "entropy"]])
    found = pn.glm.Logit(banknote["class"], x).fit()
    assert round(-found.llf / len(banknote), 7) == 0.0181817
    assert round(found.params.abs().max(), 2) == 7.86


def test_fish_by_poisson_regression(fish):
    x, x_test, y, y_test = fish
    found = pn.glm.GLM(y, sm.add_constant(x), "poisson").fit()
    want = [-3.198504, 1.642765, 0.763071, 1.025980, -1.601446]
    assert found.params.round(6).tolist() == want
    test = found.predict_distribution(sm.add_constant(x_test))
    assert round(-test.log_prob(y_test).mean(), 6) == 2.691007
    assert round(np.sqrt(np.mean((y_test - test.mean()) ** 2)), 6) == 7.186987


def test_fish_by_linear_regression(fish):
    x, x_test, y, y_test = fish
    ssr = pn.glm.OLS(y, sm.add_constant(x)).fit().ssr
    found = pn.glm.OLS(y, sm.add_constant(x)).fit(scale=ssr / (len(y) - 2))
    test = found.predict_distribution(sm.add_constant(x_test))
    assert round(-test.log_prob(y_test).mean(), 6) == 3.617528
    rmse = np.sqrt(np.mean((y_test - test.mean()) ** 2))  # statsmodels: 8.5881264
    np.testing.assert_allclose(rmse, 8.588127, atol=1e-6)


@pytest.mark.parametrize("name", ["longley", "noint1", "norris", "pontius", "wampler1", "wampler2"])
def test_nist(shared_data, name):
    data = json.loads(shared_data(f"nist/{name}.json").read_text())
    x, y = np.array(data["x"], dtype="float64"), np.array(data["y"])
    if data["model"] == "polynomial":
        x = np.vander(x[:, 0], data["degree"] + 1, increasing=True)
    elif data["model"] == "linear":
        x = np.column_stack([np.ones(len(y)), x])
    found = pn.glm.OLS(y, x).fit()
    np.testing.assert_allclose(found.params, data["coef"], rtol=1e-12)
    size = np.linalg.norm(data["coef"])  # two sets fit without an error, whose own is 0
    np.testing.assert_allclose(
        found.bse, data["se"], rtol=2e-13, atol=1e-9 * size * (max(data["se"]) == 0)
    )
