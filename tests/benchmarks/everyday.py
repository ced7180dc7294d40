"""Milliseconds of everyday fits, beside statsmodels in the same process, and of the first fit.

    python tests/benchmarks/everyday.py [--rows NAME ...] [--sizes N ...] [--runs N]
        [--first FAMILY ...] [--more NAME ...] [--record]

Each figure is a median of runs that alternate, of arrays or of a formula and a frame, from the data
to coefficients and standard errors, after both were run once. The floor is what the arithmetic of
our iterations takes in bare NumPy: linear predictors, a function of each, a Hessian and a solution.
The first fit of each family is that
of a process of its own, which has imported probnn.glm. The last table has other work: predictions,
wide fits, whose floor is one product X'X, one row's distribution, whose floor is the layers in
NumPy, and a convolution network, on KERAS_BACKEND.
"""

import itertools
import multiprocessing
import os
import statistics
import time
import warnings
from collections import namedtuple
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from _everyday_more import WORK
from _record import options, show
from scipy.special import digamma, expit

P = 6  # columns, of which the first is 1
SIZES = (100, 1_000, 10_000)
FORMULA = "y ~ " + " + ".join(f"x{j}" for j in range(1, P))
FIRST = 1_000  # rows of the first fits

DRAWS = {  # family -> y of a random generator and the linear predictors
    "normal": lambda rng, eta: rng.normal(eta),
    "bernoulli": lambda rng, eta: rng.binomial(1, expit(eta)),
    "poisson": lambda rng, eta: rng.poisson(np.exp(eta)),
    "negative_binomial": lambda rng, eta: rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, len(eta))),
    "binomial": lambda rng, eta: np.column_stack(
        [rng.binomial(9, expit(eta)), np.full(len(eta), 9)]
    ),
    "gamma": lambda rng, eta: rng.gamma(2.0, np.exp(eta) / 2.0),
    "inverse_gaussian": lambda rng, eta: rng.wald(np.exp(eta), 2.0),
    "tweedie": lambda rng, eta: rng.gamma(2.0, 0.5, len(eta)) * rng.poisson(np.exp(eta)),
    "exponential": lambda rng, eta: rng.exponential(np.exp(eta)),
    "geometric": lambda rng, eta: rng.geometric(1.0 / (1.0 + np.exp(eta))) - 1,
    "student_t": lambda rng, eta: eta + rng.standard_t(4.0, len(eta)),
    "laplace": lambda rng, eta: rng.laplace(eta),
    "logistic": lambda rng, eta: rng.logistic(eta),
    "gumbel": lambda rng, eta: rng.gumbel(eta),
    "log_normal": lambda rng, eta: rng.lognormal(eta),
    "log_logistic": lambda rng, eta: np.exp(rng.logistic(eta, 0.5)),
    "weibull": lambda rng, eta: np.exp(eta) * rng.weibull(2.0, len(eta)),
    "beta": lambda rng, eta: rng.beta(5.0 * expit(eta), 5.0 * expit(-eta)),
    "von_mises": lambda rng, eta: rng.vonmises(2.0 * np.arctan(eta), 4.0),
    "beta_binomial": lambda rng, eta: np.column_stack(
        [rng.binomial(9, rng.beta(5.0 * expit(eta), 5.0 * expit(-eta))), np.full(len(eta), 9)]
    ),
    "zero_inflated": lambda rng, eta: rng.poisson(np.exp(eta)) * rng.binomial(1, 0.7, len(eta)),
    "hurdle": lambda rng, eta: rng.poisson(np.exp(eta)) * rng.binomial(1, 0.7, len(eta)),
    "categorical": lambda rng, eta: np.digitize(rng.logistic(eta), [-1.0, 1.0]),
    "ordinal": lambda rng, eta: np.digitize(rng.logistic(eta), [-1.0, 1.0]),
    "truncated_normal": lambda rng, eta: np.abs(rng.normal(eta + 3.0)),
    "censored": lambda rng, eta: at_most(1.0, rng.normal(eta)),
    "discretized": lambda rng, eta: np.clip(np.round(rng.normal(eta + 9.0)), 0.0, 18.0),
    "mixture": lambda rng, eta: rng.normal(eta) + 5.0 * rng.binomial(1, 0.5, len(eta)),
    "multivariate_normal": lambda rng, eta: rng.normal(eta, size=(2, len(eta))).T,
    "dirichlet": lambda rng, eta: np.array([rng.dirichlet([np.exp(each), 2.0]) for each in eta]),
}
OPTIONS = {
    "zero_inflated": {"family": "poisson"},
    "hurdle": {"family": "poisson"},
    "categorical": {"classes": 3},
    "ordinal": {"classes": 3},
    "truncated_normal": {"low": 0.0},
    "censored": {"family": "normal"},
    "discretized": {"family": "normal", "low": 0, "high": 18},
    "mixture": {"family": "normal", "components": 2},
    "multivariate_normal": {"units": 2},
    "dirichlet": {"units": 2},
}
Row = namedtuple("Row", "family ours peer", defaults=[None])
ROWS = {  # the family of y; our model, and the peer's, from the library's module and data
    "Logit": Row("bernoulli", lambda glm, d: glm.Logit(d.y, d.x), lambda sm, d: sm.Logit(d.y, d.x)),
    "OLS": Row("normal", lambda glm, d: glm.OLS(d.y, d.x), lambda sm, d: sm.OLS(d.y, d.x)),
    "Poisson": Row(
        "poisson",
        lambda glm, d: glm.GLM(d.y, d.x, "poisson"),
        lambda sm, d: sm.Poisson(d.y, d.x),
    ),
    "negative binomial": Row(
        "negative_binomial",
        lambda glm, d: glm.GLM(d.y, d.x, "negative_binomial"),
        lambda sm, d: sm.NegativeBinomial(d.y, d.x),
    ),
    "Logit, formula": Row(
        "bernoulli",
        lambda glm, d: glm.logit(FORMULA, d.frame),
        lambda sm, d: sm.Logit.from_formula(FORMULA, d.frame),
    ),
    "OLS, formula": Row(
        "normal",
        lambda glm, d: glm.ols(FORMULA, d.frame),
        lambda sm, d: sm.OLS.from_formula(FORMULA, d.frame),
    ),
    "Poisson, formula": Row(
        "poisson",
        lambda glm, d: glm.glm(FORMULA, d.frame, family="poisson"),
        lambda sm, d: sm.Poisson.from_formula(FORMULA, d.frame),
    ),
    "negative binomial, formula": Row(
        "negative_binomial",
        lambda glm, d: glm.glm(FORMULA, d.frame, family="negative_binomial"),
        lambda sm, d: sm.NegativeBinomial.from_formula(FORMULA, d.frame),
    ),
}
Data = namedtuple("Data", "y x frame")
FUNCTIONS = {  # what an iteration asks of each row's linear predictor, at the least
    "normal": lambda eta: eta,
    "bernoulli": expit,
    "poisson": np.exp,
    "negative_binomial": lambda eta: digamma(np.exp(eta)),
}


def at_most(high, y):
    """Return lower and upper bounds of y, which is known up to `high` alone."""
    return np.column_stack([np.minimum(y, high), np.where(y > high, np.inf, y)])


def make(family, n):
    """Return y, x and the frame of both, which formulas read."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, P))
    x[:, 0] = 1.0
    y = DRAWS[family](rng, x @ np.array([0.3, 0.5, -0.5, 0.25, -0.25, 0.0]))
    frame = pd.DataFrame(x[:, 1:], columns=[f"x{j}" for j in range(1, P)])
    return Data(y, x, frame.assign(y=y) if y.ndim == 1 else frame)


def milliseconds(module, model, data, **kwargs):
    """Return how long a fit takes, from data to coefficients and standard errors."""
    begin = time.perf_counter()
    found = model(module, data).fit(**kwargs)
    _ = found.params, found.bse
    return 1e3 * (time.perf_counter() - begin)


def alternate(row, data, runs):
    """Return the median milliseconds of our fit and of the peer's."""
    import statsmodels.api as sm

    import probnn.glm

    fits = [partial(milliseconds, probnn.glm, row.ours, data)]
    if row.peer is not None:
        quiet = {} if row.family == "normal" else {"disp": 0}
        fits.append(partial(milliseconds, sm, row.peer, data, **quiet))
    times = [[fit() for fit in fits] for _ in range(runs + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def floor(row, data, runs):
    """Return the median milliseconds of the arithmetic of our iterations."""
    import probnn.glm

    found = row.ours(probnn.glm, data).fit()
    steps, function, identity = len(found.fit_history["nll"]), FUNCTIONS[row.family], np.eye(P)

    def arithmetic():
        begin, b = time.perf_counter(), np.zeros(P)
        for _ in range(max(steps, 1)):
            values = function(data.x @ b)
            half = data.x * values[:, None]
            b = np.linalg.solve(half.T @ half + identity, data.x.T @ values)
        return 1e3 * (time.perf_counter() - begin)

    return statistics.median(arithmetic() for _ in range(runs))


def table(names, sizes, runs):
    """Return our milliseconds, the peer's, their ratio, and the floor, a row for a fit."""
    cells = {name: {} for name in names}
    for name, n in itertools.product(names, sizes):
        data = make(ROWS[name].family, n)
        ours, *peers = alternate(ROWS[name], data, runs)
        against = "".join(f" / {peer:.2f} = {ours / peer:.2f}" for peer in peers)
        least = floor(ROWS[name], data, runs)
        cells[name][f"n = {n:,}"] = f"{ours:.2f}{against}; {least:.2f}"
    return pd.DataFrame.from_dict(cells, orient="index")


def firsts(families):
    """Return the milliseconds of the first fit of a process, which is forked for each family.

    Those of the processor tell more than those of a clock, where others use it too.
    """
    import probnn.glm
    from probnn.families import get

    cells, fork = {}, multiprocessing.get_context("fork")
    for name in families:
        family, data = get(name, **OPTIONS.get(name, {})), make(name, FIRST)
        data = data._replace(x=data.x[:, len(family.no_intercept) :])
        ends = fork.Pipe(duplex=False)

        def child(family=family, data=data, end=ends[1]):
            model, begin = lambda glm, d: glm.GLM(d.y, d.x, family), time.process_time()
            wall = milliseconds(probnn.glm, model, data)
            end.send((wall, 1e3 * (time.process_time() - begin)))

        process = fork.Process(target=child)
        process.start()
        wall, cpu = ends[0].recv()
        cells[name] = {"ms": f"{wall:.0f}", "of the processor": f"{cpu:.0f}"}
        process.join()
    return pd.DataFrame.from_dict(cells, orient="index")


def timed(call):
    """Return the milliseconds of a call."""
    begin = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begin)


def more(names, runs):
    """Return our milliseconds, each peer's, our ratios to them, and the floor, a row for a work."""
    cells = {}
    for name in names:
        work = WORK[name]()
        calls = [work.ours, *work.peers.values()]
        times = [[timed(call) for call in calls] for _ in range(runs + 1)][1:]
        ours, *peers = (statistics.median(column) for column in zip(*times, strict=True))
        against = [
            f"{peer} {theirs:.2f}, {ours / theirs:.2f}"
            for peer, theirs in zip(work.peers, peers, strict=True)
        ]
        least = statistics.median(timed(work.floor) for _ in range(runs)) if work.floor else None
        cells[name] = {
            "ours": f"{ours:.2f}",
            "peers, and ours over theirs": "; ".join(against),
            "floor": "" if least is None else f"{least:.2f}",
        }
    return pd.DataFrame.from_dict(cells, orient="index")


def main():
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=[*ROWS])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--first", nargs="*", choices=DRAWS, default=[*DRAWS])
    parser.add_argument("--more", nargs="*", choices=WORK, default=[*WORK])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {}
    if args.first:  # before anything else is imported
        found[f"Milliseconds of a process's first fit, n = {FIRST:,}"] = firsts(args.first)
    if args.rows:
        caption = f"Milliseconds, ours / statsmodels' = ratio; floor. p = {P}"
        found[caption] = table(args.rows, args.sizes, args.runs)
    if args.more:
        found["Milliseconds of other work"] = more(args.more, args.runs)
    show("everyday", found, args.record)


if __name__ == "__main__":
    main()
