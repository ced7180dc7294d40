"""A y that was not observed, for its weight is 0 or its time step masked, says nothing."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import probnn as pn

N = 40
RNG = np.random.default_rng(6)
X = RNG.normal(size=(N, 2)).astype("float32")
Y = RNG.poisson(np.exp(0.5 * X[:, 0])).astype("float32")
W = np.where(np.arange(N) % 4 == 1, 0.0, RNG.uniform(0.5, 2.0, N)).astype("float32")
SEEN = W > 0
GAPS = np.where(SEEN, Y, np.float32(np.nan))


def neuron(family="poisson"):
    model = pn.Sequential([keras.Input((2,)), pn.Head(family)])
    model.compile(keras.optimizers.SGD(0.05), run_eagerly=True)  # nothing to compile
    return model


# ---- masked time steps --------------------------------------------------------------------------

LENGTHS = RNG.integers(1, 5, size=(30, 1))
MASK = np.arange(4) < LENGTHS
STEPS = np.where(MASK[..., None], RNG.normal(size=(30, 4, 2)), 0.0).astype("float32")
SERIES = RNG.normal(size=(30, 4)).astype("float32")


GAPS_IN_SERIES = np.where(MASK, SERIES, np.where(np.arange(4) % 2, np.nan, -np.inf))


def masked(cls=pn.Model, **options):
    inputs = keras.Input((4, 2))
    model = cls(inputs, pn.Head("normal")(keras.layers.Masking(0.0)(inputs)))
    if cls is pn.Model:
        options["metrics"] = ["mae"]
    model.compile(keras.optimizers.SGD(0.05), pn.NegativeLogLikelihood("normal"), **options)
    return model


def trained(cls, kind, y):
    model = masked(cls, run_eagerly=kind != "whole epochs")
    options = {"epochs": 2, "batch_size": 30, "shuffle": False, "verbose": 0}
    if kind == "generator":
        del options["batch_size"]
        pn.fit(model, ((STEPS, y) for _ in range(2)), steps_per_epoch=1, **options)
        return model, model.evaluate(((STEPS, y) for _ in range(1)), steps=1, verbose=0)
    pn.fit(model, STEPS, y, whole_epoch=kind == "whole epochs", **options)
    return model, model.evaluate(STEPS, y, batch_size=30, verbose=0)


@pytest.mark.backend
@pytest.mark.parametrize("cls", [pn.Model, keras.Model])
@pytest.mark.parametrize("kind", ["whole epochs", "Keras's loop", "generator"])
def test_y_of_masked_steps_may_be_missing(kind, cls):
    right, loss = trained(cls, kind, np.where(MASK, SERIES, 0.0).astype("float32"))
    model, found = trained(cls, kind, GAPS_IN_SERIES.astype("float32"))
    np.testing.assert_allclose(found, loss, rtol=1e-5)
    for ours, theirs in zip(model.get_weights(), right.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


MASKED = masked(run_eagerly=True)


def test_steps_that_are_not_masked_are_checked():
    y = SERIES.copy()
    y[2, 0] = np.nan
    for ask in (MASKED.fit, MASKED.evaluate):
        with pytest.raises(ValueError, match=r"nan in row 2 \(column 0\), and 1 such value"):
            ask(STEPS, y, verbose=0)
    y = np.where(MASK, y, np.nan)  # among others that may be missing
    with pytest.raises(ValueError, match=r"nan in row 2 \(column 0\), and 1 such value"):
        MASKED.fit(STEPS, y, verbose=0)


@pytest.mark.backend
def test_the_loss_alone_does_not_look_at_masked_steps():
    raw = keras.ops.convert_to_tensor(RNG.normal(size=(30, 4, 2)).astype("float32"))
    loss = pn.NegativeLogLikelihood("normal")
    masking = keras.layers.Masking(5.0)
    padded = np.where(MASK[..., None], keras.ops.convert_to_numpy(raw), np.float32(5.0))
    found = loss(np.where(MASK, SERIES, np.float32(np.nan)), masking(padded))
    params = loss.family.to_params(padded)
    each = -stats.norm(params["loc"], params["scale"]).logpdf(SERIES)
    np.testing.assert_allclose(float(found), each[MASK].mean(), rtol=1e-5)


def test_diagnose_and_cross_validation_leave_masked_steps_out():
    right, gaps = (np.where(MASK, SERIES, np.float32(value)) for value in (0.0, np.nan))
    model = masked(run_eagerly=True)
    model.fit(STEPS, gaps, verbose=0)
    assert repr(pn.diagnose(model, STEPS, gaps)) == repr(pn.diagnose(model, STEPS, right))
    folds = [(np.arange(20), np.arange(20, 30))]
    (found,) = pn.training.cross_val_score(model, STEPS, gaps, folds, shuffle=False)
    alone = pn.training.copies.fresh(model, [0, 0])
    alone.fit(STEPS[:20], right[:20], shuffle=False, verbose=0)
    each = alone.predict_distribution(STEPS[20:], verbose=0).log_prob(right[20:])
    np.testing.assert_allclose(found, each[MASK[20:]].mean(), rtol=1e-4)


# ---- rows of weight 0 ---------------------------------------------------------------------------


def test_folds_are_those_of_the_rows_that_are_left():
    model, kept = neuron(), np.flatnonzero(SEEN)
    dropped = X[SEEN], Y[SEEN]
    options = {"at_once": False}
    of_all = np.arange(20), np.arange(20, N)
    of_kept = np.flatnonzero(kept < 20), np.flatnonzero(kept >= 20)
    for with_gaps, without in ((3, 3), ([of_all], [of_kept])):
        found = pn.training.cross_val_score(model, X, GAPS, with_gaps, sample_weight=W, **options)
        right = pn.training.cross_val_score(
            model, *dropped, without, sample_weight=W[SEEN], **options
        )
        np.testing.assert_allclose(found, right, rtol=1e-5)


def test_rows_that_only_one_head_knows_are_scored_by_that_head():
    inputs = keras.Input((2,))
    heads = {"one": pn.Head("poisson"), "two": pn.Head("normal", fixed={"scale": 1.0})}
    model = pn.Model(inputs, {name: head(inputs) for name, head in heads.items()})
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    y, weight = {"one": GAPS, "two": X[:, 0]}, {"one": W, "two": np.ones(N, "float32")}
    folds = [(np.arange(20), np.arange(20, N))]
    (found,) = pn.training.cross_val_score(model, X, y, folds, sample_weight=weight)
    rate = np.average(Y[:20], weights=W[:20])  # where a head of rate 0 starts
    poisson = pn.Predictive("poisson", {"rate": rate}).log_prob
    known = np.flatnonzero(SEEN[20:]) + 20
    right = np.mean([poisson(k)[0] for k in Y[known]])
    error = X[20:, 0] - X[:20, 0].mean()
    right += np.mean(-0.5 * np.log(2 * np.pi) - 0.5 * error**2)
    np.testing.assert_allclose(found, right, rtol=1e-4)


NOTHING = np.zeros(N, "float32")
UNSEEN = {
    "fit": lambda m: m.fit(X, Y, sample_weight=NOTHING, verbose=0),
    "fit, NaN": lambda m: m.fit(X, np.full(N, np.nan), sample_weight=NOTHING, verbose=0),
    "fit, pandas": lambda m: m.fit(X, Y, sample_weight=pd.Series(NOTHING), verbose=0),
    "pn.fit": lambda m: pn.fit(m, X, Y, sample_weight=NOTHING, verbose=0),
    "class_weight": lambda m: m.fit(X, Y, class_weight=dict.fromkeys(range(50), 0), verbose=0),
    "validation": lambda m: m.fit(X, Y, validation_data=(X, Y, NOTHING), verbose=0),
    "held out": lambda m: m.fit(
        X, Y, sample_weight=1.0 * (np.arange(N) < 20), validation_split=0.5, verbose=0
    ),
    "not held out": lambda m: m.fit(
        X, Y, sample_weight=1.0 * (np.arange(N) >= 20), validation_split=0.5, verbose=0
    ),
    "evaluate": lambda m: m.evaluate(X, Y, sample_weight=NOTHING, verbose=0),
    "cross_val_score": lambda m: pn.training.cross_val_score(m, X, Y, 2, sample_weight=NOTHING),
    "ensemble": lambda m: pn.DeepEnsemble(m, 2).fit(X, Y, sample_weight=NOTHING, verbose=0),
    "inference": lambda m: pn.inference(m, X, Y, sample_weight=NOTHING),
    "polish": lambda m: pn.polish(m, X, Y, sample_weight=NOTHING),
}


@pytest.mark.parametrize("door", UNSEEN)
def test_no_row_that_counts_is_refused_before_anything_changes(door):
    model = neuron()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"to be more than 0 somewhere\. Received: 0 everywhere"):
        UNSEEN[door](model)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert model.optimizer.iterations.value == 0


def test_a_head_without_rows_that_count_beside_another_is_let_be():
    inputs = keras.Input((2,))
    model = pn.Model(inputs, [pn.Head("poisson")(inputs), pn.Head("normal")(inputs)])
    model.compile(keras.optimizers.SGD(0.05), run_eagerly=True)
    model.fit(X, [Y, GAPS], sample_weight=[None, NOTHING], verbose=0)
    assert [head.is_new for head in model.heads] == [False, True]
