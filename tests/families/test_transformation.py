"""Densities of any shape: against R, closed forms, and the normal linear model."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

import probnn as pn
from probnn.families import Censored, SplineFlow, Transformation

R = json.loads((Path(__file__).parents[1] / "references" / "transformation.json").read_text())


def test_degree_1_and_a_normal_base_is_the_normal_linear_model(rng):
    x = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    y = x @ [1.0, 2.0, -0.5] + rng.normal(size=60)
    found = pn.glm.GLM(y, x, Transformation.of(y, degree=1, base="normal")).fit()
    coef, rest = np.linalg.lstsq(x, y, rcond=None)[:2]
    sigma = np.sqrt(rest[0] / 60)
    np.testing.assert_allclose(found.params[1:3], coef[1:] / sigma, rtol=1e-7)
    np.testing.assert_allclose(found.params[0], (coef[0] - y.min()) / sigma, rtol=1e-7)
    np.testing.assert_allclose(found.params[3], np.ptp(y) / sigma, rtol=1e-7)
    np.testing.assert_allclose(found.llf, stats.norm.logpdf(y, x @ coef, sigma).sum(), rtol=1e-12)
    np.testing.assert_allclose(found.predict(x[:5]), x[:5] @ coef, rtol=1e-7)


def test_a_logistic_base_has_the_odds_ratios_of_polr():
    cats = R["cats"]
    y = np.array(cats["y"])
    x = np.column_stack([np.ones(len(y)), cats["Bwt"], cats["male"]])
    found = pn.glm.GLM(y, x, Transformation.of(y)).fit()
    # polr has a cutpoint between any two values of y, in place of 7 coefficients.
    gap = (found.params[1:3] - cats["polr"]["coef"]) / cats["polr"]["bse"]
    assert (abs(gap) < 0.05).all()
    np.testing.assert_allclose(found.bse[1:3], cats["polr"]["bse"], rtol=0.01)


@pytest.mark.slow
def test_minimum_extreme_values_have_the_hazard_ratios_of_coxph():
    lung = R["lung"]
    y = Censored.bounds(np.array(lung["time"], dtype="float64"), np.equal(lung["status"], 2))
    x = np.column_stack([np.ones(len(y)), lung["age"], lung["sex"], lung["ph.ecog"]])
    family = Censored(Transformation.of(y, base="minimum_extreme_value"))
    found = pn.glm.GLM(y, x, family).fit()
    gap = (-found.params[1:4] - lung["coxph"]["coef"]) / lung["coxph"]["bse"]
    assert (abs(gap) < 0.15).all()
    np.testing.assert_allclose(found.bse[1:4], lung["coxph"]["bse"], rtol=0.01)


@pytest.mark.slow
@pytest.mark.backend
def test_a_network_predicts_the_shape(rng):
    import keras

    x = rng.uniform(-1.0, 1.0, size=(1000, 1))
    y = np.where(rng.random(1000) < 0.5, 1.0, -1.0) * (x[:, 0] > 0) + rng.normal(0, 0.2, size=1000)
    family = Transformation.of(y, degree=8, base="normal")
    model = pn.Sequential([keras.Input((1,)), keras.layers.Dense(8, "tanh")])
    model.add(pn.Head(family, constant=[]))
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(x, y, epochs=30, verbose=0)
    one, two = model.predict_distribution(np.array([[-0.5], [0.5]]))
    assert abs(one.quantile(0.5)) < 0.2
    assert two.log_prob(0.0) < two.log_prob(1.0) - 1.0 > two.log_prob(-1.0) - 3.0


@pytest.mark.parametrize(("base", "cdf"), [("normal", stats.norm.cdf), ("logistic", special.expit)])
def test_a_spline_on_its_diagonal_is_its_base(base, cdf):
    family = SplineFlow(4, base=base)
    frozen = family.frozen(**family.start([1.0, 2.0, 6.0]))
    y = np.array([-20.0, 0.5, 3.0, 11.0])
    want = cdf((y - 3.0) / np.sqrt(14.0 / 3.0))
    np.testing.assert_allclose(frozen.cdf(y), want, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SplineFlow(bins=1), "Received: 1"),
        (lambda: SplineFlow(reach=0.0), "number above 0"),
        (lambda: SplineFlow(base="cauchy"), "normal, logistic"),
        (lambda: pn.families.get("transformation"), "Expected low= and high="),
        (lambda: Transformation(1.0, 1.0), r"Transformation.of\(y\)"),
        (lambda: Transformation(0.0, 1.0, degree=0), "Received: 0"),
        (
            lambda: Transformation(0.0, 1.0, base="cauchy"),
            "logistic, normal, minimum_extreme_value",
        ),
        (lambda: Transformation.of([2.0, 2.0, np.inf]), r"Received: \[2.0\]"),
    ],
)
def test_bad_arguments_get_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
