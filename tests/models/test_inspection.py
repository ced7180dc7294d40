"""Looks inside a network, against the formulas of its layers written out in NumPy."""

import keras
import numpy as np
import pytest
from scipy.special import expit

import probnn as pn
from probnn.models.inspection import check_gradients, collapse_linear, layer_outputs

layers = keras.layers


def relu(x):
    return np.maximum(x, 0.0)


def chain(*between, head="bernoulli", width=3, **kwargs):
    return pn.Sequential([keras.Input((width,)), *between, pn.Head(head, **kwargs)])


def shuffled(model, rng):
    """Give a model random weights; a scale or a variance stays positive."""
    for layer in model.layers:
        for weight in layer.weights:
            if weight.dtype.startswith("float"):
                drawn = rng.normal(size=weight.shape)
                positive = any(name in weight.path for name in ("variance", "raw_scale"))
                weight.assign(np.exp(0.3 * drawn) if positive else drawn)
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return model


def named(model):
    return [layer.name for layer in model.layers if not isinstance(layer, layers.InputLayer)]


# ---- layer_outputs ---------------------------------------------------------------------------


def test_one_neuron_of_the_lecture():
    neuron = pn.Sequential([keras.Input((2,)), pn.Head("bernoulli", name="neuron")])
    neuron.set_weights([np.array([[0.3], [0.1]]), np.array([1.0])])
    x = np.array([[1.0, 2.2], [0.0, 0.0]])
    (raw,) = layer_outputs(neuron, x).values()
    assert raw.shape == (2, 1)
    np.testing.assert_allclose(expit(raw[:, 0]), [0.820538, expit(1.0)], atol=1e-6)
    np.testing.assert_allclose(neuron.predict(x, verbose=0), expit(raw[:, 0]), atol=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize("names", [["sigmoid"], ["relu", "tanh"], ["tanh", "sigmoid", "relu"]])
def test_layers_by_hand(names, rng):
    by_hand = {"sigmoid": expit, "relu": relu, "tanh": np.tanh}
    model = shuffled(chain(*[layers.Dense(4, name, name=name) for name in names]), rng)
    x = rng.normal(size=(6, 3))
    outputs = layer_outputs(model, x)
    assert list(outputs) == named(model)
    flow = x
    for layer in model.layers:
        kernel, bias = layer.get_weights()
        flow = by_hand.get(layer.name, lambda z: z)(flow @ kernel + bias)
        np.testing.assert_allclose(outputs[layer.name], flow, atol=1e-5)
    probability = model.predict_params(x, verbose=0)["probs"]
    np.testing.assert_allclose(probability, expit(flow[:, 0]), atol=1e-6)


def test_a_branch_a_repeat_and_several_outputs(rng):
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    shared = layers.Dense(3, "tanh", name="shared")
    joined = layers.Add(name="sum")([shared(a), shared(b)])
    split = layers.Lambda(lambda x: [x[:, :1], x[:, 1:]], name="split")(joined)
    model = keras.Model({"a": a, "b": b}, split)
    x = {name: rng.normal(size=(5, 2)) for name in "ab"}
    found = layer_outputs(model, x)
    kernel, bias = shared.get_weights()
    first, second = (np.tanh(x[name] @ kernel + bias) for name in "ab")
    assert list(found) == ["shared", "shared (2)", "sum", "split"]
    np.testing.assert_allclose(found["shared (2)"], second, atol=1e-6)
    np.testing.assert_allclose(found["sum"], first + second, atol=1e-6)
    np.testing.assert_allclose(np.hstack(found["split"]), first + second, atol=1e-6)


def test_outputs_are_those_of_prediction(rng):
    model = keras.Sequential([layers.Dense(4, name="in"), layers.Dropout(0.5, name="drop")])
    found = layer_outputs(model, rng.normal(size=(5, 2)))  # built by it
    np.testing.assert_array_equal(found["in"], found["drop"])
    keras.Sequential(model.layers)  # the layers belong to another model, too
    assert list(layer_outputs(model, rng.normal(size=(5, 2)))) == ["in", "drop"]


class Own(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("function", "model"),
    [
        (lambda model: layer_outputs(model, np.ones((2, 2))), Own()),
        (collapse_linear, Own()),
        (collapse_linear, keras.Sequential([layers.Dense(2)])),
    ],
)
def test_a_model_without_symbolic_inputs(function, model):
    with pytest.raises(ValueError, match=r"Expected a Sequential that is built.*keras\.Input"):
        function(model)


# ---- collapse_linear -------------------------------------------------------------------------

D = layers.Dense
CHAINS = {  # layers before the head; the layers that are left of them; the head's options
    "nothing": ([], 0, {}),
    "one": ([D(4)], 0, {}),
    "three": ([D(4), D(2, use_bias=False), D(5)], 0, {}),
    "all kinds": (
        [layers.Normalization(), D(4), layers.BatchNormalization(), layers.Rescaling(0.5, 1.0)],
        0,
        {"head": "normal"},
    ),
    "constant": ([D(4), D(4)], 0, {"head": "normal", "constant": ["scale"]}),
    "fixed": ([layers.Normalization()], 0, {"head": "normal", "fixed": {"scale": 2.0}}),
    "responses": ([D(2), D(4)], 0, {"head": "student_t", "units": 2, "constant": ["df"]}),
    "classes": ([D(4)], 0, {"head": "categorical", "classes": 3}),
    "hidden": ([layers.Normalization(), D(4, "tanh"), D(3), D(5)], 1, {"head": "poisson"}),
    "twice": ([D(4), D(4, "relu"), D(4), layers.BatchNormalization(), D(3, "tanh")], 2, {}),
    "apart": ([D(4, "relu"), D(3, "relu")], 2, {}),
    "dropout": ([D(4, "relu"), layers.Dropout(0.5)], 2, {}),
    "dropout between": ([D(4), layers.Dropout(0.5)], 0, {}),
    "then an activation": ([D(4), D(3), layers.Activation("relu")], 2, {}),
    "no intercept": ([D(4), layers.Normalization()], 1, {"use_bias": False}),
    "ordinal": ([D(4, use_bias=False)], 0, {"head": "ordinal", "classes": 4}),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("functional", [False, True])
def test_collapsed_networks_predict_the_same(name, functional, rng):
    between, left, options = CHAINS[name]
    between = [type(layer).from_config(layer.get_config()) for layer in between]
    model = chain(*between, **options)
    if functional:
        model = pn.Model(model.inputs, model.outputs[0])
    shuffled(model, rng)
    x, before = rng.normal(size=(20, 3)), model.get_weights()
    found = collapse_linear(model)
    assert type(found) is type(model)
    assert len(named(found)) == left + 1
    assert named(found)[-1] == model.heads.name
    expected = model.predict_params(x, verbose=0)
    for key, values in found.predict_params(x, verbose=0).items():
        np.testing.assert_allclose(values, expected[key], rtol=2e-4, atol=1e-5)
    for variable in found.variables:
        variable.assign(0 * variable)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_two_linear_layers_are_their_product(rng):
    model = keras.Sequential([keras.Input((3,)), D(4), D(2, name="last")])
    shuffled(model, rng)
    (first, a), (second, b) = (layer.get_weights() for layer in model.layers)
    found = collapse_linear(model)
    assert type(found) is keras.Sequential
    assert named(found) == ["last"]
    kernel, bias = found.get_weights()
    np.testing.assert_allclose(kernel, first @ second, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bias, a @ second + b, rtol=1e-5, atol=1e-6)


def test_a_collapsed_model_is_compiled_if_the_model_was(rng):
    model = chain(D(4), D(4), head="normal")
    assert not collapse_linear(model).compiled
    model.compile(keras.optimizers.Adam(0.02))
    x, y = rng.normal(size=(30, 3)), rng.normal(50.0, 20.0, size=30)
    model.fit(x, y, verbose=0)
    found = collapse_linear(model)
    assert found.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), 1e-5)
    found.fit(x, y, verbose=0)
    assert float(found.optimizer.learning_rate) == pytest.approx(0.02)


def test_time_steps_are_left_alone(rng):
    model = keras.Sequential([keras.Input((5, 2)), D(4), D(3), layers.Flatten(), D(2), D(2)])
    found, x = collapse_linear(model), rng.normal(size=(4, 5, 2)).astype("float32")
    assert len(found.layers) == 4
    np.testing.assert_allclose(
        found.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_a_graph_is_refused():
    given = keras.Input((2,))
    dense = D(2)
    for output in (layers.Add()([given, D(2)(given)]), dense(dense(given))):
        with pytest.raises(ValueError, match="layers that follow each other, each used once"):
            collapse_linear(keras.Model(given, output))


# ---- check_gradients -------------------------------------------------------------------------


@pytest.mark.backend
def test_gradients_of_logistic_regression_are_x_times_the_error(rng):
    model = shuffled(chain(), rng)
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, size=40)
    kernel, bias = model.get_weights()
    error = expit(x @ kernel[:, 0] + bias) - y
    table = check_gradients(model, x, y)
    assert table["weight"].str.rsplit("/", n=1).str[-1].tolist() == ["kernel"] * 3 + ["bias"]
    assert table["index"].tolist() == [(0, 0), (1, 0), (2, 0), (0,)]
    by_hand = np.append(x.T @ error, error.sum()) / 40
    np.testing.assert_allclose(table["numeric"], by_hand, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(table["backprop"], by_hand, rtol=1e-5, atol=1e-7)
    gap = np.abs(table["backprop"] - table["numeric"])
    largest = np.repeat([np.abs(by_hand[:3]).max(), abs(by_hand[3])], [3, 1])
    np.testing.assert_allclose(table["relative"], gap / largest, rtol=1e-4)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("bernoulli", {}),
        ("normal", {"constant": ["scale"]}),
        ("poisson", {}),
        ("categorical", {"classes": 3}),
    ],
)
def test_gradients_of_a_network_hold(head, options, rng):
    between = [layers.Normalization(), D(6, "tanh"), layers.Dropout(0.5), D(4, "sigmoid")]
    model = shuffled(chain(*between, head=head, **options), rng)
    before = model.get_weights()
    y = rng.integers(0, 2, size=50)
    table = check_gradients(model, rng.normal(size=(50, 3)), y, sample=None)
    assert len(table) == sum(np.prod(v.shape) for v in model.trainable_variables)
    assert table["backprop"].abs().max() > 1e-3
    assert table["relative"].max() < 2e-5
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.backend
def test_float64_networks_have_nine_digits(rng):
    with pn.backend.float64():
        dtype = {"dtype": "float64"}
        model = pn.Sequential(
            [keras.Input((3,), **dtype), D(5, "tanh", **dtype), pn.Head("normal", **dtype)]
        )
        table = check_gradients(shuffled(model, rng), rng.normal(size=(30, 3)), rng.normal(size=30))
    assert table["relative"].max() < 1e-8


@keras.saving.register_keras_serializable(package="tests")
class WrongGradient(layers.Layer):
    """The identity, with half of its gradient."""

    def call(self, x):
        return 0.5 * x + keras.ops.stop_gradient(0.5 * x)


def test_a_wrong_gradient_is_found(rng):
    model = shuffled(chain(D(4, "tanh"), WrongGradient()), rng)
    table = check_gradients(model, rng.normal(size=(40, 3)), rng.integers(0, 2, size=40))
    wrong = table["weight"].str.contains("dense")
    np.testing.assert_allclose(
        table["backprop"][wrong], 0.5 * table["numeric"][wrong], rtol=1e-4, atol=1e-6
    )
    assert table["relative"][wrong].max() > 0.4
    assert table["relative"][~wrong].max() < 1e-5


def test_a_sample_of_weights(rng):
    model = shuffled(chain(D(50, "tanh")), rng)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, size=20)
    whole = check_gradients(model, x, y, sample=None)
    assert len(whole) == 3 * 50 + 50 + 50 + 1
    some = check_gradients(model, x, y, sample=7, seed=3)
    merged = some.merge(whole, on=["weight", "index"], suffixes=("", "_whole"))
    assert len(some) == len(merged) == 7
    np.testing.assert_allclose(merged["numeric"], merged["numeric_whole"], rtol=1e-7, atol=1e-12)
    assert not some.equals(check_gradients(model, x, y, sample=7, seed=4))


def test_a_large_step_leaves_its_truncation_error():
    model = pn.Sequential([keras.Input((1,)), pn.Head("poisson", use_bias=False)])
    table = check_gradients(model, np.ones((1, 1)), np.array([1.0]), step=0.1)
    # L(w) = exp(w) - w at w = 0: the gradient is 0, the central difference sinh(h) / h - 1.
    assert table["backprop"].item() == pytest.approx(0.0, abs=1e-7)
    assert table["numeric"].item() == pytest.approx(np.sinh(0.1) / 0.1 - 1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": keras.Sequential([keras.Input((3,)), D(1)])}, "one head. Received: a Sequent"),
        ({"step": 0.0}, "Expected `step` above 0. Received: 0.0"),
        ({"sample": -1}, "Expected `sample` to be a whole number from 1 on, .*Received: -1"),
        ({"sample": 0.5}, "Expected `sample` to be a whole number from 1 on, .*Received: 0.5"),
        ({"sample": 2.5}, "Expected `sample` to be a whole number from 1 on, .*Received: 2.5"),
        ({"step": "a"}, "Expected `step` above 0. Received: 'a'"),
        ({"x": np.full((4, 3), np.nan)}, "Expected every value of x to be finite"),
        ({"y": np.array([0, 1, 2, 1])}, "support of the bernoulli family"),
        ({"y": np.array([0, 1])}, "same number of rows"),
    ],
)
def test_bad_input_of_check_gradients(change, message):
    given = {"model": chain(), "x": np.ones((4, 3)), "y": np.array([0, 1, 0, 1]), **change}
    with pytest.raises(ValueError, match=message):
        check_gradients(given.pop("model"), given.pop("x"), given.pop("y"), **given)


def test_several_heads_are_refused():
    given = keras.Input((2,))
    model = pn.Model(given, [pn.Head("normal")(given), pn.Head("poisson")(given)])
    with pytest.raises(ValueError, match=r"one head\. Received: a FunctionalModel with several"):
        check_gradients(model, np.ones((3, 2)), [np.ones(3), np.ones(3)])
