"""The parts of a label in SQL: what stands between its separators, on both databases.

A label has the parts ``first<tab>second``; the last part may have the separator itself.
"""

from typing import Any

from sqlalchemy import ColumnElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Part(FunctionElement[str]):
    type = String()


class _First(_Part):
    name = "first_part"
    inherit_cache = True


class _Rest(_Part):
    name = "rest_part"
    inherit_cache = True


def first_part(label: ColumnElement[Any]) -> ColumnElement[str]:
    """Give what stands before the first separator of a *label*."""
    return _First(label)


def rest_part(label: ColumnElement[Any]) -> ColumnElement[str]:
    """Give what stands behind the first separator of a *label*."""
    return _Rest(label)


def _compiled(before: str, behind: str) -> Any:
    def write(element: Any, compiler: Any, **options: Any) -> str:
        label = compiler.process(element.clauses, **options)
        return (before if isinstance(element, _First) else behind).format(label)

    return write


_SQLITE = _compiled("SUBSTR({0}, 1, INSTR({0}, CHAR(9)) - 1)", "SUBSTR({0}, INSTR({0}, CHAR(9)) + 1)")
_POSTGRES = _compiled("SPLIT_PART({0}, CHR(9), 1)", "SUBSTR({0}, STRPOS({0}, CHR(9)) + 1)")
for _element in (_First, _Rest):
    compiles(_element, "sqlite")(_SQLITE)
    compiles(_element, "postgresql")(_POSTGRES)
