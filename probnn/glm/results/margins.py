"""Marginal effects: what a change of a column does to the mean."""

import warnings
from functools import cached_property

import numpy as np

from probnn.fitting.likelihood import Likelihood
from probnn.glm.results import delta

_AT = ("overall", "mean", "median", "zero", "all")
_METHODS = {"dydx": "dy/dx", "eyex": "d(lny)/d(lnx)", "dyex": "dy/d(lnx)", "eydx": "d(lny)/dx"}


class Margins:
    """Effects of the columns on the mean, with standard errors by the delta method.

    Made by `Results.get_margeff`, with statsmodels' names. The constant is left out. Of class
    probabilities each array has a column, and the table a block, for every class.

    Parameters
    ----------
    results : probnn.glm.results.Results
        The fitted model.
    at : {"overall", "mean", "median", "zero", "all"}
        The mean of the rows' effects; the effects in a row of means, medians, or zeros; those of
        every row, which come without standard errors.
    method : {"dydx", "eyex", "dyex", "eydx"}
        The derivative; "ey" takes the logarithm of the mean, "ex" that of the column.
    dummy : bool
        Whether columns of 0 and 1 are changed from 0 to 1, instead of differentiated.
    count : bool
        Whether columns of counts are changed by 1 in both directions, and the change halved.

    Attributes
    ----------
    margeff, margeff_se : (p,), or (p, C) of C classes
        The effects and their standard errors; with at="all" the effects are (n, p) or (n, p, C).
    margeff_cov : (p, p), or (C p, C p)
        The covariance of the effects, those of one class after those of another.
    tvalues, pvalues : as margeff
        Effects over their standard errors, and two-sided p-values by the normal distribution.

    Raises
    ------
    ValueError
        For unknown options, options that discrete changes exclude, or the logarithm of a mean that
        is not positive.

    Warns
    -----
    UserWarning
        If there are freq_weights: each row counts once, as in statsmodels.

    Notes
    -----
    The effect of column j on the mean m at raw values r = X B is dm/dr B_j. The covariance of the
    effects is J V J', with V that of the coefficients and J the derivative of the effects in them,
    in closed form from the first two derivatives of m: Greene (2012), *Econometric Analysis*, 7th
    ed., section 17.3. Offsets stay in the raw values, and have their mean or median where columns
    have theirs. Columns in designs of other parameters keep their values.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.Logit([0, 1, 0, 1, 0, 1], [[1, 0]] * 3 + [[1, 1]] * 3).fit()
    >>> results.get_margeff(dummy=True).margeff.round(6).tolist()  # 2/3 - 1/3
    [0.333333]
    """

    def __init__(self, results, at="overall", method="dydx", dummy=False, count=False):
        _check(at, method, dummy or count)
        self.results, self.at, self.method = results, at, method
        model, data = results.model, results._data
        self.family = results.family
        if self.family.vector:
            raise ValueError(
                f"Expected a model of numbers or classes. Received: {self.family!r}, whose means "
                "are vectors: their effects are the coefficients."
            )
        locations = self.family.params[self.family.location].columns
        self._slopes = results.coef[: model.p * locations].reshape(-1, model.p)
        self._kept = [j for j in range(model.p) if j != model.constant_index]
        self._changes = {**_dummies(model.X, dummy), **_counts(model.X, count)}
        if data.freq_weights is not None and at in ("overall", "mean", "median"):
            warnings.warn(
                "Marginal effects count each row once, whatever its freq_weights: repeat the rows "
                "for effects that weigh them.",
                stacklevel=3,
            )
        self._likelihood = _likelihood_at(model, data, at)
        found = [self._block(block) for block in self._likelihood.blocks()]
        if at == "all":
            self._effects = np.concatenate([effects for effects, _ in found])[:, self._kept]
        else:
            n = len(self._likelihood)
            self._effects = sum(effects.sum(axis=0) for effects, _ in found)[self._kept] / n
            self._jacobian = sum(jacobian for _, jacobian in found)[self._kept] / n

    # ---- computing --------------------------------------------------------------------------

    def _block(self, block):
        """Return the effects (m, p, C) of m rows, and the sum of their Jacobians (p, C, size)."""
        likelihood, log = self._likelihood, "ey" in self.method
        x = likelihood.designs[0].toarray(block)
        raw = likelihood.raw(self.results.coef, block)
        lift = x if "ex" in self.method else np.ones_like(x)
        _, slope, curvature = delta.mean_derivatives(self.family, raw, log)
        effects = self._effects_of(slope, lift)
        jacobian = np.zeros((*effects.shape[1:], likelihood.size))
        for a in likelihood.predicted:
            where = likelihood.slices[a]
            turn = self._effects_of(curvature[:, :, a], lift)
            jacobian[:, :, where] += np.tensordot(
                turn, likelihood.designs[a].toarray(block), (0, 0)
            )
            if a < len(self._slopes):  # the effect has the coefficient itself as a factor
                j = np.arange(x.shape[1])
                jacobian[j, :, where.start + j] += lift.T @ slope[:, a]
        for j, (low, high, width) in self._changes.items():
            up, up_jacobian = self._moved(block, raw, j, high(x[:, j]))
            down, down_jacobian = self._moved(block, raw, j, low(x[:, j]))
            effects[:, j] = (up - down) / width
            jacobian[j] = (up_jacobian - down_jacobian) / width
        return effects, jacobian

    def _effects_of(self, slope, lift):
        """Return effects (m, p, C) from derivatives (m, k, C) in the raw values."""
        slope = slope[:, : len(self._slopes)]
        return lift[:, :, None] * np.einsum("mkc,kp->mpc", slope, self._slopes)

    def _moved(self, block, raw, j, values):
        """Return the means (m, C) with other values in column j, and their summed Jacobian."""
        likelihood, locations = self._likelihood, len(self._slopes)
        x = likelihood.designs[0].toarray(block)
        raw, moved = raw.copy(), x.copy()
        raw[:, :locations] += (values - x[:, j])[:, None] * self._slopes[:, j]
        moved[:, j] = values
        means, slope, _ = delta.mean_derivatives(
            self.family, raw, "ey" in self.method, second=False
        )
        jacobian = np.zeros((means.shape[1], likelihood.size))
        for a in likelihood.predicted:
            design = moved if a < locations else likelihood.designs[a].toarray(block)
            jacobian[:, likelihood.slices[a]] = slope[:, a].T @ design
        return means, jacobian

    @cached_property
    def _cov(self):
        if self.at == "all":
            raise ValueError(
                "Expected at='overall', 'mean', 'median' or 'zero' for standard errors. Received: "
                "at='all', which gives the effects of every row, `margeff`, alone."
            )
        jacobian = np.swapaxes(self._jacobian, 0, 1)
        return delta.covariance(self.results, jacobian.reshape(-1, jacobian.shape[-1]))

    @cached_property
    def _se(self):
        return np.sqrt(np.diag(self._cov)).reshape(self._effects.shape, order="F")

    def _interval(self, alpha):
        from scipy import stats

        half = stats.norm.ppf(1.0 - alpha / 2.0) * self._se
        return np.stack([self._effects - half, self._effects + half], axis=1)

    @property
    def _z(self):
        with np.errstate(invalid="ignore"):  # at a median of 0 "ex" has no effect, for certain
            return self._effects / self._se

    @property
    def _pvalues(self):
        from scipy import stats

        return 2.0 * stats.norm.sf(np.abs(self._z))

    # ---- what is asked for ------------------------------------------------------------------

    @property
    def names(self):
        """The names of the columns that have effects."""
        return [self.results.model.x_names[j] for j in self._kept]

    def _named(self, values):
        labels = self.results._labels
        if self.family.classes is None:
            return labels.series(values[:, 0], self.names)
        return labels.frame(values, self.names, range(values.shape[1]))

    @property
    def margeff(self):
        """The effects."""
        if self.at != "all":
            return self._named(self._effects)
        if self.family.classes is not None:
            return self._effects
        labels = self.results._labels
        return labels.frame(self._effects[:, :, 0], labels.index, self.names)

    @property
    def margeff_se(self):
        """The standard errors of the effects."""
        return self._named(self._se)

    @property
    def margeff_cov(self):
        """The covariance of the effects."""
        names = self.names
        if self.family.classes is not None:
            names = [f"{name} [{c}]" for c in range(self.family.classes) for name in names]
        return self.results._labels.frame(self._cov, names, names)

    @property
    def tvalues(self):
        """The effects over their standard errors."""
        return self._named(self._z)

    @property
    def pvalues(self):
        """Two-sided p-values, by the normal distribution."""
        return self._named(self._pvalues)

    def conf_int(self, alpha=0.05):
        """Return confidence intervals at level 1 - alpha: (p, 2), or (p, 2, C) of classes."""
        intervals = self._interval(alpha)
        if self.family.classes is not None:
            return intervals
        return self.results._labels.frame(intervals[:, :, 0], self.names, [0, 1])

    def _tables(self, alpha):
        """Yield, for each class, effects, standard errors, z, p-values, and intervals."""
        columns = (self._effects, self._se, self._z, self._pvalues)
        intervals = self._interval(alpha)
        for c in range(self._effects.shape[1]):
            yield (*(values[:, c] for values in columns), intervals[:, :, c])

    @property
    def _y_names(self):
        name = self.results.model.y_name
        if self.family.classes is None:
            return [name]
        return [f"{name}={c}" for c in range(self.family.classes)]

    def summary_frame(self, alpha=0.05):
        """Return all of it as a data frame, with the names that statsmodels gives the columns."""
        import pandas as pd

        table = np.concatenate([np.column_stack(values) for values in self._tables(alpha)])
        index = self.names
        if self.family.classes is not None:
            index = pd.MultiIndex.from_product([self._y_names, index], names=["endog", "exog"])
        columns = [_METHODS[self.method], "Std. Err.", "z", "Pr(>|z|)"]
        columns += ["Conf. Int. Low", "Cont. Int. Hi."]  # statsmodels' spelling: its code works
        return pd.DataFrame(table, index=index, columns=columns)

    def summary(self, alpha=0.05):
        """Return the table as statsmodels' `Summary`: text, `as_html()`, `as_latex()`."""
        from statsmodels.iolib.summary import Summary, summary_params, table_extend

        model, tables = self.results.model, []
        header = ["", _METHODS[self.method], "std err", "z", "P>|z|"]
        header += [f"[{alpha / 2}", f"{1 - alpha / 2}]"]
        for name, values in zip(self._y_names, self._tables(alpha), strict=True):
            table = summary_params(
                (None, *values),
                yname=name,
                xname=self.names,
                alpha=alpha,
                use_t=False,
                skip_header=True,
            )
            table.title = name if self.family.classes is not None else None
            table.insert_header_row(0, header)
            tables.append(table)
        top = [("Dep. Variable:", [model.y_name]), ("Method:", [self.method]), ("At:", [self.at])]
        summary = Summary()
        title = f"{type(model).__name__} Marginal Effects"
        summary.add_table_2cols(
            self, gleft=top, gright=[], yname=model.y_name, xname=self.names, title=title
        )
        summary.tables.append(
            tables[0] if len(tables) == 1 else table_extend(tables, keep_headers=True)
        )
        return summary

    def __repr__(self):
        return f"<Margins at={self.at!r}, method={self.method!r}: {', '.join(self.names)}>"


def _check(at, method, discrete):
    if at not in _AT:
        raise ValueError(f"Expected at to be one of {', '.join(_AT)}. Received: {at!r}.")
    if method not in _METHODS:
        raise ValueError(
            f"Expected method to be one of {', '.join(_METHODS)}. Received: {method!r}."
        )
    if discrete and ("ex" in method or at in ("median", "zero")):
        raise ValueError(
            "Expected method 'dydx' or 'eydx', and at 'overall', 'mean' or 'all', for dummy=True "
            f"or count=True. Received: method={method!r}, at={at!r}."
        )


def _is_dummy(x):
    return (x.min(axis=0) == 0) & (x.max(axis=0) == 1) & (x % 1 == 0).all(axis=0)


def _dummies(x, wanted):
    """Return column -> functions from its values to the ones before and after, and their gap."""
    change = np.zeros_like, np.ones_like, 1.0
    return dict.fromkeys(np.flatnonzero(_is_dummy(x)), change) if wanted else {}


def _counts(x, wanted):
    """Return what `_dummies` does, of columns of counts."""
    if not wanted:
        return {}
    counts = (x % 1 == 0).all(axis=0) & (x >= 0).all(axis=0) & (x != x[0]).any(axis=0)
    change = (lambda values: values - 1.0), (lambda values: values + 1.0), 2.0
    return dict.fromkeys(np.flatnonzero(counts & ~_is_dummy(x)), change)


def _likelihood_at(model, data, at):
    """Return the `Likelihood` of the rows where effects are taken: of all, or of one."""
    if at in ("overall", "all"):
        return model.likelihood()
    place = {"mean": np.mean, "median": np.median, "zero": _zero}[at]
    designs = [None if x is None else place(x.toarray(), axis=0)[None] for x in data.designs]
    offsets = {a: place(offset, axis=0)[None] for a, offset in data.offsets.items()}
    return Likelihood(model.family, data.y[:1], designs, model.known, offsets)


def _zero(x, axis):
    """Return 0 for each column, but the value of a constant one."""
    return np.where((x == x[0]).all(axis=axis), x[0], 0.0)
