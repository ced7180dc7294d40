"""The labels that a formula codes a response by, wherever rows are scored or told."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from statsmodels.miscmodels.ordinal_model import OrderedModel
from tables.drawn import labels, line

import probnn as pn
from probnn import calibration

COLUMNS = ["age", "religious"]
WORDS = {1: "very poor", 2: "poor", 3: "fair", 4: "good", 5: "very good"}


@pytest.fixture(scope="module")
def fair():
    data = sm.datasets.fair.load_pandas().data[::7].reset_index(drop=True)
    data["rating"] = data.rate_marriage.astype(int)
    words = data.rating.map(WORDS)
    data["word"] = pd.Categorical(words, categories=[*WORDS.values()], ordered=True)
    return data.assign(job=(data.occupation.astype(int) // 3).map("job {}".format))


@pytest.fixture(scope="module")
def rating(fair):
    """Return our ordinal fit of ratings 1 to 5, and statsmodels' probabilities, (n, 5)."""
    theirs = OrderedModel(fair.rating, fair[COLUMNS], distr="logit").fit(
        method="bfgs", gtol=1e-8, disp=0, maxiter=500
    )
    return pn.glm.glm("rating ~ age + religious", fair, "ordinal").fit(), theirs.predict().copy()


def test_ratings_are_scored_as_ratings_where_some_do_not_occur(fair, rating):
    results, probs = rating
    rows = np.flatnonzero(fair.rating < 5)
    new, y = fair.iloc[rows], fair.rating.iloc[rows]
    want = -np.log(probs[rows, y - 1])
    d = results.predict_distribution(new)
    np.testing.assert_allclose(pn.scores.log_score(y, d), want, rtol=1e-4)
    table = pn.scores.table({"ordinal": d}, y, ["log_score"])
    np.testing.assert_allclose(table["mean"], want.mean(), rtol=1e-5)
    found = pn.compare(results, x_test=new, y_test=y).to_frame()
    np.testing.assert_allclose(found.loc["held-out NLL"].iloc[0], want.mean(), rtol=1e-5)
    report = calibration.report(y, d)
    np.testing.assert_allclose(report.loc["log_score", "value"], want.mean(), rtol=1e-5)


@pytest.mark.parametrize("family", ["ordinal", pn.families.Ordinal(5)], ids=["name", "family"])
def test_words_in_an_order_are_the_same_model(fair, rating, family):
    results = pn.glm.glm("word ~ age + religious", fair, family).fit()
    np.testing.assert_allclose(results.params, rating[0].params, rtol=1e-9)
    d = results.predict_distribution(fair)
    assert d.classes.tolist() == [*WORDS.values()]
    np.testing.assert_allclose(
        d.log_prob(fair.word), rating[0].predict_distribution(fair).log_prob(fair.rating)
    )
    assert set(d.quantile(0.5)) <= {*WORDS.values()}
    ends = [name for name in results.params.index if name.startswith("cutpoints")]
    assert ends[:2] == ["cutpoints very poor|poor", "cutpoints poor|fair (log gap)"]
    assert "cutpoints good|very good (log gap)" in results.summary().as_text()


def test_a_rating_that_the_model_does_not_know_is_refused(fair, rating):
    results = pn.glm.glm("rating ~ age + religious", fair[fair.rating < 5], "ordinal").fit()
    d = results.predict_distribution(fair)
    message = r"one of the classes 1, 2, 3, 4[.] Received: 5"
    for call in (
        lambda: d.log_prob(fair.rating),
        lambda: pn.scores.log_score(fair.rating, d),
        lambda: calibration.report(fair.rating, d),
        lambda: pn.compare(results, x_test=fair, y_test=fair.rating),
        lambda: pn.diagnose(results, fair, fair.rating),
        lambda: pn.plots.report(results, fair, fair.rating),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert not plt.get_fignums()


def test_text_is_told_by_its_labels(fair):
    results = pn.glm.glm("job ~ age + religious", fair, "categorical").fit()
    jobs = sorted(fair.job.unique())
    assert [*results.predict(fair)] == jobs
    assert [*results.predict(fair, which="linear")] == jobs[1:]
    assert [*results.resid_response] == jobs
    np.testing.assert_allclose(results.predict(fair)[jobs[1]], results.mu[jobs[1]])
    assert f"age [{jobs[1]}]" in results.summary().as_text()
    assert f"age [{jobs[1]}]" in results.conf_int().index
    found = results.wald_test(f"age [{jobs[1]}]")
    z = results.params.loc["age", jobs[1]] / results.bse.loc["age", jobs[1]]
    np.testing.assert_allclose(np.ravel(found.statistic), z**2, rtol=1e-8)


def test_a_file_keeps_the_labels(fair, tmp_path):
    results = pn.glm.glm("job ~ age", fair, "categorical").fit()
    results.save(tmp_path / "results.pickle")
    d = pn.glm.load(tmp_path / "results.pickle").predict_distribution(fair)
    np.testing.assert_array_equal(
        d.log_prob(fair.job), results.predict_distribution(fair).log_prob(fair.job)
    )


def test_models_of_text_are_compared_and_diagnosed_by_labels(fair):
    results = pn.glm.glm("job ~ age + religious", fair, "categorical").fit()
    codes = pd.factorize(fair.job, sort=True)[0]
    want = -np.log(results.mu.to_numpy()[np.arange(len(fair)), codes]).mean()
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000).fit(fair[COLUMNS], fair.job)
    found = pn.compare(
        results, peer, x=fair[COLUMNS], y=fair.job, x_test=fair[COLUMNS], y_test=fair.job
    ).to_frame()
    np.testing.assert_allclose(found.loc["held-out NLL"].iloc[[0, 2]], want, rtol=1e-4)
    assert f"age [{sorted(fair.job.unique())[1]}]" in found.index
    by_label = pn.diagnose(results, fair, fair.job)
    assert pn.diagnose(results).checked == by_label.checked
    assert (
        by_label.checked
        == pn.diagnose(
            pn.glm.glm("code ~ age + religious", fair.assign(code=codes), "categorical").fit(),
            fair,
            codes,
        ).checked
    )
    with pytest.raises(ValueError, match="y to be numeric"):
        pn.compare(neuron(), x=fair[COLUMNS], y=fair.job)


def neuron():
    import keras

    return pn.Sequential([keras.Input((2,)), pn.Head("categorical", classes=3)])


def test_plots_name_the_classes(fair):
    results = pn.glm.glm("job ~ age + religious", fair, "categorical").fit()
    jobs, d = sorted(fair.job.unique()), results.predict_distribution(fair)
    named = [f"class {job}" for job in jobs]
    ax = pn.plots.predictive(results, fair, fair.job, feature="age")
    assert labels(ax)[:3] == named
    np.testing.assert_allclose(
        np.interp(fair.age.min(), *line(ax, named[1])),
        results.predict(fair[COLUMNS].median().to_frame().T.assign(age=fair.age.min()))[jobs[1]],
    )
    assert labels(pn.plots.reliability(fair.job, d))[1:] == named
    assert labels(pn.plots.reliability(fair.job, d, classes=jobs[::2]))[1:] == named[::2]
    assert named[2] in labels(pn.plots.residuals(fair.job, d, kind="binned"))
    ax = pn.plots.distribution(d, rows=[0, 1], y=fair.job)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == jobs
    heights = [bar.get_height() for bar in ax.patches[: len(jobs)]]
    np.testing.assert_allclose(heights, results.mu.iloc[0])
    ax = pn.plots.decision_boundary(results, fair, fair.job, features=COLUMNS, grid=9)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        f"job = {job}" for job in jobs
    ]
    found = pn.plots.partial_dependence(results, fair, "age", of=jobs[2], grid=[30.0])
    at = results.predict(fair.assign(age=30.0))[jobs[2]]
    np.testing.assert_allclose(found["mean"], at.mean())
    assert found["lower"].notna().all()
    assert (
        pn.plots.effect(results, fair, "age", of=jobs[2])
        .get_ylabel()
        .startswith(f"P(job = {jobs[2]})")
    )
    with pytest.raises(ValueError, match=r"one of the classes, 'job 0'.*Received: of=2"):
        pn.plots.effect(results, fair, "age", of=2)
    found = pn.plots.coefficient_table(results, names=[f"age [{jobs[2]}]"])
    np.testing.assert_allclose(found["estimate"], results.params.loc["age", jobs[2]])
    figure = pn.plots.report(results, fair, fair.job)
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == [
        f"y = {job} ({(fair.job == job).sum()} rows)" for job in jobs
    ]
    plt.close("all")


def test_a_family_with_another_number_of_classes_is_refused(fair):
    with pytest.raises(ValueError, match=r"Expected 7 classes of 'job'.*Received: 3, 'job 0'"):
        pn.glm.glm("job ~ age", fair, pn.families.Categorical(7))


@pytest.mark.parametrize("family", ["ordinal", "categorical"])
def test_a_class_of_dropped_rows_alone_is_none(fair, family):
    data = fair.assign(age=fair.age.where(fair.word != "fair"))
    found = pn.glm.glm("word ~ age", data, family).fit()
    want = pn.glm.glm("word ~ age", data.dropna(), family).fit()
    assert (
        [*found.model.classes]
        == [*want.model.classes]
        == ["very poor", "poor", "good", "very good"]
    )
    np.testing.assert_allclose(found.params, want.params, rtol=1e-9)
    np.testing.assert_allclose(found.predict(data.dropna()), want.predict(data.dropna()))
    with pytest.raises(ValueError, match=r"Expected 5 classes of 'word'.*Received: 4, 'very poor'"):
        pn.glm.glm("word ~ age", data, pn.families.Ordinal(5))


def test_separated_classes_are_named_by_their_labels():
    data = pd.DataFrame({"kind": list("aabbcc"), "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    with pytest.raises(pn.glm.PerfectSeparationError, match=r"class (a|b|c)"):
        pn.glm.glm("kind ~ x", data, "categorical").fit()
