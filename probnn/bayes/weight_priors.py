"""Normal priors of a network's weights, a precision for each group, and how they are found."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import keras
import numpy as np

from probnn import backend
from probnn._priors import Normal

_WIDE = 2.5  # standard deviations of a head's intercepts and constants, about those of y alone
_FAR = 30.0  # the largest logarithm of a precision, either way


@dataclass
class Group:
    """Weights with one normal prior.

    Attributes
    ----------
    name : str
    index : numpy.ndarray of int
        Which weights.
    precision : float
        One over the variance of each.
    found : bool
        Whether the precision is that with the largest marginal likelihood.
    """

    name: str
    index: np.ndarray
    precision: float = 1.0
    found: bool = True


class WeightPriors:
    """Independent normal priors of all weights.

    Parameters
    ----------
    weights : NetworkWeights
    given : "auto", "layers", float or dict
        As for `laplace`.

    Attributes
    ----------
    groups : list of Group
    center : numpy.ndarray, shape (size,)
        The mean of each weight.
    """

    def __init__(self, weights, given="auto"):
        self.weights, self.center = weights, np.zeros(weights.size)
        is_text = isinstance(given, str) and given in ("auto", "layers")
        is_dict = isinstance(given, dict)
        of_names = given if is_dict else {} if is_text else {"*": given}
        nothing = np.array([], dtype=int)
        named = {key: Group(key, nothing, _precision(v), False) for key, v in of_names.items()}
        kept = self._of_the_head(("constant",) if named and not is_dict else ("bias", "constant"))
        rest, self.groups = {}, []
        for path, place in zip(weights.paths, weights.slices, strict=True):
            index = np.arange(place.start, place.stop)
            key = path if path in named else next((k for k in named if fnmatchcase(path, k)), None)
            if path in kept and (key is None or not is_dict):
                self.center[index] = kept[path]
                self.groups.append(Group(f"{path}, about that of y", index, _WIDE**-2, False))
            elif key is not None:
                named[key].index = np.append(named[key].index, index)
            else:
                layer = path.rpartition("/")[0] if given == "layers" else "weights"
                rest.setdefault(layer, []).append(index)
        lost = [key for key, group in named.items() if not len(group.index)]
        if lost:
            raise ValueError(
                f"Expected priors of weights: {', '.join(weights.paths)}, or patterns such as "
                f"'dense*'. Received: {', '.join(map(repr, lost))}, which fits none."
            )
        found = [Group(name, np.concatenate(index)) for name, index in rest.items()]
        self.groups = [*found, *named.values(), *self.groups]

    def _of_the_head(self, names):
        """Return path -> what the head's weight of a name is, where it predicts from y alone."""
        weights, head = self.weights, self.weights.head
        alone = type(head).from_config(head.get_config())
        alone.build_from_config(head.get_build_config())
        alone.adapt(weights.y, weights.weights)
        if head.standardised:
            kernel, bias = map(keras.ops.convert_to_numpy, alone.coefficients())
            alone.raw_shift.assign(head.raw_shift)
            alone.raw_scale.assign(head.raw_scale)
            alone.assign_coefficients(kernel, bias)
        return {
            path: backend.host_value(getattr(alone, name))
            for path, variable in zip(weights.paths, weights.variables, strict=True)
            for name in names
            if variable is getattr(head, name)
        }

    @property
    def precision(self):
        """The prior precision of each weight, (size,)."""
        found = np.empty(self.weights.size)
        for group in self.groups:
            found[group.index] = group.precision
        return found

    def log_prob(self, values):
        """Return the log-density of all weights (size,)."""
        precision = self.precision
        squares = precision * np.square(values - self.center)
        return 0.5 * float(np.sum(np.log(precision) - squares - np.log(2.0 * np.pi)))

    def maximise(self, structure, values):
        """Set the precisions that are to be found to those with the largest marginal likelihood.

        Its logarithm is concave in theirs: its only maximum is found by its gradient.
        """
        from scipy.optimize import minimize

        free = [group for group in self.groups if group.found]
        if not free:
            return
        squares = np.array([np.square(values[g.index] - self.center[g.index]).sum() for g in free])
        sizes = np.array([len(group.index) for group in free])

        def negative(logs):
            each = np.exp(logs)
            self._set(free, each)
            spread = structure.with_prior(self.precision)
            known = np.array([spread.variances[group.index].sum() for group in free])
            value = sizes @ logs - each @ squares - spread.log_det
            return -0.5 * value, -0.5 * (sizes - each * (known + squares))

        start = np.log(sizes / np.maximum(squares, 1e-8))
        bounds = [(-_FAR, _FAR)] * len(free)
        options = {"ftol": 1e-12, "gtol": 1e-4}  # of numbers of weights that are known
        best = minimize(
            negative, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options
        )
        self._set(free, np.exp(best.x))

    @staticmethod
    def _set(groups, precisions):
        for group, precision in zip(groups, precisions, strict=True):
            group.precision = float(precision)

    def lines(self):
        """Return what the priors are, in words, a line a group."""
        return [
            f"  {g.name}: precision {g.precision:.4g}{', found' if g.found else ''}"
            for g in self.groups
        ]


def _precision(value):
    """Return the precision that a number or a Normal about 0 says, or raise."""
    scale = getattr(value, "scale", None)
    if scale is not None and value == Normal(0.0, scale):
        value = scale**-2
    if isinstance(value, bool) or not (
        isinstance(value, (int, float, np.number)) and 0.0 < value < np.inf
    ):
        raise ValueError(
            "Expected prior='auto', 'layers', a precision above 0, or a dict of names of weights to"
            f" precisions or priors.Normal(0, scale). Received: {value!r}."
        )
    return float(value)
