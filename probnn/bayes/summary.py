"""The table of a posterior: coefficients, priors, and whether draws can be trusted."""

import html

import numpy as np


class Printed:
    """A table with lines about it: text where it is printed, a table in notebooks."""

    _formats = {}  # column -> how its numbers are printed, where not to four digits

    def __str__(self):
        table = self.table.copy()
        for name in table:
            table[name] = table[name].map(self._formats.get(name, "{:.4g}").format)
        lines = [*self.header, "", table.to_string(), "", "Priors", *self.priors]
        return "\n".join([*lines, *(f"\nWarning: {each}" for each in self.problems)])

    __repr__ = __str__

    def _repr_html_(self):
        paragraphs = [*self.header, "Priors: " + "; ".join(map(str.strip, self.priors))]
        paragraphs += [f"Warning: {each}" for each in self.problems]
        told = "".join(f"<p>{html.escape(each)}</p>" for each in paragraphs)
        return told + self.table.to_html(float_format="{:.4g}".format)


class PosteriorSummary(Printed):
    """What `Posterior.summary` returns: it prints as text, and shows as a table in notebooks.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each coefficient: `mean`, `sd`, the ends of the interval and, of a sampler's
        draws, `r_hat`, `ess_bulk`, `ess_tail`.
    header, priors, problems : list of str
        Lines on the model, on what was known before, and on what is wrong with the draws.
    """

    _formats = {"r_hat": "{:.3f}", "ess_bulk": "{:.0f}", "ess_tail": "{:.0f}"}

    def __init__(self, posterior, level):
        import pandas as pd

        names, ends = posterior.names, posterior.interval(level)
        low, high = (f"{100 * q:g}%" for q in (0.5 - level / 2.0, 0.5 + level / 2.0))
        columns = {"mean": posterior.mean, "sd": posterior.sd, low: ends[:, 0], high: ends[:, 1]}
        columns |= posterior.convergence()
        self.table = pd.DataFrame(columns, index=names)
        family, model = posterior.family, posterior.model
        links = ", ".join(f"{name} ({family.links[name].name})" for name in model.predicted)
        self.header = [
            f"Posterior of a {family.label} model of {model.y_name}: {links}",
            f"{len(model)} rows, {posterior.how()}",
        ]
        each = zip(names, posterior.priors.each, strict=True)
        self.priors = [f"  {name}: {prior}" for name, prior in each]
        if posterior.priors.constants:
            self.priors.append("  (a constant's is of the predictor at the columns' means)")
        self.problems = posterior.problems()


class WeightsSummary(Printed):
    """What `NetworkLaplacePosterior.summary` returns: it prints as text, and shows as a table.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each array of weights: `weights`, their number; `known`, how many of them the
        data determine; `size`, their root mean square; `sd`, that of their standard deviations;
        and how many have an interval of the level that leaves out 0.
    header, priors, problems : list of str
        Lines on the network, on precisions of the priors, and on what is wrong with the weights.
    """

    _formats = {"weights": "{:d}", "known": "{:.1f}"}

    def __init__(self, posterior, level):
        known = 1.0 - np.square(posterior.sd) * posterior.priors.precision
        self.table = _arrays(posterior, level)
        self.table.insert(1, "known", [known[place].sum() for place in posterior.subject.slices])
        self.header = [
            *_of_network(posterior),
            f"{posterior.effective_parameters:.1f} of the weights are determined by the data",
        ]
        self.priors, self.problems = posterior.priors.lines(), posterior.problems()


class DrawnWeightsSummary(Printed):
    """What `NetworkPosterior.summary` returns: it prints as text, and shows as a table.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each array of weights: `weights`, their number; `size` and `sd`, the root mean
        squares of their posterior means and of their standard deviations; and how many have an
        interval of the level that leaves out 0.
    header, priors, problems : list of str
        Lines on the network, on precisions of the priors, and on what is wrong with the draws.
    """

    def __init__(self, posterior, level):
        self.table = _arrays(posterior, level)
        self.header = [
            *_of_network(posterior),
            "Means of training rows: "
            + ", ".join(f"{name} {f(v):.4g}" for name, f, v in _extremes(posterior)),
        ]
        self.priors, self.problems = posterior.priors.lines(), posterior.problems()


def _arrays(posterior, level):
    """Return a frame of a network's arrays: their weights, root mean squares, which are not 0."""
    import pandas as pd

    low, high = posterior.interval(level).T
    away = (low > 0.0) | (high < 0.0)
    subject, sizes, spreads = posterior.subject, np.square(posterior.mean), np.square(posterior.sd)
    rows = [
        {
            "weights": place.stop - place.start,
            "size": np.sqrt(np.mean(sizes[place])),
            "sd": np.sqrt(np.mean(spreads[place])),
            f"not 0 at {100 * level:g}%": away[place].sum(),
        }
        for place in subject.slices
    ]
    return pd.DataFrame(rows, index=subject.paths)


def _of_network(posterior):
    """Return the first lines on the posterior of a network."""
    subject = posterior.subject
    return [
        f"Posterior of all {subject.size} weights of a {posterior.family.label} network of "
        f"{subject.y_name}",
        f"{len(subject)} rows, {posterior.how()}",
    ]


def _extremes(posterior):
    """Yield name, function and values of the worst of what tells convergence."""
    for name, values in posterior.convergence().items():
        yield name, max if name == "r_hat" else min, values
