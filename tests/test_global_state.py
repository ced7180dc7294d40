"""A call leaves the settings of the process as they were, also where it raises."""

import decimal
import locale
import logging
import os
import signal
import warnings

import keras
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import statsmodels.api  # noqa: F401, whose import filters warnings
from threadpoolctl import threadpool_info

import probnn as pn
from probnn.glm import GLM, OLS, Logit, glm, load

pytestmark = pytest.mark.backend

N = 60
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b"])
FRAME["n"] = RNG.poisson(np.exp(0.3 * FRAME["a"]))
FRAME["k"] = (FRAME["a"] + RNG.logistic(size=N) > 0).astype(int)
X, Y = FRAME[["a", "b"]], FRAME["n"]


def network():
    model = pn.Sequential([keras.Input((2,)), keras.layers.Dense(3, "tanh"), pn.Head("poisson")])
    model.compile("adam")
    return model


MODEL, RESULTS = network(), glm("n ~ a + b", FRAME, "poisson").fit()
MODEL.fit(X, Y, verbose=0)
D = RESULTS.predict_distribution(FRAME)


def separated():
    with pytest.raises(pn.glm.PerfectSeparationError):
        Logit(FRAME["a"] > 0, X).fit()


def stopped():
    def stop(*_):
        raise KeyboardInterrupt

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    with pytest.raises(KeyboardInterrupt):
        network().fit(X, Y, callbacks=[callback], verbose=0)


def saved(path):
    RESULTS.save(path / "results.zip")
    load(path / "results.zip")
    MODEL.save(path / "model.keras")
    keras.saving.load_model(path / "model.keras")


CALLS = {
    "GLM": lambda _: GLM(Y, X, "poisson").fit().summary(),
    "OLS": lambda _: OLS(Y, X).fit(cov_type="HC3").summary(),
    "separated": lambda _: separated(),
    "glm": lambda _: glm("k ~ a * b", FRAME, "bernoulli").fit().get_margeff().summary(),
    "negative binomial": lambda _: GLM(Y, X, "negative_binomial", fixed={"dispersion": 0.5}).fit(),
    "bootstrap": lambda _: RESULTS.bootstrap(nrep=3, seed=0),
    "fit_regularized": lambda _: GLM(Y, X, "poisson").fit_regularized(0.1, L1_wt=1.0),
    "save and load": saved,
    "fit": lambda _: network().fit(X, Y, epochs=2, verbose=0),
    "fit, stopped": lambda _: stopped(),
    "evaluate": lambda _: MODEL.evaluate(X, Y, verbose=0),
    "predict": lambda _: MODEL.predict(X, verbose=0),
    "inference": lambda _: pn.inference(MODEL, X, Y),
    "polish": lambda _: pn.polish(network(), X, Y),
    "ensemble": lambda _: pn.DeepEnsemble(network(), members=2).fit(X, Y, verbose=0),
    "cross_val_score": lambda _: pn.training.cross_val_score(network(), X, Y, cv=2, epochs=1),
    "check_gradients": lambda _: pn.check_gradients(MODEL, X, Y),
    "compare": lambda _: pn.compare(RESULTS, MODEL, x=X, y=Y),
    "diagnose": lambda _: pn.diagnose(RESULTS, FRAME, Y),
    "scores": lambda _: pn.scores.table({"glm": D}, Y),
    "calibration": lambda _: pn.calibration.pit(Y, D, seed=0),
    "sample": lambda _: D.sample(5, seed=0),
    "report": lambda _: mpl.pyplot.close(pn.plots.report(RESULTS, FRAME, Y)),
}


SHUFFLES = {"fit", "fit, stopped"}  # as Keras does


def settings():
    return {
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
        "image_data_format": keras.config.image_data_format(),
        "interactive logging": keras.config.is_interactive_logging_enabled(),
        "traceback filtering": keras.config.is_traceback_filtering_enabled(),
        "run eagerly": _run_eagerly(),
        "NumPy's errors": np.geterr(),
        "NumPy's printing": np.get_printoptions(),
        "BLAS": sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info()),
        "warnings": [*warnings.filters],
        "loggers": {
            name: (logger.level, logger.disabled)
            for name, logger in logging.Logger.manager.loggerDict.items()
            if isinstance(logger, logging.Logger) and name.split(".")[0] in ("absl", "tensorflow")
        },
        "signals": {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)},
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "decimal": str(decimal.getcontext()),
        "pandas": pd.get_option("display.width"),
        "matplotlib": {**mpl.rcParams},
        "figures": mpl.pyplot.get_fignums(),
    }


def random_state():
    return [str(part) for part in np.random.get_state()]  # noqa: NPY002


def _run_eagerly():
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.config.functions_run_eagerly()


@pytest.mark.parametrize("call", CALLS)
def test_a_call_leaves_the_settings_as_they_were(call, tmp_path):
    import matplotlib.pyplot  # noqa: F401, so that it is imported before

    before, drawn = settings(), random_state()
    CALLS[call](tmp_path)
    after = settings()
    assert [name for name in before if before[name] != after[name]] == []
    if call not in SHUFFLES:
        assert random_state() == drawn


def test_settings_of_the_user_stay(tmp_path):
    with np.errstate(all="raise", under="ignore"), mpl.rc_context({"font.size": 7}):
        before = settings()
        for name in ("GLM", "scores", "report"):
            CALLS[name](tmp_path)
        assert settings() == before
