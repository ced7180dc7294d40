"""Rows keep their identity at every door: y and what else rows have go by the labels of x."""

import inspect

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import probnn as pn

N = 60
RNG = np.random.default_rng(5)
X = pd.DataFrame({"x": RNG.normal(size=N)}, index=[f"row {i}" for i in range(N)])
Y = pd.Series(RNG.poisson(np.exp(0.5 + 0.4 * X["x"])), name="y").set_axis(X.index)
C = (Y > 1).astype(int)
W = pd.Series(RNG.uniform(0.5, 2.0, N), X.index)
TURNED = RNG.permutation(N)


def network(family="poisson"):
    model = pn.Sequential([keras.Input((1,)), pn.Head(family)])
    model.set_weights([np.full(weight.shape, 0.3) for weight in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)  # nothing to compile
    return model


def weights_after_fit(fit):
    model = network()
    fit(model)
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


def ensemble(y, w):
    found = pn.DeepEnsemble(network(), members=2, seed=0)
    found.fit(X, y, sample_weight=w, epochs=1, verbose=0, shuffle=False)
    return found.predict(X, verbose=0)


def plain(y, w):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
    pn.fit(model, X, y, sample_weight=w, epochs=1, verbose=0, shuffle=False)
    return model.get_weights()[0]


class Batch(keras.utils.PyDataset):
    """One batch."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 1

    def __getitem__(self, i):
        return self.arrays


def plain_on(stream):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
    pn.fit(model, stream, verbose=0)
    return model.get_weights()[0]


def batches(y, w):
    model = pn.glm.GLM.from_batches([(y, X.assign(const=1.0), {"offset": w})], "poisson")
    return model.fit(verbose=False).params


def drawn(plot):
    """Return all numbers that a plot shows."""
    found = plot()
    figure = found if hasattr(found, "axes") and not hasattr(found, "lines") else found.figure
    lines = [line.get_xydata() for ax in figure.axes for line in ax.lines]
    lines += [bar.get_bbox().get_points() for ax in figure.axes for bar in ax.patches]
    lines += [dots.get_offsets() for ax in figure.axes for dots in ax.collections]
    plt.close("all")
    return np.concatenate([np.ravel(np.ma.filled(each, 0.0)) for each in lines])


DESIGN = X.assign(const=1.0)
POISSON = pn.glm.GLM(Y, DESIGN, "poisson").fit()
LOGIT = pn.glm.Logit(C, DESIGN).fit()
DATA = DESIGN.assign(y=Y)
POSTERIOR = pn.bayes.laplace(pn.glm.OLS(Y, DESIGN), prior=1.0)

# What each says of y and of a number for each row, as an array.
DOORS = {
    "GLM": lambda y, w: pn.glm.GLM(y, DESIGN, "poisson", offset=w, freq_weights=w).fit().params,
    "GLM exposure": lambda y, w: pn.glm.GLM(y, DESIGN, "poisson", exposure=w).fit().params,
    "OLS": lambda y, w: pn.glm.OLS(y, DESIGN, var_weights=w).fit().params,
    "Logit": lambda y, w: pn.glm.Logit((y > 1).astype(int), DESIGN, weights=w).fit().params,
    "y alone has labels": lambda y, w: (
        pn.glm.GLM(Y, DESIGN.to_numpy(), "poisson", offset=w).fit().params
    ),
    "designs": lambda y, w: (
        pn.glm.GLM(y, DESIGN, designs={"scale": w.rename("w").to_frame()}).fit().params
    ),
    "glm": lambda y, w: pn.glm.glm("y ~ x", DATA, "poisson", exposure=w).fit().params,
    "ols": lambda y, w: pn.glm.ols("y ~ x", DATA, weights=w).fit().params,
    "logit": lambda y, w: pn.glm.logit("I(y > 1) ~ x", DATA, offset=w).fit().params,
    "dict of columns": lambda y, w: pn.glm.ols("y ~ x + w", {**X, "y": y, "w": w}).fit().params,
    "variable of the caller": lambda y, w: pn.glm.ols("y ~ x + w", DATA).fit().params,
    "from_batches": batches,
    "clusters": lambda y, w: (
        pn.glm.OLS(Y, DESIGN).fit(cov_type="cluster", cov_kwds={"groups": w.round(1)}).bse
    ),
    "predict": lambda y, w: POISSON.predict(DESIGN, offset=w),
    "predict_distribution": lambda y, w: POISSON.predict_distribution(DESIGN, exposure=w).mean(),
    "get_prediction": lambda y, w: POISSON.get_prediction(DESIGN, offset=w).predicted_mean,
    "score_test": lambda y, w: POISSON.score_test(w.rename("w")),
    "fit": lambda y, w: weights_after_fit(
        lambda m: m.fit(X, y, sample_weight=w, epochs=1, verbose=0, shuffle=False)
    ),
    "fit, validation": lambda y, w: (
        network().fit(X, Y, validation_data=(X, y, w), shuffle=False, verbose=0).history["val_loss"]
    ),
    "pn.fit": plain,
    "fit, generator": lambda y, w: weights_after_fit(
        lambda m: m.fit(((X, y, w) for _ in range(1)), steps_per_epoch=1, verbose=0)
    ),
    "fit, PyDataset": lambda y, w: weights_after_fit(lambda m: m.fit(Batch(X, y, w), verbose=0)),
    "pn.fit, PyDataset": lambda y, w: plain_on(Batch(X, y, w)),
    "evaluate, PyDataset": lambda y, w: network().evaluate(Batch(X, y, w), verbose=0),
    "evaluate": lambda y, w: network().evaluate(X, y, sample_weight=w, verbose=0),
    "train_on_batch": lambda y, w: weights_after_fit(lambda m: m.train_on_batch(X, y, w)),
    "test_on_batch": lambda y, w: network().test_on_batch(X, y, w),
    "DeepEnsemble": ensemble,
    "cross_val_score": lambda y, w: pn.training.cross_val_score(
        network(), X, y, 2, sample_weight=w
    ),
    "suggest_learning_rate": lambda y, w: pn.training.suggest_learning_rate(
        network(), X, y, sample_weight=w, rates=[0.01]
    ).curve["loss"],
    "check_gradients": lambda y, w: pn.check_gradients(network(), X, y)["backprop"],
    "inference": lambda y, w: pn.inference(network(), X, y, sample_weight=w).llf,
    "polish": lambda y, w: pn.polish(network(), X, y, sample_weight=w).params,
    "compare": lambda y, w: pn.compare(network(), x=X, y=y, x_test=X, y_test=y).to_frame(),
    "diagnose": lambda y, w: [
        each.value for each in pn.diagnose(network(), X, y, validation_data=(X, y))
    ],
    "coefficient_table": lambda y, w: pn.plots.coefficient_table(
        {"net": network("normal")}, x=X, y=y
    ).to_numpy()[:, 2:],
    "coefficients": lambda y, w: drawn(lambda: pn.plots.coefficients(network("normal"), x=X, y=y)),
    "plots.predictive": lambda y, w: drawn(lambda: pn.plots.predictive(network(), X, y)),
    "plots.posterior": lambda y, w: drawn(
        lambda: pn.plots.posterior(POSTERIOR, against=network("normal"), x=X, y=y)
    ),
    "plots.report": lambda y, w: drawn(lambda: pn.plots.report(POISSON, DESIGN, y)),
    "decision_boundary": lambda y, w: drawn(
        lambda: pn.plots.decision_boundary(
            pn.glm.Logit(C, DESIGN.assign(w=W)).fit(),
            DESIGN.assign(w=W),
            y=(y > 1).astype(int),
            grid=5,
        )
    ),
    "loss_grid": lambda y, w: pn.plots.loss_grid(network(), X, y, grid=3).nll,
    "loss_surface": lambda y, w: drawn(lambda: pn.plots.loss_surface(network(), X, y, grid=5)),
    "descent": lambda y, w: pn.plots.descent(X["x"], y, family="poisson", steps=2).to_numpy(),
    "gradient_descent": lambda y, w: drawn(
        lambda: pn.plots.gradient_descent(X["x"], y, family="poisson", steps=2)
    ),
}


D = POISSON.predict_distribution(DESIGN)
D_OF_CLASSES = LOGIT.predict_distribution(DESIGN)
D_OF_NUMBERS = pn.glm.OLS(Y, DESIGN).fit().predict_distribution(DESIGN)
CODES = {"brier": D_OF_CLASSES, "dawid_sebastiani": D_OF_NUMBERS, "interval": D_OF_NUMBERS}


def of_classes(function, **options):
    return lambda y, w: function((y > 1).astype(int), D_OF_CLASSES, **options)


def score(name):
    function, d = pn.scores.SCORES[name], CODES.get(name, D)
    return lambda y, w: function((y > 1).astype(int) if d is D_OF_CLASSES else y, d)


DOORS |= {name: score(name) for name in pn.scores.SCORES}
DOORS |= {
    "table": lambda y, w: pn.scores.table({"a": D, "b": D[TURNED]}, y, ["crps"]),
    "log_prob": lambda y, w: D.log_prob(y),
    "cdf": lambda y, w: D.cdf(y),
    "coded": lambda y, w: D.coded(y)[1],
    "conditioned": lambda y, w: D.conditioned(y)[1],
    "pit": lambda y, w: D.pit(y, seed=0),
    "calibration.pit": lambda y, w: pn.calibration.pit(y, D),
    "uniformity_test": lambda y, w: pn.calibration.uniformity_test(y, D).pvalue,
    "calibration.coverage": lambda y, w: pn.calibration.coverage(y, D),
    "calibration.report": lambda y, w: pn.calibration.report(y, D).to_numpy(float),
    "quantile_residuals": lambda y, w: pn.calibration.quantile_residuals(y, D),
    "decompose": lambda y, w: pn.calibration.decompose(y, D).to_numpy(float),
    "conformal": lambda y, w: pn.calibration.conformal(y, D_OF_NUMBERS).margin,
    "isotonic": lambda y, w: pn.calibration.isotonic(y, D_OF_NUMBERS).levels,
    "scale_scaling": lambda y, w: pn.calibration.scale_scaling(y, D_OF_NUMBERS).factor,
    "temperature_scaling": of_classes(
        lambda y, d: pn.calibration.temperature_scaling(y, d).temperature
    ),
    "calibration.reliability": of_classes(pn.calibration.reliability),
    "expected_calibration_error": of_classes(pn.calibration.expected_calibration_error),
    "plots.pit": lambda y, w: drawn(lambda: pn.plots.pit(y, D)),
    "plots.coverage": lambda y, w: drawn(lambda: pn.plots.coverage(y, D)),
    "plots.residuals": lambda y, w: drawn(lambda: pn.plots.residuals(y, D)),
    "plots.distribution": lambda y, w: drawn(lambda: pn.plots.distribution(D, y=y)),
    "plots.reliability": lambda y, w: drawn(
        lambda: pn.plots.reliability((y > 1).astype(int), D_OF_CLASSES)
    ),
}


def numbers(found):
    return np.asarray(found, dtype="float64")


@pytest.mark.parametrize("door", DOORS)
def test_labels_decide_and_not_positions(door):
    want = numbers(DOORS[door](Y, W))
    y, w = Y.iloc[TURNED], W.iloc[TURNED]
    np.testing.assert_allclose(numbers(DOORS[door](y, w)), want, rtol=1e-6, atol=1e-9)
    mixed = [*reversed(range(N // 3)), *range(N // 3, N)]  # what positions might say
    other = Y.iloc[mixed].set_axis(Y.index), W.iloc[mixed].set_axis(W.index)
    assert not np.array_equal(numbers(DOORS[door](*other)), want)


@pytest.mark.parametrize("door", DOORS)
def test_other_labels_raise(door):
    with pytest.raises(ValueError, match="with the labels of the rows of"):
        DOORS[door](Y.reset_index(drop=True), W.reset_index(drop=True))


# ---- the table of doors is whole ----------------------------------------------------------------

BY_ROW = {"y", "sample_weight", "offset", "exposure", "freq_weights", "var_weights", "exog_extra"}
ROOMS = (pn, pn.glm, pn.scores, pn.calibration, pn.plots, pn.training)
TYPES = (pn.Sequential, pn.Model, pn.DeepEnsemble, pn.Predictive, pn.glm.GLM, type(POISSON))
NO_DOORS = {
    *(
        "compute_loss",
        "stateless_compute_loss",
        "compute_metrics",
        "compiled_loss",
        "loss",
    ),  # Keras
    "posterior_predictive",  # draws a histogram, whatever the order
    *("new_rows", "resampled"),  # which predictions, and resamples of own rows, call
}


def called(function, seen):
    """Return the names that a function, and the functions of this file that it calls, refer to."""
    if id(function) in seen or not hasattr(function, "__code__"):
        return {getattr(function, "__name__", "")}
    seen.add(id(function))
    codes, names = [function.__code__], {function.__name__}
    for code in codes:
        codes += [each for each in code.co_consts if hasattr(each, "co_names")]
        names |= {*code.co_names}
    reached = [globals().get(name) for name in names]
    reached += [cell.cell_contents for cell in function.__closure__ or ()]
    return names.union(*(called(each, seen) for each in reached if callable(each)))


def doors_of(owner):
    """Return the public functions of a room, or methods of a class, that take a by-row argument."""
    names = getattr(owner, "__all__", None) or [n for n in dir(owner) if not n.startswith("_")]
    for name in names:
        function = getattr(owner, name)
        if not callable(function) or (isinstance(function, type) and function in TYPES):
            continue
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):
            continue
        if BY_ROW & {*parameters}:
            yield name


@pytest.mark.parametrize("owner", [*ROOMS, *TYPES], ids=lambda owner: owner.__name__)
def test_every_public_function_with_rows_is_a_door(owner):
    used = set().union(*(called(door, set()) for door in DOORS.values())) | {*DOORS}
    assert {*doors_of(owner)} - used - NO_DOORS == set()
