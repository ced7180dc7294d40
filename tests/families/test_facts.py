"""Outside of `families/` nothing decides by the name or the class of a family, but by its facts."""

import ast
from pathlib import Path

import pytest

import probnn as pn

PACKAGE = Path(pn.__file__).parent
SOURCES = [path for path in PACKAGE.rglob("*.py") if "families" not in path.parts]
OWN = {name: cls for name, cls in pn.families.FAMILIES.items() if "probnn" in cls.__module__}
CLASSES = {cls.__name__ for cls in OWN.values()} | {"Family", "Wrapper"}
CLASSES |= {"GLM", "OLS", "Logit", "OLSResults", "LogitResults"}


def last(node):
    """Return the last part of a dotted name, else nothing."""
    return getattr(node, "attr", getattr(node, "id", ""))


def is_name(node):
    """Return whether an expression is the name, or the label, of a family."""
    is_family = isinstance(node, ast.Attribute) and last(node.value) in ("family", "base", "cls")
    return is_family and node.attr in ("name", "label")


def parts(node):
    """Return an expression, or those that a literal collection holds."""
    return getattr(node, "elts", getattr(node, "keys", [node]))


def decisions(source):
    """Return the lines of a source that decide by a name or a class."""
    lines = set()
    for node in ast.walk(ast.parse(source)):
        asked, wrong = [], False
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = [part for side in sides for part in parts(side)]
            texts = {part.value for part in asked if isinstance(part, ast.Constant)} & {*OWN}
            wrong = bool(texts) and not any(last(side) == "kind" for side in sides)
            wrong = wrong or any(last(part) in CLASSES for part in asked)
        elif isinstance(node, ast.Subscript):
            asked = [node.slice]
        elif isinstance(node, ast.Call) and last(node.func) == "get":
            asked = node.args[:1]
        elif isinstance(node, ast.Call) and last(node.func) in ("isinstance", "issubclass"):
            wrong = any(last(part) in CLASSES for part in parts(node.args[1]))
        if wrong or any(map(is_name, asked)):
            lines.add(node.lineno)
    return sorted(lines)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_decides_by_the_name_of_a_family(path):
    assert decisions(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "family.name == 'bernoulli'",
        "d.family.name in known",
        "head.family.label != other",
        "'poisson' == name",
        "name in ('categorical', 'ordinal')",
        "{a.family, b.family} == {'poisson', 'negative_binomial'}",
        "kinds.get(model.family.name)",
        "kinds[family.name]",
        "isinstance(family, families.Bernoulli)",
        "isinstance(family, (int, Mixture))",
        "isinstance(results.model, OLS)",
        "type(family) is families.Normal",
        "cls is GLM",
    ],
)
def test_decisions_are_found(line):
    assert decisions(line) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "family.kind == 'ordinal'",
        "family.kind in ('binary', 'categorical')",
        "print(f'the {family.name} family')",
        "families.get(family)",
        "isinstance(model, Results)",
        "backend.name == 'torch'",
        "families.Normal()",
    ],
)
def test_facts_are_free(line):
    assert decisions(line) == []
