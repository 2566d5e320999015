"""The version of a mapper: a hash that changes whenever what it makes of a record might.

It is of what the mapper compiles to, of its class and of its contract's JSON schema, and the same in every
process. Comments and blank lines do not count, and functions that the class only calls do not either.
"""

from __future__ import annotations

import ast
import inspect
import json
import linecache
import sys
from collections.abc import Callable
from functools import lru_cache, wraps
from threading import Lock
from typing import Any, get_args
from weakref import WeakKeyDictionary

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from xxhash import xxh3_128_hexdigest

from strandline.model.conversion import Conversion


def _once(work: Callable[[type[Any]], str]) -> Callable[[type[Any]], str]:
    """The same, done once for each class, as long as there is the class, and in one thread at a time: CPython
    3.11 counts how deep the parsers of all threads are together, and fails where another one is at work.
    """
    known = WeakKeyDictionary[type[Any], str]()
    at_work = Lock()

    @wraps(work)
    def look(cls: type[Any]) -> str:
        with at_work:
            if cls not in known:
                known[cls] = work(cls)
            return known[cls]

    return look


def mapper_version(conversion: Conversion) -> str:
    """The version of the mapper that was compiled, and of those whose combinations it names."""
    contract = conversion.mapper.contract
    parts = [conversion.source_code, _written(conversion.mapper), _schema(contract)]
    parts += [mapper_version(combined) for combined in conversion.combined]
    return xxh3_128_hexdigest(json.dumps(parts).encode("utf-8", "surrogatepass"))


def contract_version(contract: type[BaseModel]) -> str:
    """The version of a contract, and of those that it names: of their fields, and of the validators that are
    written in them.
    """
    written = [
        _written(it)
        for named in _named_by(contract, [])
        for it in named.__mro__
        if it not in (BaseModel, object)
    ]
    parts = [_schema(contract), *dict.fromkeys(written)]
    return xxh3_128_hexdigest(json.dumps(parts).encode("utf-8", "surrogatepass"))


def _named_by(contract: type[BaseModel], found: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """The contract and those that its fields name, each once."""
    if contract not in found:
        found.append(contract)
        for it in contract.model_fields.values():
            for named in _classes(it.annotation):
                _named_by(named, found)
    return found


def _classes(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [named for part in get_args(annotation) for named in _classes(part)]


@_once
def _written(mapper: type[Any]) -> str:
    """The class as it is written; nothing where its source is not to be had, as in a console."""
    try:
        file = inspect.getsourcefile(mapper) or inspect.getfile(mapper)
        parsed = _parsed("".join(linecache.getlines(file, vars(sys.modules[mapper.__module__]))))
    except (OSError, TypeError, SyntaxError):
        return ""
    found = _class_in(parsed, mapper.__qualname__, line=vars(mapper).get("__firstlineno__"))
    return ast.unparse(found) if found else ""


@lru_cache(maxsize=8)
def _parsed(module: str) -> ast.Module:
    """A module, parsed once for all of its classes; inspect.getsource reads each of them letter by letter."""
    return ast.parse(module)


def _class_in(node: ast.AST, name: str, *, line: int | None) -> ast.ClassDef | None:
    """The class of this qualified name within the node; where Python has kept it, the one of this line."""
    for it in ast.iter_child_nodes(node):
        rest = name
        if isinstance(it, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(it, ast.ClassDef) and name == it.name and line in (None, _first_line(it)):
                return it
            prefix = f"{it.name}." if isinstance(it, ast.ClassDef) else f"{it.name}.<locals>."
            if not name.startswith(prefix):
                continue
            rest = name.removeprefix(prefix)
        if not isinstance(it, ast.expr) and (found := _class_in(it, rest, line=line)):
            return found
    return None


def _first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(it.lineno for it in node.decorator_list)])


@_once
def _schema(contract: type[BaseModel]) -> str:
    try:
        return json.dumps(contract.model_json_schema(), sort_keys=True, default=str)
    except PydanticInvalidForJsonSchema:  # a type that JSON has no words for
        return repr(sorted((name, str(it.annotation)) for name, it in contract.model_fields.items()))
