"""Classes keep their labels in networks: labels say what their codes say, at every door."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest

import probnn as pn
from probnn.fitted import adapt

pytestmark = pytest.mark.backend

N = 60
LABELS = ["high", "low", "mid"]  # in the order of their codes
RNG = np.random.default_rng(5)
X = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b"])
CODES = np.digitize(X["a"] + RNG.normal(size=N), [-0.7, 0.7])
TEXT = pd.Series(np.array(LABELS)[CODES], name="how")
SOME = CODES != 0  # rows without the first class, whose labels have other codes if they are learnt


def network(y, family="categorical", classes=3):
    model = pn.Sequential([keras.Input((2,)), pn.Head(family, classes=classes)])
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)  # nothing to compile
    model.fit(X, y, batch_size=N, epochs=3, verbose=0)
    return model


BY_LABEL, BY_CODE = network(TEXT), network(CODES)


def new(model):
    copy = pn.Sequential.from_config(model.get_config())
    copy.responses = model.responses
    copy.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    return copy


def weights_after(act):
    """Return the weights of a new model in which something was done with y."""

    def door(model, y):
        model = new(model)
        act(model, y)
        return np.concatenate([np.ravel(weight) for weight in model.get_weights()])

    return door


def dataset(y):
    class Halves(keras.utils.PyDataset):
        num_batches = 2

        def __getitem__(self, i):
            return X.iloc[i::2], y[i::2]

    return Halves()


def ensemble(model, y):
    made = pn.DeepEnsemble(new(model), members=2)
    made.fit(X, y, batch_size=N, verbose=0)
    return made.predict_distribution(X, verbose=0).log_prob(y)


def of_class(model, weight):
    """Return `class_weight` for what a model calls the class `low`."""
    return {"low" if model.responses.classes else 1: weight}


DOORS = {
    "evaluate": lambda m, y: m.evaluate(X, y, verbose=0),
    "evaluate, weighted": lambda m, y: m.evaluate(X, y, sample_weight=SOME * 1.0, verbose=0),
    "evaluate, PyDataset": lambda m, y: m.evaluate(dataset(y), verbose=0),
    "test_on_batch": lambda m, y: m.test_on_batch(X, y),
    "fit": weights_after(lambda m, y: m.fit(X, y, batch_size=N, verbose=0)),
    "fit, validation": lambda m, y: (
        new(m)
        .fit(X, y, validation_data=(X[SOME], y[SOME]), batch_size=N, shuffle=False, verbose=0)
        .history["val_loss"]
    ),
    "fit, PyDataset": weights_after(lambda m, y: m.fit(dataset(y), shuffle=False, verbose=0)),
    "fit, generator": weights_after(
        lambda m, y: m.fit(((X, y) for _ in itertools.count()), steps_per_epoch=2, verbose=0)
    ),
    "fit, class_weight": weights_after(
        lambda m, y: m.fit(X, y, class_weight=of_class(m, 3.0), batch_size=N, verbose=0)
    ),
    "train_on_batch": weights_after(
        lambda m, y: m.train_on_batch(X, y, class_weight=of_class(m, 3.0))
    ),
    "ensemble": ensemble,
    "cross_val_score": lambda m, y: pn.training.cross_val_score(
        new(m), X, y, cv=2, epochs=1, batch_size=N
    ),
    "inference": lambda m, y: pn.inference(m, X, y).bse,
    "polish": weights_after(lambda m, y: pn.polish(m, X, y)),
    "check_gradients": lambda m, y: pn.check_gradients(m, X, y)["backprop"],
    "log_prob": lambda m, y: m.predict_distribution(X, verbose=0).log_prob(y),
    "FittedModel": lambda m, y: adapt(m).predict_distribution(X).log_prob(y),
    "brier": lambda m, y: pn.scores.brier(y, m.predict_distribution(X, verbose=0)),
    "reliability": lambda m, y: pn.calibration.expected_calibration_error(
        y, m.predict_distribution(X, verbose=0)
    ),
    "diagnose": lambda m, y: pn.diagnose(m, X, y).to_frame().select_dtypes("number"),
    "compare": lambda m, y: pn.compare({"net": m, "same": m}, x=X, y=y).to_frame().iloc[-4:, 0],
}


@pytest.mark.parametrize("door", DOORS)
def test_labels_say_what_their_codes_say(door):
    by_label, by_code = (
        np.asarray(DOORS[door](model, y), dtype="float64")
        for model, y in ((BY_LABEL, TEXT), (BY_CODE, CODES))
    )
    assert by_label.size
    np.testing.assert_allclose(by_label, by_code, rtol=1e-5, atol=1e-6)


def test_probabilities_have_their_labels():
    d = BY_LABEL.predict_distribution(X, verbose=0)
    probs = BY_CODE.predict(X, verbose=0)
    assert d.classes.tolist() == LABELS
    assert d.mode().tolist() == np.array(LABELS)[probs.argmax(axis=1)].tolist()
    some = d[SOME].log_prob(TEXT[SOME])
    np.testing.assert_allclose(some, np.log(probs[SOME, CODES[SOME]]), rtol=1e-6)


@pytest.mark.parametrize(
    "y",
    [TEXT.to_numpy(), TEXT.tolist(), TEXT.astype("category"), TEXT.astype("string"), "polars"],
    ids=["array", "list", "category", "string", "polars"],
)
def test_every_container_of_text_is_read(y):
    if isinstance(y, str):
        y = pytest.importorskip("polars").Series("how", TEXT.tolist())
    assert BY_LABEL.evaluate(X, y, verbose=0) == BY_LABEL.evaluate(X, TEXT, verbose=0)
    model = network(y)
    assert [*model.responses.classes[0]] == LABELS
    probs = model.predict(X, verbose=0)
    np.testing.assert_allclose(probs, BY_LABEL.predict(X, verbose=0), rtol=1e-5)


def test_categories_tell_the_order_and_classes_without_rows():
    y = TEXT.astype(pd.CategoricalDtype(["low", "mid", "high", "most"], ordered=True))
    model = network(y, "ordinal", 4)
    d = model.predict_distribution(X, verbose=0)
    assert d.classes.tolist() == ["low", "mid", "high", "most"]
    codes = y.cat.codes.to_numpy()
    by_code = network(codes, "ordinal", 4).predict_distribution(X, verbose=0)
    np.testing.assert_allclose(d.cdf("mid"), by_code.cdf(1), rtol=1e-6)
    with pytest.raises(ValueError, match="numbers or an ordered categorical"):
        network(TEXT, "ordinal", 3)


def test_numbers_that_categories_order_are_labels():
    """Of 2 < 0 < 1 the codes are 0, 1, 2, as those of any text."""
    order = pd.CategoricalDtype([2, 0, 1], ordered=True)
    ratings = pd.Series(np.array([2, 0, 1])[CODES]).astype(order)
    model = network(ratings, "ordinal", 3)
    assert model.predict_distribution(X, verbose=0).classes.tolist() == [2, 0, 1]
    want = network(CODES, "ordinal", 3).evaluate(X, CODES, verbose=0)
    assert model.evaluate(X, ratings, verbose=0) == pytest.approx(want, rel=1e-5)
    codes = pd.Series(CODES).astype(pd.CategoricalDtype([0, 1, 2]))
    assert network(codes, "ordinal", 3).responses.classes is None


@pytest.mark.parametrize("y", [TEXT.to_numpy()[:, None], TEXT.to_frame()], ids=["array", "frame"])
def test_one_column_of_text_is_read(y):
    model = network(y)
    assert [*model.responses.classes[0]] == LABELS
    assert model.evaluate(X, y, verbose=0) == pytest.approx(
        BY_LABEL.evaluate(X, TEXT, verbose=0), rel=1e-5
    )


def test_files_and_copies_have_the_labels(tmp_path):
    BY_LABEL.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(X, TEXT, verbose=0) == BY_LABEL.evaluate(X, TEXT, verbose=0)
    assert [*pn.collapse_linear(BY_LABEL).responses.classes[0]] == LABELS


def test_labels_that_no_file_can_hold_are_refused_and_leave_the_earlier_file(tmp_path):
    y = pd.cut(X["a"], [-np.inf, -0.7, 0.7, np.inf])  # intervals
    model = network(y)
    path = tmp_path / "model.keras"
    BY_LABEL.save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"labels of classes that a file can hold.*astype\(str\)"):
        model.save(path)
    assert path.read_bytes() == before


def test_the_network_of_results_takes_the_ratings_of_the_results():
    ratings = CODES + 1
    results = pn.glm.glm("r ~ a + b", X.assign(r=ratings), "ordinal").fit()
    model = results.network
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    low = ratings < 3  # which could be codes of the classes above
    probs = np.asarray(results.predict(X[low]))
    right = -np.log(probs[np.arange(low.sum()), CODES[low]]).mean()
    assert model.evaluate(X[low], ratings[low], verbose=0) == pytest.approx(right, rel=1e-6)
    with pytest.raises(ValueError, match=r"one of the classes 1, 2, 3\. Received: 0"):
        model.evaluate(X, CODES, verbose=0)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: BY_LABEL.evaluate(X, TEXT.replace("mid", "middle")), "'middle' in row"),
        (lambda: BY_LABEL.fit(X, CODES), "one of the classes 'high', 'low', 'mid'. Received: "),
        (lambda: network(TEXT[SOME].reindex(range(N))), "of 3 classes, for .* Received: 2"),
        (lambda: network(TEXT, classes=4), "of 4 classes, for .* Received: 3.*categories="),
        (lambda: BY_LABEL.fit(X, TEXT, class_weight={"hi": 2.0}), "key of class_weight.*'hi'"),
        (lambda: BY_CODE.evaluate(X, TEXT), "numeric. .*codes|numeric.* 0, 1"),
    ],
)
def test_what_is_no_class_raises(act, message):
    before = [weight.copy() for weight in BY_LABEL.get_weights()]
    with pytest.raises(ValueError, match=message):
        act()
    for old, weight in zip(before, BY_LABEL.get_weights(), strict=True):
        np.testing.assert_array_equal(old, weight)


def test_text_of_two_classes_does_not_say_which_is_1():
    model = pn.Sequential([keras.Input((2,)), pn.Head("bernoulli")])
    model.compile("sgd")
    with pytest.raises(ValueError, match="numeric"):
        model.fit(X, TEXT.replace("mid", "low"), verbose=0)


def test_datasets_that_keras_reads_raise_where_there_are_labels():
    tf = pytest.importorskip("tensorflow")
    codes = tf.data.Dataset.from_tensor_slices((X.to_numpy(), CODES)).batch(N)
    with pytest.raises(ValueError, match="generator"):
        BY_LABEL.evaluate(codes, verbose=0)
    assert BY_CODE.evaluate(codes, verbose=0) == pytest.approx(
        BY_CODE.evaluate(X, CODES, verbose=0), rel=1e-6
    )
    text = ((x, np.array(LABELS)[y]) for x, y in codes.repeat())
    assert BY_LABEL.evaluate(text, steps=1, verbose=0) == pytest.approx(
        BY_CODE.evaluate(X, CODES, verbose=0), rel=1e-6
    )


def test_a_missing_label_of_weight_0_was_not_observed():
    gaps = TEXT.where(SOME)
    seen = SOME.astype(float)
    found = BY_LABEL.evaluate(X, gaps, sample_weight=seen, verbose=0)
    assert found == pytest.approx(
        BY_CODE.evaluate(X, CODES, sample_weight=seen, verbose=0), rel=1e-6
    )
    with pytest.raises(ValueError, match="nan"):
        BY_LABEL.evaluate(X, gaps, verbose=0)


@pytest.mark.parametrize("family", ["categorical", "ordinal"])
def test_y_may_be_the_probabilities_of_classes(family, rng):
    x, y = rng.normal(size=(40, 2)), rng.dirichlet([1.0, 2.0, 3.0], size=40)
    model = pn.Sequential([keras.Input((2,)), pn.Head(family, classes=3)])
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    weight = np.arange(40) % 2
    gaps = np.where(weight[:, None] > 0, y, np.nan)  # of weight 0
    model.fit(x, gaps, epochs=0, sample_weight=weight, verbose=0)
    found = model.predict(x[:1], verbose=0)[0]
    np.testing.assert_allclose(found, y[1::2].mean(axis=0), rtol=1e-3)  # whole rows stand for them
    model.fit(x, y, epochs=2, verbose=0)
    want = -np.sum(y * np.log(model.predict(x, verbose=0)), axis=1)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), want.mean(), rtol=1e-5)
    loss = model.evaluate(x, gaps, sample_weight=weight, verbose=0)
    np.testing.assert_allclose(loss, want[1::2].sum() / 40, rtol=1e-5)
    with pytest.raises(ValueError, match=r"probabilities that sum to 1\. .* Divide by the sum"):
        model.fit(x, 2.0 * y, verbose=0)
    for after in (pn.inference, pn.diagnose):  # of a likelihood
        with pytest.raises(ValueError, match="a class as its code"):
            after(model, x, y)
