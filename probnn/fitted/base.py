"""What a fitted model is to the rest of the package: the protocol, and what a new kind writes."""

import numpy as np

from probnn import data, families
from probnn.data.alignment import RowIndex
from probnn.predictive import Predictive, numbers


class FittedModel:
    """What compare, plots, diagnosis and recalibration ask of a fitted model, whatever its kind.

    To add a kind, subclass this, override what the kind knows, and register the subclass for the
    kind's type: `adapt.register(type, subclass)`. Only `predict_distribution` or `read` is needed;
    each default below says "not known", and what needs more says so.

    Parameters
    ----------
    model : object
        The fitted model, kept as `model`.

    Attributes
    ----------
    kind, label : str
        What sentences call the kind, and the column of a model that was given no name.
    family : Family or None
        That of the model, whatever its predictions mix it to; None if only predictions tell.
    head : Head, data.Reader or None
        What reads y; None for one of the predictions' family.
    network : keras.Model or None
        The one network whose layers can be looked at.
    members : tuple of FittedModel
        Those of an ensemble.
    input_shapes : list of tuple
        Those of the inputs of a network.
    constants, fixed : set of str, dict
        The parameters that are one number for all rows, and the values of those that are known.
    holds_rows, x_names, trials : bool, list of str or None, numpy.ndarray or None
        Whether it has its training rows; of models of columns, the names of the location's; of
        proportions, the rows' trials.
    counts : numpy.ndarray of bool, or None
        Which of the training rows count, where some have weight 0.
    offset, var_weighted, designs : bool, bool, tuple of str
        What x does not tell: whether there are an offset and weights of the variance, the
        parameters with a design of their own.
    penalised : str
        What takes its optimum away from that of the likelihood, in words.
    convergence : tuple or None
        Whether Newton's method converged, and its decrement, if it made the fit.
    y_name, takes_verbose : str, bool
        The name of the response; whether the model's `predict_distribution` takes `verbose`.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn.fitted import FittedModel, adapt
    >>> class Coin:
    ...     chance = 0.5
    >>> class FittedCoin(FittedModel):
    ...     def predict_distribution(self, x):
    ...         return pn.Predictive("bernoulli", {"probs": np.full(len(x), self.model.chance)})
    >>> adapt.register(Coin, FittedCoin)
    >>> pn.diagnose(Coin(), np.zeros((40, 1)), np.tile([0, 1], 20)).findings
    []
    """

    kind, y_name, penalised = "model", "y", ""
    head = network = x_names = trials = convergence = None
    members = designs = input_shapes = ()
    counts = None
    holds_rows = offset = var_weighted = False
    takes_verbose = True
    constants, fixed = frozenset(), {}

    def __init__(self, model):
        self.model = model

    @property
    def label(self):
        """What a model is called that was given no name."""
        return type(self.model).__name__

    @property
    def family(self):
        """The family of the model; None if only its predictions tell."""
        known = getattr(self.model, "family", None)
        return None if known is None else families.get(known)

    @property
    def predicts(self):
        """Whether the model itself has `predict_distribution`."""
        return hasattr(self.model, "predict_distribution")

    def rows(self, x):
        """Return the `RowIndex` of x, into whose order y is put."""
        return RowIndex.of(x, "x")

    def left_out(self, x):
        """Return in words which of the rows of x are left out; "" if none is."""
        return self.rows(x).note

    def predict_distribution(self, x):
        """Return the `Predictive` of rows."""
        if not self.predicts:
            raise self.predicts_none()
        return self.model.predict_distribution(x)

    def training(self):
        """Return the training rows: x as `predict_distribution` takes it, and y as it was given."""
        raise ValueError(
            "Expected results that hold the rows that they were fitted to. Received: "
            f"{type(self.model).__name__}. Give the rows, x and y."
        )

    def of_trials(self, y, d):
        """Return y and d; of a model of proportions, successes and trials, and what they follow."""
        if self.trials is None or y is None or np.shape(y)[1:] != (2,):
            return y, d
        y = numbers(y)
        if np.array_equal(y.sum(axis=1), self.trials) and not np.array_equal(y[:, 1], self.trials):
            y = np.column_stack([y[:, 0], self.trials])  # it was fitted to successes and failures
        binomial = families.Binomial(links={"probs": d.family.links["probs"]})
        binomial.check(y)
        return y, Predictive(binomial, d.params)

    def predicts_none(self):
        """Return the error that a model predicts no distribution."""
        return ValueError(
            "Expected a model with predict_distribution: probnn.Model or Sequential, "
            f"DeepEnsemble, or results of probnn.glm. Received: {type(self.model).__name__}."
        )

    def read(self, name, table=None, y=None):
        """Return the `Fit` of the model: its coefficients, its likelihood, and what they rest on.

        Parameters
        ----------
        name : str
            What the comparison calls it.
        table : pandas.DataFrame, optional
            The training rows, as `to_table` returns them.
        y : numpy.ndarray, shape (n,), optional
            Their responses.
        """
        raise ValueError(
            "Expected networks, results of probnn.glm, results of statsmodels, or fitted "
            f"estimators of scikit-learn. Received: {type(self.model).__name__} for {name!r}. Fit "
            "it first, and give what fit() returned."
        )

    def without_hidden(self, name, table, y):
        """Return the `Fit` of a network's head on x alone, at its optimum."""
        raise ValueError(f"{name!r} is no network.")

    def counted(self, x):
        """Return which time steps are not masked, (n, t) of bool; None if all count."""
        return None

    def aligned(self, x):
        """Return x with the columns of a frame in the order in which the model takes them."""
        return x

    def response(self, y, what="y"):
        """Return y with the columns of a frame in the order in which the model takes them."""
        return y

    def columns(self, x):
        """Return the columns (n, p) that the location is made of; None where x is no table."""
        x = data.features(self.aligned(x))
        one = not isinstance(x, (list, tuple, dict)) and np.ndim(x) == 2
        return np.asarray(x, dtype="float64") if one else None

    def used(self, table, named):
        """Return a table of x with the columns that the model uses, by the names that it has."""
        return table

    def half_width(self, x, parts, of, level):
        """Return half the widths (parts,) of confidence intervals of averages of rows' means.

        The rows are in equal parts; of classes `of` is that whose probability is averaged. None if
        the model has no such intervals, NaN if they are not known.
        """
        return None

    # ---- remedies, in the words of the kind's own code -----------------------------------------

    richer = "more columns or hidden units"
    penalising = "kernel_regularizer= of the head"

    def to_hold(self, name):
        """Return how a parameter is made one number for all rows."""
        return ""

    def to_predict(self, name):
        """Return how a parameter is predicted from x."""
        where = "fixed" if name in self.fixed else "constant"
        return f'leave "{name}" out of {where}=.'
