"""Files of results: nothing of the rows is in them."""

import contextlib
import warnings

import keras
import numpy as np
import pandas as pd
import pytest

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
    assert not [secret for secret in SECRETS if secret in written]
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
