"""Files of results: nothing of the rows is in them."""

import contextlib
import warnings
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import special  # noqa: F401 - for formulas
from scipy.special import expit  # noqa: F401 - for formulas
from tables.disks import room_for

import probnn as pn

N = 40
SECRETS = [b"Allen, Miss", b"Braund, Mr", b"clinic of Ulm", b"the caller's"]


def passengers(n=N):
    """Return rows with names, and y with others."""
    rng = np.random.default_rng(0)
    labels = pd.Index([f"Allen, Miss {i}" for i in range(n)], name="who")
    data = pd.DataFrame({"x": rng.normal(size=n), "t": rng.uniform(1.0, 2.0, n)}, labels)
    data["clinic"] = [f"clinic of Ulm {i % 8}" for i in range(n)]
    data["y"] = rng.poisson(np.exp(data["x"] + 1.0))
    data["kind"] = np.where(rng.random(n) < 0.5, "a", "b")
    return data


def network():
    model = pn.Sequential([keras.Input((1,)), pn.Head("poisson")])
    model.set_weights([np.array([[0.9]]), np.array([0.9])])
    return model


def gapped(data):
    return data.assign(x=data["x"].where(np.arange(len(data)) > 2))


def with_a_variable_of_the_caller(data):
    z = pd.Series(np.arange(len(data)) % 5, [f"the caller's {i}" for i in range(len(data))])
    return pn.glm.glm("y ~ x + z", data.set_axis(z.index), "poisson").fit()


def renamed(y):
    return y.set_axis([f"Braund, Mr {i}" for i in range(len(y))])


def clustered(model):
    return lambda d: model(d).fit(cov_type="cluster", cov_kwds={"groups": d["clinic"]})


FITS = {
    "formula": lambda d: pn.glm.glm("y ~ x + C(kind)", d, "poisson", exposure="t").fit(),
    "gaps": lambda d: pn.glm.glm("y ~ x", gapped(d), "poisson").fit(),
    "classes": lambda d: pn.glm.glm("kind ~ x", d, "categorical").fit(),
    "two formulas": lambda d: pn.glm.glm("y ~ x", d, formulas={"scale": "~ t"}).fit(),
    "clinics": lambda d: pn.glm.ols("y ~ x", d).fit(
        cov_type="cluster", cov_kwds={"groups": "clinic"}
    ),
    "groups": clustered(lambda d: pn.glm.OLS(d["y"], d[["x"]])),
    "caller": with_a_variable_of_the_caller,
    "frames": lambda d: pn.glm.GLM(d["y"], d[["x"]], "poisson", offset=d["t"]).fit(),
    "names of y": lambda d: pn.glm.OLS(renamed(d["y"]), d[["x"]].to_numpy()).fit(),
    "arrays": lambda d: pn.glm.OLS(d["y"].to_numpy(), d[["x"]].to_numpy()).fit(),
    "gaps of arrays": lambda d: pn.glm.OLS(d["y"], gapped(d)[["x"]], missing="drop").fit(),
    "firth": lambda d: pn.glm.logit("I(y > 2) ~ x", d).fit(method="firth"),
    "penalised": lambda d: pn.glm.ols("y ~ x", d).fit_regularized(0.1),
    "inference": lambda d: pn.inference(network(), d[["x"]], d["y"], cov_type="HC0"),
}


def looked_at(results):
    """Return results whose every property has been computed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tests that suppose what this fit does not
        for name in dir(type(results)):
            with contextlib.suppress(AttributeError, ValueError):
                getattr(results, name)
    return results


@pytest.mark.parametrize("name", FITS)
def test_no_label_of_a_row_is_in_a_file(name, tmp_path):
    results = looked_at(FITS[name](passengers()))
    results.save(tmp_path / "results")
    written = (tmp_path / "results").read_bytes()
    with zipfile.ZipFile(tmp_path / "results") as archive:
        inside = b"".join(map(archive.read, archive.namelist()))
    assert not [secret for secret in SECRETS if secret in written + inside]
    assert results.optimum.gradient.tobytes() in inside
    loaded = pn.glm.load(tmp_path / "results")
    np.testing.assert_array_equal(loaded.params, results.params)
    if results.penalty is None:
        np.testing.assert_array_equal(loaded.bse, results.bse)
    assert loaded.summary().as_text().split("Time:")[0]
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").stat().st_size == pytest.approx(len(written), abs=200)


@pytest.mark.parametrize("name", FITS)
def test_a_file_is_as_long_for_many_rows_as_for_few(name, tmp_path):
    sizes = []
    for n in (200, 2000):
        data = passengers(n)
        if name != "caller":
            data.index = np.random.default_rng(0).permutation(n)
        FITS[name](data).save(tmp_path / "results")
        sizes.append((tmp_path / "results").stat().st_size)
    assert sizes[1] - sizes[0] < 200


# ---- saved is loaded, to the last bit -----------------------------------------------------------


T = object()  # the column t


def double(x):
    return 2.0 * x


def formula(text, family="normal", data=lambda d: d, **kwargs):
    def fit(d):
        knots, degree = [1.3, 1.6], 2  # noqa: F841 - for formulas
        return pn.glm.glm(text, data(d), family, **kwargs).fit()

    return fit


def arrays(family, y="y", fit=None, **kwargs):
    def fitted(d):
        x = np.column_stack([np.ones(len(d)), d["x"], d["t"]])
        response = d[y] if isinstance(y, str) else y(d)
        given = {name: d["t"] if v is T else v for name, v in kwargs.items()}
        return pn.glm.GLM(response.to_numpy(), x, family, **given).fit(**(fit or {}))

    return fitted


def positive(d):
    return np.exp(0.3 * d["x"]) * d["t"]


def censored(d):
    return pd.DataFrame({"low": positive(d), "high": np.where(d["x"] > 1, np.inf, positive(d))})


def levels(d):
    order = ["low", "mid", "top"]
    codes = np.clip(d["y"] // 2, 0, 2).to_numpy(int)
    return d.assign(level=pd.Categorical.from_codes(codes, order, ordered=True))


def batches(d):
    x = d[["x", "t"]].assign(const=1.0)
    parts = [(d["y"][:20], x[:20]), (d["y"][20:], x[20:])]
    return pn.glm.GLM.from_batches(parts, "poisson").fit(verbose=False)


KINDS = {
    "gamma": arrays("gamma", positive, link="log", var_weights=T),
    "frequencies": arrays("poisson", freq_weights=2.0 + np.arange(N) % 3, offset=T),
    "negative binomial": arrays("negative_binomial", lambda d: (d["y"] - 3.0) ** 2),
    "student t": arrays("student_t", lambda d: d["y"] + d["t"], fixed={"df": 4.0}),
    "power link": arrays("gamma", positive, link=pn.links.Power(-0.5)),
    "censored": arrays(pn.families.Censored("weibull"), censored),
    "laplace": arrays("laplace", lambda d: d["y"] + d["t"]),
    "HAC": arrays("normal", fit={"cov_type": "HAC", "cov_kwds": {"maxlags": 2}}),
    "HC3 and a dispersion": arrays("gamma", positive, link="log", fit={"cov_type": "HC3"}),
    "scale": arrays("gamma", positive, link="log", fit={"scale": "dev", "use_t": True}),
    "batches": batches,
    "alphas": lambda d: pn.glm.OLS(d["y"], d[["x", "t"]]).fit_regularized(
        pd.Series([0.1, 1], ["x", "t"]), 0.5
    ),
    "levels": formula("y ~ C(kind)"),
    "reference": formula("y ~ C(kind, Treatment('b')) * x"),
    "sums": formula("y ~ C(clinic, contr.sum):x + C(clinic, contr.poly)"),
    "helmert": formula("y ~ C(clinic, Helmert) - 1"),
    "ordered": formula("y ~ level", data=levels),
    "b-splines": formula("y ~ bs(t, df=5) + bs(x, knots=[-0.2, 0.5], degree=2)"),
    "caller's knots": formula("y ~ bs(t, knots=knots, degree=degree)"),
    "natural splines": formula("y ~ cr(t, df=4) - 1"),
    "cyclic splines": formula("y ~ cc(t, df=3) - 1", "poisson"),
    "polynomials": formula("y ~ poly(x, 3) + I(t ** 2)"),
    "scaled": formula("y ~ center(x) * scale(t) + standardize(x):kind - center(x)"),
    "functions": formula("y ~ np.log(t) + exp(x) + np.where(x > 0, x, 0) + x.clip(-1, 1)"),
    "own function": formula("y ~ double(x) + double(np.sqrt(t))", "poisson"),
    "SciPy": formula("y ~ expit(x) + special.ndtr(t)"),
    "names": formula(
        "y ~ `a x` + Q('a x'):x + {t + 1}", data=lambda d: d.rename(columns={"z": "a x"})
    ),
    "text": formula("kind ~ x", "categorical"),
    "three classes": formula("level ~ x", "categorical", levels),
    "ordinal": formula("level ~ x + t", "ordinal", levels),
    "bools": formula("y ~ big + big:x", data=lambda d: d.assign(big=d["x"] > 0.3)),
    "several": lambda d: pn.glm.glm("y ~ x", d, formulas={"scale": "~ bs(t, df=4)"}).fit(),
}


def same(a, b):
    """Return whether plain values are equal to the bit, NaN too."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (np.ndarray, float)):
        return np.shape(a) == np.shape(b) and np.array_equal(a, b, equal_nan=True)
    return a == b


@pytest.mark.parametrize("name", KINDS)
def test_what_is_saved_is_loaded_to_the_last_bit(name, tmp_path):
    data = passengers().assign(z=np.arange(N) % 7 / 3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = KINDS[name](data)
    found.save(tmp_path / "results")
    loaded = pn.glm.load(tmp_path / "results")
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "results").read_bytes()
    assert type(loaded) is type(found)
    assert type(loaded.model) is type(found.model)
    assert (loaded.family, loaded.model.classes) == (found.family, found.model.classes)
    a, b = (each.__getstate__() for each in (found, loaded))
    for left_out in ("model", "optimum", "_labels", "certificate"):
        a.pop(left_out), b.pop(left_out)
    assert same(a, b)
    kept = ("coef", "value", "gradient", "hessian", "inverse", "inverse_root", "ssr", "history")
    assert all(same(getattr(found.optimum, n), getattr(loaded.optimum, n)) for n in kept)
    of_model = ("known", "widths", "parameter_names", "constants", "raw_names", "modelled", "fixed")
    assert all(same(getattr(found.model, n), getattr(loaded.model, n)) for n in of_model)
    np.testing.assert_array_equal(loaded.params, found.params)
    if found.optimum.has_covariance:
        np.testing.assert_array_equal(loaded.conf_int(), found.conf_int())
    assert repr(loaded) == repr(found)
    new = data[3:12] if found.model.formula is None else levels(data)[3:12]
    if found.model.formula is None:
        new = np.column_stack([np.ones(9), new["x"], new["t"]])[:, -found.model.p :]
    else:
        new = new.assign(big=new["x"] > 0.3, **{"a x": new["z"]})
    assert same(np.asarray(loaded.predict(new)), np.asarray(found.predict(new)))
    if found.model.formula is not None:
        for a, b in zip(
            *(each.model.new_rows(new).designs for each in (found, loaded)), strict=True
        ):
            assert a is None or same(a.toarray(), b.toarray())
        assert loaded.model.formula.probe is not None
        assert loaded.model.terms() == found.model.terms()


@pytest.mark.parametrize("count", [0, 500, 1500, 2500])
def test_a_full_disk_leaves_the_old_results(count, tmp_path):
    path, data = tmp_path / "results", passengers()
    FITS["arrays"](data).save(path)
    before = path.read_bytes()
    with room_for(count), pytest.raises(OSError, match="too large"):
        KINDS["b-splines"](data).save(path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"results": before}
    KINDS["b-splines"](data).save(path)
    assert len(pn.glm.load(path).params) == 10
