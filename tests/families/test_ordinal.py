"""Ordinal regression: against statsmodels' OrderedModel, SciPy, and the limits of floats."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.miscmodels.ordinal_model import OrderedModel

import probnn as pn
from probnn import backend
from probnn.families.ordinal import Ordered

DISTRIBUTIONS = {"logit": stats.logistic, "probit": stats.norm, "cloglog": stats.gumbel_l}
each_link = pytest.mark.parametrize("link", list(DISTRIBUTIONS))


def tensor(values, dtype="float64"):
    return keras.ops.convert_to_tensor(np.asarray(values, dtype=dtype))


@each_link
def test_log_likelihood_equals_statsmodels(link, rng):
    x = rng.normal(size=(200, 2))
    y = rng.integers(0, 4, size=200)
    model = OrderedModel(pd.Series(pd.Categorical(y, ordered=True)), x, distr=DISTRIBUTIONS[link])
    family = pn.families.Ordinal(classes=4, link=link)
    for _ in range(5):
        beta, thresholds = rng.normal(size=2), rng.normal(size=3)
        raw = np.column_stack([x @ beta, np.tile(thresholds, (200, 1))])
        expected = model.loglikeobs(np.concatenate([beta, thresholds]))
        # statsmodels subtracts cdfs from each other, and adds 1e-20 to the difference.
        known = expected > -12.0
        found = family.log_prob(y.astype(float), raw)
        np.testing.assert_allclose(found[known], expected[known], rtol=1e-9, atol=1e-10)
        assert (found[~known] < -11.0).all()


@pytest.mark.backend
@each_link
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-5)])
def test_log_prob_equals_scipy(link, dtype, rtol, rng):
    family, standard = pn.families.Ordinal(classes=4, link=link), DISTRIBUTIONS[link]
    raw = rng.normal(size=(300, 4), scale=[0.5, 0.5, 0.3, 0.3]).astype(dtype)
    y = rng.integers(0, 4, size=300).astype(dtype)
    loc, cutpoints = family.to_params(raw.astype("float64")).values()
    low = np.column_stack([np.full(300, -np.inf), cutpoints])[np.arange(300), y.astype(int)] - loc
    high = np.column_stack([cutpoints, np.full(300, np.inf)])[np.arange(300), y.astype(int)] - loc
    by_cdf = standard.cdf(high) - standard.cdf(low)
    by_sf = standard.sf(low) - standard.sf(high)
    expected = np.log(np.where(low > 0, by_sf, by_cdf))
    with backend.float64():
        found = family.log_prob(tensor(y, dtype), tensor(raw, dtype))
        assert keras.backend.standardize_dtype(found.dtype) == dtype
    found = keras.ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(family.log_prob(y, raw), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("link", DISTRIBUTIONS)
def test_derivatives_equal_differences(classes, link, rng):
    family = pn.families.Ordinal(classes=classes, link=link)
    raw = rng.normal(size=(40, classes), scale=0.7)
    y = np.resize(np.arange(float(classes)), 40)
    value, gradient, hessian = family.derivatives(y, raw)
    np.testing.assert_allclose(value, -family.log_prob(y, raw), rtol=1e-10, atol=1e-13)
    step = 1e-4
    for column in range(classes):
        shift = np.zeros(classes)
        shift[column] = step
        at = [family.derivatives(y, raw + k * shift) for k in (-2, -1, 1, 2)]
        for which, found in ((0, gradient), (1, hessian)):
            a, b, c, d = (each[which] for each in at)
            want = (a - 8 * b + 8 * c - d) / (12 * step)
            size = np.abs(want).max()
            np.testing.assert_allclose(found[..., column], want, rtol=1e-6, atol=1e-8 * (1 + size))


@pytest.mark.backend
@each_link
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 80.0), ("float64", 500.0)])
def test_loss_and_gradient_are_finite_at_the_extremes(link, dtype, bound):
    family = pn.families.Ordinal(classes=4, link=link)
    levels = bound * np.array([-1.0, -0.5, -0.2, -0.01, 0.0, 0.01, 0.2, 0.5, 1.0])
    raw = np.repeat(list(itertools.product(levels, repeat=4)), 4, axis=0)
    y = np.resize(np.arange(4.0), len(raw))
    with backend.float64():
        y = tensor(y, dtype)
        gradient_of = backend.value_and_grad(
            lambda raw: keras.ops.sum(family.log_prob(y, raw) / len(y))
        )
        _, gradient = backend.compiled(gradient_of)(tensor(raw, dtype))
        each = backend.compiled(lambda raw: family.log_prob(y, raw))(tensor(raw, dtype))
        each = keras.ops.convert_to_numpy(each)
        probs = family.mean(**family.to_params(tensor(raw, dtype)))
    assert np.isfinite(each).all(), raw[~np.isfinite(each)][:5]
    gradient = keras.ops.convert_to_numpy(gradient)
    assert np.isfinite(gradient).all(), raw[~np.isfinite(gradient).all(axis=1)][:5]
    assert np.isfinite(keras.ops.convert_to_numpy(probs)).all()


@pytest.mark.backend
@each_link
def test_mean_is_the_class_probabilities(link, rng):
    family = pn.families.Ordinal(classes=4, link=link)
    raw = rng.normal(size=(50, 4), scale=0.7)
    probs = family.mean(**family.to_params(raw))
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, rtol=1e-13)
    for k in range(4):
        log_prob = family.log_prob(np.full(50, float(k)), raw)
        np.testing.assert_allclose(probs[:, k], np.exp(log_prob), rtol=1e-10)
    with backend.float64():
        on_device = family.mean(**family.to_params(tensor(raw)))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(on_device), probs, rtol=1e-10)


@each_link
def test_start_has_the_shares_of_the_classes(link):
    family = pn.families.Ordinal(classes=3, link=link)
    y = np.repeat([0.0, 1.0, 2.0], [3, 5, 2])
    start = family.start(y)
    probs = family.mean(np.array(start["loc"]), np.array(start["cutpoints"]))
    np.testing.assert_allclose(probs, [0.3, 0.5, 0.2], rtol=1e-12)
    assert np.isfinite(family.to_raw(family.start(np.zeros(9)))).all()
    assert (np.diff(family.to_params(family.inside())["cutpoints"]) > 0).all()


def test_two_classes_are_bernoulli(rng):
    raw = rng.normal(size=(30, 2), scale=3.0)
    y = rng.integers(0, 2, size=30).astype(float)
    for link in ("logit", "probit"):
        found = pn.families.Ordinal(classes=2, link=link).log_prob(y, raw)
        expected = pn.families.Bernoulli(link=link).log_prob(y, raw[:, :1] - raw[:, 1:])
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.backend
def test_ordered_is_a_link():
    mu = np.array([[-3.0, -2.5, 4.0], [0.0, 1e-3, 1e3]])
    link = Ordered()
    eta = link.forward(mu)
    np.testing.assert_allclose(eta, np.column_stack([mu[:, 0], np.log(np.diff(mu))]))
    np.testing.assert_allclose(link.inverse(eta), mu, rtol=1e-12)
    with backend.float64():
        for function, values in ((link.forward, mu), (link.inverse, eta)):
            found = function(tensor(values))
            assert keras.backend.standardize_dtype(found.dtype) == "float64"
            found = keras.ops.convert_to_numpy(found)
            np.testing.assert_allclose(found, function(values), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pn.families.Ordinal(classes=1), "whole number >= 2. Received: 1"),
        (lambda: pn.families.Ordinal(link="cauchit"), "logit, probit, cloglog. Received: 'cauchit"),
        (lambda: pn.families.Ordinal(classes=3).start([0.0, 3.0]), "now 3"),
        (
            lambda: pn.Predictive(
                pn.families.Ordinal(classes=3), {"loc": [0.0], "cutpoints": [[1.0, 0.0]]}
            ),
            "increasing numbers",
        ),
    ],
)
def test_bad_arguments_get_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_config_names_the_cumulative_link():
    family = pn.families.Ordinal(classes=5, link="cloglog")
    assert family.get_config() == {"name": "ordinal", "classes": 5, "link": "cloglog"}
    assert pn.families.get(family.get_config()) == family
    assert repr(family) == "<family ordinal: 5 classes, cloglog>"
