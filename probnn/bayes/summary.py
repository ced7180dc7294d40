"""The table of a posterior: coefficients, priors, and whether draws can be trusted."""

import html

import numpy as np


class PosteriorSummary:
    """What `Posterior.summary` returns: it prints as text, and shows as a table in notebooks.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each coefficient: `mean`, `sd`, the ends of the interval and, of a sampler's
        draws, `r_hat`, `ess_bulk`, `ess_tail`.
    header, priors, problems : list of str
        Lines on the model, on what was known before, and on what is wrong with the draws.
    """

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

    def __str__(self):
        table = self.table.copy()
        formats = {"r_hat": "{:.3f}", "ess_bulk": "{:.0f}", "ess_tail": "{:.0f}"}
        for name in table:
            table[name] = table[name].map(formats.get(name, "{:.4g}").format)
        return _text(self, table)

    __repr__ = __str__

    def _repr_html_(self):
        return _html(self)


class WeightsSummary:
    """What `NetworkLaplacePosterior.summary` returns: it prints as text, and shows as a table.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each array of weights: `weights`, their number; `known`, how many of them the
        data determine; `size`, their root mean square; `sd`, that of their standard deviations.
    header, priors, problems : list of str
        Lines on the network, on precisions of the priors, and on what is wrong with the weights.
    """

    def __init__(self, posterior):
        import pandas as pd

        read, sd = posterior.read, posterior.sd
        known = 1.0 - np.square(sd) * posterior.priors.precision
        rows = [
            {
                "weights": place.stop - place.start,
                "known": known[place].sum(),
                "size": np.sqrt(np.mean(np.square(posterior.mode[place]))),
                "sd": np.sqrt(np.mean(np.square(sd[place]))),
            }
            for place in read.slices
        ]
        self.table = pd.DataFrame(rows, index=read.paths)
        self.header = [
            f"Posterior of all {read.size} weights of a {posterior.family.label} network of "
            f"{read.y_name}",
            f"{len(read)} rows, {posterior.how()}",
            f"{posterior.effective_parameters:.1f} of the weights are determined by the data",
        ]
        self.priors, self.problems = posterior.priors.lines(), posterior.problems()

    def __str__(self):
        table = self.table.copy()
        formats = {"weights": "{:d}", "known": "{:.1f}"}
        for name in table:
            table[name] = table[name].map(formats.get(name, "{:.4g}").format)
        return _text(self, table)

    __repr__ = __str__

    def _repr_html_(self):
        return _html(self)


class DrawnWeightsSummary:
    """What `NetworkPosterior.summary` returns: it prints as text, and shows as a table.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each array of weights: `weights`, their number; `size` and `sd`, the root mean
        squares of their posterior means and of their standard deviations.
    header, priors, problems : list of str
        Lines on the network, on precisions of the priors, and on what is wrong with the draws.
    """

    def __init__(self, posterior):
        import pandas as pd

        read = posterior.read
        sizes, spreads = np.square(posterior.mean), np.square(posterior.sd)
        rows = [
            {
                "weights": place.stop - place.start,
                "size": np.sqrt(np.mean(sizes[place])),
                "sd": np.sqrt(np.mean(spreads[place])),
            }
            for place in read.slices
        ]
        self.table = pd.DataFrame(rows, index=read.paths)
        self.header = [
            f"Posterior of all {read.size} weights of a {posterior.family.label} network of "
            f"{read.y_name}",
            f"{len(read)} rows, {posterior.how()}",
            "Means of training rows: "
            + ", ".join(f"{name} {f(v):.4g}" for name, f, v in _extremes(posterior)),
        ]
        self.priors, self.problems = posterior.priors.lines(), posterior.problems()

    def __str__(self):
        return _text(self, self.table.map("{:.4g}".format))

    __repr__ = __str__

    def _repr_html_(self):
        return _html(self)


def _extremes(posterior):
    """Yield name, function and values of the worst of what tells convergence."""
    for name, values in posterior.convergence().items():
        yield name, max if name == "r_hat" else min, values


def _text(summary, table):
    """Return a summary as text, with its table as it shall be printed."""
    lines = [*summary.header, "", table.to_string(), "", "Priors", *summary.priors]
    return "\n".join([*lines, *(f"\nWarning: {each}" for each in summary.problems)])


def _html(summary):
    """Return a summary as HTML."""
    paragraphs = [*summary.header, "Priors: " + "; ".join(map(str.strip, summary.priors))]
    paragraphs += [f"Warning: {each}" for each in summary.problems]
    told = "".join(f"<p>{html.escape(each)}</p>" for each in paragraphs)
    return told + summary.table.to_html(float_format="{:.4g}".format)
