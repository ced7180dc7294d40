import numpy as np
import pandas as pd
import pytest
from tables.glms import data

import probnn as pn
from probnn.glm import GLM, OLS


def parts(y, x, size, **by_row):
    for i in range(0, len(y), size):
        rows = slice(i, i + size)
        yield y[rows], x[rows], {name: values[rows] for name, values in by_row.items()}


SAME = [
    *("params", "bse", "llf", "llnull", "deviance", "null_deviance", "pearson_chi2"),
    *("aic", "bic", "df_resid", "nobs", "scale"),
]


@pytest.mark.parametrize(
    ("family", "link", "fit"),
    [
        ("poisson", None, {}),
        ("poisson", None, {"cov_type": "HC1"}),
        ("negative_binomial", None, {}),
        ("poisson", "sqrt", {"cov_type": "HC0"}),
    ],
)
def test_as_in_memory(family, link, fit):
    y, x = data("randhie")
    found = GLM.from_batches(lambda: parts(y, x, 777), family, link).fit(**fit)
    want = GLM(y, x, family, link).fit(**fit)
    for name in SAME:
        np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-8)
    assert found.params.index.tolist() == want.params.index.tolist()
    assert found.converged


def test_weights_and_offsets():
    y, x = data("randhie")
    by_row = {
        "exposure": pd.Series(1.0 + np.arange(len(y)) % 4),
        "freq_weights": pd.Series(1.0 + np.arange(len(y)) % 2),
    }
    found = GLM.from_batches(lambda: parts(y, x, 500, **by_row), "poisson").fit()
    want = GLM(y, x, "poisson", **by_row).fit()
    for name in SAME:
        np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-8)


def test_linear_regression():
    y, x = data("scotland")
    batches = [(y[:20], x[:20]), (y[20:], x[20:])]
    found, want = GLM.from_batches(batches).fit(), OLS(y, x).fit()
    np.testing.assert_allclose(found.params, want.params, rtol=1e-9)
    np.testing.assert_allclose(found.bse, want.bse, rtol=1e-9)


def test_rare_columns_and_sorted_rows():
    """The sample is no fair one of the batches, and a column is 0 in nearly all rows."""
    rng = np.random.default_rng(0)
    n = 60_000
    x = np.column_stack([np.ones(n), np.sort(rng.normal(size=n)), np.arange(n) % 10_000 == 0])
    y = rng.poisson(np.exp(x @ [0.2, 0.7, 1.0])).astype(float)
    found = GLM.from_batches(lambda: parts(y, x, 7_000), "poisson").fit()
    want = GLM(y, x, "poisson").fit()
    np.testing.assert_allclose(found.params, want.params, rtol=1e-8)
    np.testing.assert_allclose(found.bse, want.bse, rtol=1e-8)


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow", reason="reads parquet files")
    y, x = data("randhie")
    frame = x.drop(columns="const").assign(visits=y, months=1.0 + np.arange(len(y)) % 4)
    frame[:2000].to_parquet(tmp_path / "a.parquet")
    frame[2000:].to_parquet(tmp_path / "b.parquet")
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    found = GLM.from_batches(files, "poisson", response="visits", exposure="months").fit()
    want = GLM(y, x, "poisson", exposure=frame.months).fit()
    pd.testing.assert_series_equal(found.params, want.params, rtol=1e-8)
    assert (
        len(
            GLM.from_batches(str(tmp_path), "poisson", response="visits", columns=["idp"])
            .fit()
            .params
        )
        == 2
    )
    with pytest.raises(ValueError, match=r"columns of the files.*a\.parquet"):
        GLM.from_batches(files, "poisson", response="visit")
    with pytest.raises(ValueError, match="response="):
        GLM.from_batches(files, "poisson")


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("README.txt", lambda file, _: file.write_text("notes"), r"README\.txt, which is none"),
        ("b.parquet", lambda file, _: file.touch(), r"b\.parquet, which is none"),
        ("b.parquet", lambda file, d: d.drop(columns="idp").to_parquet(file), r"b\.parquet.*'idp'"),
        (
            "b.parquet",
            lambda file, d: d.assign(idp=[f"{i:03d}" for i in range(len(d))]).to_parquet(file),
            r"'idp' of type string in .*b\.parquet.*Encode",
        ),
        (
            "b.parquet",
            lambda file, d: d.assign(idp=pd.Timestamp("2020-02-29")).to_parquet(file),
            r"'idp' of type timestamp.*b\.parquet.*dates",
        ),
        (
            "b.parquet",
            lambda file, d: d.assign(idp=d.idp.where(d.index < 25)).to_parquet(
                file, row_group_size=10
            ),
            r"b\.parquet, row group 2.*nan in row 5, column 'idp'",
        ),
    ],
)
def test_files_that_are_not_like_the_first_are_named(name, write, message, tmp_path):
    pytest.importorskip("pyarrow", reason="reads parquet files")
    y, x = data("randhie")
    frame = x[["idp", "lpi"]].assign(visits=y)[:40]
    frame.to_parquet(tmp_path / "a.parquet")
    write(tmp_path / name, frame)
    with pytest.raises(ValueError, match=message):
        GLM.from_batches(tmp_path, "poisson", response="visits")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, x: (y[1:], x[1:]), "3000 in the first, and 2999"),
        (lambda y, x: (y + (np.arange(len(y)) == 7), x), "other numbers"),
        (lambda y, x: (y, x.assign(lpi=x.lpi[::-1].to_numpy() + 1e-6)), "other numbers"),
        (lambda y, x: (y, x.assign(lpi=np.nan)), "batch 0.*nan in row 0, column 'lpi'"),
        (lambda y, x: (y, x.rename(columns={"lpi": "fmde"})), "like the first"),
    ],
)
def test_every_pass_brings_the_same_rows(change, message):
    y, x = data("randhie")
    y, x = y[:3000], x[["const", "idp", "lpi"]][:3000]
    passes = iter(range(9))

    def batches():
        late = next(passes) > 2
        return parts(*(change(y, x) if late else (y, x)), 700)

    with pytest.raises(ValueError, match=message):
        GLM.from_batches(batches, "poisson").fit()


def test_passes_may_be_shuffled_and_cut_anew():
    y, x = data("randhie")
    rng = np.random.default_rng(0)

    def batches():
        order = rng.permutation(len(y))
        return parts(y.iloc[order], x.iloc[order], int(rng.integers(300, 900)))

    found, want = GLM.from_batches(batches, "poisson").fit(), GLM(y, x, "poisson").fit()
    np.testing.assert_allclose(found.params, want.params, rtol=1e-8)


def test_what_belongs_to_rows_is_not_there():
    y, x = data("randhie")
    found = GLM.from_batches(lambda: parts(y, x, 2000), "poisson").fit()
    with pytest.raises(AttributeError, match="fitted in batches"):
        _ = found.resid_pearson
    with pytest.raises(AttributeError, match="fitted in batches"):
        GLM.from_batches(lambda: parts(y, x, 2000), "poisson").fit(cov_type="HC3").cov_params()
    np.testing.assert_allclose(found.predict(x[:3]), GLM(y, x, "poisson").fit().mu[:3], rtol=1e-9)
    assert "No. Observations" in found.summary().as_text()


def test_models_without_rows_are_shown_and_saved(tmp_path):
    y, x = data("randhie")
    found = GLM.from_batches(lambda: parts(y, x, 2000), "poisson").fit()
    want = repr(GLM(y, x, "poisson"))
    assert repr(found.model) == want == f"<GLM {found.family!r}: n={len(y)}, p={x.shape[1]}>"
    found.save(tmp_path / "r.pickle")
    loaded = pn.glm.load(tmp_path / "r.pickle")
    assert repr(loaded.model) == want
    pd.testing.assert_series_equal(loaded.bse, found.bse)
    with pytest.raises(AttributeError, match="fitted in batches"):
        loaded.model.fit()


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least one batch"),
        (iter([(np.ones(3), np.ones((3, 1)))]), "visited again"),
        ([(np.ones(3), np.ones((3, 1))), (np.ones(3), np.ones((3, 2)))], "like the first"),
        ([(np.ones(3), np.ones((3, 1)), {"weight": np.ones(3)})], "third part"),
        ([(np.ones(3), [[1.0], [np.nan], [1.0]])], "finite"),
        ([(-np.ones(3), np.ones((3, 1)))], "support"),
        ([(np.ones(3), np.ones((3, 1))), (-np.ones(3), np.ones((3, 1)))], "support"),
        ([(np.ones(2), np.ones((3, 1)))], r"y of shape \(3,\)"),
    ],
)
def test_bad_batches(batches, message):
    with pytest.raises(ValueError, match=message):
        GLM.from_batches(batches, "poisson").fit()


def test_names_of_columns_are_for_files():
    with pytest.raises(ValueError, match="with parquet files"):
        pn.glm.GLM.from_batches([(np.ones(3), np.ones((3, 1)))], "poisson", response="y")


@pytest.mark.parametrize("family", ["laplace", pn.families.Binomial(trials=9), "censored"])
def test_families_that_need_all_rows_are_refused(family):
    family = pn.families.Censored("weibull") if family == "censored" else family
    batches = [(np.arange(1.0, 9.0), np.ones((8, 1)))]
    with pytest.raises(ValueError, match="for models in batches"):
        GLM.from_batches(batches, family)
