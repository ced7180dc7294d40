"""Missing values: they raise, or the right rows are left out, and it is said."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import probnn as pn

N = 80


@pytest.fixture(scope="module")
def whole():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=N), "k": rng.choice(list("abc"), N)})
    data["num"], data["t"] = rng.integers(1, 4, N), rng.uniform(1.0, 3.0, N)
    data["y"] = rng.poisson(data["t"] * np.exp(0.4 * data["x"] + 0.3 * (data["k"] == "b")))
    return data.set_axis([f"row {i}" for i in range(N)])


@pytest.fixture(scope="module")
def gaps(whole):
    data = whole.astype({"num": float, "y": float})
    data.iloc[3, data.columns.get_loc("k")] = None
    data.iloc[[4, 9], data.columns.get_loc("num")] = np.nan
    data.iloc[5, data.columns.get_loc("x")] = np.nan
    data.iloc[6, data.columns.get_loc("y")] = np.nan
    return data


@pytest.mark.parametrize(
    ("formula", "options", "where"),
    [
        ("y ~ x + C(k)", {}, "'k', 'x'|'k' in row 3, labelled 'row 3'"),
        ("t ~ k", {}, "none of 'k' in row 3, labelled 'row 3', and 1 such"),
        ("t ~ C(num)", {}, "none of 'num' in row 4, labelled 'row 4', and 2 such"),
        ("t ~ t:k", {}, "none of 'k' in row 3"),
        ("t ~ t", {"formulas": {"scale": "~ C(k)"}}, "none of 'k' in row 3"),
        ("t ~ t", {"formulas": {"scale": "~ num"}}, "none of 'num' in row 4"),
        ("y ~ t", {}, "none of 'y' in row 6"),
        ("t ~ np.log(x + 1)", {}, "in row"),
        ("k ~ t", {"family": "categorical"}, "none of 'k' in row 3"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in log")
def test_nothing_that_is_missing_is_coded(gaps, formula, options, where):
    with pytest.raises(ValueError, match=where):
        pn.glm.glm(formula, gaps, missing="none", **options)


def columns(values):
    """Return name -> a column with a gap in row 0, the same to a reader of the table."""
    numbers, text, truth = values["num"], values["k"], values["num"] > 1
    gap = np.arange(N) == 0
    return {
        "Int64": numbers.astype("Int64").mask(gap),
        "Float64": numbers.astype("Float64").mask(gap),
        "int64[pyarrow]": numbers.astype("int64[pyarrow]").mask(gap),
        "objects with None": numbers.astype(object).where(~gap, None),
        "objects with NA": numbers.astype(object).where(~gap, pd.NA),
        "string": text.astype("string").mask(gap),
        "string[pyarrow]": text.astype("string[pyarrow]").mask(gap),
        "text with None": text.where(~gap, None),
        "text with NA": text.where(~gap, pd.NA),
        "category": text.astype("category").where(~gap),
        "boolean": truth.astype("boolean").mask(gap),
    }


@pytest.mark.parametrize("kind", columns(pd.DataFrame({"num": [1] * N, "k": ["a"] * N})))
@pytest.mark.parametrize("formula", ["y ~ v", "y ~ C(v)", "y ~ x * v"])
def test_every_way_to_say_missing_drops_the_row(whole, kind, formula):
    data = whole.assign(v=columns(whole)[kind])
    is_text = kind.startswith(("string", "text", "category"))
    plain = whole["k"] if is_text else whole["num"].astype("float64")
    plain = (whole["num"] > 1).astype(float) if kind == "boolean" else plain
    want = pn.glm.glm(formula, whole.assign(v=plain).iloc[1:], "poisson").fit()
    found = pn.glm.glm(formula, data, "poisson").fit()
    assert found.model.n_missing == 1
    np.testing.assert_allclose(found.params, want.params, rtol=1e-9)
    np.testing.assert_allclose(found.predict(data.iloc[1:9]), want.mu[:8], rtol=1e-9)
    with pytest.raises(ValueError, match="none of 'v' in row 0"):
        pn.glm.glm(formula, data, "poisson", missing="none")
    with pytest.raises(ValueError, match="without missing values"):
        found.predict(data.iloc[:9])


def test_text_among_numbers_is_said(whole):
    data = whole.assign(v=[1, "a"] * (N // 2))
    for formula in ("y ~ v", "y ~ C(v)"):
        with pytest.raises(ValueError, match=r"values of one type in 'v'.*int and str"):
            pn.glm.glm(formula, data, "poisson")
    pn.glm.glm("y ~ x", data, "poisson")  # it is not asked for


def test_masked_arrays_are_missing(whole):
    x = np.ma.masked_array(whole["x"], np.arange(N) < 2, fill_value=99.0)
    rest = whole.iloc[2:]
    want = pn.glm.glm("y ~ x", rest, "poisson").fit()
    data = {"x": x, "y": whole["y"].to_numpy()}
    np.testing.assert_allclose(pn.glm.glm("y ~ x", data, "poisson").fit().params, want.params)
    X = np.ma.column_stack([np.ones(N), x])
    found = pn.glm.GLM(data["y"], X, "poisson", missing="drop").fit()
    np.testing.assert_allclose(found.params, want.params)
    for call in (
        lambda: pn.glm.GLM(data["y"], X, "poisson"),
        lambda: pn.glm.GLM(data["y"], np.ones((N, 1)), "poisson", offset=x),
        lambda: pn.glm.GLM(x, np.ones((N, 1))),
        lambda: pn.data.features(x),
    ):
        with pytest.raises(ValueError, match=r"finite|nan"):
            call()
    counts = np.ma.masked_array(whole["num"], np.arange(N) < 2)
    found = pn.glm.ols("y ~ n", {"n": counts, "y": data["y"]}).fit()
    want = pn.glm.ols("y ~ num", rest).fit()
    np.testing.assert_allclose(found.params, want.params)


def test_numbers_for_each_row_may_be_missing(whole):
    t = whole["t"].astype("Float64").mask(np.arange(N) < 3)
    want = pn.glm.glm("y ~ x", whole.iloc[3:], "poisson", exposure="t").fit()
    for exposure in (t, t.to_numpy(object), [None] * 3 + t[3:].tolist(), "t"):
        found = pn.glm.glm("y ~ x", whole.assign(t=t), "poisson", exposure=exposure).fit()
        np.testing.assert_allclose(found.params, want.params)
    with pytest.raises(ValueError, match="exposure to be numeric"):
        pn.glm.glm("y ~ x", whole, "poisson", exposure="k")


# ---- the same frame -------------------------------------------------------------------------


def shown(figure):
    """Return what the axes of a figure, or those of an axes, show, and what they say."""
    figure = getattr(figure, "figure", figure)
    points = [line.get_xydata() for ax in figure.axes for line in ax.lines]
    said = [ax.get_title() for ax in figure.axes] + [figure.get_suptitle()]
    plt.close("all")
    return np.concatenate([np.ravel(each) for each in points]), " ".join(said)


def asked(results, data, y):
    """Return, by its name, what says something of rows, as numbers and as text."""
    d = results.predict_distribution(data)
    diagnosis = pn.diagnose(results, data, y)
    return {
        "diagnose": ([found.value for found in diagnosis], str(diagnosis)),
        "report": shown(pn.plots.report(results, data, y)),
        "effect": shown(pn.plots.effect(results, data, "x")),
        "predictive": shown(pn.plots.predictive(results, data, y, feature="x")),
        "scores": (pn.scores.log_score(y, d), repr(d)),
        "calibration": (pn.calibration.report(y, d, seed=1).to_numpy(float).ravel(), repr(d)),
    }


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("labelled", [True, False])
def test_the_frame_that_was_fitted_stands_for_its_fitted_rows(gaps, turned, labelled):
    data = gaps.drop(index="row 6")
    results = pn.glm.glm("y ~ x + k + C(num)", data, "poisson").fit()
    assert results.model.n_missing == 4
    kept = data.dropna()
    again = data.sample(frac=1.0, random_state=0) if turned and labelled else data
    y = again["y"] if labelled else again["y"].to_numpy()
    found, want = asked(results, again, y), asked(results, kept, kept["y"])
    for name, (values, text) in found.items():
        np.testing.assert_allclose(values, want[name][0], rtol=1e-7, err_msg=name)
        assert "4 rows with missing values left out" in text, name
        assert "left out" not in want[name][1], name


def test_rows_whose_y_is_missing_are_left_out_too(gaps):
    results = pn.glm.glm("y ~ x + k", gaps, "poisson").fit()
    kept = gaps.dropna(subset=["y", "x", "k"])
    found = asked(results, gaps, gaps["y"])
    want = asked(results, kept, kept["y"])
    for name, (values, text) in found.items():
        np.testing.assert_allclose(values, want[name][0], rtol=1e-7, err_msg=name)
        assert "3 rows with missing values left out" in text, name


def test_other_frames_with_gaps_raise(gaps):
    results = pn.glm.glm("y ~ x + k", gaps, "poisson").fit()
    other = gaps.assign(x=gaps["x"] + 1.0)
    for data in (other, gaps.iloc[1:], gaps.iloc[:-1]):
        with pytest.raises(ValueError, match="missing values"):
            results.predict_distribution(data)
    with pytest.raises(ValueError, match="missing values"):
        results.predict(gaps)
    whole = gaps.assign(x=gaps["x"].fillna(0.0), k=gaps["k"].fillna("a"))
    assert len(results.predict_distribution(whole)) == N  # what was filled in is asked for


@pytest.mark.parametrize("door", ["predict", "predict_distribution", "get_prediction"])
def test_new_rows_with_gaps_are_named(gaps, whole, door):
    results = pn.glm.glm("y ~ np.sqrt(x + 3.0) + k", whole, "poisson").fit()
    ask = getattr(results, door)
    with pytest.raises(ValueError, match=r"none of 'x', 'k' in rows labelled 'row 3', 'row 5'\. L"):
        ask(gaps.iloc[:8])
    many = gaps.assign(k=None)
    with pytest.raises(ValueError, match=r"'row 0', 'row 1', .*'row 4' and 75 more"):
        ask(many)
    with pytest.raises(ValueError, match=r"without \['k'\]"):
        ask(gaps.drop(columns="k"))
    with (
        pytest.warns(RuntimeWarning, match="invalid value"),
        pytest.raises(ValueError, match="no number of the formula in row labelled 'row 1'"),
    ):
        ask(whole.assign(x=np.where(np.arange(N) == 1, -9.0, 0.0)))
    rest = gaps.iloc[:8].dropna(subset=["x", "k"])
    assert len(ask(rest).summary_frame() if door == "get_prediction" else ask(rest)) == 6
    arrays = pn.glm.GLM(whole["y"], whole[["x", "t"]], "poisson").fit()
    with pytest.raises(ValueError, match=r"in 'x', row labelled 'row 5'\. Leave"):
        getattr(arrays, door)(gaps[["x", "t"]])
    with pytest.raises(ValueError, match=r"in 'x', row 5\. Leave"):
        getattr(arrays, door)(gaps[["x", "t"]].to_numpy())


def test_a_y_that_is_missing_is_said(whole):
    results = pn.glm.glm("y ~ x", whole, "poisson").fit()
    data = whole.iloc[:20].astype({"y": float})
    data.loc[["row 3", "row 7"], "y"] = np.nan
    d = results.predict_distribution(data)
    for ask in (pn.scores.log_score, pn.scores.crps, pn.calibration.report):
        with pytest.raises(ValueError, match=r"rows labelled 'row 3', 'row 7'.*y\[seen\]"):
            ask(data["y"], d)
        with pytest.raises(ValueError, match=r"rows labelled 'row 3', 'row 7'"):
            ask(data["y"].to_numpy(), d)
    seen = ~np.isnan(data["y"])
    kept = results.predict_distribution(data[seen])
    want = pn.scores.crps(data["y"][seen], kept)
    np.testing.assert_array_equal(pn.scores.crps(data["y"][seen], d[seen]), want)
    bare = pn.Predictive("poisson", {"rate": np.ones(20)})
    with pytest.raises(ValueError, match="nan in rows 3, 7"):
        pn.scores.log_score(data["y"].to_numpy(), bare)
    for ask in (
        lambda: pn.diagnose(results, data, data["y"]),
        lambda: pn.compare(results, x_test=data, y_test=data["y"]),
    ):
        with pytest.raises(ValueError, match=r"in row 3, and 2 such.*Leave out the rows whose y"):
            ask()


def test_clusters_go_with_the_rows_that_are_left(gaps):
    model = pn.glm.glm("y ~ x", gaps.assign(clinic=np.arange(N) % 9), "poisson")
    kept = gaps.dropna(subset=["x", "y"])
    clinic = pd.Series(np.arange(N) % 9, gaps.index)
    want = pn.glm.glm("y ~ x", kept, "poisson").fit(
        cov_type="cluster", cov_kwds={"groups": clinic[kept.index].to_numpy()}
    )
    for groups in (
        "clinic",
        ["clinic"],
        clinic,
        clinic.sample(frac=1.0, random_state=0),
        clinic[kept.index][::-1],
        clinic.to_numpy(),
        clinic[kept.index].to_numpy(),
        clinic.map("clinic {}".format).tolist(),
        clinic.to_frame(),
    ):
        found = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-12)
    two = {"groups": np.column_stack([clinic, np.arange(N) % 4])}
    both = model.fit(cov_type="cluster", cov_kwds=two)
    for groups in (two["groups"].T, pd.DataFrame(two["groups"], gaps.index)[::-1]):
        found = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
        np.testing.assert_allclose(found.bse, both.bse, rtol=1e-12)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["u", None] * (N // 2), "none is missing.*40 missing, the first in row 1"),
        (pd.array(["u", pd.NA] * (N // 2), dtype="string"), "none is missing"),
        ([1.0, np.nan] * (N // 2), "none is missing"),
        (np.ma.masked_array(np.arange(N), np.arange(N) == 7), "first in row 7"),
        (["1", 1] * (N // 2), "groups of one type"),
        (np.arange(N - 1), "groups of shape"),
        ("hospital", "groups to name a column"),
        (np.zeros(N), "at least two clusters"),
    ],
)
def test_clusters_that_are_none(whole, groups, message):
    with pytest.raises(ValueError, match=message):
        pn.glm.ols("y ~ x", whole).fit(cov_type="cluster", cov_kwds={"groups": groups})


def test_the_name_of_a_column_is_for_formulas(whole):
    with pytest.raises(ValueError, match="names of columns are for models of a formula"):
        pn.glm.OLS(whole["y"], whole[["x"]]).fit(cov_type="cluster", cov_kwds={"groups": "k"})
