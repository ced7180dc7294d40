"""CPU seconds of every call after a fit, for every family: those that take long, the slowest first.

    python tests/benchmarks/after_fit.py [--rows N] [--families NAME ...] [--over SECONDS]
        [--aim SECONDS] [--all] [--record]

Parameters vary by row: random averages of those of `tests/tables/families.py`. A call runs on a
tenth of the rows; where these in proportion are over the limit, and all rows may be waited for, it
runs on all, as some of its work may not depend on their number. Seconds in proportion are marked
with a ~, those over the aim with a !. With --all every family has a row, and every kind of call a
column: the seconds of the kind's longest.
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

LONG = 5.0  # seconds that a call may take

# What --all shows: kinds of calls.
KINDS = {
    "log score": ("log_prob", "log_score"),
    "CRPS": ("crps", "ranked_probability", "energy"),
    "entropy": ("entropy",),
    "interval": ("interval", "to_frame"),
    "quantile": ("quantile(0.05)", "quantile(0.999)", "pinball"),
    "PIT": ("pit", "calibration.pit", "uniformity_test", "quantile_residuals"),
    "coverage": ("coverage",),
    "report": ("report", "sharpness", "decompose"),
    "moments": ("mean", "variance", "mode", "dawid_sebastiani"),
}

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


def seconds(call, inputs, over):
    """Return the CPU seconds of the last inputs, and whether they are in proportion to others'."""
    last = len(inputs[-1][0])
    for d, y in inputs:
        fresh = pn.Predictive(d.family, {**d.params, **d.given})
        start = time.process_time()
        call(fresh, y)
        took = (time.process_time() - start) * last / len(d)
        if took < over or took > LONG:
            break
    return took, len(d) < last


def kinds(rows):
    """Return a frame of the longest of each kind of call, in seconds, for each family."""
    table = pd.DataFrame(rows, columns=["family", "call", "took", "seconds"])
    kind = {call: kind for kind, calls in KINDS.items() for call in calls}
    table["kind"] = table["call"].map(kind)
    table = table.dropna(subset="kind").sort_values("took").groupby(["family", "kind"]).last()
    return table["seconds"].unstack()[list(KINDS)].fillna("")


def main():
    """Print, for every family, the calls that take long."""
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="of each call")
    parser.add_argument("--families", nargs="*", default=None, help="starts of their names")
    parser.add_argument("--over", type=float, default=1.0, help="seconds of what is printed")
    parser.add_argument("--aim", type=float, default=1.0, help="seconds that are enough")
    parser.add_argument("--all", action="store_true", help="print a row for every family")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for label, case in cases().items():
        if given.families and not label.startswith(tuple(given.families)):
            continue
        rng = np.random.default_rng(0)
        inputs = [drawn(case, given.rows // part, rng) for part in (10, 1)]
        CALLS["mean"](*inputs[0])
        for name, call in CALLS.items():
            try:
                took, guessed = seconds(call, inputs, given.over)
            except ValueError:  # a call that is none of this family
                continue
            shown = f"{'~' if guessed else ''}{took:.2f}{'!' if took > given.aim else ''}"
            rows.append((label, name, took, shown))
        own = [each for each in rows if each[0] == label and each[2] > given.over]
        long = [f"{name} {shown}" for _, name, _, shown in own]
        print(label, *long, sep="\n  ", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows, columns=["family", "call", "took", "seconds"])
    table = table[table.took > given.over].sort_values("took", ascending=False)
    table = table.set_index("family")[["call", "seconds"]]
    tables = {f"Calls of over {given.over} CPU s on {given.rows:,} rows": table}
    if given.all:
        tables[f"CPU s of the longest call of each kind, {given.rows:,} rows"] = kinds(rows)
    show("after_fit", tables, given.record)


if __name__ == "__main__":
    main()
