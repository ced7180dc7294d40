"""Effects of the variables of formulas: against R, and against what hand-made frames give."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.tools.numdiff import approx_fprime_cs

import probnn as pn

R = json.loads((Path(__file__).parents[1] / "references" / "margins.json").read_text())
INFERT, CARS = (pd.DataFrame(R["data"][name]) for name in ("infert", "cars"))
FORMULAS = {
    "crossed": ("case ~ spontaneous * age + education * age", INFERT, "bernoulli"),
    "powers": ("parity ~ age + I(age**2) + I(age**3) + education", INFERT, "poisson"),
    "logarithm": ("mpg ~ np.log(hp) * wt", CARS, "gamma"),
    "spline": ("case ~ bs(age, df=5) + spontaneous", INFERT, "bernoulli"),
}


@cache
def fitted(name):
    return pn.glm.glm(*FORMULAS[name]).fit()


@pytest.mark.parametrize("case", R["answers"])
def test_equal_r(case):
    model, _, what = case.partition(" ")
    options = {"at": "mean"} if what == "at the mean" else {"method": what}
    want = R["answers"][case]
    found = fitted(model).get_margeff(**options).summary_frame()
    assert {*want["names"]} <= {*found.index}
    found = found.loc[want["names"]]
    np.testing.assert_allclose(found.iloc[:, 0], want["effect"], rtol=1e-8)
    np.testing.assert_allclose(found["Std. Err."], want["se"], rtol=1e-8)


def test_covariances_equal_r():
    want, found = R["answers"]["crossed dydx"], fitted("crossed").get_margeff().margeff_cov
    cov = found.loc[want["names"], want["names"]]
    np.testing.assert_allclose(cov, want["cov"], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_every_row_is_what_frames_with_moved_values_give(name):
    results, data = fitted(name), FORMULAS[name][1]
    found = results.get_margeff(at="all").margeff
    assert found.index.equals(data.index)
    inside = (data.age > data.age.min()) & (data.age < data.age.max()) if "age" in data else True
    for variable in found:
        if "[T." in variable:
            level = variable[variable.index("[T.") + 3 : -1]
            moved = [data.assign(education=each) for each in (level, sorted(data.education)[0])]
            up, down = (results.predict(frame) for frame in moved)
            np.testing.assert_allclose(found[variable], up - down, rtol=1e-12)
            continue
        step = 1e-4 * data[variable].std()
        kept = data[inside] if variable == "age" else data
        up, down = (
            results.predict(kept.assign(**{variable: kept[variable] + s})) for s in (step, -step)
        )
        want = (up - down) / (2 * step)
        scale = np.abs(want).max()
        np.testing.assert_allclose(found[variable][kept.index], want, atol=1e-5 * scale)


def test_an_interaction_has_no_effect_of_its_own():
    names = fitted("crossed").get_margeff().names
    levels = ["education[T.12+ yrs]", "education[T.6-11yrs]"]
    assert names == ["spontaneous", "age", *levels]


def by_complex_steps(results, effects):
    """Return effects (of coefficients), and their covariance by numerical derivatives."""
    jacobian = approx_fprime_cs(results.coef, effects)
    return effects(results.coef), jacobian @ results.cov_raw @ jacobian.T


def softmax(coef, x):
    eta = x @ coef.reshape(-1, x.shape[1]).T
    odds = np.exp(np.column_stack([0 * eta[:, :1], eta]))
    return odds / odds.sum(axis=1, keepdims=True)


def test_classes_have_effects_of_variables_with_their_labels():
    data = INFERT.assign(many=INFERT.parity > 2)
    results = pn.glm.glm("education ~ age * spontaneous + many", data, "categorical").fit()
    age, spontaneous, many = (data[n].to_numpy(float) for n in ("age", "spontaneous", "many"))
    assert [*results.params.index] == ["Intercept", "age", "spontaneous", "many", "age:spontaneous"]

    def probabilities(coef, many):
        one = np.ones(len(age))
        x = np.column_stack([one, age, spontaneous, many * one, age * spontaneous])
        return softmax(coef, x)

    def effects(coef):
        p = probabilities(coef, many)
        b = np.column_stack([np.zeros(5), coef.reshape(-1, 5).T])
        paths = b[1] + np.outer(spontaneous, b[4]), b[2] + np.outer(age, b[4])
        found = [p * (path - (p * path).sum(axis=1, keepdims=True)) for path in paths]
        found.append(probabilities(coef, 1.0) - probabilities(coef, 0.0))
        return np.mean(found, axis=1).ravel(order="F")

    want, cov = by_complex_steps(results, effects)
    margins = results.get_margeff()
    assert margins.names == ["age", "spontaneous", "many[T.True]"]
    labels = sorted(INFERT.education.unique())
    assert [*margins.margeff.columns] == labels
    assert [*margins.summary_frame().index.levels[0]] == [f"education={each}" for each in labels]
    assert margins.margeff_cov.columns[1] == f"spontaneous [{labels[0]}]"
    np.testing.assert_allclose(margins.margeff.to_numpy().ravel(order="F"), want, rtol=1e-9)
    np.testing.assert_allclose(margins.margeff_cov, cov, rtol=1e-7, atol=1e-12)


def test_formulas_of_other_parameters_move_with_the_variable():
    """The mean of a log-normal response depends on both parameters."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 400))
    data = {"x": x, "z": z, "y": np.exp(0.3 * x + np.exp(0.2 * x - 0.5) * rng.normal(size=400))}
    model = pn.glm.glm("y ~ x", data, "log_normal", formulas={"scale": "~ x + z"})
    results = model.fit()
    links = results.family.links
    assert [links[name].name for name in links] == ["identity", "log"]

    def effects(coef):
        scale = np.exp(coef[2] + coef[3] * x + coef[4] * z)
        mean = np.exp(coef[0] + coef[1] * x + 0.5 * scale**2)
        return np.array(
            [np.mean(mean * (coef[1] + scale**2 * coef[3])), np.mean(mean * scale**2 * coef[4])]
        )

    want, cov = by_complex_steps(results, effects)
    margins = results.get_margeff()
    assert margins.names == ["x", "z"]
    np.testing.assert_allclose(margins.margeff, want, rtol=1e-9)
    np.testing.assert_allclose(margins.margeff_cov, cov, rtol=1e-8)
    normal = pn.glm.glm("x ~ z", data, formulas={"scale": "~ np.abs(x)"}).fit()
    assert normal.get_margeff().names == ["z"]  # the mean does not depend on the scale


@pytest.mark.parametrize("at", ["mean", "median", "zero"])
def test_one_row_has_the_values_of_variables_and_levels(at):
    results = fitted("crossed")
    row = {name: getattr(INFERT[name], at)() if at != "zero" else 0.0 for name in ("age",)}
    row["spontaneous"] = getattr(INFERT.spontaneous, at)() if at != "zero" else 0.0
    levels = INFERT.education.mode()[0] if at != "zero" else sorted(INFERT.education)[0]
    row = pd.DataFrame({**row, "education": [levels]})
    margins = results.get_margeff(at)
    step = 1e-3
    for name in ("age", "spontaneous"):
        up, down = (results.predict(row.assign(**{name: row[name] + s}))[0] for s in (step, -step))
        np.testing.assert_allclose(margins.margeff[name], (up - down) / (2 * step), rtol=1e-5)
    up, down = (
        results.predict(row.assign(education=each))[0]
        for each in ("6-11yrs", sorted(INFERT.education)[0])
    )
    np.testing.assert_allclose(margins.margeff["education[T.6-11yrs]"], up - down, rtol=1e-10)


@pytest.mark.parametrize("formula", ["case ~ induced * age", "case ~ C(induced) * age"])
def test_numbers_may_be_categories(formula):
    results = pn.glm.logit(formula, INFERT).fit()
    names = ["induced", "age"] if "C(" not in formula else ["induced[T.1]", "induced[T.2]", "age"]
    margins = results.get_margeff()
    assert margins.names == names
    if "C(" in formula:
        up, down = (results.predict(INFERT.assign(induced=each)) for each in (2, 0))
        np.testing.assert_allclose(margins.margeff.iloc[1], np.mean(up - down), rtol=1e-12)


def test_the_reference_is_that_of_the_coding():
    formula = "case ~ C(education, Treatment('6-11yrs')) + age"
    results = pn.glm.logit(formula, INFERT).fit()
    assert results.get_margeff().names[:2] == ["education[T.0-5yrs]", "education[T.12+ yrs]"]
    plain = pn.glm.logit("case ~ education + age", INFERT).fit().get_margeff().margeff
    np.testing.assert_allclose(
        results.get_margeff().margeff["education[T.0-5yrs]"],
        -plain["education[T.6-11yrs]"],
        rtol=1e-6,
    )


@pytest.mark.parametrize("kind", ["bool", "category", "ordered", "object", "polars"])
def test_types_of_columns_are_kept(kind):
    data = INFERT[["case", "age", "induced"]].assign(some=(INFERT.induced > 0))
    if kind in ("category", "ordered"):
        levels = [True, False] if kind == "ordered" else None
        data["some"] = pd.Categorical(data.some, categories=levels, ordered=kind == "ordered")
    elif kind == "object":
        data["some"] = data.some.map({True: "yes", False: "no"}).astype(object)
    given = data
    if kind == "polars":
        import polars as pl

        given = pl.DataFrame(data.to_dict("list"))
    results = pn.glm.logit("case ~ some * age", given).fit()
    margins = results.get_margeff()
    first, last = {"ordered": (True, False), "object": ("no", "yes")}.get(kind, (False, True))
    up, down = (
        results.predict(data.assign(some=pd.Series([each] * len(data), dtype=data.some.dtype)))
        for each in (last, first)
    )
    name = f"some[T.{last}]"
    np.testing.assert_allclose(margins.margeff[name], np.mean(up - down), rtol=1e-12)
    assert margins.names == [name, "age"]


def test_dummy_and_count_change_variables():
    cars = CARS.assign(fast=1.0 * (CARS.hp > 120))
    results = pn.glm.glm("gear ~ am * wt + I(fast**2)", cars, "poisson").fit()
    moved = {
        "am": [cars.assign(am=v) for v in (1, 0)],
        "fast": [cars.assign(fast=v) for v in (1.0, 0.0)],
    }
    margins = results.get_margeff(dummy=True)
    for name, frames in moved.items():
        up, down = map(results.predict, frames)
        np.testing.assert_allclose(margins.margeff[name], np.mean(up - down), rtol=1e-12)
    assert [*margins.names] == ["am", "wt", "fast"]
    counted = pn.glm.glm("case ~ parity + I(parity**2)", INFERT, "bernoulli").fit()
    up, down = (counted.predict(INFERT.assign(parity=INFERT.parity + s)) for s in (1, -1))
    margins = counted.get_margeff(count=True)
    np.testing.assert_allclose(margins.margeff["parity"], np.mean(up - down) / 2, rtol=1e-12)


def test_categories_have_no_logarithm_and_the_summary_says_so():
    margins = fitted("crossed").get_margeff(method="eyex")
    assert margins.names == ["spontaneous", "age"]
    assert "no logarithm, and are left out: education" in margins.summary().as_text()
    results = pn.glm.logit("case ~ education", INFERT).fit()
    with pytest.raises(ValueError, match=r"Expected a variable that is a number.*education"):
        results.get_margeff(method="dyex")


def test_summaries_say_what_the_effects_are_of():
    text = fitted("crossed").get_margeff().summary().as_text()
    assert "all terms of the formulas" in text
    assert "the reference (education: 0-5yrs)" in text
    arrays = pn.glm.Logit(INFERT.case, INFERT[["age", "parity"]]).fit().get_margeff()
    assert "Each column of X" in arrays.summary().as_text()


def test_steps_have_no_derivative():
    results = pn.glm.logit("case ~ age + I(1.0 * (parity > 2))", INFERT).fit()
    assert results.get_margeff(at="mean").margeff["parity"] == pytest.approx(0.0)  # flat at 2.09
    step = pn.glm.logit("case ~ age + I(1.0 * (parity >= 2))", INFERT).fit()
    with pytest.raises(ValueError, match=r"derivative in 'parity'\. .* at parity = 2"):
        step.get_margeff()
    np.testing.assert_allclose(
        step.get_margeff(count=True).margeff["parity"],
        np.mean(
            step.predict(INFERT.assign(parity=INFERT.parity + 1))
            - step.predict(INFERT.assign(parity=INFERT.parity - 1))
        )
        / 2,
    )


def test_offsets_stay_where_variables_move():
    data = INFERT.assign(t=1.0 + INFERT.age % 3)
    results = pn.glm.glm("parity ~ age * spontaneous", data, "poisson", exposure="t").fit()
    mu, b = np.asarray(results.mu), results.params
    want = np.mean(mu * (b["age"] + b["age:spontaneous"] * data.spontaneous))
    np.testing.assert_allclose(results.get_margeff().margeff["age"], want, rtol=1e-12)


def test_rows_that_a_formula_dropped_have_no_effects():
    data = INFERT.astype({"age": float}).set_index(INFERT.index + 100)
    data.loc[105, "age"] = np.nan
    results = pn.glm.logit("case ~ age * spontaneous", data).fit()
    want = pn.glm.logit("case ~ age * spontaneous", data.drop(index=105)).fit()
    every = results.get_margeff("all").margeff
    assert every.index.equals(data.index.drop(105))
    np.testing.assert_allclose(results.get_margeff().margeff, want.get_margeff().margeff)


def test_a_variable_of_two_terms_is_that_of_one():
    """`x + x:z` and `x + I(x * z)` are one model: exact products, and derivatives of functions."""
    one = pn.glm.logit("case ~ age + spontaneous + age:spontaneous", INFERT).fit().get_margeff()
    two = pn.glm.logit("case ~ age + spontaneous + I(age * spontaneous)", INFERT).fit()
    np.testing.assert_allclose(one.margeff, two.get_margeff().margeff, rtol=1e-9)
    np.testing.assert_allclose(one.margeff_cov, two.get_margeff().margeff_cov, rtol=1e-8)


def test_results_from_files_and_of_batches_have_no_rows(tmp_path):
    fitted("crossed").save(tmp_path / "r.pkl")
    loaded = pn.glm.load(tmp_path / "r.pkl")
    with pytest.raises(AttributeError, match="rows of the training data"):
        loaded.get_margeff()
    parts = [(INFERT.case[part], INFERT[["age"]][part]) for part in (slice(150), slice(150, None))]
    with pytest.raises(AttributeError, match="fitted in batches"):
        pn.glm.GLM.from_batches(parts, "bernoulli").fit().get_margeff()


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: x**3 - x, lambda x: 3 * x**2 - 1),
        (np.log, lambda x: 1 / x),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
        (np.exp, np.exp),
        (lambda x: np.sin(20 * x), lambda x: 20 * np.cos(20 * x)),
        (lambda x: np.maximum(x - 2.0, 0.0) ** 3, lambda x: 3 * np.maximum(x - 2.0, 0.0) ** 2),
    ],
)
def test_differences_are_derivatives(function, slope):
    from probnn.design.differences import slopes

    x = np.concatenate([np.geomspace(1e-3, 3.0, 60), [2.0, 2.0 + 1e-7]])
    seen = []

    def columns(values, rows):
        seen.append(values)
        return np.column_stack([function(values), 5.0 * values, 1.0 + 0.0 * values])

    found = slopes(columns, x, x.min(), x.max(), "x")
    want = slope(x)
    np.testing.assert_allclose(found[:, 0], want, rtol=1e-8, atol=1e-10 * np.abs(want).max())
    np.testing.assert_allclose(found[:, 1:], np.broadcast_to([5.0, 0.0], (len(x), 2)), atol=1e-9)
    assert min(map(np.min, seen)) >= x.min()  # a logarithm is not asked below the range
    assert max(map(np.max, seen)) <= x.max()
