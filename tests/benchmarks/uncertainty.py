"""What a network does not know: scores and intervals of each method, and its belief far from data.

    python tests/benchmarks/uncertainty.py [--splits N] [--sets SET ...] [--methods NAME ...]
        [--folds N] [--record]

The sets and the first N of 20 splits, nine rows in ten to learn from, are those of Hernandez-Lobato
and Adams (2015), arXiv:1502.05336, read from PROBNN_DATA/uci. Inputs and y are standardised by the
rows learnt from, but for the estimator, which is given y as it is; scores are of y as it was. A
method is a function of a `Split` that returns what predicts rows: add one to METHODS. NGBoost is
left out where it is not installed.
"""

import functools
import importlib.util
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "jax")  # which compiles in the least time

import _uncertain_classes as classes
import keras
import numpy as np
import pandas as pd
from _record import options, show

import probnn as pn
from probnn.estimators import NetworkRegressor

FOLDER = Path(os.environ.get("PROBNN_DATA", "../shared/data")) / "uci"
SPLITS = {"yacht": 10, "energy": 10, "concrete": 10, "kin8nm": 3}
# The lowest mean NLL in print of one hidden layer of 50 units, or of boosting, on these splits.
PUBLISHED = {"yacht": -0.02, "energy": 0.48, "concrete": 2.83, "kin8nm": -1.24}
EPOCHS, BATCH, HIDDEN, RATE, DROPOUT = 60, 32, 50, 0.01, 0.05
LONGER = 4  # of variational layers, whose gradients have noise of their own
AWAY = 3.0  # standard deviations that rows are shifted by


class Split:
    """Rows to learn from, standardised, and networks that several methods share."""

    def __init__(self, x, y, seed, unit, center):
        self.x, self.y, self.seed = x, y, seed
        self.unit, self.center = unit, center  # of y as it was
        self.epochs = EPOCHS if len(x) < 2000 else EPOCHS // 2

    def network(self, *, dropout=0.0, dense=keras.layers.Dense):
        """Return a network that is not trained: a hidden layer, and a normal head."""
        keras.utils.set_random_seed(self.seed)
        layers = [keras.Input(self.x.shape[1:]), dense(HIDDEN, activation="relu")]
        layers += [keras.layers.Dropout(dropout)] if dropout else []
        model = pn.Sequential([*layers, pn.Head("normal")])
        model.compile(keras.optimizers.Adam(RATE))
        return model

    def fitted(self, model, times=1, **kwargs):
        """Return a network, or an ensemble, after its training, so many times as long."""
        epochs = times * self.epochs
        model.fit(self.x, self.y, batch_size=BATCH, epochs=epochs, verbose=0, **kwargs)
        return model

    @functools.cached_property
    def ensemble(self):
        """Five networks; the first of them is what methods for one network are given."""
        ensemble = pn.DeepEnsemble(self.network(), members=5, seed=self.seed)
        return self.fitted(ensemble, at_once=False)  # one small program serves all splits


# ---- methods: each returns a function of rows, to their Predictive and the variance of their means


def ols(split):
    """Return least squares, and the variances of its means."""
    results = pn.glm.OLS(split.y, with_constant(split.x)).fit()

    def of(x):
        design = with_constant(x)
        return results.predict_distribution(design), results.get_prediction(design).se_mean ** 2

    return of


def one_network(split):
    """Return the first member, which knows nothing of what it does not know."""
    return lambda x: (split.ensemble.members[0].predict_distribution(x, verbose=0), None)


def pooled(make):
    """Return a method whose predictions are pools."""

    def method(split):
        made = make(split)
        kwargs = {} if isinstance(made, pn.bayes.Posterior) else {"verbose": 0}

        def of(x):
            d = made.predict_distribution(x, **kwargs)
            return d, d.epistemic_variance()

        return of

    return method


def of_head(split):
    """Return Laplace's method for the head, given the hidden layer."""
    return pn.bayes.laplace(split.ensemble.members[0], split.x, split.y)


def of_all(split):
    """Return Laplace's method for all weights of the same network, wherever its training ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pn.bayes.laplace(split.ensemble.members[0], split.x, split.y, scope="all")


def variational(split):
    """Return a network whose hidden layer has a distribution of weights."""
    model = split.network(dense=pn.layers.DenseVariational)
    return pn.bayes.variational(split.fitted(model, times=LONGER), 50)


def dropout(split):
    """Return a network with dropout that stays on."""
    return pn.bayes.mc_dropout(split.fitted(split.network(dropout=DROPOUT)), 50)


def default(split):
    """Return the estimator as it comes, whose y are in their own units."""
    model = NetworkRegressor(random_state=split.seed)
    model.fit(split.x, split.unit * split.y + split.center)

    def of(x):
        d = model.predict_distribution(x)
        return d, d.epistemic_variance()

    return of


def ngboost(split):
    """Return NGBoost with its defaults: a normal distribution."""
    from ngboost import NGBRegressor

    model = NGBRegressor(verbose=False, random_state=split.seed).fit(split.x, split.y)

    def of(x):
        params = model.pred_dist(x).params
        return pn.Predictive("normal", {name: params[name] for name in ("loc", "scale")}), None

    return of


METHODS = {
    "OLS": ols,
    "one network": one_network,
    "ensemble of 5": pooled(lambda split: split.ensemble),
    "Laplace, head": pooled(of_head),
    "Laplace, all weights": pooled(of_all),
    "MC dropout": pooled(dropout),
    "variational": pooled(variational),
    "NetworkRegressor()": default,
}
if importlib.util.find_spec("ngboost"):
    METHODS["NGBoost"] = ngboost

# ---- what is measured


def with_constant(x):
    """Return a design."""
    return np.column_stack([np.ones(len(x)), x])


def independent(x):
    """Return the columns of x that others, and a constant, do not make up: energy has one such."""
    away = (x - x.mean(axis=0)) / x.std(axis=0)
    kept = []
    for j in range(x.shape[1]):
        if np.linalg.matrix_rank(away[:, [*kept, j]], tol=1e-6) > len(kept):
            kept.append(j)
    return x[:, kept]


def standardised(x, y, learnt):
    """Return x, y, and the standard deviation and the mean of y, by the rows learnt from."""
    spread = x[learnt].std(axis=0)
    x = (x - x[learnt].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    unit, center = y[learnt].std(), y[learnt].mean()
    return x, (y - center) / unit, unit, center


def of_y(method, split, y):
    """Return y and its unit as a method takes them: standardised, but for the estimator."""
    return (split.unit * y + split.center, 1.0) if method is default else (y, split.unit)


def scores(d, y, unit):
    """Return the scores of held-out rows, of y in its own units."""
    found = {"NLL": -d.log_prob(y).mean() + np.log(unit)}
    found["RMSE"] = unit * np.sqrt(np.mean((d.mean() - y) ** 2))
    found["CRPS"] = unit * d.crps(y).mean()
    for level in (0.9, 0.95):
        low, high = d.interval(level)
        found[f"in {100 * level:g} %"] = 100.0 * np.mean((low <= y) & (y <= high))
    return found


def direction(x):
    """Return the first principal direction of rows, as long as its standard deviation."""
    _, sizes, vectors = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return vectors[0] * sizes[0] / np.sqrt(len(x))


def measured(method, split, x, y):
    """Return the scores of a method on rows."""
    d, _ = method(split)(x)
    return scores(d, *of_y(method, split, y))


def far_away(method, split, inside, gap, y_gap):
    """Return how much larger the variance of means is where there were no rows, and the score."""
    believe = method(split)
    y_gap, unit = of_y(method, split, y_gap)
    (_, near), (d, within) = believe(inside), believe(gap)
    found = {"NLL in the gap": -d.log_prob(y_gap).mean() + np.log(unit)}
    if near is not None:
        beyond = believe(inside + AWAY * direction(split.x))[1]
        found |= {
            "gap": np.mean(within) / np.mean(near),
            "shifted": np.mean(beyond) / np.mean(near),
        }
    return found


def of_set(name, methods, splits):
    """Return a frame of texts, a row for each method, of a set."""
    data = np.load(FOLDER / f"{name}.npz")
    x, y = independent(data["x"]), data["y"]
    tests = np.unpackbits(data["test_mask"], axis=1)[:, : len(y)].astype(bool)[:splits]
    found = {method: [] for method in methods}
    for seed, test in enumerate(tests):
        z, v, *scale = standardised(x, y, ~test)
        split = Split(z[~test], v[~test], seed, *scale)
        for method in methods:
            found[method].append(measured(METHODS[method], split, z[test], v[test]))
    test = tests[0]
    along = (x - x[~test].mean(axis=0)) / np.maximum(x[~test].std(axis=0), 1e-12)
    along = along @ direction(along[~test])
    gap = (along > np.quantile(along[~test], 1 / 3)) & (along < np.quantile(along[~test], 2 / 3))
    z, v, *scale = standardised(x, y, ~test & ~gap)
    split = Split(z[~test & ~gap], v[~test & ~gap], 0, *scale)
    frame = {}
    for method, each in found.items():
        each = pd.DataFrame(each)
        mean, error = each.mean(), each.sem().fillna(0.0)
        texts = {c: f"{mean[c]:.3f} ± {error[c]:.3f}" for c in ("NLL", "RMSE", "CRPS")}
        texts |= {c: f"{mean[c]:.1f}" for c in each if c.startswith("in ")}
        rest = far_away(METHODS[method], split, z[test & ~gap], z[gap], v[gap])
        texts |= {c: f"{value:.3g}" for c, value in rest.items()}
        frame[method] = texts
        print(f"{name}, {method}: {frame[method]}", flush=True)
    return pd.DataFrame.from_dict(frame, orient="index").fillna("")


def main():
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--splits", type=int, help="how many of the 20, in place of fewer")
    parser.add_argument("--sets", nargs="+", default=[*SPLITS], choices=[*SPLITS])
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=[*METHODS])
    parser.add_argument("--folds", type=int, default=5, help="of 5, of classes; 0 leaves them out")
    asked, tables = parser.parse_args(), {}
    for name in asked.sets:
        splits = asked.splits or SPLITS[name]
        caption = f"{name}, {splits} splits; the lowest NLL in print is {PUBLISHED[name]}"
        tables[caption] = of_set(name, asked.methods, splits)
    for name in classes.SETS if asked.folds else ():
        tables[f"{name}, {asked.folds} folds"] = classes.of_set(name, asked.folds)
    show("uncertainty", tables, asked.record)


if __name__ == "__main__":
    main()
