"""True of every network: its loss is the score of its distributions, and a file is the model."""

import functools
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables.cases import cases
from tables.families import FAMILIES as CASES

import probnn as pn
from probnn.glm import GLM, load

pytestmark = pytest.mark.slow

SEEDS = st.integers(0, 10**6)
FAMILIES = [case.family for case in CASES]
ONE_NUMBER = [family for family in FAMILIES if not family.y_shape]
N = 30


@functools.cache
def network(family):
    """Return a network that Keras runs as it is written: what it compiles has tests elsewhere."""
    model = pn.Sequential([keras.Input((2,)), pn.Head(family)])
    model.compile("sgd", run_eagerly=True)
    return model


def drawn(family, seed):
    """Return the network with drawn weights, rows, and responses of its own distributions."""
    rng, model = np.random.default_rng(seed), network(family)
    weights = [0.4 * rng.normal(size=w.shape) for w in model.get_weights()]
    if model.heads.standardised:
        weights[-1] = np.exp(weights[-1])  # a spread
    model.set_weights(weights)
    x = rng.normal(size=(N, 2)).astype("float32")
    d = model.predict_distribution(x, verbose=0)
    y = d.sample(1, seed=seed)[0]
    y = np.clip(y, 1e-4, 1.0 - 1e-4) if family.kind == "proportion" else y  # which float32 rounds
    return model, x, d, y, rng


@cases(150)
@given(st.sampled_from(ONE_NUMBER), SEEDS)
def test_the_loss_is_the_score_of_the_distributions(family, seed):
    model, x, d, y, rng = drawn(family, seed)
    scores = -d.log_prob(y)
    size = np.abs(scores).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(scores.mean(), abs=3e-5 * (1 + size))
    weight = rng.integers(0, 3, N).astype("float32")
    weight[0] = 1.0
    found = model.evaluate(x, y, sample_weight=weight, verbose=0)
    assert found == pytest.approx((weight * scores).mean(), abs=3e-5 * (1 + size))


@cases(30)
@given(st.sampled_from(FAMILIES), SEEDS)
def test_a_file_of_a_network_is_the_network(family, seed):
    model, rng = network(family), np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    x = rng.normal(size=(N, 2)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        loaded = keras.saving.load_model(Path(folder) / "model.keras")
    assert loaded.heads.family == model.heads.family
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for name, values in model.predict_params(x, verbose=0).items():
        np.testing.assert_array_equal(values, loaded.predict_params(x, verbose=0)[name])


@cases(150)
@given(st.sampled_from(["normal", "poisson", "gamma"]), SEEDS, st.booleans())
def test_a_file_of_results_is_the_results(family, seed, weighted):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(N), rng.normal(size=(N, 2))])
    y = rng.gamma(2.0, size=N) if family != "poisson" else rng.poisson(2.0, N)
    options = {"freq_weights": rng.integers(1, 4, N)} if weighted else {}
    results = GLM(y, x, family, **options).fit()
    with tempfile.TemporaryDirectory() as folder:
        results.save(Path(folder) / "results")
        loaded = load(Path(folder) / "results")
    for name in ("params", "bse", "llf", "deviance", "df_resid", "scale"):
        np.testing.assert_array_equal(getattr(results, name), getattr(loaded, name))
    new = rng.normal(size=(5, 3))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(results.predict(new), loaded.predict(new))
