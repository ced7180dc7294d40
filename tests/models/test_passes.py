"""Monte Carlo dropout: passes of a network whose random layers stay on."""

import keras
import numpy as np
import pytest

import probnn as pn

RATE, X = 0.25, np.tile([[1.0, -2.0, 3.0]], (2000, 1))
WEIGHTS = np.array([0.5, 1.0, -0.5])
# Each input is 0 with probability RATE, else divided by 1 - RATE: the mean stays.
VARIANCE = np.sum((WEIGHTS * X[0]) ** 2) * RATE / (1.0 - RATE)


def by_argument():
    """Return a network as books write it: dropout called with training=True."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dropout(RATE)(inputs, training=True)
    return pn.Model(inputs, pn.Head("normal", fixed={"scale": 2.0})(hidden))


def in_a_row():
    layers = [keras.Input((3,)), keras.layers.BatchNormalization(epsilon=0.0)]
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(RATE)])
    return pn.Sequential([*layers, inner, pn.Head("normal", fixed={"scale": 2.0})])


def weighted(model):
    head = model.heads
    head.kernel.assign(np.stack([WEIGHTS], axis=1))
    return model


@pytest.mark.backend
@pytest.mark.parametrize("make", [by_argument, in_a_row])
def test_passes_disagree_as_dropout_says(make):
    keras.utils.set_random_seed(3)
    model = weighted(make())
    before = model.predict_distribution(X[:5], verbose=0)
    d = model.predict_distribution(X, passes=20, verbose=0)
    assert isinstance(d, pn.PooledPredictive)
    assert len(d.members) == 20
    np.testing.assert_allclose(d.mean().mean(), WEIGHTS @ X[0], atol=0.06)
    # The variance of 20 passes, over 20, is 19 / 20 of the variance of one.
    np.testing.assert_allclose(d.epistemic_variance().mean(), 0.95 * VARIANCE, rtol=0.05)
    np.testing.assert_allclose(d.aleatoric_variance(), 4.0, rtol=1e-6)
    after = model.predict_distribution(X[:5], verbose=0)
    np.testing.assert_array_equal(after.mean(), before.mean())
    np.testing.assert_allclose(after.mean(), WEIGHTS @ X[0], rtol=1e-5)


def test_recurrent_dropout_and_several_heads():
    inputs = keras.Input((4, 2))
    hidden = keras.layers.LSTM(3, dropout=0.5)(inputs)
    model = pn.Model(inputs, {"a": pn.Head("normal")(hidden), "b": pn.Head("poisson")(hidden)})
    for head in model.heads.values():  # whose kernels start at 0
        head.kernel.assign(np.ones(head.kernel.shape))
    found = model.predict_distribution(np.ones((5, 4, 2)), passes=4, verbose=0)
    assert {name: (d.epistemic_variance() > 0).all() for name, d in found.items()} == {
        "a": True,
        "b": True,
    }


def test_refusals():
    plain = pn.Sequential([keras.Input((3,)), pn.Head("normal")])
    with pytest.raises(ValueError, match=r"random in training, as keras.layers.Dropout"):
        plain.predict_distribution(X, passes=5, verbose=0)
    for passes in (1, 0, 2.5, True):
        with pytest.raises(ValueError, match="whole number from 2 on"):
            by_argument().predict_distribution(X, passes=passes, verbose=0)
