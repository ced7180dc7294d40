import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from tables.peers import NEWTON

import probnn as pn


@pytest.fixture(scope="module")
def fair():
    data = sm.datasets.fair.load_pandas().data[::4].reset_index(drop=True)
    return data.assign(
        had=(data.affairs > 0).astype(int),
        job=data.occupation.astype(int).map(lambda code: f"job {code}"),
    )


@pytest.mark.parametrize(
    "formula",
    [
        "had ~ age + rate_marriage",
        "had ~ C(occupation) + age:religious",
        "had ~ job * yrs_married",
        "had ~ np.log(yrs_married) + I(age ** 2) - 1",
        "had ~ C(job, Treatment('job 3'))",
        "had ~ center(age) + yrs_married:religious",
    ],
)
def test_logit_as_statsmodels(fair, formula):
    ours, theirs = (
        pn.glm.logit(formula, fair).fit(),
        smf.logit(formula, fair).fit(**NEWTON),
    )
    assert len(ours.params) == len(theirs.params)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-7)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-7)
    new = fair.iloc[5:25]
    np.testing.assert_allclose(ours.predict(new), theirs.predict(new), rtol=1e-8)


def test_names_are_those_of_statsmodels(fair):
    formula = "had ~ C(occupation) + job:age"
    theirs = smf.logit("had ~ C(occupation) + age", fair).fit(disp=0)
    ours = pn.glm.logit("had ~ C(occupation) + age", fair).fit()
    assert ours.params.index.tolist() == theirs.params.index.tolist()
    assert pn.glm.ols(formula, fair).fit().model.y_name == "had"


def test_splines_are_encoded_as_for_the_training_data(fair):
    found = pn.glm.ols("yrs_married ~ bs(age, df=5)", fair).fit()
    np.testing.assert_allclose(found.predict(fair.iloc[[7]]), found.mu.iloc[[7]], rtol=1e-12)
    assert len(found.params) == 6


def test_terms_are_tested_together(fair):
    formula = "had ~ C(occupation) + age * religious"
    ours = pn.glm.logit(formula, fair).fit().wald_test_terms().summary_frame()
    theirs = smf.logit(formula, fair).fit(**NEWTON).wald_test_terms().summary_frame()
    for term in ("Intercept", "C(occupation)", "age", "religious", "age:religious"):
        np.testing.assert_allclose(
            ours.loc[term].to_numpy(float), theirs.loc[term].to_numpy(float), rtol=1e-7
        )


def test_missing_rows_are_dropped_with_their_weights_and_counted(fair):
    data = fair[["had", "age", "religious"]].astype(float).copy()
    data["w"] = 1.0 + np.arange(len(data)) % 3
    data.loc[3, "age"] = data.loc[8, "had"] = data.loc[11, "w"] = np.nan
    data.index = data.index + 1000
    model = pn.glm.glm("had ~ age + religious", data, "bernoulli", freq_weights="w")
    kept = data.dropna()
    assert model.n_missing == 3
    want = pn.glm.GLM(
        kept.had, sm.add_constant(kept[["age", "religious"]]), "bernoulli", freq_weights=kept.w
    )
    np.testing.assert_allclose(model.fit().params, want.fit().params, rtol=1e-12)
    assert model.fit().mu.index.equals(kept.index)
    assert "3 rows with missing values" in model.fit().summary().as_text()
    with pytest.raises(ValueError, match="finite numbers"):
        pn.glm.glm("religious ~ age", data, missing="none")


def test_further_parameters_have_formulas_of_their_own():
    engel = sm.datasets.engel.load_pandas().data
    found = pn.glm.glm("foodexp ~ income", engel, formulas={"scale": "~ np.log(income)"}).fit()
    names = ["Intercept", "income", "scale: Intercept", "scale: np.log(income)"]
    assert found.params.index.tolist() == names
    x = sm.add_constant(engel.income)
    want = pn.glm.GLM(
        engel.foodexp, x, designs={"scale": sm.add_constant(np.log(engel.income))}
    ).fit()
    np.testing.assert_allclose(found.params, want.params, rtol=1e-9)
    np.testing.assert_allclose(found.predict(engel[:3]), want.mu[:3], rtol=1e-12)
    d = found.predict_distribution(engel[:3])
    np.testing.assert_allclose(
        d.params["scale"],
        np.exp(found.params.iloc[2] + found.params.iloc[3] * np.log(engel.income[:3])),
    )
    assert [*found.wald_test_terms().summary_frame().index] == names


def test_successes_and_failures_on_the_left():
    star = sm.datasets.star98.load_pandas().data
    ours = pn.glm.glm("NABOVE + NBELOW ~ LOWINC + PERASIAN", star, "bernoulli").fit()
    theirs = smf.glm(
        "NABOVE + NBELOW ~ LOWINC + PERASIAN", star, family=sm.families.Binomial()
    ).fit(tol=1e-14)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-9)
    np.testing.assert_allclose(ours.llf, theirs.llf, rtol=1e-12)


def test_classes_may_be_strings(fair):
    found = pn.glm.glm("job ~ age + religious", fair, "categorical").fit()
    codes = pd.factorize(fair.job, sort=True)[0]
    theirs = sm.MNLogit(codes, sm.add_constant(fair[["age", "religious"]])).fit(**NEWTON)
    np.testing.assert_allclose(found.params, theirs.params, rtol=1e-7)
    np.testing.assert_allclose(found.bse, theirs.bse, rtol=1e-7)
    assert found.params.columns.tolist() == sorted(set(fair.job))[1:]


def test_polars_and_dicts(fair):
    import polars as pl

    columns = fair[["had", "age", "job"]].to_dict("list")
    want = pn.glm.logit("had ~ age + job", fair).fit().params
    for data in (pl.DataFrame(columns), columns):
        pd.testing.assert_series_equal(pn.glm.logit("had ~ age + job", data).fit().params, want)


def test_levels_of_a_polars_enum_keep_their_order(fair):
    import polars as pl

    levels = sorted(set(fair.job))[::-1]
    want = fair.assign(job=pd.Categorical(fair.job, levels, ordered=True))[["had", "age", "job"]]
    found = pl.DataFrame({**want, "job": pl.Series([*fair.job], dtype=pl.Enum(levels))})
    for text, family in (("had ~ age + job", "bernoulli"), ("job ~ age", "ordinal")):
        ours, theirs = (pn.glm.glm(text, data, family=family).fit() for data in (found, want))
        pd.testing.assert_series_equal(ours.params, theirs.params)
        np.testing.assert_array_equal(ours.predict(found), theirs.predict(want))


def test_a_number_of_the_caller_hides_no_function_of_formulas(fair):
    want = pn.glm.logit("had ~ C(children) + scale(age)", fair).fit()
    C, scale = 0.1, {"a": 1}  # noqa: F841
    found = pn.glm.logit("had ~ C(children) + scale(age)", fair).fit()
    pd.testing.assert_series_equal(found.params, want.params)
    np.testing.assert_allclose(found.predict(fair[:5]), want.mu[:5], rtol=1e-12)


def test_names_of_the_caller_may_be_used(fair):
    def half(x):
        return x / 2

    found = pn.glm.ols("yrs_married ~ half(age)", fair).fit()
    np.testing.assert_allclose(found.predict(fair[:5]), found.mu[:5], rtol=1e-12)
    want = pn.glm.ols("yrs_married ~ age", fair).fit()
    np.testing.assert_allclose(found.params.iloc[1], 2 * want.params.iloc[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("age + religious", {}, "left side"),
        ("had ~ age", {"offset": "nothing"}, "name a column"),
        ("had ~ age", {"freq_weights": [1, 2]}, "one number for each"),
        ("had ~ age", {"formulas": {"spread": "~ age"}}, "name parameters"),
        ("had ~ age", {"missing": "raise"}, "'drop' or 'none'"),
        ("job ~ age", {}, "Say which of them is 1"),
        ("C(job) ~ age", {}, "numeric response"),
        ("had ~ nope", {}, "a formula of the columns.*nope"),
        ("had ~ age ~ job", {}, "Expected"),
        ("had ~ age +", {}, "as 'y ~ x'"),
        ("had ~ age", {"formulas": {"probs": "~ job"}}, "other than 'probs'"),
        ("had ~ age", {"designs": {"probs": np.ones((3, 1))}}, "formulas="),
    ],
)
def test_bad_formulas(fair, formula, options, message):
    with pytest.raises(ValueError, match=message):
        pn.glm.glm(formula, fair, "bernoulli", **options)


def test_new_data_are_checked(fair):
    found = pn.glm.logit("had ~ age + job", fair).fit()
    with pytest.raises(ValueError, match="categories of the training data"):
        found.predict(pd.DataFrame({"age": [30.0], "job": ["astronaut"]}))
    with pytest.raises(ValueError, match="columns of the formula"):
        found.predict(pd.DataFrame({"age": [30.0]}))
    with pytest.raises(ValueError, match="missing values"):
        found.predict(pd.DataFrame({"age": [np.nan], "job": ["job 3"]}))


def test_saved_results_encode_new_data(fair, tmp_path):
    found = pn.glm.logit("had ~ bs(age, df=4) + job", fair).fit()
    found.save(tmp_path / "r.pkl")
    loaded = pn.glm.load(tmp_path / "r.pkl")
    np.testing.assert_array_equal(loaded.predict(fair[:9]), found.predict(fair[:9]))


def test_right_sides_have_no_left():
    engel = sm.datasets.engel.load_pandas().data
    with pytest.raises(ValueError, match="Expected a right side"):
        pn.glm.glm("foodexp ~ income", engel, formulas={"scale": "income ~ income"})
    with pytest.raises(ValueError, match="dict of columns"):
        pn.glm.ols("foodexp ~ income", engel.to_numpy())


def test_levels_that_no_row_has_are_dropped(fair):
    job = pd.Categorical(fair.job, categories=[*sorted(set(fair.job)), "astronaut"])
    found = pn.glm.logit("had ~ job", fair.assign(job=job)).fit()
    pd.testing.assert_series_equal(found.params, pn.glm.logit("had ~ job", fair).fit().params)


def test_truth_values_are_ones(fair):
    found = pn.glm.logit("had ~ age", fair.assign(had=fair.had == 1)).fit()
    pd.testing.assert_series_equal(found.params, pn.glm.logit("had ~ age", fair).fit().params)


def test_a_family_of_classes_takes_strings(fair):
    family = pn.families.Categorical(classes=fair.job.nunique())
    found = pn.glm.glm("job ~ age", fair, family).fit()
    want = pn.glm.glm("job ~ age", fair, "categorical").fit()
    pd.testing.assert_frame_equal(found.params, want.params)
