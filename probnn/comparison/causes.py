"""Why the fits of a comparison differ: what is seen in each, and what follows from it."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SAME = 1e-4  # relative difference up to which two numbers count as equal
_WORDS = {
    "coef": "coefficients",
    "se": "standard errors",
    "llf": "log-likelihoods",
    "scale": "scales",
    "nll": "held-out scores",
}


def explain(fits):
    """Return sentences that say why fits differ, or that they do not."""
    notes = [text for fit in fits for text in map(lambda f: f(fit), _OF_ONE) if text]
    pairs = list(itertools.combinations(fits, 2))
    differ = [differences(*pair) for pair in pairs]
    apart = [{name for name, value in each.items() if value > SAME} for each in differ]
    for cause in _OF_PAIRS:
        touched = [
            pair
            for pair, found in zip(pairs, apart, strict=True)
            if (not cause.affects or found & {*cause.affects}) and cause.separates(*pair)
        ]
        notes += cause.say(touched) if touched else []
    open_ = [
        (*pair, each)
        for pair, each, found in zip(pairs, differ, apart, strict=True)
        if found and not _is_explained(*pair)
    ]
    notes += _unexplained(open_) if open_ else []
    if not notes and pairs and all(differ):
        worst = max(value for each in differ for value in each.values())
        notes.append(f"All columns agree to {_digits(worst)} digits.")
    return notes


def differences(a, b):
    """Return quantity -> largest relative difference of two fits, where both have it.

    A coefficient's difference is relative to the largest of the two and their standard errors.
    """
    coef = [(a.coef[n], b.coef[n], a.se.get(n), b.se.get(n)) for n in a.coef if n in b.coef]
    found = {
        "coef": coef,
        "se": [(a.se[n], b.se[n]) for n in a.se if n in b.se],
        "llf": [(a.llf, b.llf)],
        "scale": [(a.scale, b.scale)],
    }
    if a.held_out is not None and b.held_out is not None:
        found["nll"] = [(np.mean(a.held_out), np.mean(b.held_out))]
    worst = {name: max(map(_relative, values), default=-1.0) for name, values in found.items()}
    return {name: value for name, value in worst.items() if value >= 0.0}


def _relative(values):
    """Return the difference of the first two values over the largest; -1 if one is missing."""
    if not np.isfinite(values[:2]).all():
        return -1.0
    size = np.nanmax(np.abs(np.array(values, dtype="float64")))
    return abs(values[0] - values[1]) / size if size else 0.0


def _digits(apart):
    """Return how many digits two numbers share whose relative difference this is."""
    return int(-np.log10(np.clip(apart, 1e-15, 1.0)))


def _is_explained(a, b):
    alone = any(f(fit) for f in _OF_ONE for fit in (a, b))
    return alone or any(cause.separates(a, b) for cause in _OF_PAIRS)


def _unexplained(open_):
    """Return a sentence on pairs of fits, with their differences, that no cause tells apart."""
    name, worst = max(
        (item for *_, found in open_ for item in found.items()), key=lambda item: item[1]
    )
    listed = "; ".join(quoted([a, b]) for a, b, _ in open_)
    return [
        f"No cause was found for {_WORDS[name]} that agree to {_digits(worst)} digits only: "
        f"{listed}. The tolerance of an optimiser may be one."
    ]


def quoted(fits):
    """Return the names of fits, quoted."""
    return ", ".join(f"'{fit.name}'" for fit in fits)


def same_rows(a, b):
    """Return whether two fits are known to have the same responses."""
    return a.y is not None and b.y is not None and len(a.y) == len(b.y) and np.allclose(a.y, b.y)


# ---- what one fit is enough for -----------------------------------------------------------------


def unconverged(fit):
    """Return why a fit is not at the optimum of its likelihood, or nothing."""
    found = fit.certificate
    if found is None or fit.penalty or found.converged:
        reason = fit.stopped
    elif found.problem:
        reason = found.problem.rstrip(".")
    else:
        reason = (
            f"its mean NLL is {found.gap:.3g} above the optimum, its largest coefficient error "
            f"{found.largest:.2g} standard errors ({found.name}). Run pn.polish"
        )
    return reason and f"'{fit.name}' is not at the optimum of its likelihood: {reason}."


def _flexible(fit):
    if fit.hidden:
        return (
            f"'{fit.name}' has hidden layers: its {fit.size} parameters belong to no input "
            "alone, and it has no coefficients here."
        )
    return not fit.coef and f"'{fit.name}' is no linear model: it has no coefficients."


def _transformed(fit):
    return fit.transformed and (
        f"The coefficients of '{fit.name}' are not in the units of x, but of what the steps "
        f"{fit.transformed}, which are not linear, make of it."
    )


_OF_ONE = (unconverged, _flexible, _transformed)


# ---- what tells two fits apart ------------------------------------------------------------------


@dataclass(frozen=True)
class Cause:
    """A reason for differences.

    Parameters
    ----------
    separates : callable
        Whether it tells two fits apart.
    affects : tuple of str
        Quantities of which one must differ for it to be worth a sentence; none: it always is.
    say : callable
        Sentences, from the pairs that it touches.
    """

    separates: Callable
    affects: tuple
    say: Callable


def _fits(pairs):
    return list({id(fit): fit for pair in pairs for fit in pair}.values())


def _by(key, affects, text, word=str, unless=lambda a, b: False):
    """Return the cause that fits have different keys; None is no key.

    `text` has the fits with each key, in words, in place of {}.
    """

    def separates(a, b):
        return None not in (key(a), key(b)) and key(a) != key(b) and not unless(a, b)

    def say(pairs):
        return [text.format(_sides(pairs, key, word))]

    return Cause(separates, affects, say)


def _sides(pairs, key, word):
    """Return which fits have which key, as text."""
    groups = {}
    for fit in _fits(pairs):
        groups.setdefault(key(fit), []).append(fit)
    return "; ".join(f"{word(k) or 'none'} in {quoted(members)}" for k, members in groups.items())


def _say_penalised(pairs):
    notes = []
    for fit in _fits(pairs):
        if fit.penalty:
            hint = "; with C=np.inf it is not" if fit.penalty.startswith("C=") else ""
            short = ""
            if fit.certificate is not None:
                short = f", its mean NLL {fit.certificate.gap:.3g} above the optimum"
            notes.append(
                f"'{fit.name}' is penalised ({fit.penalty}{hint}), and so not at the maximum "
                f"of the likelihood{short}; it has no AIC or BIC, which count free parameters."
            )
    return notes


def _say_counted(pairs):
    modelled = [fit for fit in _fits(pairs) if not fit.uncounted]
    alone = [fit for fit in _fits(pairs) if fit.uncounted]
    return [
        f"AIC and BIC count all that {quoted(modelled)} estimates, but not the one number that is "
        f"the scale of {quoted(alone)}, as in statsmodels."
    ]


def _say_rows(pairs):
    dropped = "".join(
        f" '{fit.name}' dropped {fit.dropped} with missing values."
        for fit in _fits(pairs)
        if fit.dropped
    )
    sides = _sides(pairs, lambda fit: fit.nobs, lambda nobs: f"{nobs:g}")
    return [f"Numbers of rows differ: {sides}.{dropped}"]


def _names(fit):
    """Return the names of coefficients that belong to inputs; None where there are none."""
    if fit.hidden or fit.transformed or not fit.coef:
        return None
    return frozenset(fit.coef) - {"dispersion"}


def _say_names(pairs):
    fits = _fits(pairs)
    union = dict.fromkeys(name for c in fits for name in c.coef if name in _names(c))
    lacking = {}
    for fit in fits:
        absent = ", ".join(repr(name) for name in union if name not in _names(fit))
        lacking.setdefault(absent, []).append(fit)
    sides = (f"{absent} not in {quoted(members)}" for absent, members in lacking.items() if absent)
    return [f"Columns differ: {'; '.join(sides)}."]


def _units(a, b):
    """Return the names of inputs of which two fits hold different numbers."""
    shared = [n for n in a.inputs if n in b.inputs and len(a.inputs[n]) == len(b.inputs[n])]
    return [n for n in shared if not np.allclose(a.inputs[n], b.inputs[n], rtol=1e-6)]


def _say_units(pairs):
    notes = []
    for a, b in pairs:
        names = _units(a, b)
        name = names[0]
        more = f", and so {len(names) - 1} more" if len(names) > 1 else ""
        one, two = (np.asarray(c.inputs[name], dtype="float64") for c in (a, b))
        slope, shift = np.polyfit(two, one, 1)
        if abs(slope) < 1.0:  # say what was divided by a large number, not by a small one
            a, b, one, two = b, a, two, one
            slope, shift = np.polyfit(two, one, 1)
        how = f"'{name}' holds other numbers in '{a.name}' than in '{b.name}'{more}"
        if np.allclose(slope * two + shift, one, rtol=1e-6, atol=1e-8 * np.ptp(one)):
            sign = "+" if shift < 0 else "-"
            how = (
                f"'{name}' in '{b.name}' is ({name} {sign} {abs(shift):.4g}) / {slope:.4g} of that "
                f"in '{a.name}'{more}: its coefficient is {slope:.4g} times as large"
            )
        notes.append(f"Units of inputs differ: {how}.")
    return notes


_DIVISORS = {
    "n": "n (maximum likelihood)",
    "n - p": "n - p",
    "other": "neither n nor n - p (given, or not from this sum)",
}

_OF_PAIRS = (
    Cause(lambda a, b: a.penalty != b.penalty, ("coef", "llf", "nll"), _say_penalised),
    Cause(lambda a, b: a.nobs != b.nobs and np.isfinite(a.nobs + b.nobs), (), _say_rows),
    Cause(
        lambda a, b: (
            a.nobs == b.nobs and a.y is not None and b.y is not None and not same_rows(a, b)
        ),
        (),
        lambda pairs: [f"Responses differ: y of {quoted(_fits(pairs))} is not the same."],
    ),
    _by(lambda c: c.family, (), "Families differ: {}."),
    _by(
        lambda c: c.discrete,
        (),
        "Log-likelihoods of probabilities and of densities cannot be compared: {}.",
        lambda discrete: "probabilities" if discrete else "densities",
    ),
    _by(lambda c: c.link or None, (), "Links differ: {}."),
    Cause(
        lambda a, b: None not in (_names(a), _names(b)) and _names(a) != _names(b), (), _say_names
    ),
    Cause(lambda a, b: bool(_units(a, b)), ("coef", "llf", "nll"), _say_units),
    _by(lambda c: c.offset, (), "Offsets differ: {}."),
    _by(lambda c: c.weights, (), "Weights differ: {}."),
    Cause(
        lambda a, b: (
            a.discrete == b.discrete and np.isfinite(a.llf + b.llf) and a.uncounted != b.uncounted
        ),
        (),
        _say_counted,
    ),
    _by(
        lambda c: c.divisor or None,
        ("scale", "se"),
        "Scales, and with them standard errors and predictions, divide the sum of squares by "
        "different numbers: {}.",
        _DIVISORS.get,
    ),
    _by(
        lambda c: c.predictive or None,
        ("nll",),
        "Held-out rows are scored with scales that divide the sum of squares by different numbers: "
        "{}.",
        _DIVISORS.get,
        unless=lambda a, b: (a.divisor, b.divisor) == (a.predictive, b.predictive),
    ),
    _by(lambda c: c.cov_type, ("se",), "Kinds of standard errors (cov_type) differ: {}."),
    _by(
        lambda c: c.information,
        ("se",),
        "Standard errors come from different information, as the link is not canonical: {}.",
    ),
)
