"""Frames in the batches of a stream: columns by the names that are known, rows by their labels."""

import keras
import numpy as np
import pandas as pd
import pytest

import probnn as pn

pytestmark = [
    pytest.mark.backend,
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
]

N, SIZE = 40, 10
RNG = np.random.default_rng(4)
X = pd.DataFrame(RNG.normal(size=(N, 2)), [f"row {i}" for i in range(N)], ["a", "b"])
Y = pd.DataFrame({"p": X["a"] + RNG.normal(size=N), "q": 5.0 + X["b"]})
W = pd.Series(RNG.uniform(0.5, 2.0, N), X.index)


def batches(turned=True, wrong=None):
    """Return batches, all but the first with columns and rows in orders of their own."""
    found = []
    for i in range(0, N, SIZE):
        x, y, w = X[i : i + SIZE], Y[i : i + SIZE], W[i : i + SIZE]
        if turned and i:
            x, y, w = x[["b", "a"]], y[["q", "p"]].iloc[::-1], w.sample(frac=1, random_state=i)
        found.append((x, y, w))
    if wrong is not None:
        x, y, w = found[2]
        found[2] = (x.rename(columns={"a": "A"}), y, w) if wrong == "x" else (x, y, w.reset_index())
        found[2] = found[2] if wrong == "x" else (x, y.reset_index(drop=True), w)
    return found


class Dataset(keras.utils.PyDataset):
    def __init__(self, found, **options):
        super().__init__(**options)
        self.found = found

    def __len__(self):
        return len(self.found)

    def __getitem__(self, i):
        return self.found[i]


KINDS = {
    "generator": lambda *options: (batch for batch in batches(*options)),
    "PyDataset": lambda *options: Dataset(batches(*options)),
    "two workers": lambda *options: Dataset(batches(*options), workers=2),
}


def new(cls=pn.Sequential, adapted=True):
    head = pn.Head("normal", units=2)
    model = cls([keras.Input((2,)), head])
    model.compile(keras.optimizers.SGD(0.01), pn.NegativeLogLikelihood(head.family))
    if adapted:
        head.adapt(Y.to_numpy(), W.to_numpy())
    return model


@pytest.fixture(scope="module")
def right():
    """Return a model that was trained on the batches as arrays."""
    model = new()
    arrays = X.to_numpy(), Y.to_numpy(), W.to_numpy()
    model.fit(*arrays[:2], sample_weight=arrays[2], batch_size=SIZE, shuffle=False, verbose=0)
    return model


def as_arrays(kind, right):
    """Return a model that was trained on arrays in batches that Keras draws alike.

    On JAX and torch Keras draws others with two workers than with one.
    """
    if kind != "two workers":
        return right
    model = new()
    parts = [tuple(each.to_numpy() for each in batch) for batch in batches(turned=False)]
    model.fit(Dataset(parts, workers=2), shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_learns_the_columns_of_the_first_batch(kind, right):
    model = new()
    model.fit(KINDS[kind](), shuffle=False, verbose=0)
    want = as_arrays(kind, right)
    np.testing.assert_allclose(model.get_weights()[0], want.get_weights()[0], atol=1e-6)
    assert model.input_columns.names == [["a", "b"]]
    assert model.responses.names == [["p", "q"]]


@pytest.mark.parametrize("kind", KINDS)
def test_later_streams_go_by_the_columns_of_the_model(kind, right):
    model = new()
    model.set_weights(right.get_weights())
    model.train_on_batch(X[["b", "a"]], Y)
    model.set_weights(right.get_weights())  # whose columns are now "b" and "a"
    turned = X[["b", "a"]].to_numpy()
    expected = model.predict(turned, verbose=0)
    np.testing.assert_allclose(model.predict(KINDS[kind](), verbose=0), expected, rtol=1e-6)
    found = model.evaluate(KINDS[kind](), verbose=0)
    options = {"sample_weight": W.to_numpy(), "batch_size": SIZE, "verbose": 0}
    expected = model.evaluate(turned, Y.to_numpy(), **options)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if kind == "PyDataset":
        history = model.fit(X, Y, validation_data=KINDS[kind](), verbose=0).history
        expected = model.evaluate(turned, Y.to_numpy(), **options)
        np.testing.assert_allclose(history["val_loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_model_is_trained_on_them_by_name(kind, right):
    model = new(keras.Sequential)
    pn.fit(model, KINDS[kind](), shuffle=False, verbose=0)
    want = as_arrays(kind, right)
    np.testing.assert_allclose(model.get_weights()[0], want.get_weights()[0], atol=1e-6)


def test_a_new_head_starts_from_the_rows_by_their_labels():
    x, y, w = batches()[1]
    model = new(adapted=False)
    model.fit(((x, y, w) for _ in range(1)), steps_per_epoch=1, verbose=0)
    by_hand = np.average(y.to_numpy(), axis=0, weights=w.loc[y.index])
    shift = keras.ops.convert_to_numpy(model.layers[-1].raw_shift.value)
    np.testing.assert_allclose(shift[[0, 2]], by_hand, atol=1e-4)  # rounded weights


@pytest.mark.parametrize("kind", ["generator", "PyDataset"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [("x", "In batch 3 of an epoch: .*no 'a'; 'A'"), ("y", "In batch 3 .*labels of the rows of x")],
)
def test_what_does_not_belong_is_refused(kind, wrong, message, right):
    for ask in (new().fit, new().evaluate if wrong == "y" else right_names().evaluate):
        with pytest.raises(ValueError, match=message):
            ask(KINDS[kind](True, wrong), verbose=0)
    if wrong == "x":
        with pytest.raises(ValueError, match=message):
            right_names().predict(KINDS[kind](True, wrong), verbose=0)


def right_names():
    model = new()
    model.train_on_batch(X, Y)
    return model


def test_columns_that_are_not_known_are_those_of_an_array():
    with pytest.raises(ValueError, match=r"In batch 1 of an epoch: .*shape \(n, 2\).*'a', 'b'"):
        right_names().predict(((x[["a"]].to_numpy(),) for x, *_ in batches()), verbose=0)
