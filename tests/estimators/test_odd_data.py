"""Data and options that lead astray: the answer is right, or there is none, in words."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.datasets import load_digits
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_validate, permutation_test_score

import probnn as pn
from probnn.estimators import (
    GLMClassifier,
    GLMRegressor,
    NetworkClassifier,
    NetworkRegressor,
    scorers,
)


@pytest.fixture
def frame(rng):
    n = 90
    return pd.DataFrame(
        {"a": rng.normal(size=n), "b": rng.normal(size=n), "g": rng.choice(["u", "v", "w"], n)}
    )


@pytest.fixture
def y(frame, rng):
    return frame["a"] + (frame["g"] == "v") + rng.normal(size=len(frame))


@pytest.fixture
def ratings(y):
    text = np.array(["low", "mid", "high"])[np.digitize(y, [-0.5, 0.8])]
    return pd.Series(pd.Categorical(text, ["low", "mid", "high"], ordered=True))


def test_responses_go_by_position(frame, y, rng):
    """In fits and in scores, as in scikit-learn: labels of an index are not looked at."""
    order = rng.permutation(len(y))
    x, there = frame[["a", "b"]], y.iloc[order]
    ours, theirs = GLMRegressor().fit(x, there), LinearRegression().fit(x, there)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-10)
    want = np.mean(ours.predict_distribution(x).log_prob(there.to_numpy()))
    assert scorers.log_score(ours, x, there) == pytest.approx(want, rel=1e-12)
    permuted = permutation_test_score(ours, x, y, scoring=scorers.crps, cv=2, n_permutations=3)
    assert (permuted[0] > permuted[1]).all()


def test_weights_that_sum_to_one_are_shares(frame, y, rng):
    x, weight = frame[["a", "b"]], rng.uniform(0.1, 2.0, len(y))
    ours = GLMRegressor().fit(x, y, sample_weight=weight / weight.sum())
    want = sm.WLS(y, sm.add_constant(x), weights=weight).fit()
    np.testing.assert_allclose(ours.results_.params, want.params, rtol=1e-10)
    assert ours.results_.nobs == pytest.approx(len(y))
    boosted = [
        AdaBoostClassifier(each, n_estimators=3).fit(x, y > 0.5).decision_function(x)
        for each in (GLMClassifier(), LogisticRegression(C=np.inf, tol=1e-10))
    ]
    np.testing.assert_allclose(*boosted, atol=1e-6)


def test_columns_of_zeros_have_coefficients_of_zero(frame, y):
    x, digits = load_digits(return_X_y=True)
    x, digits = x[:100] / 16.0, digits[:100] % 2
    ours = GLMClassifier(alpha=0.1).fit(x, digits)
    theirs = LogisticRegression(C=1.0 / (0.1 * len(x)), tol=1e-10, max_iter=1000).fit(x, digits)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-6)
    x = frame.assign(a=frame["a"].where(frame["g"] != "w", 0.0))
    with pytest.warns(pn.glm.ConvergenceWarning, match="'g_w'.* 0 here"):
        ours = GLMRegressor().fit(x, y, sample_weight=frame["g"] != "w")
    want = smf.ols("y ~ g + a + b", x.assign(y=y)[frame["g"] != "w"]).fit()
    np.testing.assert_allclose(ours.results_.params, want.params, rtol=1e-9)
    assert "g_w" not in ours.table(x)
    with pytest.raises(ValueError, match="'z'"):
        GLMRegressor(undetermined="raise").fit(x.assign(z=0.0), y)


@pytest.mark.parametrize("formula", [None, "a + b"])
def test_ordered_categories_keep_their_order(frame, ratings, formula):
    """Of ordinal families; columns of probabilities are in scikit-learn's order all the same."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    x = frame[["a", "b"]]
    ours = GLMClassifier("ordinal", formula=formula).fit(x, ratings)
    want = OrderedModel(ratings, x, distr="logit").fit(disp=False, method="newton")
    assert ours.classes_.tolist() == ["high", "low", "mid"]
    assert ours.predict_distribution(x).classes.tolist() == ["low", "mid", "high"]
    wanted = want.predict(x).to_numpy()[:, [2, 0, 1]]
    np.testing.assert_allclose(ours.predict_proba(x), wanted, atol=1e-6)
    np.testing.assert_allclose(ours.predict_log_proba(x), np.log(wanted), atol=1e-5)
    ends = ours.predict_interval(x[:1], 0.99)
    assert ends.tolist() == [["low", "high"]]
    loss = get_scorer("neg_log_loss")(ours, x, ratings)
    assert scorers.log_score(ours, x, ratings) == pytest.approx(loss, rel=1e-9)


def test_formulas_of_two_classes(frame, y):
    kind = np.where(y > 0.5, "yes", "no")
    ours = GLMClassifier(formula="a + C(g)").fit(frame, kind)
    want = smf.logit("y ~ a + C(g)", frame.assign(y=1.0 * (y > 0.5))).fit(disp=False)
    np.testing.assert_allclose(ours.predict_proba(frame)[:, 1], want.predict(frame), rtol=1e-6)
    assert set(ours.predict(frame)) == {"yes", "no"}
    with pytest.raises(ValueError, match="classes in an order"):
        ours.predict_interval(frame)


@pytest.mark.parametrize("formula", ["a + y", "y ~ a + y"])
def test_formulas_see_the_columns_of_x_alone(frame, y, formula):
    """A column of X that is called as the response is no response."""
    x = frame.rename(columns={"b": "y"})
    want = smf.ols("z ~ a + y", x.assign(z=y)).fit()
    np.testing.assert_allclose(
        GLMRegressor(formula=formula).fit(x, y).results_.params, want.params, rtol=1e-10
    )
    with pytest.raises(ValueError, match="Expected a formula"):
        GLMRegressor(formula="a + scale(y)").fit(frame, y)
    with pytest.raises(ValueError, match="left side"):
        GLMRegressor(formula="log(y) ~ a").fit(frame, y)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.date_range("2020-01-01", periods=90), "dates"),
        (pd.timedelta_range("1D", periods=90), "dates"),
        (pd.period_range("2020-01-01", periods=90), "dates"),
        (pd.array([1, None] * 45, dtype="Int64"), "SimpleImputer"),
        (pd.array([True, None] * 45, dtype="boolean"), "SimpleImputer"),
    ],
)
def test_no_numbers(frame, y, column, message):
    with pytest.raises(ValueError, match=message):
        GLMRegressor().fit(frame.assign(c=column), y)
    if message == "dates":
        with pytest.raises(ValueError, match=message):
            GLMRegressor().fit(pd.DataFrame({"c": column}), y)
        with pytest.raises(ValueError, match=message):
            GLMRegressor().fit(frame, pd.Series(column))


def test_missing_text_of_new_rows(frame, y):
    ours = GLMRegressor().fit(frame, y)
    with pytest.raises(ValueError, match=r"'g'.*SimpleImputer"):
        ours.predict(frame.assign(g=frame["g"].mask(frame["a"] > 0)))


def test_names_of_columns(frame, y):
    """Numbers, those of constants, and those of indicators."""
    want = GLMRegressor().fit(frame, y).predict(frame)
    for names in ([2, 0, 1], ["const", "const_", "g"], ["g_v", "b", "g"]):
        x = frame.set_axis(names, axis=1)
        ours = GLMRegressor().fit(x, y)
        np.testing.assert_allclose(ours.predict(x), want, rtol=1e-9)
        np.testing.assert_allclose(ours.results_.predict(ours.table(x)), want, rtol=1e-9)
    sparse = frame[["a", "b"]].astype(pd.SparseDtype("float64", 0.0))
    theirs = LinearRegression().fit(frame[["a", "b"]], y)
    ours = GLMRegressor().fit(sparse, y)
    np.testing.assert_allclose(ours.predict(sparse), theirs.predict(frame[["a", "b"]]), rtol=1e-9)


def test_links(frame, y):
    x = frame[["a", "b"]]
    ours = GLMClassifier(link="probit").fit(x, y > 0.5)
    want = sm.Probit(y > 0.5, sm.add_constant(x)).fit(disp=False)
    np.testing.assert_allclose(ours.predict_proba(x)[:, 1], want.predict(), rtol=1e-6)
    ours = GLMRegressor("poisson", "identity", fit_intercept=False).fit(
        np.ones((4, 1)), [1, 2, 3, 6]
    )
    np.testing.assert_allclose(ours.predict([[1.0]]), [3.0], rtol=1e-8)


def test_fits_that_fail_change_nothing(frame, y):
    x = frame[["a", "b"]]
    model = GLMClassifier().fit(x, y > 0.5)
    before = model.predict_proba(x)
    with pytest.raises(ValueError, match="undetermined"):
        model.set_params(undetermined="no").fit(frame, frame["g"])
    np.testing.assert_array_equal(model.predict_proba(x), before)
    model.set_params(fit_intercept=False, formula="a")  # of the next fit
    np.testing.assert_array_equal(model.predict_proba(x), before)
    with pytest.raises(ValueError, match="Take a classifier"):
        GLMRegressor("ordinal").fit(x, frame["g"].map({"u": 0, "v": 1, "w": 2}))


def test_scorers_are_routed(frame, y, rng):
    x, weight = frame[["a", "b"]], rng.uniform(0.5, 2.0, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = scorers.log_score.set_score_request(sample_weight=True)
        model = GLMRegressor().set_fit_request(sample_weight=True)
        found = cross_validate(model, x, y, params={"sample_weight": weight}, cv=2, scoring=scorer)
        plain = cross_validate(GLMRegressor(), x, y, cv=2, scoring=scorers.log_score)
    half = len(y) // 2
    there = GLMRegressor().fit(x[half:], y[half:], weight[half:])
    each = there.predict_distribution(x[:half]).log_prob(y[:half])
    want = np.average(each, weights=weight[:half])
    assert found["test_score"][0] == pytest.approx(want, rel=1e-9)
    assert found["test_score"][0] != plain["test_score"][0]


@pytest.mark.slow
@pytest.mark.backend
def test_network_of_ordered_text(frame, ratings):
    """What its last layer's results say of the labels is what it predicts."""
    x = frame[["a", "b"]]
    network = NetworkClassifier("ordinal", hidden=(), members=1, epochs=2, random_state=0)
    network.fit(x, ratings)
    assert network.predict_distribution(x).classes.tolist() == ["low", "mid", "high"]
    codes = np.searchsorted(network.classes_, ratings.astype(str))
    want = np.log(network.predict_proba(x)[np.arange(len(x)), codes]).sum()
    assert network.results_.llf == pytest.approx(want, rel=1e-5)


def test_numbers_that_no_network_can_scale(frame, y):
    with pytest.raises(ValueError, match=r"X whose squares.*in 'b'"):
        NetworkRegressor().fit(frame[["a", "b"]].assign(b=frame["b"] * 1e-200), y)


def test_masked_entries_and_missing_classes(frame, y):
    x = np.ma.masked_greater(frame[["a", "b"]].to_numpy(), 1.0)
    with pytest.raises(ValueError, match=r"masked entries.*SimpleImputer"):
        GLMRegressor().fit(x, y)
    with pytest.raises(ValueError, match="1 missing"):
        GLMClassifier().fit(frame, frame["g"].where(frame.index > 0, None))
