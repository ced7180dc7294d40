"""Checks of the distribution: its spread, its zeros, its tails, and its calibration.

They look at the validation rows where there are some, else at the training rows. Each check takes
an `Evidence`, and returns None or (value, threshold, message, remedy).
"""

import numpy as np

from probnn import calibration
from probnn.calibration._groups import grouped
from probnn.calibration.temperatures import best_log_inverse
from probnn.diagnosis.evidence import able, need
from probnn.diagnosis.thresholds import limit
from probnn.fitting.separation import PerfectSeparationError
from probnn.glm.model import GLM

_HEAVIER = {"real": ("student_t", "laplace"), "positive": ("log_normal", "log_logistic")}


def overdispersed(e):
    """Test the variance of Poisson and binomial counts against a larger one.

    Dean and Lawless (1989), doi:10.1080/01621459.1989.10478792; for the binomial, Dean (1992),
    doi:10.1080/01621459.1992.10475225.
    """
    from scipy.special import ndtr

    e.need_one_number()
    rows, family = e.held, e.held.d.family
    need(family.overdispersed is not None, "the family is not Poisson or binomial")
    y, mean = rows.y, np.maximum(rows.d.mean(), 1e-300)
    variance = np.maximum(rows.d.variance(), 1e-300)
    if family.per_trial() is None:
        z = np.sum((y - mean) ** 2 - y) / np.sqrt(2 * np.sum(mean**2))
    else:
        trials = np.broadcast_to(rows.d.given.get("trials", family.trials), y.shape)
        need((trials > 1).any(), "rows are of one trial each, whose variance their mean settles")
        p = np.clip(mean / trials, 1e-12, 1 - 1e-12)
        terms = ((y - mean) ** 2 + p * (y - mean) - y * (1 - p)) / (p * (1 - p))
        z = np.sum(terms) / np.sqrt(2 * np.sum(trials * (trials - 1)))
    ratio = float(np.sum((y - mean) ** 2 / variance) / max(len(y) - e.size, 1))
    if ndtr(-z) >= limit("level") or ratio <= limit("dispersion"):
        return None
    return (
        ratio,
        limit("dispersion"),
        f"Pearson's chi-squared is {ratio:.3g} per degree of freedom (score test z = {z:.3g}): "
        f"standard errors are {np.sqrt(ratio):.3g} times too small.",
        f'the family "{family.overdispersed}".',
    )


def excess_zeros(e):
    """Compare the number of zeros with that of the model.

    z ignores that the model was estimated: on training rows it is too small, as an estimated model
    follows the zeros; on validation rows too large, by the variance of the estimates. The score
    test with the exact variance, for Poisson: van den Broek (1995), doi:10.2307/2532959.
    """
    from scipy.special import ndtr

    e.need_one_number()
    rows, family = e.held, e.held.d.family
    need(family.kind == "counts", "the response is no count")
    need(family.support.low == 0.0, "the counts do not begin at 0")
    p = np.exp(rows.d.log_prob(np.zeros(rows.y.shape)))
    seen, expected = np.sum(rows.y == 0), np.sum(p)
    z = (seen - expected) / np.sqrt(max(np.sum(p * (1 - p)), 1e-300))
    excess = float((seen - expected) / len(rows))
    if ndtr(-z) >= limit("level") or excess <= limit("zeros"):
        return None
    return (
        excess,
        limit("zeros"),
        f"{seen} rows are 0 where {expected:.1f} are expected, {excess:.1%} of the rows more "
        f"(z = {z:.3g}).",
        "columns that tell zeros, for the probability of zero."
        if family.zero is not None
        else f'pn.families.ZeroInflated("{family.name}") or Hurdle("{family.name}").',
    )


def heavy_tails(e):
    """Test the kurtosis of the quantile residuals, by Anscombe and Glynn's transformation.

    doi:10.1093/biomet/70.1.227; the residuals: Dunn and Smyth (1996), doi:10.2307/1390802.
    """
    from scipy.stats import kurtosis, kurtosistest

    e.need_continuous()
    r = e.held.residuals
    need(np.ptp(r) > 1e-6, "all residuals are alike")
    excess, test = float(kurtosis(r)), kurtosistest(r, alternative="greater")
    usual = 2 * 3.167124183311992e-05 * len(r)  # P(|Z| > 4)
    if test.pvalue >= limit("level") or excess <= limit("kurtosis"):
        return None
    return (
        excess,
        limit("kurtosis"),
        f"the quantile residuals have an excess kurtosis of {excess:.3g} (z = "
        f"{test.statistic:.3g}); {np.sum(np.abs(r) > 4)} are beyond 4, where {usual:.2g} are "
        "expected.",
        _heavier(e.family),
    )


def _heavier(family):
    """Return what has heavier tails on the same support."""
    if family.components is not None:
        return "more components, or a look at the farthest rows."
    others, support = family.heavier, family.support
    if others is None and support.high == np.inf and (support.open or support.low == -np.inf):
        others = _HEAVIER.get(family.kind)
    if others:
        return "the family " + " or ".join(f'"{name}"' for name in others) + "."
    return "pn.families.Mixture of this family, or a look at the farthest rows."


def heteroscedastic(e):
    """Regress squared quantile residuals on the columns of x: Koenker's form of Breusch and Pagan.

    Koenker (1981), doi:10.1016/0304-4076(81)90062-2.
    """
    from scipy.stats import chi2

    e.need_continuous()
    x = np.asarray(e.columns, dtype="float64")
    if x.shape[1] > len(x) / 20:
        x = e.held.d.mean()[:, None]  # too many columns for their own test
    q, rank = _centred_basis(x)
    need(rank > 0, "no column of x varies")
    squares = e.held.residuals**2
    squares = squares - squares.mean()
    total = float(squares @ squares)
    need(total > 0, "all residuals are alike")
    share = float(np.sum((q.T @ squares) ** 2) / total)
    lm = len(x) * share
    if chi2.sf(lm, rank) >= limit("level") or share <= limit("r squared"):
        return None
    return (
        lm,
        float(chi2.isf(limit("level"), rank)),
        f"x explains {share:.1%} of the squared residuals (LM = {lm:.3g}, {rank} degrees of "
        f"freedom): the spread changes with x otherwise than the model says.",
        _wider(e),
    )


def _wider(e):
    """Return how the parameter of the spread is predicted from x, or better so."""
    name = e.spread
    if name is None:
        return "a family with a parameter for the spread."
    if name not in e.model.constants:
        return f'{e.model.richer} for "{name}".'
    return f"predict the spread from x: {e.model.to_predict(name)}"


def _centred_basis(x):
    """Return orthonormal columns that span those of x less their means, and how many."""
    centred = x - x.mean(axis=0)
    size = np.sqrt(np.mean(centred**2, axis=0))
    varying = size > 1e-9 * np.sqrt(np.mean(x**2, axis=0))
    if not varying.any():
        return np.zeros((len(x), 0)), 0
    u, s, _ = np.linalg.svd(centred[:, varying] / size[varying], full_matrices=False)
    rank = int(np.sum(s > 1e-8 * s[0]))
    return u[:, :rank], rank


def miscalibrated(e):
    """Test the PIT of numbers, and for classes what a recalibration of the log-odds would gain."""
    e.need_rows()
    family = e.held.d.family
    if family.kind == "binary" and e.held.y.ndim == 1:
        return _recalibrated_odds(e)
    if family.classes is not None and e.held.y.ndim == 1:
        return _recalibrated_classes(e)
    able(not family.vector, "rows are vectors")
    from scipy.stats import kstest

    test = kstest(e.held.pit, "uniform")
    statistic = float(test.statistic)
    if test.pvalue >= limit("level") or statistic <= limit("ks"):
        return None
    return (
        statistic,
        limit("ks"),
        f"the probability integral transform is not uniform (Kolmogorov-Smirnov {statistic:.3g}, "
        f"p = {test.pvalue:.2g}): a stated probability is wrong by up to {statistic:.1%}.",
        _recalibration(e, "scale_scaling", "isotonic") + "another family.",
    )


def _recalibration(e, *names):
    """Return those functions, in words, that can recalibrate what the model says of these rows."""
    able = []
    for name in names:
        try:
            with np.errstate(all="ignore"):
                getattr(calibration, name)(e.held.given, e.held.d)
        except ValueError:
            continue
        able.append(f"pn.calibration.{name}")
    return f"{' or '.join(able)} on rows held out, or " if able else ""


def _need_fair_rows(e):
    """Skip the check of a slope that a network learned by heart: it would say the opposite."""
    fair = e.held is not e.train or not e.hidden
    able(
        fair, "hidden layers fit the training rows too well to tell by these: give validation_data"
    )


def _recalibrated_odds(e):
    """Compare logit(p) with a + b logit(p), in likelihood.

    Cox (1958), doi:10.1093/biomet/45.3-4.562.
    """
    from scipy.special import logit, xlog1py, xlogy
    from scipy.stats import chi2

    _need_fair_rows(e)
    y, p = e.held.y, np.clip(e.held.d.mean(), 1e-12, 1 - 1e-12)
    eta = logit(p)
    need(np.ptp(eta) > 1e-6, "all rows have the same probability")
    try:
        fit = GLM(y, np.column_stack([np.ones(len(y)), eta]), "bernoulli").fit()
    except PerfectSeparationError:
        need(False, "the forecasts separate the classes")
    ratio = 2 * (fit.llf - np.sum(xlogy(y, p) + xlog1py(1 - y, -p)))
    intercept, slope = (float(v) for v in fit.params)
    gain = ratio / (2 * len(y))
    if chi2.sf(ratio, 2) >= limit("level") or gain <= limit("recalibration"):
        return _bent_odds(y, p, estimated=e.held is e.train)
    return (
        slope,
        1.0,
        f"the log-odds should be {intercept:.3g} + {slope:.3g} times those of the model "
        f"(likelihood ratio {ratio:.3g}, 2 degrees of freedom): it is "
        f"{'too sure' if slope < 1 else 'not sure enough'}, or off by a constant.",
        _recalibration(e, "temperature_scaling") + "an intercept, or another link."
        if slope > 0
        else "a look at how y is coded: are its values exchanged?",
    )


def _bent_odds(y, p, estimated):
    """Compare frequencies with probabilities in at most ten groups of rows, in the order of these.

    Hosmer and Lemeshow (1980), doi:10.1080/03610928008827941; on rows that p was not estimated
    from, two degrees of freedom more. Rows of one probability are in one group.
    """
    from scipy.stats import chi2

    group = grouped(p, 10)
    rows, seen, expected = (np.bincount(group, v) for v in (np.ones(len(y)), y, p))
    if len(rows) < 3:
        return None  # an intercept and a slope fit two groups: there is nothing left to bend
    statistic = np.sum((seen - expected) ** 2 / (expected * (1 - expected / rows)))
    df = len(rows) - 2 if estimated else len(rows)
    error = float(np.abs(seen - expected).sum() / len(y))
    if chi2.sf(statistic, df) >= limit("level") or error <= limit("groups"):
        return None
    return (
        error,
        limit("groups"),
        f"in {len(rows)} groups of rows by probability, frequencies are off by {error:.1%} on "
        f"average (Hosmer-Lemeshow {statistic:.3g}, {df} degrees of freedom): the log-odds bend "
        "otherwise than the model says.",
        "a hidden layer or more units, or columns that are powers and products of those of x.",
    )


def _recalibrated_classes(e):
    """Compare the log-probabilities of classes with a multiple of them, in likelihood."""
    _need_fair_rows(e)
    from scipy.special import logsumexp
    from scipy.stats import chi2

    rows = np.arange(len(e.held))
    codes, log_p = e.held.y.astype(int), np.log(np.clip(e.held.d.mean(), 1e-12, 1.0))
    gain = log_p - log_p[rows, codes][:, None]  # of each class over the one that came
    need((gain > 0.0).any(), "the forecasts separate the classes")
    need(gain.mean(axis=1).sum() < 0.0, "the forecasts tell nothing about the classes")

    slope = float(np.exp(best_log_inverse(gain)))
    ratio = 2 * float(np.sum(logsumexp(gain, axis=1) - logsumexp(slope * gain, axis=1)))
    gain = ratio / (2 * len(rows))
    if chi2.sf(ratio, 1) >= limit("level") or gain <= limit("recalibration"):
        return None
    return (
        slope,
        1.0,
        f"the log-probabilities should be {slope:.3g} times those of the model (likelihood ratio "
        f"{ratio:.3g}): it is {'too sure' if slope < 1 else 'not sure enough'}.",
        _recalibration(e, "temperature_scaling")
        + ("a penalty or fewer epochs." if slope < 1 else "more epochs."),
    )
