"""Every regular expression of the code base takes time in proportion to what it is given, whatever that is."""

import ast
import importlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from storage.prices.shipped import Clause, table
from tests.repository import PACKAGES, ROOT

WAYS = ("match", "fullmatch", "search", "findall", "finditer", "split", "sub", "subn")
SHORT, MIDDLE, LONG = 28, 1500, 6000
"""Repetitions: where exponential time shows, where quadratic time begins to, and four times as many."""
SUSPECT_SECONDS, GUILTY_SECONDS, GUILTY_GROWTH = 0.001, 0.01, 8.0
"""What is quick is not looked at again; linear time grows by 4 from MIDDLE to LONG, quadratic time by 16."""
ANYWHERE = " 0aA\\\"'\n!"
"""Characters that a class of characters may mean, or that nothing in the pattern does."""


class Use(NamedTuple):
    """A pattern, and how the code looks for it; ``name`` says where it is."""

    name: str
    pattern: "re.Pattern[Any]"
    ways: tuple[str, ...]


def uses_of(source: str, name: str, names: Mapping[str, Any]) -> Iterator[Use]:
    """Find the patterns in the *source* of a module, which has these *names*."""
    tree = ast.parse(source)
    assigned = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if _is_of_re(node) and isinstance(node, ast.Call):
            way = _called(node)
            ways = _ways(tree, next((key for key, value in assigned.items() if value is node), None))
            for written in _written(node.args[0], assigned, names):
                pattern = re.compile(written, _flags(node, way))
                yield Use(f"{name}, line {node.lineno}", pattern, ways if way == "compile" else (way,))


def _is_of_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in ("compile", *WAYS)
    )


def _called(node: ast.Call) -> str:
    assert isinstance(node.func, ast.Attribute)
    return node.func.attr


def _written(node: ast.expr, assigned: dict[str, ast.expr], names: Mapping[str, Any]) -> list[str | bytes]:
    """Read a pattern: a constant, a name for one, any of a dictionary of them, or what the module makes of others.

    One that an object holds comes from the shipped prices, whose patterns are :data:`SHIPPED`.
    """
    if any(isinstance(part, ast.Name) and part.id == "self" for part in ast.walk(node)):
        return []
    if isinstance(node, ast.Subscript):
        return _written(node.value, assigned, names)
    if isinstance(node, ast.Name):
        return _written(assigned[node.id], assigned, names)
    if isinstance(node, ast.Dict):
        return [written for value in node.values for written in _written(value, assigned, names)]
    return [eval(ast.unparse(node), dict(names))]


def _ways(tree: ast.AST, name: str | None) -> tuple[str, ...]:
    """Say how a compiled pattern is used; in every way, if that cannot be seen."""
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
    return tuple(sorted(used & set(WAYS))) or WAYS


def _flags(node: ast.Call, way: str) -> int:
    """Read the flags; only compile takes them behind the pattern."""
    named = [keyword.value for keyword in node.keywords if keyword.arg == "flags"]
    written = named or (node.args[1:] if way == "compile" else [])
    return int(eval(ast.unparse(written[0]), {"re": re})) if written else 0


def attacks(pattern: "re.Pattern[Any]") -> Iterator[Callable[[int], Any]]:
    """Make strings of the pattern's own characters: something, then a short piece over and over, then what may fail."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    beginning = re.match(r"[\w /:\"']*", source)
    alphabet = sorted({*source, *ANYWHERE})
    pieces = [*alphabet, *("".join(pair) for pair in itertools.permutations(alphabet, 2))]
    befores = {"", beginning.group() if beginning else "", alphabet[0], '"', "0"}
    for before, piece, after in itertools.product(sorted(befores), pieces, ("", "!")):

        def string(count: int, before: str = before, piece: str = piece, after: str = after) -> str | bytes:
            text = before + piece * count + after
            return text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")

        yield string


def seconds(pattern: "re.Pattern[Any]", way: str, string: str | bytes, tries: int = 1) -> float:
    """Tell the processor's time that looking takes, at best."""

    def once() -> float:
        began = time.thread_time()
        if way in ("sub", "subn"):
            getattr(pattern, way)(string[:0], string)
        elif way == "finditer":
            for _ in pattern.finditer(string):
                pass
        else:
            getattr(pattern, way)(string)
        return time.thread_time() - began

    return min(once() for _ in range(tries))


def is_guilty(pattern: "re.Pattern[Any]", way: str, string: Callable[[int], Any]) -> bool:
    """Say whether the time grows faster than what is looked at."""
    for count in range(16, SHORT + 1, 2):
        # Twice: the first time may be long for another reason.
        if all(seconds(pattern, way, string(count)) > GUILTY_SECONDS for _ in range(2)):
            return True
    if seconds(pattern, way, string(MIDDLE)) < SUSPECT_SECONDS:
        return False
    middle, long = (seconds(pattern, way, string(count), 2) for count in (MIDDLE, LONG))
    return long > GUILTY_SECONDS and long > GUILTY_GROWTH * middle


def slow_string(pattern: "re.Pattern[Any]", ways: tuple[str, ...]) -> str | None:
    """Give a string that a pattern takes too long for, and how it is looked at; None if there is none."""
    for string in attacks(pattern):
        for way in ways:
            if is_guilty(pattern, way, string):
                return f"{way}: {string(3)!r}"
    return None


def _module(file: Path) -> ModuleType:
    return importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


USES = [
    use
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
    if "re." in (source := file.read_text())
    for use in uses_of(source, str(file.relative_to(ROOT)), vars(_module(file)))
]


def _shipped(clause: Clause) -> Iterator[str]:
    """Give the patterns by which shipped prices are found."""
    if clause.regex is not None:
        yield clause.regex
    for part in (*(clause.any or ()), *(clause.all or ())):
        yield from _shipped(part)


SHIPPED = sorted(
    {
        written
        for provider in table().providers
        for clause in (provider.match, *(model.match for model in provider.models))
        if clause is not None
        for written in _shipped(clause)
    }
)
USES += [Use(f"shipped prices, {written}", re.compile(written), ("search",)) for written in SHIPPED]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_no_pattern_is_worse_than_linear(use: Use) -> None:
    """Four times as much takes a pattern about four times as long, whatever of its own characters it is made of."""
    assert slow_string(use.pattern, use.ways) is None


GUILTY: dict[str, tuple["re.Pattern[Any]", tuple[str, ...]]] = {
    # By which batches were once cut: an unclosed string of escapes is looked at anew from each of them.
    "quadratic": (re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL), ("finditer",)),
    "exponential": (re.compile("(a+)+b"), ("match",)),
    "quadratic in blanks": (re.compile(r"\s+$"), ("search",)),
}


@pytest.mark.parametrize("name", GUILTY)
def test_a_slow_pattern_is_found(name: str) -> None:
    """Patterns that are known to be slow are found to be."""
    assert slow_string(*GUILTY[name]) is not None


def test_every_pattern_is_read() -> None:
    """Constants, names, dictionaries and flags are read, and how each pattern is used."""
    lines = ['P: D = {"a": "x", "b": "y"}', 'Q = re.compile(b"z", re.DOTALL)', "Q.search(t)", "re.fullmatch(P[k], t)"]
    source = "\n".join([*lines, 're.sub("w", "", t)'])
    found = [(use.pattern.pattern, use.pattern.flags & re.DOTALL, use.ways) for use in uses_of(source, "here", {})]
    assert sorted(found, key=repr) == [
        ("w", 0, ("sub",)),
        ("x", 0, ("fullmatch",)),
        ("y", 0, ("fullmatch",)),
        (b"z", re.DOTALL, ("search",)),
    ]
