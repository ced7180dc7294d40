"""What formulas of R say that formulas here do not, and what to write in their place."""

import re

_COUNTS = re.compile(r"^\s*cbind\((.+?),(.+?)\)\s*~")
_GROUP = re.compile(r"(?<![\w.])\([\w\s.+*:-]+\|{1,2}\s*([\w.:/]+)\s*\)")
_SECOND = re.compile(r"^(?P<first>(?:[^(|]|\([^()]*\))*)\|(?P<second>.*)$")
_OTHERS = re.compile(r"(?<![\w.)\]])\.(?![\w.])")
_OFFSET = re.compile(r"(?<![\w.])offset\((?:\s*(?:np\.)?log\(\s*(\w+)\s*\)|([^()]*))\s*\)")
_POWER = re.compile(r"I\(([^()]*?)\s*\^\s*([^()]*)\)")
_FACTOR = re.compile(r"(?:as\.)?factor\(([^()]*)\)")
_SMOOTH = re.compile(r"(?<![\w.])(?:s|te)\(\s*(\w+)[^()]*\)")


def hint(formula, columns):
    """Return what to write in place of what only R understands; "" of other formulas.

    Parameters
    ----------
    formula : str
        One that could not be read.
    columns : list of str
        Those of the data.

    Examples
    --------
    >>> from probnn.glm.dialects import hint
    >>> hint("y ~ x + offset(log(t))", ["y", "x", "t"])
    "An offset is an argument: exposure='t'."
    """
    left, _, right = (part.strip() for part in formula.partition("~"))
    if found := _COUNTS.search(formula):
        successes, failures = (part.strip() for part in found.groups())
        return f"Successes and failures are added: '{successes} + {failures} ~ {right}'."
    if found := _GROUP.search(right):
        return (
            f"{found[0]} is a random effect, which is not estimated: C({found[1]}) gives each "
            "group a constant of its own, and cov_type='cluster' of fit() standard errors that "
            "allow for groups."
        )
    if found := _SECOND.match(right):
        first, second = (found[name].strip() for name in ("first", "second"))
        return (
            "Further right sides belong to parameters, by name: "
            f"'{left} ~ {first}', formulas={{'scale': '~ {second}'}}."
        )
    if _OTHERS.search(right):
        others = [str(name) for name in columns if str(name) != left]
        return f"Columns are named: '{left} ~ {_OTHERS.sub(' + '.join(others), right)}'."
    if found := _OFFSET.search(right):
        exposure, offset = found.groups()
        argument = f"exposure={exposure!r}" if exposure else f"offset={offset.strip()!r}"
        return f"An offset is an argument: {argument}."
    if found := _POWER.search(right):
        return f"Powers are Python's: I({found[1]}**{found[2]})."
    if found := _FACTOR.search(right):
        return f"Categories are C({found[1]})."
    if found := _SMOOTH.search(right):
        return f"Splines are bs({found[1]}, df=5), or cr({found[1]}, df=5)."
    return ""
