"""Posteriors: effective draws a second beside bambi's and rstanarm's, and ranks of the truth.

    python tests/benchmarks/bayes.py [--record]
    python tests/benchmarks/bayes.py --calibrate [SETS] [--record]

All sample one posterior, of one prior, in four chains of 1,000 draws after 500. bambi samples by
nutpie too, where it is installed: pip install bambi numba; rstanarm where Rscript finds it. Each
row is a median of runs in this process, after one that compiles; the effective draws are those of
the coefficient that has the fewest. With --calibrate, simulation-based calibration: coefficients
from the prior, y from them, and the rank of each coefficient among 99 draws of its posterior, which
is uniform if all is right. Talts et al. (2018), arXiv:1804.06788.
"""

import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from _record import options, show
from scipy import stats

import probnn as pn
from probnn.bayes import Priors, priors, sample

sys.path = [p for p in sys.path if p != str(Path(__file__).parent)]  # numba wants another coverage
FAMILIES = ["bernoulli", "poisson", "normal", "gamma", "negative_binomial", "beta", "student_t"]
# Of columns of unit variance, of the predictor at their means, and of a dispersion and its inverse.
GIVEN = {"*": priors.Normal(0.0, 2.5), "dispersion": priors.HalfStudentT(1.0, 1.0)}


def cases():
    """Yield a name, a formula, a family and the data."""
    fair = sm.datasets.fair.load_pandas().data
    yield "logistic, 6,366 x 9", "affair ~ ", "bernoulli", _table(fair, "affairs", "affair", True)
    visits = sm.datasets.randhie.load_pandas().data.iloc[:4038]
    for family in ("poisson", "negative_binomial"):
        name = family.replace("_", " ")
        yield f"{name}, 4,038 x 10", "visits ~ ", family, _table(visits, "mdvis", "visits")


def _table(data, column, name, positive=False):
    y = data[column]
    x = data.drop(columns=column)
    x = (x - x.mean()) / x.std()
    return x.assign(**{name: (y > 0).astype(float) if positive else y})


# ---- each returns: the fewest effective draws, seconds, the processor's, gradients a draw -------


def ours(formula, family, data, seed):
    """Sample with this library."""
    start = time.perf_counter(), time.process_time()
    model = pn.glm.glm(formula, data, family=family)
    given = {k: v for k, v in GIVEN.items() if k == "*" or family == "negative_binomial"}
    posterior = sample(model, priors=given, seed=seed, verbose=False)
    spent = time.perf_counter() - start[0], time.process_time() - start[1]
    return posterior.ess_bulk.min(), *spent, posterior.stats["n_steps"].mean()


def bambis(formula, family, data, seed):
    """Sample with bambi and nutpie, the model made before."""
    import arviz as az
    import bambi as bmb

    given = {"Intercept": bmb.Prior("Normal", mu=0.0, sigma=2.5)}
    given |= {name: bmb.Prior("Normal", mu=0.0, sigma=2.5) for name in data.columns[:-1]}
    if family == "negative_binomial":
        given["alpha"] = bmb.Prior("HalfCauchy", beta=1.0)
    model = bmb.Model(formula, data, family=family.replace("_", ""), priors=given)
    model.build()
    start = time.perf_counter(), time.process_time()
    how = {"draws": 1000, "tune": 500, "chains": 4, "random_seed": seed}
    found = model.fit(inference_method="nutpie", progress_bar=False, **how)
    spent = time.perf_counter() - start[0], time.process_time() - start[1]
    least = min(float(values.min()) for values in az.ess(found).data_vars.values())
    return least, *spent, float(found.sample_stats["n_steps"].mean())


def rstanarms(formula, family, data, seed):
    """Sample with rstanarm on one core, without the start of R."""
    with tempfile.TemporaryDirectory() as folder:
        data.to_csv(f"{folder}/data.csv", index=False)
        script = Path(__file__).with_suffix(".R")
        command = ["Rscript", script, f"{folder}/data.csv", formula, family, str(seed)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(map(float, printed.rpartition("found")[2].split()))


def peers():
    """Return those that are installed, by name."""
    found = {"probnn": ours}
    try:
        import bambi  # noqa: F401

        found["bambi"] = bambis
    except ImportError:
        print("bambi is not installed: no peer")
    command = ["Rscript", "-e", "library(rstanarm)"]
    if shutil.which("Rscript") and not subprocess.run(command, capture_output=True).returncode:
        found["rstanarm"] = rstanarms
    else:
        print("rstanarm is not installed: no peer")
    return found


def speed(repeats=3):
    """Return the tables by caption."""
    rows, compared = {}, peers()
    for name, formula, family, data in cases():
        formula += " + ".join(data.columns[:-1])
        least = {}
        for peer, run in compared.items():
            first = run(formula, family, data, 0)
            again = [run(formula, family, data, seed) for seed in range(1, repeats + 1)]
            ess, wall, cpu, gradients = np.median(again, axis=0)
            rates = [each[0] / np.array(each[1:3]) for each in again]
            least[peer] = np.median(rates, axis=0)
            rows[f"{name}: {peer}"] = {
                "effective draws": f"{ess:.0f}",
                "seconds": f"{wall:.1f}",
                "CPU seconds": f"{cpu:.1f}",
                "a second": f"{least[peer][0]:.0f}",
                "a CPU second": f"{least[peer][1]:.0f}",
                "gradients a draw": f"{gradients:.1f}",
                "first run, seconds": f"{first[1]:.1f}",
                "probnn is faster": "{:.1f}, {:.1f}".format(*(least["probnn"] / least[peer])),
            }
            print(f"{name}: {peer}", rows[f"{name}: {peer}"], flush=True)
    caption = "Effective draws of a posterior; probnn's a second over the peer's, and a CPU second"
    return {caption: pd.DataFrame(rows).T}


def calibrate(sets):
    """Return the tables by caption: for each family and coefficient, p-values of uniform ranks."""
    rng, rows = np.random.default_rng(0), {}
    x = pd.DataFrame(rng.normal(size=(50, 2)), columns=["a", "b"])
    x -= x.mean()
    x.insert(0, "const", 1.0)
    for family in FAMILIES:
        given = {"*": priors.Normal(0.0, 0.5), "df": priors.Gamma(8.0, 1.0)}
        positive = [p for p in pn.families.get(family).params if p not in ("loc", "df")]
        given |= dict.fromkeys(positive[-1:], priors.Gamma(6.0, 2.0))
        link = {"link": "log"} if family == "gamma" else {}
        y0 = np.full(50, 0.5) if family == "beta" else np.tile([0.0, 1.0], 25) + (family == "gamma")
        first = pn.glm.GLM(y0, x, family, **link).with_free_dispersion()
        given = {k: v for k, v in given.items() if k == "*" or k in first.parameter_names}
        prior, likelihood, ranks = Priors(first, given), first.likelihood(), []
        for seed in range(sets):
            truth = prior.draw(rng, 1)[0]
            d = pn.Predictive(first.family, first.family.to_params(likelihood.raw(truth)))
            y = d.sample(1, rng)[0]
            y = np.clip(y, None, np.nextafter(1.0, 0.0)) if family == "beta" else y  # not rounded
            model = pn.glm.GLM(y, x, family, **link)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = sample(
                    model, priors=given, draws=495, tune=300, chains=1, seed=seed, verbose=False
                )
            ranks.append((found.coef[0, ::5] < truth).sum(axis=0))
        counts = [np.bincount(np.array(r) // 10, minlength=10) for r in np.transpose(ranks)]
        p = [f"{stats.chisquare(c).pvalue:.3f}" for c in counts]
        others = zip(first.parameter_names[3:], p[3:], strict=True)
        rows[family] = dict(zip(["const", "a", "b"], p, strict=False))
        rows[family]["constants"] = ", ".join(f"{name} {each}" for name, each in others)
        print(family, rows[family], flush=True)
    caption = f"Ranks of the truth in {sets} simulated data sets of 50 rows: p-values of uniformity"
    return {f"{caption} (chi-square, ten bins)": pd.DataFrame(rows).T}


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--calibrate", nargs="?", const=200, type=int, metavar="SETS")
    chosen = parser.parse_args()
    if chosen.calibrate is None:
        show("bayes", speed(), chosen.record)
    else:
        show("bayes_calibration", calibrate(chosen.calibrate), chosen.record)
