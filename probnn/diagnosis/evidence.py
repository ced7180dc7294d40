"""What the checks look at: a model, rows, and what it believes of them, computed once if asked."""

from functools import cached_property

import numpy as np

from probnn import data, families
from probnn.calibration import quantile_residuals
from probnn.data.tables import to_frame
from probnn.diagnosis.thresholds import limit
from probnn.fitted import adapt
from probnn.predictive import ParameterDomainError, Predictive

IMPOSSIBLE = -1e300  # stands for a log score of -inf, so that differences are numbers
_SPREADS = ("scale", "shape", "precision", "dispersion", "concentration")


class Skip(Exception):
    """Why a check does not apply."""


class Unable(Skip):
    """Why a check that applies cannot be made."""


def need(condition, reason):
    """Skip the check unless it applies, as it does where the condition holds."""
    if not condition:
        raise Skip(reason)


def able(condition, reason):
    """Give the check up unless it can be made, as it can where the condition holds."""
    if not condition:
        raise Unable(reason)


def log_scores(d, y):
    """Return the log score of each y (m,), finite also where it is -inf."""
    return np.maximum(d.log_prob(y), IMPOSSIBLE)


class Rows:
    """Rows of x and y, and the distribution of each; of several responses or time steps, of each.

    Attributes
    ----------
    d : Predictive, shape (m,)
        m is n, or that of the responses or time steps of all rows, but for masked ones.
    given : numpy.ndarray
        y as the family takes it.
    y : numpy.ndarray
        What of it is random: (m,), but for bounds and vectors.
    kept : numpy.ndarray of bool, or None
        Which rows of x they are.
    index : tuple of numpy.ndarray (m,), or None
        Where in their row the responses or steps stand, the row first.
    """

    def __init__(self, model, read, x, y, what="y", kept=None):
        self.d = _believed(model, x, what.replace("y", "x"))
        self._classes = self.d.classes
        self.d, y = self.d.coded(y)
        self.x = model.aligned(x)
        counted = model.counted(x) if len(self.d.shape) > 1 else None
        self.given, family = read(y, what, counted)
        if len(self.given) != len(self.d):
            raise ValueError(
                f"Expected as many rows of {what} as of x. Received: {len(self.given)} and "
                f"{len(self.d)}."
            )
        if family is not None:
            self.d = Predictive(family, self.d.params)
        self.d, self.y = self.d.conditioned(self.given)
        self.kept = kept
        if kept is not None:
            self.d, self.y, self.given = self.d[kept], self.y[kept], self.given[kept]
        self.n, self.index, self.thinned = len(self.given), None, False
        if len(self.d.shape) > 1:
            counted = np.ones(self.d.shape, bool) if counted is None else counted
            self._take(np.nonzero(counted))
            self.thinned = _depend(self)
            if self.thinned:
                self._take(_one_of_each(self.index[0]))

    @property
    def labels(self):
        """`given`, of classes their labels."""
        return self.given if self._classes is None else self._classes[self.given.astype(int)]

    def _take(self, chosen):
        """Look at some responses or time steps alone."""
        self.d, self.y, self.given = self.d[chosen], self.y[chosen], self.given[chosen]
        self.index = chosen if self.index is None else tuple(i[chosen] for i in self.index)

    def __len__(self):
        return len(self.given)

    def means(self, values):
        """Return the mean of each row's responses or steps, of a number (m,) for each: (n,)."""
        if self.index is None:
            return values
        sums, count = (np.bincount(self.index[0], w) for w in (values, np.ones(len(values))))
        return sums[count > 0] / count[count > 0]

    @cached_property
    def log_prob(self):
        """The mean log score of each row, (n,), finite."""
        return self.means(log_scores(self.d, self.y))

    @property
    def impossible(self):
        """How many rows have a y of probability 0."""
        return int(np.sum(self.log_prob <= IMPOSSIBLE))

    @cached_property
    def pit(self):
        """The probability integral transform (n,), randomised where y is discrete or censored."""
        return self.d.pit(self.y, seed=0)

    @cached_property
    def residuals(self):
        """Quantile residuals (n,): standard normal if the model is right."""
        return quantile_residuals(self.y, self.d)


def _depend(rows):
    """Return whether the residuals of one row are alike: tests take rows to be independent.

    If they are not alike, the sum of the products of each two of a row has mean 0, and as variance
    the number of pairs.
    """
    if rows.d.family.kind == "categorical" or rows.y.ndim > 1:
        return False
    row, r = rows.index[0], quantile_residuals(rows.y, rows.d)
    count, total, squares = (np.bincount(row, w) for w in (np.ones(len(r)), r, r**2))
    pairs = np.sum(count * (count - 1)) / 2
    return np.sum(total**2 - squares) / 2 > 3.0 * np.sqrt(max(pairs, 1.0))


def _one_of_each(row):
    """Return the place of one response or step of each row, drawn at random."""
    order = np.random.default_rng(0).permutation(len(row))
    return np.sort(order[np.unique(row[order], return_index=True)[1]])


class Evidence:
    """A model with the rows it was fitted to and, if given, rows that it has not seen.

    Attributes
    ----------
    family : Family
        That of the model, whatever its predictions mix it to.
    model : FittedModel
    train, validation : Rows
        The latter may be None.
    held : Rows
        Those by which calibration is judged: the validation rows if there are any.
    """

    def __init__(self, model, x, y, validation_data=None):
        if validation_data is not None and not (
            isinstance(validation_data, (tuple, list)) and len(validation_data) == 2
        ):
            raise ValueError(
                "Expected validation_data to be (x, y). Received: "
                f"{type(validation_data).__name__}."
            )
        self.model = model = adapt(model)
        _check_complete(model, x, validation_data)
        if y is None:
            if x is not None:
                raise ValueError("Expected y, the responses of the rows of x. Received: None.")
            _, y = model.training()
        note = model.left_out(x)
        self._left_out = f" ({note})" if note else ""
        x, y = _together(model, x, y)
        self.head = model.head or data.Reader(model.predict_distribution(x).family)
        read = self._read if model.trials is None else _reader_of_trials(model, y)
        self.train = Rows(model, read, x, y, kept=model.counts if x is None else None)
        self.validation = None
        if validation_data is not None:
            what = "validation y"
            x, y = _together(model, *validation_data, what)
            self.validation = Rows(model, read, x, y, what)
        self.held = self.train if self.validation is None else self.validation
        self.family = self.train.d.family if model.trials is not None else self.head.family

    def _read(self, y, what, counted):
        y = data.response(y, self.head, what, weight=counted)
        return np.asarray(y, dtype="float64"), None

    @property
    def subject(self):
        """What is diagnosed, in words."""
        held = "" if self.validation is None else f" and {self.validation.n:,} held out"
        rows = f"{self.train.n:,} row{'s' * (self.train.n != 1)}{self._left_out}"
        if self.held.thinned:
            held += " (one value of each, as the residuals of a row are alike)"
        article = "an" if self.family.label[0] in "aeiou" else "a"
        return f"{article} {self.family.label} {self.model.kind}, {rows}{held}"

    # ---- conditions of checks ---------------------------------------------------------------

    def need_network(self):
        """Skip the check unless the model is one network, and return it."""
        able(not self.model.members, "diagnose its members one by one")
        need(self.model.network is not None, "the model is no network")
        return self.model.network

    def need_one_number(self):
        """Skip the check unless each row has one number that was seen; and enough of them."""
        able(self.held.y.ndim == 1, "rows are vectors, or known by bounds")
        self.need_rows()

    def need_continuous(self):
        """Skip the check unless each row has one number on a line."""
        self.need_one_number()
        need(not self.family.discrete, "the response is discrete")
        need(not self.family.circular, "the response is an angle, which has no tails")

    def need_rows(self, rows=None):
        """Skip the check if there are too few rows to judge by: the held ones, or others."""
        count = len(self.held if rows is None else rows)
        able(count >= limit("rows"), f"there are fewer than {limit('rows')} rows")

    # ---- what several checks use ------------------------------------------------------------

    @cached_property
    def _bridge(self):
        from probnn.bridge import HeadModel

        try:
            return HeadModel(self.model.network, self.train.x, self.train.labels)
        except ValueError as error:
            return Unable(str(error))

    @property
    def bridge(self):
        """The network as a model of its head's parameters; skips the check if it is none."""
        self.need_network()
        if isinstance(self._bridge, Skip):
            raise self._bridge
        return self._bridge

    @cached_property
    def certificate(self):
        """How far the head is from the optimum of its likelihood; skips the check if unknown."""
        able(len(self.train) >= limit("rows"), "there are too few rows")
        try:
            with np.errstate(all="ignore"):
                found = self.bridge.certify(self.bridge.coef())
        except ValueError as error:
            raise Unable(str(error)) from None
        able(not found.problem, found.problem)
        return found

    @property
    def size(self):
        """How many coefficients the location has, if they were fitted to the judged rows; else 0.

        Those of hidden layers are not counted: how many numbers they are worth is not known.
        """
        if self.held is not self.train:
            return 0
        if self.model.network is None or isinstance(self._bridge, Skip):
            return len(self.model.x_names or ())
        return self._bridge.design.shape[1]

    @property
    def columns(self):
        """The columns (n, p) of the judged rows that the location is made of; skips if none."""
        return self.columns_of(self.held)

    def columns_of(self, rows):
        """Return the columns (m, p) of rows that the location is made of; skips if none."""
        x, index = self.model.columns(rows.x), rows.index
        if x is None and index is not None:
            steps = data.features(rows.x)
            if getattr(steps, "ndim", 0) == len(index) + 1:
                return steps[index]
        able(x is not None, "x is not one table")
        x = x if rows.kept is None else x[rows.kept]
        return x if index is None else x[index[0]]

    @cached_property
    def layers(self):
        """The layers before the head, if one follows the other; else None."""
        from probnn.networks.graph import NotOneHeadError, split

        try:
            return split(self.need_network())[1]
        except NotOneHeadError:
            return None

    @cached_property
    def hidden(self):
        """Whether layers that are not linear come before the head, of a network or ensemble."""
        network = (*self.model.members, self.model)[0].network
        if network is None:
            return False
        from probnn.networks.affine import compose
        from probnn.networks.graph import NotOneHeadError, split

        try:
            layers = split(network)[1]
        except NotOneHeadError:
            return True
        x = self.model.columns(self.train.x)
        return layers is None or x is None or compose(layers, x.shape[1]) is None

    @property
    def spread(self):
        """The name of the parameter that says how wide the distribution is, or None."""
        others = [name for name in self.family.params if name != self.family.location]
        names = [*self.family.with_dispersion(1.0), *_SPREADS]
        return next((name for name in names if name in others), None)

    @cached_property
    def marginals(self):
        """The intercept-only fit to the training rows, of each response: raw parameters (k, p)."""
        known = np.full(self.family.size, np.nan)
        names = [name for name, _ in self.family.raw_columns]
        for name, value in self.model.fixed.items():
            known[names.index(name)] = self.family.links[name].forward(np.float64(value))
        given, which = self.train.given, self.response_of(self.train)
        try:
            each = [self.family.marginal(given[which == k], known) for k in range(which.max() + 1)]
        except ValueError as error:
            raise Unable(str(error)) from None
        return np.stack(each)

    def response_of(self, rows):
        """Return the number of the response that each value of rows is of: steps are of one."""
        several = rows.index is not None and self.head.responses > 1
        return rows.index[-1] if several else np.zeros(len(rows), int)

    def marginal_of(self, rows):
        """Return the intercept-only fit's distributions of rows."""
        raw = self.marginals[self.response_of(rows)]
        return Predictive(self.family, self.family.to_params(raw)).conditioned(rows.given)[0]


def _together(model, x, y, what="y"):
    """Return x and y, in one order, without rows that are left out."""
    rows = model.rows(x)
    if x is not None and rows.kept is not None:
        x = to_frame(x).iloc[rows.kept]
    return x, model.response(rows.align(y, what), what)


def _believed(model, x, what):
    """Return what a model believes, or raise if x is too narrow or its weights diverged."""
    if [len(shape) for shape in model.input_shapes] == [2]:
        given, ((_, width),) = np.shape(data.features(x, what)), model.input_shapes
        if len(given) == 2 and width not in (None, given[1]):
            raise ValueError(
                f"Expected {what} of shape (n, {width}), as the network takes. Received: shape "
                f"{given}. Give the columns that it was fitted to."
            )
    try:
        return model.predict_distribution(x)
    except ParameterDomainError as error:
        if not (model.network or model.members):
            raise
        raise ValueError(
            f"Expected a network that predicts parameters of its family for every row. Received: "
            f"{error.parameter} = {error.value}: its weights diverged in training. Fit it anew, "
            "with a lower learning rate, scaled x, or clipnorm= of the optimizer."
        ) from error


def _check_complete(model, x, validation_data):
    """Raise if x alone does not say what a model predicts for it."""
    if x is None and model.x_names is None:
        raise ValueError(
            "Expected x, the training rows. Received: None, which stands for those of a model "
            "of probnn.glm alone."
        )
    here = "Call diagnose(results)."
    if not model.holds_rows:
        here = "Fit the model to rows in memory: batches and files of results do not keep them."
        if x is None:
            raise ValueError(
                "Expected x, or results that hold the rows that they were fitted to. Received: "
                f"None. {here}"
            )
    what, cure = None, "compare them by pn.scores of results.predict_distribution(x, ...)"
    if model.offset:
        what = "an offset or exposure"
    elif model.designs:
        what = f"designs of {', '.join(model.designs)}"
        cure = "make the model of a formula, with formulas= in place of designs="
    elif model.var_weighted:
        what = "weights of the variance"
    if what is not None and x is not None:
        raise ValueError(
            f"Expected x=None, the rows that the model was fitted to, as it has {what}, which x "
            f"does not hold. Received: x. {here}"
        )
    if what is not None and validation_data is not None:
        raise ValueError(
            f"Expected validation_data=None, as the model has {what}, which these rows would need "
            f"too. Received: (x, y). Leave them out, or {cure}."
        )


def _reader_of_trials(model, y):
    """Return what reads y as successes and trials, for a model of proportions.

    y may be successes and trials, or failures, or the successes of one number of trials: the rows
    that the model was fitted to tell which.
    """
    binomial = families.Binomial(links={"probs": model.family.links["probs"]})
    trials = model.trials
    readings = {
        2: (lambda y: y, lambda y: np.column_stack([y[:, 0], y.sum(axis=1)])),
        1: (lambda y: np.column_stack([y, np.full(len(y), trials[0])]),),
    }

    def numbers(y, what):
        y = data.to_numpy(y)
        if y.dtype.kind not in "biuf" or y.ndim not in (1, 2) or y.shape[1:] not in ((), (2,)):
            raise ValueError(
                f"Expected {what} of shape (n, 2), successes and trials or failures, as the model "
                f"was fitted to. Received: shape {y.shape}."
            )
        return y.astype("float64")

    values = numbers(y, "y")
    for reading in readings[values.ndim]:
        pairs = reading(values)
        if pairs.shape == (len(trials), 2) and np.array_equal(pairs[:, 1], trials):

            def read(y, what, counted, reading=reading):
                pairs = reading(numbers(y, what))
                binomial.check(pairs, what)
                return pairs, binomial

            return read
    raise ValueError(
        "Expected the y that the model was fitted to, with its numbers of trials. Received others: "
        "give new rows as validation_data."
    )
