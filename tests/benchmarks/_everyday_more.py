"""What `everyday.py` times besides fits of six columns: predictions, wide fits, a network."""

import itertools
from collections import namedtuple
from functools import partial

import numpy as np
from _glm_cases import CASES, make

Work = namedtuple("Work", "ours peers floor")  # calls without arguments; peers by name


def frames(n, means):
    """Return predictions of a Poisson regression's rows, with or without those of new responses."""
    import statsmodels.api as sm

    from probnn.glm import GLM

    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 5))])
    y = rng.poisson(np.exp(x @ [0.3, 0.5, -0.5, 0.25, -0.25, 0.0]))
    mine, theirs = GLM(y, x, "poisson").fit(), sm.GLM(y, x, sm.families.Poisson()).fit()
    cov, b = np.asarray(mine.cov_params()), np.asarray(mine.params)

    def ours():
        found = mine.get_prediction(x)
        return (
            (found.predicted_mean, found.se_mean, found.conf_int())
            if means
            else (found.summary_frame())
        )

    def floor():
        mean = np.exp(x @ b)
        return mean, mean * np.sqrt(np.einsum("ij,ij->i", x @ cov, x))

    return Work(ours, {"statsmodels": lambda: theirs.get_prediction(x).summary_frame()}, floor)


def wide(case, *solvers):
    """Return a fit of many columns or rows, beside solvers of `glm.py` at equal accuracy."""
    from glm import SOLVERS, calibrate, optimum

    case = CASES[case]
    x, y = make(case)
    best = optimum(x, y, case.family)
    rows = {name: calibrate(name, x, y, case.family, *best) for name in ("ours", *solvers)}
    inaccurate = [name for name, row in rows.items() if not row.accurate]
    if inaccurate:
        raise RuntimeError(f"not within the accuracy: {', '.join(inaccurate)}")
    calls = {
        name: partial(SOLVERS[name][0], x, y, case.family, row.tol) for name, row in rows.items()
    }
    return Work(calls.pop("ours"), calls, lambda: x.T @ x)


def one_row():
    """Return the distribution of one row by a network of two hidden layers."""
    import keras

    import probnn as pn

    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, "relu") for _ in range(2)]
    model = pn.Sequential([keras.Input((8,)), *hidden, pn.Head("normal")])
    row = np.ones((1, 8), "float32")
    plain = keras.Sequential(model.layers)
    layers = [[np.asarray(w) for w in layer.get_weights()] for layer in hidden]

    def floor():
        z = row
        for kernel, bias in layers:
            z = np.maximum(z @ kernel + bias, 0.0)
        return z

    return Work(
        lambda: model.predict_distribution(row),
        {"predict_on_batch": lambda: plain.predict_on_batch(row)},
        floor,
    )


def convolutions():
    """Return an epoch of a convolution network in whole epochs, beside Keras's own loop."""
    import keras
    from _kinds import kinds

    import probnn as pn

    shape, body = kinds()["convolution"]
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(512, *each)).astype("float32") for each in (shape, (1,)))

    def network():
        keras.utils.set_random_seed(0)
        inputs = keras.Input(shape)
        model = keras.Model(inputs, keras.layers.Dense(1)(body(inputs)))
        model.compile("adam", "mse")
        return model

    mine, theirs = network(), network()
    options = dict(batch_size=32, epochs=2, verbose=0)
    return Work(
        lambda: pn.fit(mine, x, y, whole_epoch=True, **options),
        {"Keras": lambda: theirs.fit(x, y, **options)},
        None,
    )


WORK = {
    **{
        f"Poisson, {what}, n = {n:,}": partial(frames, n, means)
        for (what, means), n in itertools.product(
            {"predicted means": True, "prediction frame": False}.items(), (100, 1_000, 10_000)
        )
    },
    "Logit, 20,000 x 300": partial(wide, "logistic-2e4x300", "sklearn-cholesky", "sklearn-lbfgs"),
    "Logit, 500,000 x 100": partial(wide, "logistic-5e5x100", "sklearn-lbfgs"),
    "OLS, 100,000 x 20": partial(wide, "normal-1e5x20", "statsmodels-glm"),
    "one row's distribution": one_row,
    "a convolution network, two epochs": convolutions,
}
