"""The bootstrap: every resample against a fit of its rows, all of them against the sandwich."""

import numpy as np
import pandas as pd
import pytest

from probnn import families
from probnn.glm import GLM, OLS, ConvergenceWarning, Logit
from probnn.glm.results import bootstrap


def counts(rng, n=400):
    """Return a design, and counts whose variance is far above a Poisson model's."""
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    return x, rng.poisson(np.exp(1.0 + 0.3 * x[:, 1]) * rng.gamma(2.0, 0.5, n)).astype(float)


@pytest.fixture
def drawn(monkeypatch):
    """Return a list that fills with how often each row was drawn."""
    seen, draw = [], bootstrap._counts

    def record(data, rng):
        seen.append(draw(data, rng))
        return seen[-1]

    monkeypatch.setattr(bootstrap, "_counts", record)
    return seen


def test_standard_errors_and_intervals_are_near_the_sandwich(rng):
    x, y = counts(rng)
    fit = GLM(y, x, "poisson").fit(cov_type="HC0")
    found = fit.bootstrap(1000, seed=1)
    assert found.params.shape == (1000, 2)
    assert found.failed == 0
    np.testing.assert_allclose(found.bse, fit.bse, rtol=0.1)
    assert np.all(found.bse > 1.5 * GLM(y, x, "poisson").fit().bse)
    np.testing.assert_allclose(found.cov_params(), fit.cov_params(), rtol=0.2, atol=1e-4)
    for method in ("percentile", "basic"):
        off = (found.conf_int(method=method) - fit.conf_int()) / fit.bse[:, None]
        assert np.abs(off).max() < 0.25


def test_intervals_are_quantiles_and_their_mirror_images(rng):
    x, y = counts(rng, 100)
    fit = GLM(y, x, "poisson").fit()
    found = fit.bootstrap(50, seed=1)
    low, high = np.quantile(found.params, [0.1, 0.9], axis=0)
    np.testing.assert_array_equal(found.conf_int(0.2), np.column_stack([low, high]))
    basic = np.column_stack([2 * fit.params - high, 2 * fit.params - low])
    np.testing.assert_array_equal(found.conf_int(0.2, "basic"), basic)
    np.testing.assert_allclose(found.bse**2, np.diag(np.cov(found.params.T)), rtol=1e-12)
    with pytest.raises(ValueError, match="Expected method 'percentile' or 'basic'"):
        found.conf_int(method="bca")


def test_a_seed_repeats_it(rng):
    x, y = counts(rng, 50)
    fit = GLM(y, x, "poisson").fit()
    first = fit.bootstrap(5, seed=1).params
    np.testing.assert_array_equal(fit.bootstrap(5, seed=1).params, first)
    same = fit.bootstrap(5, seed=np.random.default_rng(1)).params
    np.testing.assert_array_equal(same, first)
    assert not np.isin(fit.bootstrap(5, seed=2).params, first).any()


def model_of(kind, rng, n=80):
    """Return the arguments of a model, all of which have one entry for each row."""
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    mean = np.exp(0.5 + 0.4 * x[:, 1])
    y, more = {
        "ols": lambda: (mean + rng.normal(size=n), {"var_weights": rng.uniform(0.5, 2, n)}),
        "logit": lambda: ((rng.random(n) < mean / (1 + mean)).astype(float), {}),
        "poisson": lambda: (rng.poisson(mean).astype(float), {"exposure": rng.uniform(1, 2, n)}),
        "dispersion": lambda: (rng.poisson(mean * rng.gamma(1.0, 1.0, n)).astype(float), {}),
    }[kind]()
    make = {
        "ols": OLS,
        "logit": Logit,
        "poisson": lambda *a, **k: GLM(*a, family="poisson", **k),
        "dispersion": lambda *a, **k: GLM(*a, family="negative_binomial", **k),
    }[kind]
    return make, {"y": y, "X": x, **more}


@pytest.mark.parametrize("kind", ["ols", "logit", "poisson", "dispersion"])
def test_each_resample_is_a_fit_of_its_rows(rng, drawn, kind):
    make, columns = model_of(kind, rng)
    found = make(**columns).fit().bootstrap(2, seed=2)
    assert len(drawn) == 2
    for often, params in zip(drawn, found.params, strict=True):
        rows = np.repeat(np.arange(80), often.astype(int))
        assert len(rows) == 80
        fit = make(**{name: column[rows] for name, column in columns.items()}).fit()
        np.testing.assert_allclose(params, fit.params, rtol=1e-7, atol=1e-9)


def test_penalised_fits_are_repeated_with_their_penalty(rng, drawn):
    make, columns = model_of("logit", rng)
    fits = [
        lambda model: model.fit(method="firth"),
        lambda model: model.fit_regularized([0.0, 0.05], 0.5),
    ]
    for fit in fits:
        drawn.clear()
        found = fit(make(**columns)).bootstrap(2, seed=3)
        for often, params in zip(drawn, found.params, strict=True):
            rows = np.repeat(np.arange(80), often.astype(int))
            again = fit(make(**{name: column[rows] for name, column in columns.items()}))
            np.testing.assert_allclose(params, again.params, rtol=1e-7)


def test_rows_are_drawn_as_often_as_their_frequencies_say(rng, drawn):
    x, y = counts(rng, 50)
    frequency = np.where(np.arange(50) < 25, 3.0, 0.0)
    GLM(y, x, "poisson", freq_weights=frequency).fit().bootstrap(20, seed=1)
    assert {often.sum() for often in drawn} == {75.0}
    assert np.all(np.array(drawn)[:, 25:] == 0)
    np.testing.assert_allclose(np.mean(drawn, axis=0)[:25], 3.0, atol=5 * np.sqrt(3 / 20))


def test_resamples_without_estimates_are_counted(drawn):
    # Estimates exist where both groups have successes and failures.
    group, y = np.repeat([0.0, 1.0], 10), np.tile([0.0, 0.0, 0.0, 0.0, 1.0], 4)
    fit = Logit(y, np.column_stack([np.ones(20), group])).fit()
    with pytest.warns(ConvergenceWarning, match=r"\d+ of 200 have none, as columns are dependent"):
        found = fit.bootstrap(200, seed=1)
    cells = [[o[(group == g) & (y == v)].sum() for g in (0, 1) for v in (0, 1)] for o in drawn]
    cells = np.array(cells)
    good = (cells > 0).all(axis=1)
    assert found.failed == np.sum(~good) > 10
    odds = np.log(cells[good][:, [1, 3]] / cells[good][:, [0, 2]])
    np.testing.assert_allclose(found.params[:, 0], odds[:, 0], atol=1e-8)
    np.testing.assert_allclose(found.params.sum(axis=1), odds[:, 1], atol=1e-8)


def test_a_category_that_is_absent_from_resamples(drawn):
    rare = np.eye(30)[:, 0]
    y = 1.0 + np.arange(30) % 5
    for model in (OLS, lambda y, x: GLM(y, x, "poisson")):
        drawn.clear()
        fit = model(y, np.column_stack([np.ones(30), rare])).fit()
        with pytest.warns(ConvergenceWarning, match="show too little uncertainty"):
            found = fit.bootstrap(20, seed=1)
        assert found.failed == sum(often[0] == 0 for often in drawn) > 2


def test_too_few_estimates_raise(monkeypatch):
    fit = Logit([0, 1, 1, 0], np.ones((4, 1))).fit()
    monkeypatch.setattr(bootstrap, "_counts", lambda data, rng: np.array([0.0, 2.0, 2.0, 0.0]))
    with pytest.raises(ValueError, match=r"Expected resamples that have estimates.* 5 of 5 have"):
        fit.bootstrap(5)


def test_names_and_classes(rng):
    x, y = counts(rng, 60)
    fit = GLM(y, pd.DataFrame(x, columns=["a", "b"]), "poisson").fit()
    found = fit.bootstrap(10, seed=1)
    assert list(found.bse.index) == ["a", "b"]
    assert list(found.conf_int().index) == ["a", "b"]
    assert list(found.cov_params().columns) == ["a", "b"]
    family = families.get("categorical", classes=3)
    found = GLM(rng.integers(0, 3, 60), x, family).fit().bootstrap(10, seed=1)
    assert found.params.shape == (10, 4)
    assert found.bse.shape == (2, 2)
    np.testing.assert_allclose(found.bse.T.ravel() ** 2, np.diag(found.cov_params()), rtol=1e-12)


def test_one_coefficient(rng):
    found = GLM(rng.poisson(3.0, 40), np.ones((40, 1)), "poisson").fit().bootstrap(10, seed=1)
    assert found.cov_params().shape == (1, 1)
    np.testing.assert_allclose(found.cov_params()[0, 0], found.bse[0] ** 2, rtol=1e-12)


def test_progress_is_shown_when_asked_for(rng, capsys):
    x, y = counts(rng, 50)
    fit = GLM(y, x, "poisson").fit()
    fit.bootstrap(5, seed=1)
    fit.bootstrap(5, seed=1, verbose=False)
    assert capsys.readouterr().out == ""
    fit.bootstrap(5, seed=1, verbose=True)
    assert "5/5" in capsys.readouterr().out


@pytest.mark.parametrize("nrep", [1, 0, 2.5, "10"])
def test_the_number_of_resamples_is_checked(nrep):
    with pytest.raises(ValueError, match="Expected nrep to be an integer from 2 on"):
        OLS([1.0, 2.0, 4.0], np.ones((3, 1))).fit().bootstrap(nrep)


def test_it_needs_the_rows():
    fit = GLM.from_batches([([1.0, 2.0, 4.0], np.ones((3, 1)))]).fit()
    with pytest.raises(AttributeError, match="needs the rows of the training data"):
        fit.bootstrap(10)
