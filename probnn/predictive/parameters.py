"""What a Predictive is made of and asked about: parameters, classes and y, as checked arrays."""

import numpy as np

from probnn.data.classes import Classes
from probnn.data.frames import to_numpy
from probnn.data.tables import numeric


class ParameterDomainError(ValueError):
    """A parameter of a distribution is none that its family has.

    Attributes
    ----------
    parameter : str
        Its name.
    value : float
        The first such value.
    """

    def __init__(self, message, parameter=None, value=None):
        super().__init__(message)
        self.parameter, self.value = parameter, value


def read(family, params):
    """Return the parameters of a family, what is given besides them, and the shape of the rows.

    Raises
    ------
    ParameterDomainError
        For values outside the domain of their parameter.
    ValueError
        For names that are not the family's parameters, or shapes that do not agree.
    """
    params = dict(params)
    given = {name: params.pop(name) for name in family.given if name in params}
    family.check_names(params, "params")
    missing = [name for name in family.params if name not in params]
    if missing:
        raise ValueError(
            f"Expected the parameters {', '.join(family.params)} of the {family.name} family. "
            f"Received none for {', '.join(missing)}."
        )
    found = {name: _array(family, name, params[name]) for name in family.params}
    leads = {
        name: values.shape[: values.ndim - len(family.params[name].shape)]
        for name, values in found.items()
    }
    shapes = {lead for lead in leads.values() if lead}
    shapes |= {np.shape(values) for values in given.values() if np.ndim(values)}
    shapes = shapes or {(1,)}
    if len(shapes) > 1:
        listed = ", ".join(f"{name} {np.shape(v)}" for name, v in {**found, **given}.items())
        raise ValueError(
            f"Expected parameters of one shape, one value for each row. Received: {listed}."
        )
    (shape,) = shapes
    for name, values in found.items():
        domain = family.params[name].domain
        bad = ~domain.contains(values)
        if bad.any():
            raise ParameterDomainError(
                f"Expected {name} of the {family.name} family to lie in {domain}. Received: "
                f"{values[bad][0]}, and {int(bad.sum())} such value(s) in all.",
                name,
                float(values[bad][0]),
            )
        if not leads[name]:
            found[name] = np.broadcast_to(values, (*shape, *family.params[name].shape))
    return found, {name: _whole(name, values, shape) for name, values in given.items()}, shape


def _array(family, name, values):
    """Return one parameter as an array, whose last axis is that of a vector."""
    values, shape = numeric(to_numpy(values), name), family.params[name].shape
    if not values.ndim:
        return np.broadcast_to(values, shape)
    if shape and values.shape[-1:] != shape:
        raise ValueError(
            f"Expected {name} of the {family.name} family with {shape[0]} values in each row. "
            f"Received: shape {values.shape}."
        )
    return values


def _whole(name, values, shape):
    """Return whole numbers from 1 on, one for each row."""
    values = numeric(to_numpy(values), name)
    if values.shape not in ((), shape) or not (
        np.isfinite(values).all() and (values >= 1).all() and (values % 1 == 0).all()
    ):
        raise ValueError(
            f"Expected {name} to be whole numbers from 1 on, one for all rows or of shape "
            f"{shape}. Received: {name}={values!r}."
        )
    return np.broadcast_to(values, shape)


def read_classes(family, classes):
    """Return labels as `Classes`, or raise if the family has not as many; None stays None."""
    if classes is None:
        return None
    count = (family.classes or 2) if family.has_classes else 0
    if not isinstance(classes, Classes):
        classes = Classes(classes, ordered=family.kind != "categorical")
    if len(classes) != count:
        raise ValueError(
            f"Expected classes with a label for each of {count}, of {family!r}. Received: "
            f"{len(classes)}, {classes}."
        )
    return classes


def numbers(y):
    """Return y as a float64 array, or raise if it is of something else."""
    y = to_numpy(y)
    if y.dtype.kind not in "biuf":
        raise ValueError(f"Expected y to be numeric. Received: values of type {y.dtype}.")
    return y.astype("float64", copy=False)
