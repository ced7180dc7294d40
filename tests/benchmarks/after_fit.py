"""Seconds of every call after a fit, for every family: those that take long, the slowest first.

    python tests/benchmarks/after_fit.py [--rows N] [--families NAME ...] [--over SECONDS]
        [--record]

Parameters vary by row: random averages of those of `tests/tables/families.py`. A call runs on a
hundredth of the rows, then on a tenth, then on all; once ten times as many might take more than 10
seconds, the seconds of all rows are those of the tenth, or of the hundredth, in proportion, marked
with a ~.
"""

import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from _record import options, show
from tables.families import FAMILIES, SEVERAL, FamilyCase

import probnn as pn
from probnn import calibration, scores

LONG = 10.0  # seconds that a call may take

# Families made of another, beyond those of the tables.
MORE = [
    ("poisson", pn.families.Hurdle, {"zero_probs": [0.3, 0.9, 0.1]}),
    ("negative_binomial", pn.families.ZeroInflated, {"inflation": [0.3, 0.9, 0.1]}),
    ("geometric", pn.families.ZeroInflated, {"inflation": [0.3, 0.9, 0.1]}),
    ("normal", lambda base: pn.families.Discretized(base, low=-10, high=300), {}),
    *(
        (base, lambda base: pn.families.Mixture(base, components=2), {"weights": ...})
        for base in ("negative_binomial", "gamma", "student_t", "geometric", "log_normal")
    ),
]

CALLS = {
    "mean": lambda d, y: d.mean(),
    "variance": lambda d, y: d.variance(),
    "entropy": lambda d, y: d.entropy(),
    "mode": lambda d, y: d.mode(),
    "log_prob": lambda d, y: d.log_prob(y),
    "cdf": lambda d, y: d.cdf(y),
    "quantile(0.05)": lambda d, y: d.quantile(0.05),
    "quantile(0.999)": lambda d, y: d.quantile(0.999),
    "interval": lambda d, y: d.interval(),
    "sample": lambda d, y: d.sample(1, seed=0),
    "pit": lambda d, y: d.pit(y, seed=0),
    "crps": lambda d, y: d.crps(y),
    "to_frame": lambda d, y: d.to_frame(),
    **{name: lambda d, y, score=score: score(y, d) for name, score in scores.SCORES.items()},
    **{
        name: lambda d, y, name=name: getattr(calibration, name)(y, d)
        for name in (
            "coverage",
            "quantile_residuals",
            "uniformity_test",
            "decompose",
            "report",
        )
    },
    "sharpness": lambda d, y: calibration.sharpness(d),
    "calibration.pit": lambda d, y: calibration.pit(y, d),
}


def composed(base, make, own):
    """Return the case of a family made of another one."""
    case = next(case for case in FAMILIES if case.name == base)
    params = {name: values[:3] for name, values in case.arrays().items()}
    if "weights" in own:
        params = {name: np.stack([v, np.roll(v, 1)], axis=-1) for name, v in params.items()}
        own = {"weights": [[0.3, 0.7], [0.5, 0.5], [0.8, 0.2]]}
    family = make(base)
    return FamilyCase(family.name, family, {**params, **own}, [], [], None, None, None)


def cases():
    """Return label -> case."""
    found = {}
    for case in FAMILIES + SEVERAL + [composed(*each) for each in MORE]:
        label = str(case.family).partition(":")[0].removeprefix("<family ").rstrip(">")
        count = sum(each == label or each.startswith(label + " (") for each in found)
        found[label + (f" ({count + 1})" if count else "")] = case
    return found


def drawn(case, n, rng):
    """Return n distributions, and a y of each."""
    params = case.arrays()
    share = rng.dirichlet(np.full(len(next(iter(params.values()))), 0.5), n)
    params = {name: np.tensordot(share, values, 1) for name, values in params.items()}
    if case.family.given:
        params["trials"] = rng.integers(1, 200, n).astype(float)
    d = pn.Predictive(case.family, params)
    y = d.sample(1, seed=rng)[0]
    if case.family.y_columns is not None and case.family.given:
        y = np.column_stack([y, params["trials"]])
    return d, y


def seconds(call, inputs):
    """Return the seconds of the last inputs, and whether they are in proportion to others'."""
    last = len(inputs[-1][0])
    for d, y in inputs:
        fresh = pn.Predictive(d.family, {**d.params, **d.given})
        start = time.perf_counter()
        call(fresh, y)
        took = time.perf_counter() - start
        if 10.0 * took > LONG:
            break
    return took * last / len(d), len(d) < last


def main():
    """Print, for every family, the calls that take long."""
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="of each call")
    parser.add_argument("--families", nargs="*", default=None, help="starts of their names")
    parser.add_argument("--over", type=float, default=1.0, help="seconds of what is printed")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for label, case in cases().items():
        if given.families and not label.startswith(tuple(given.families)):
            continue
        rng = np.random.default_rng(0)
        inputs = [drawn(case, given.rows // part, rng) for part in (100, 10, 1)]
        CALLS["mean"](*inputs[0])
        for name, call in CALLS.items():
            try:
                took, guessed = seconds(call, inputs)
            except ValueError:  # a call that is none of this family
                continue
            rows.append((label, name, took, f"{'~' if guessed else ''}{took:.2f}"))
        own = [each for each in rows if each[0] == label and each[2] > given.over]
        long = [f"{name} {shown}" for _, name, _, shown in own]
        print(label, *long, sep="\n  ", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows, columns=["family", "call", "took", "seconds"])
    table = table[table.took > given.over].sort_values("took", ascending=False)
    table = table.set_index("family")[["call", "seconds"]]
    caption = f"Calls of over {given.over} s on {given.rows:,} rows"
    show("after_fit", {caption: table}, given.record)


if __name__ == "__main__":
    main()
