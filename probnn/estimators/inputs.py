"""Columns of text and categories as indicators, which an estimator remembers."""

import narwhals.stable.v2 as nw
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

_TEXT = (nw.String, nw.Categorical, nw.Enum)


def encoder_of(frame):
    """Return what makes indicators of the columns of text and categories of a frame, fitted.

    Of each, the first category is the reference: in the order of its categories, else sorted.

    Returns
    -------
    sklearn.compose.ColumnTransformer or None
        None where all columns are numbers.

    Raises
    ------
    ValueError
        If a value of such a column is missing.
    """
    table = nw.from_native(frame)
    names = [name for name, kind in table.schema.items() if isinstance(kind, _TEXT)]
    if not names:
        return None
    categories = [_categories(table[name]) for name in names]
    encoder = OneHotEncoder(categories=categories, drop="first", sparse_output=False)
    return ColumnTransformer(
        [("indicators", encoder, names)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).fit(frame)


def _categories(column):
    if column.is_null().any():
        raise ValueError(
            f"Expected no missing value. Received: {int(column.is_null().sum())} in the column "
            f"{column.name!r}. Fill it first, in a pipeline: sklearn.impute.SimpleImputer("
            "strategy='most_frequent')."
        )
    seen = column.unique().to_list()
    if isinstance(column.dtype, nw.String):
        return sorted(seen)
    return [each for each in column.cat.get_categories().to_list() if each in seen]
