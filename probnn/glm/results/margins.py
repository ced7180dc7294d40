"""Marginal effects: what a change of a variable does to the mean."""

import warnings
from functools import cached_property

import numpy as np

from probnn.glm.results import delta
from probnn.glm.results.variables import variables

_AT = ("overall", "mean", "median", "zero", "all")
_METHODS = {"dydx": "dy/dx", "eyex": "d(lny)/d(lnx)", "dyex": "dy/d(lnx)", "eydx": "d(lny)/dx"}


class Margins:
    """Effects of the variables on the mean, with standard errors by the delta method.

    Made by `Results.get_margeff`, with statsmodels' names. Of class probabilities each array has a
    column, and the table a block, for every class.

    A variable of a formula is a column of the data frame, in all terms that read it: "x * z" and
    "x + I(x**2)" have one effect of x. One of arrays is a column of the design but the constant,
    because arrays do not tell that one column is the square or the product of others.

    Parameters
    ----------
    results : probnn.glm.results.Results
        The fitted model, with its training rows.
    at : {"overall", "mean", "median", "zero", "all"}
        The mean of the rows' effects; the effects in a row of means, medians, or zeros; those of
        every row, which come without standard errors. A category has its most frequent level in
        the row of means and of medians, its reference in that of zeros.
    method : {"dydx", "eyex", "dyex", "eydx"}
        The derivative; "ey" takes the logarithm of the mean, "ex" that of the variable, and leaves
        out categories.
    dummy : bool
        Whether variables of 0 and 1 are changed from 0 to 1, instead of differentiated.
    count : bool
        Whether variables of counts are changed by 1 in both directions, and the change halved.

    Attributes
    ----------
    names : list of str
        What has an effect: variables, and for each level of a category but its reference, as
        "group[T.b]", the change from the reference to that level in every row.
    margeff, margeff_se : (p,), or (p, C) of C classes
        The effects and their standard errors; with at="all" the effects are (n, p) or (n, p, C).
    margeff_cov : (p, p), or (C p, C p)
        The covariance of the effects, those of one class after those of another.
    tvalues, pvalues : as margeff
        Effects over their standard errors, and two-sided p-values by the normal distribution.

    Raises
    ------
    ValueError
        For unknown options, options that discrete changes exclude, the logarithm of a mean that
        is not positive, or a formula that has no derivative in a variable at a row.
    AttributeError
        For results that were loaded from a file, or fitted in batches: the rows are not there.

    Warns
    -----
    UserWarning
        If there are freq_weights: each row counts once, as in statsmodels.

    Notes
    -----
    The effect of x on the mean m at raw values r = X B is the sum over columns of dm/dr dX/dx B.
    The derivative of X is 1 for the column that is x, and exact where x enters terms as a factor;
    else, as of powers and splines, it is by differences, whose relative error is some 1e-11. The
    covariance of the effects is J V J', with V that of the coefficients and J the derivative of the
    effects in them, in closed form from the first two derivatives of m: Greene (2012), *Econometric
    Analysis*, 7th ed., section 17.3. Offsets stay in the raw values, and have their mean or median
    where variables have theirs. Further designs of arrays keep their values; the formulas of
    further parameters do not.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.Logit([0, 1, 0, 1, 0, 1], [[1, 0]] * 3 + [[1, 1]] * 3).fit()
    >>> results.get_margeff(dummy=True).margeff.round(6).tolist()  # 2/3 - 1/3
    [0.333333]
    >>> squares = pn.glm.ols("y ~ x + I(x**2)", {"y": [0, 1, 4, 9], "x": [0.0, 1, 2, 3]}).fit()
    >>> squares.get_margeff().margeff.round(6).to_dict()  # of x**2 it is 2 x, 3 on average
    {'x': 3.0}
    """

    def __init__(self, results, at="overall", method="dydx", dummy=False, count=False):
        _check(at, method, dummy or count)
        self.results, self.at, self.method = results, at, method
        self.family = results.family
        if self.family.vector:
            raise ValueError(
                f"Expected a model of numbers or classes. Received: {self.family!r}, whose means "
                "are vectors: their effects are the coefficients."
            )
        self._variables = variables(results, at)
        if results._data.freq_weights is not None and at in ("overall", "mean", "median"):
            warnings.warn(
                "Marginal effects count each row once, whatever its freq_weights: repeat the rows "
                "for effects that weigh them.",
                stacklevel=3,
            )
        found = self._discrete(dummy, count)
        slopes = [name for name in self._variables.names if name not in found]
        found |= zip(slopes, self._derivatives(slopes), strict=True)
        found = [each for name in self._variables.names for each in found[name]]
        if not found:
            raise ValueError(
                f"Expected a variable that is a number, for method={method!r}. Received: "
                f"{self._variables.names or 'none'}."
            )
        self.names = [name for name, *_ in found]
        self._effects = np.stack([effects for _, effects, _ in found], axis=1)
        if at != "all":
            self._effects = self._effects.mean(axis=0)
            self._jacobian = np.stack([jacobian for *_, jacobian in found])

    # ---- computing --------------------------------------------------------------------------
    # An effect is a name, values (m, C) of m rows, and the mean of their Jacobians (C, size).

    def _discrete(self, dummy, count):
        """Return variable -> the effects of its changes, of those that are not differentiated."""
        found, variables = {}, self._variables
        for name in variables.names:
            levels = variables.levels(name)
            if levels is not None:
                labels = [f"{name}[T.{level}]" for level in levels[1:]]
                pairs = [(level, levels[0]) for level in levels[1:]]
                found[name] = [] if "ex" in self.method else self._changes(labels, pairs, name, 1.0)
            elif dummy and _is_dummy(variables.training(name)):
                found[name] = self._changes([name], [(1.0, 0.0)], name, 1.0)
            elif count and _is_count(variables.training(name)):
                x = variables.values(name)
                found[name] = self._changes([name], [(x + 1.0, x - 1.0)], name, 2.0)
        return found

    def _changes(self, labels, pairs, name, width):
        """Return the effects of changing a variable between pairs of values, over a width."""
        found, known = [], {}
        for label, pair in zip(labels, pairs, strict=True):
            for value in pair:
                if id(value) not in known:
                    known[id(value)] = self._means(self._variables.moved(name, value))
            (up, up_jacobian), (down, down_jacobian) = (known[id(value)] for value in pair)
            found.append((label, (up - down) / width, (up_jacobian - down_jacobian) / width))
        return found

    def _likelihood(self, rows):
        return rows.likelihood(self.family, self.results.model.known)

    def _means(self, rows):
        """Return the means (m, C) of rows, and the mean of their Jacobians (C, size)."""
        likelihood, means, jacobian = self._likelihood(rows), [], 0.0
        for block in likelihood.blocks():
            raw = likelihood.raw(self.results.coef, block)
            mean, slope, _ = delta.mean_derivatives(
                self.family, raw, "ey" in self.method, second=False
            )
            part = np.zeros((mean.shape[1], likelihood.size))
            for a in likelihood.predicted:
                part[:, likelihood.slices[a]] = slope[:, a].T @ likelihood.designs[a].toarray(block)
            means.append(mean)
            jacobian = jacobian + part
        return np.concatenate(means), jacobian / len(likelihood)

    def _derivatives(self, names):
        """Return, for each variable, a list of its one effect: the derivative."""
        likelihood, coef = self._likelihood(self._variables.rows), self.results.coef
        moves = [self._moves(name) for name in names]
        values, jacobians = [[] for _ in names], [0.0] * len(names)
        for block in likelihood.blocks() if names else ():
            raw = likelihood.raw(coef, block)
            _, slope, curvature = delta.mean_derivatives(self.family, raw, "ey" in self.method)
            designs = {a: likelihood.designs[a].toarray(block) for a in likelihood.predicted}
            for i, each in enumerate(moves):
                effect = np.zeros((len(raw), slope.shape[2]))
                jacobian = np.zeros((slope.shape[2], likelihood.size))
                turn = np.zeros_like(slope)
                for a, (columns, change) in each.items():
                    columns = likelihood.slices[a].start + np.asarray(columns)
                    path = change[block] @ coef[columns]  # what the raw value moves by
                    effect += path[:, None] * slope[:, a]
                    turn += path[:, None, None] * curvature[:, a]
                    jacobian[:, columns] += slope[:, a].T @ change[block]
                for a, x in designs.items():
                    jacobian[:, likelihood.slices[a]] += turn[:, a].T @ x
                values[i].append(effect)
                jacobians[i] = jacobians[i] + jacobian / len(likelihood)
        effects = map(np.concatenate, values)
        return [[one] for one in zip(names, effects, jacobians, strict=True)]

    def _moves(self, name):
        """Return raw column -> columns of its design, and how they move with a variable."""
        slopes = self._variables.slopes(name)
        if "ex" not in self.method:
            return slopes
        lift = self._variables.values(name)[:, None]
        return {a: (columns, lift * change) for a, (columns, change) in slopes.items()}

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

    def _named(self, values):
        labels = self.results._labels
        if self.family.classes is None:
            return labels.series(values[:, 0], self.names)
        return labels.frame(values, self.names, self._levels)

    @property
    def _levels(self):
        """The labels of the classes."""
        known = self.results.model.classes
        return range(self.family.classes) if known is None else list(known)

    @property
    def margeff(self):
        """The effects."""
        if self.at != "all":
            return self._named(self._effects)
        if self.family.classes is not None:
            return self._effects
        return self.results._labels.matrix_of_rows(self._effects[:, :, 0], self.names)

    @property
    def margeff_se(self):
        """The standard errors of the effects."""
        return self._named(self._se)

    @property
    def margeff_cov(self):
        """The covariance of the effects."""
        names = self.names
        if self.family.classes is not None:
            names = [f"{name} [{c}]" for c in self._levels for name in names]
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
        return [f"{name}={c}" for c in self._levels]

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
        summary.add_extra_txt(self._notes())
        return summary

    def _notes(self):
        if self.results.model.formula is None:
            return ["Each column of X but the constant is a variable of its own."]
        notes = ["Of variables, in all terms of the formulas that read them."]
        levels = {name: self._variables.levels(name) for name in self._variables.names}
        levels = {name: found for name, found in levels.items() if found is not None}
        if "ex" in self.method and levels:
            notes.append(f"Categories have no logarithm, and are left out: {', '.join(levels)}.")
        elif levels:
            from_ = ", ".join(f"{name}: {found[0]}" for name, found in levels.items())
            notes.append(f"[T.level]: the change to it from the reference ({from_}).")
        return notes

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
    return x.min() == 0 and x.max() == 1 and not (x % 1).any()


def _is_count(x):
    return x.min() >= 0 and not (x % 1).any() and (x != x[0]).any() and not _is_dummy(x)
