"""Inputs that are left out, and the structures of outputs, as Keras's models have them."""

import keras
import numpy as np
import pytest

import probnn as pn


@keras.saving.register_keras_serializable(package="tests")
class Sum(keras.layers.Layer):
    """x, or x + o where o is given."""

    def call(self, x, o=None):
        return x if o is None else x + o


@pytest.mark.backend
@pytest.mark.parametrize("how", ["programs", "steps", "generator"])
def test_an_optional_input_may_be_none(how, rng):
    """As an input of zeros, which the layer adds to nothing."""
    x = rng.normal(size=(40, 2)).astype("float32")
    y = x @ np.array([1.0, 2.0], "float32") + rng.normal(size=40).astype("float32")

    def fitted(o):
        keras.utils.set_random_seed(0)
        inputs = {
            "x": keras.Input((2,), name="x"),
            "o": keras.Input((2,), name="o", optional=True),
        }
        model = pn.Model(inputs, pn.Head("normal")(Sum()(inputs["x"], inputs["o"])))
        model.compile(keras.optimizers.SGD(0.1))
        given = {"x": x, "o": o}
        if how == "generator":
            model.fit(((given, y) for _ in range(3)), steps_per_epoch=3, verbose=0)
        else:
            model.fit(given, y, epochs=3, whole_epoch=how == "programs", verbose=0)
        found = [model.predict(given, verbose=0), model.predict_on_batch(given)]
        return [*found, model.evaluate(given, y, verbose=0), *model.get_weights()]

    for left_out, zeros in zip(fitted(None), fitted(np.zeros_like(x)), strict=True):
        np.testing.assert_allclose(left_out, zeros, rtol=1e-5, atol=1e-6)


def test_an_input_that_is_not_optional_gets_kerass_error(rng):
    said = []
    for kind in (keras.Model, pn.Model):
        model = kind(inputs := keras.Input((2,), name="x"), pn.Head("normal")(inputs), name="m")
        model.compile("sgd", pn.NegativeLogLikelihood("normal"))
        with pytest.raises((ValueError, RuntimeError)) as caught:  # which old releases wrap it in
            model.fit([None], rng.normal(size=4), verbose=0)
        said.append(str(caught.value))
    assert "None" in said[0]
    assert said[0] in said[1]


@pytest.mark.parametrize("stream", [False, True])
def test_the_only_output_in_a_dict_takes_y_without_its_name(stream, rng):
    x, y, weight = rng.normal(size=(30, 2)), rng.normal(size=30), rng.uniform(1, 2, size=30)
    fits = []
    for each in (y, {"out": y}):
        inputs = keras.Input((2,))
        model = pn.Model(inputs, {"out": pn.Head("normal")(inputs)})
        model.compile(keras.optimizers.SGD(0.1), weighted_metrics=["mse"])
        data = ((item for item in [(x, each, weight)] * 3),) if stream else (x, each)
        options = {"sample_weight": weight, "epochs": 3, "batch_size": 30}
        if stream:
            options = {"steps_per_epoch": 3}
        history = model.fit(*data, shuffle=False, verbose=0, **options)
        loss = model.evaluate(x, each, sample_weight=weight, verbose=0)
        on_batch = model.train_on_batch(x, each, weight)
        fits.append([history.history["loss"], loss, on_batch, *model.get_weights()])
    for bare, named in zip(*fits, strict=True):
        np.testing.assert_allclose(bare, named, rtol=1e-6)


@pytest.mark.parametrize("nest", [lambda a, b: [a, [b]], lambda a, b: {"a": (a, b)}])
def test_nested_outputs_are_refused(nest):
    inputs = keras.Input((2,))
    a, b = (pn.Head("normal", name=name)(inputs) for name in "ab")
    with pytest.raises(ValueError, match=r"Received: a nest of them, .*'a'.*in one dict"):
        pn.Model(inputs, nest(a, b))
