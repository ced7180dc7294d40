"""Fits under a tf.distribute strategy, whose variables are copies on several devices."""

import keras
import numpy as np
import pytest

import probnn as pn

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's"
)


@pytest.mark.parametrize("kind", ["head", "dense"])
def test_a_fit_within_a_strategy_is_that_without(kind, rng):
    import tensorflow as tf

    x = rng.normal(size=(32, 2)).astype("float32")
    y = x @ np.array([1.0, -1.0], "float32") + rng.normal(size=32).astype("float32")

    def fitted():
        keras.utils.set_random_seed(0)
        head = kind == "head"
        last = pn.Head("normal") if head else keras.layers.Dense(1)
        model = (pn if head else keras).Sequential([keras.Input((2,)), last])
        model.compile(keras.optimizers.SGD(0.1), *([] if head else ["mse"]), jit_compile=False)
        history = pn.fit(model, x, y, epochs=2, shuffle=False, whole_epoch=False, verbose=0)
        return [history.history["loss"], *model.get_weights()]

    alone = fitted()
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        within = fitted()
    for a, b in zip(alone, within, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-7)
