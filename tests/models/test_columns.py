"""Networks know the columns that they were fitted on: frames by name, arrays by position."""

import keras
import numpy as np
import pandas as pd
import pytest

import probnn as pn
from probnn.fitted import adapt

NAMES = ["a", "b", "c"]


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.normal(size=(60, 3)), columns=NAMES)


@pytest.fixture
def y(frame, rng):
    return frame["a"].to_numpy() - 2.0 * frame["b"].to_numpy() + 0.1 * rng.normal(size=60)


class Subclassed(pn.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.head = pn.Head("normal")

    def call(self, x):
        return self.head(x)


def functional():
    inputs = keras.Input((3,))
    return pn.Model(inputs, pn.Head("normal")(inputs))


KINDS = {
    "Sequential": lambda: pn.Sequential([keras.Input((3,)), pn.Head("normal")]),
    "unbuilt": lambda: pn.Sequential([pn.Head("normal")]),
    "functional": functional,
    "subclassed": Subclassed,
}


def fitted(frame, y, kind="Sequential", **options):
    model = KINDS[kind]()
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(frame, y, epochs=30, batch_size=60, shuffle=False, verbose=0, **options)
    return model


def polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def numbers(found):
    """Return what a method gave as arrays."""
    if isinstance(found, pn.predictive.Predictive):
        found = found.params
    return keras.tree.map_structure(np.asarray, found)


def on_batch(model, x, y):
    model.reset_metrics()  # as Keras itself does from 3.15 on
    return model.test_on_batch(x, y)


METHODS = {
    "predict": lambda model, x, y: model.predict(x, verbose=0),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x),
    "predict_distribution_on_batch": lambda model, x, y: model.predict_distribution_on_batch(x),
    "predict_params": lambda model, x, y: model.predict_params(x, verbose=0),
    "predict_distribution": lambda model, x, y: model.predict_distribution(x, verbose=0),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "test_on_batch": on_batch,
    "distribution": lambda model, x, y: keras.ops.convert_to_numpy(model.distribution(x).mean()),
    "layer_outputs": lambda model, x, y: pn.layer_outputs(model, x),
    "inference": lambda model, x, y: pn.inference(model, x, y).params[["a", "b", "c"]],
    "FittedModel": lambda model, x, y: adapt(model).predict_distribution(x),
    "diagnose": lambda model, x, y: repr(pn.diagnose(model, x, y)),
    "effect": lambda model, x, y: pn.plots.effect(model, x, "b").lines[0].get_ydata(),
}


@pytest.mark.parametrize("name", METHODS)
def test_frames_go_by_name(name, frame, y):
    model, ask = fitted(frame, y), METHODS[name]
    right = numbers(ask(model, frame, y))
    for other in (frame[["b", "c", "a"]], polars(frame[["c", "a", "b"]])):
        found = numbers(ask(model, other, y))
        keras.tree.map_structure(np.testing.assert_array_equal, found, right)


@pytest.mark.backend
@pytest.mark.parametrize("kind", KINDS)
def test_names_are_saved(kind, frame, y, tmp_path):
    model = fitted(frame, y, kind)
    right = model.predict(frame, verbose=0)
    model.save(tmp_path / "model.keras")
    custom = {"Subclassed": Subclassed}
    for compiled in (True, False):
        loaded = keras.saving.load_model(tmp_path / "model.keras", custom, compile=compiled)
        found = loaded.predict(frame[["b", "a", "c"]], verbose=0)
        np.testing.assert_allclose(found, right, rtol=1e-6)
        with pytest.raises(ValueError, match="no 'b'"):
            loaded.predict(frame[["a", "c"]], verbose=0)


@pytest.mark.slow
def test_copies_and_ensembles_know_them(frame, y, tmp_path):
    model = fitted(frame, y)
    other = frame[["c", "b", "a"]]
    right = model.predict(frame, verbose=0)
    scaling = pn.calibration.scale_scaling(y, model.predict_distribution(frame, verbose=0))
    for copy in (pn.collapse_linear(model), scaling(model)):
        np.testing.assert_allclose(copy.predict(other, verbose=0), right, rtol=1e-6)
    ensemble = pn.DeepEnsemble(model, members=2)
    ensemble.fit(other, y, epochs=2, validation_data=(frame, y), verbose=0)
    right = ensemble.predict(frame, verbose=0)
    np.testing.assert_array_equal(ensemble.predict(other, verbose=0), right)
    ensemble.save(tmp_path / "ensemble.zip")
    loaded = pn.DeepEnsemble.load(tmp_path / "ensemble.zip")
    np.testing.assert_allclose(loaded.predict(other, verbose=0), right, rtol=1e-6)


def test_validation_data_and_later_fits_are_aligned(frame, y):
    other, options = frame[["b", "a", "c"]], {"epochs": 5, "shuffle": False, "verbose": 0}
    one, two = fitted(frame, y), fitted(frame, y)
    first = one.fit(frame, y, validation_data=(frame, y), **options)
    second = two.fit(other, y, validation_data=(frame[["c", "a", "b"]], y), **options)
    for name, values in first.history.items():
        np.testing.assert_allclose(second.history[name], values, rtol=1e-6)
    two.train_on_batch(other, y)
    one.train_on_batch(frame, y)
    np.testing.assert_allclose(two.get_weights()[0], one.get_weights()[0], rtol=1e-6)


WRONG = {
    "missing": (lambda f: f[["a", "b"]], r"on: 'a', 'b', 'c'\. Received: no 'c'\. Choose"),
    "additional": (lambda f: f.assign(d=0.0), r"Received: 'd', which it does not know"),
    "renamed": (lambda f: f.rename(columns={"b": "B"}), r"no 'b'; 'B', which it does not know"),
    "twice": (lambda f: f[["a", "b", "b"]], r"different names\. Received: 'b' twice"),
    "array": (lambda f: f.to_numpy()[:, :2], r"shape \(n, 3\).*on: 'a', 'b', 'c'.*\(60, 2\)"),
    "one row": (lambda f: f.to_numpy()[0], r"shape \(n, 3\).*Received: shape \(3,\)"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", ["Sequential", "subclassed"])
def test_other_columns_are_refused_before_keras_sees_them(name, kind, frame, y):
    model = fitted(frame, y, kind)
    change, message = WRONG[name]
    wrong, before = change(frame), model.get_weights()
    for method in ("predict", "evaluate", "test_on_batch", "predict_on_batch", "distribution"):
        with pytest.raises(ValueError, match=message):
            METHODS[method](model, wrong, y)
    for what in ("x", "validation x"):
        data = (wrong, y) if what == "x" else (frame, y)
        with pytest.raises(ValueError, match=f"{what} (of|with).*{message}|{what} with different"):
            model.fit(*data, validation_data=(wrong, y), verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_arrays_go_by_position(frame, y):
    model = fitted(frame, y)
    right = model.predict(frame, verbose=0)
    np.testing.assert_array_equal(model.predict(frame.to_numpy(), verbose=0), right)
    by_position = fitted(frame.to_numpy(), y)
    renamed = frame.set_axis(["c", "b", "a"], axis=1)
    np.testing.assert_allclose(by_position.predict(renamed, verbose=0), right, rtol=1e-5)


def test_names_are_learnt_by_the_fit_that_has_them(frame, y):
    model = fitted(frame.to_numpy(), y)
    with pytest.raises(ValueError, match="'b' twice"):
        model.fit(frame[["a", "b", "b"]], y, verbose=0)
    with pytest.raises(ValueError, match="same number of rows"):
        model.fit(frame[["b", "a", "c"]], y[:50], verbose=0)  # is not learnt from
    model.fit(frame, y, verbose=0)
    right = model.predict(frame, verbose=0)
    np.testing.assert_array_equal(model.predict(frame[["b", "a", "c"]], verbose=0), right)


@pytest.mark.parametrize("shape", [(60, 2), (60, 4), (60,), (60, 3, 1, 1)])
def test_arrays_of_another_shape_are_refused_before_keras_sees_them(shape, rng):
    model = KINDS["Sequential"]()
    model.compile("adam")
    x, y = rng.normal(size=shape), rng.normal(size=60)
    for ask in (METHODS["predict"], METHODS["evaluate"], METHODS["predict_on_batch"]):
        with pytest.raises(ValueError, match=r"Expected x of shape \(n, 3\), as the network takes"):
            ask(model, x, y)
    with pytest.raises(ValueError, match=r"Expected x of shape \(n, 3\), as the network takes"):
        model.fit(x, y, verbose=0)


def test_several_inputs_have_names_of_their_own(frame, y):
    def make(kind):
        inputs = {"left": keras.Input((2,), name="left"), "right": keras.Input((1,), name="right")}
        joined = keras.layers.Concatenate()(list(inputs.values()))
        given = inputs if kind == "dict" else list(inputs.values())
        model = pn.Model(given, pn.Head("normal")(joined))
        model.compile(keras.optimizers.Adam(0.02))
        return model

    for kind in ("dict", "list"):
        model = make(kind)
        x = {"left": frame[["a", "b"]], "right": frame["c"]}
        other = {"right": frame["c"], "left": frame[["b", "a"]]}
        wrong = {"left": frame[["a", "c"]], "right": frame["b"]}
        if kind == "list":
            x, other, wrong = ([each["left"], each["right"]] for each in (x, other, wrong))
        model.fit(x, y, epochs=5, verbose=0)
        right = model.predict(x, verbose=0)
        np.testing.assert_array_equal(model.predict(other, verbose=0), right)
        with pytest.raises(ValueError, match="no 'b'; 'c'"):
            model.predict(wrong, verbose=0)


def test_compare_finds_the_columns_of_each_network(frame, y):
    two = pn.Sequential([keras.Input((2,)), pn.Head("normal", constant=["scale"])])
    two.compile(keras.optimizers.Adam(0.02))
    two.fit(frame[["b", "a"]], y, epochs=5, verbose=0)
    pn.polish(two, frame[["a", "b"]], y)
    glm = pn.glm.OLS(y, frame[["a", "b"]].assign(const=1.0)).fit()
    table = pn.compare({"network": two, "glm": glm}, x=frame[["a", "b", "c"]], y=y).to_frame()
    for name in ("a", "b"):
        np.testing.assert_allclose(
            table.loc[name, ("network", "value")], table.loc[name, ("glm", "value")], rtol=1e-4
        )


# ---- text, and tensors ----------------------------------------------------------------------


@pytest.mark.slow
def test_text_goes_through(rng):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("layers of text run inside of models on TensorFlow alone")
    words = np.array(["red", "blue", "green"])
    codes = rng.integers(0, 3, 90)
    x, y = tf.constant(words[codes][:, None]), codes + 0.1 * rng.normal(size=90)
    inputs = keras.Input((1,), dtype="string")
    coded = keras.layers.StringLookup(vocabulary=list(words), output_mode="one_hot")(inputs)
    model = pn.Model(inputs, pn.Head("normal", constant=["scale"])(coded))
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(x, y, epochs=150, batch_size=90, verbose=0)
    means = [y[codes == k].mean() for k in range(3)]
    found = model.predict(tf.constant(words[:, None]), verbose=0)
    np.testing.assert_allclose(found, means, atol=0.02)
    for name in ("predict_params", "predict_distribution", "predict_on_batch", "evaluate"):
        METHODS[name](model, x, y)
    d = adapt(model).predict_distribution(tf.constant(words[:, None]))
    np.testing.assert_allclose(d.mean(), found, rtol=1e-6)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(30)
    again = pn.Model.from_config(model.get_config())
    again.compile("adam")
    again.fit(dataset, verbose=0)


@pytest.mark.slow
def test_sentences_go_through(rng):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("layers of text run inside of models on TensorFlow alone")
    texts = tf.constant(["a b", "b c", "a c", "c"] * 10)
    vectorize = keras.layers.TextVectorization(output_mode="multi_hot", vocabulary=["a", "b", "c"])
    model = pn.Sequential([keras.Input((), dtype="string"), vectorize, pn.Head("bernoulli")])
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(texts, np.tile([1, 0, 1, 0], 10), epochs=40, verbose=0)
    found = model.predict(tf.constant(["a", "b"]), verbose=0)
    assert found[0] > 0.5 > found[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The structure of `inputs`")  # of TrackedDict, in Keras too
def test_a_feature_space_trains_end_to_end(rng):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("layers of text run inside of models on TensorFlow alone")
    data = {"age": rng.normal(50.0, 10.0, 80), "sex": rng.choice(["f", "m"], 80)}
    y = 0.1 * data["age"] + (data["sex"] == "m")
    space = keras.utils.FeatureSpace(
        features={"age": "float_normalized", "sex": "string_categorical"}, output_mode="concat"
    )
    space.adapt(tf.data.Dataset.from_tensor_slices(data))
    head = pn.Head("normal")(space.get_encoded_features())
    model = pn.Model(space.get_inputs(), head)
    model.compile(keras.optimizers.Adam(0.1))
    tensors = {name: tf.constant(values[:, None]) for name, values in data.items()}
    model.fit(tensors, y, epochs=60, verbose=0)
    assert np.corrcoef(model.predict(tensors, verbose=0), y)[0, 1] > 0.9
    row = {"age": tf.constant([50.0]), "sex": tf.constant(["m"])}
    assert model.predict(row, verbose=0).shape == (1,)
