"""A compiled mapper gives what a plain interpretation of its declaration gives, whatever the record."""

from datetime import UTC, datetime
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from sqlalchemy import make_url
from sqlalchemy.orm import Mapped

from strandline.model import BooleanStringType, Dimension, Mapper, NormalizedEmail, attribute, field
from strandline.model.conversion import FAILURES, compile_mapper
from strandline.source import Record

POSTGRES = make_url("postgresql+psycopg://").get_dialect()()
AT = datetime(2026, 1, 1, tzinfo=UTC)
NO_DEFAULT = object()


class Leaf(Record):
    """The innermost."""

    text: str | None = None
    word: str = "yes"


class Branch(Record):
    """In the middle."""

    leaf: Leaf = Leaf()
    maybe: Leaf | None = None
    table: dict[str, Leaf | None] = Field(default_factory=dict)


class Root(Record):
    """The record."""

    text: str | None = None
    branch: Branch | None = None
    sure: Branch = Branch()
    anything: dict[str, Any] = Field(default_factory=dict)


class DimLeaf(Dimension):
    """Three columns, of which one must be filled."""

    needed: Mapped[str] = attribute()
    email: Mapped[str | None] = attribute(NormalizedEmail)
    truth: Mapped[bool | None] = attribute(BooleanStringType)


PATHS = (
    "text",
    "branch.leaf.text",
    "branch.leaf.word",
    "branch.maybe.text",
    "branch.maybe.word",
    "branch.table.key.text",
    "sure.leaf.word",
    "sure.maybe.word",
    "sure.table.key.word",
    "anything.key",
)
COLUMNS = ("needed", "email", "truth")
Declared = tuple[str, Any, bool]

texts = st.sampled_from([None, "", "yes", "F", "Ada@Example.org", "ü"])
leaves = st.builds(Leaf, text=texts, word=st.sampled_from(["yes", "no", "a@b"]))
branches = st.builds(
    Branch,
    leaf=leaves,
    maybe=st.none() | leaves,
    table=st.dictionaries(st.sampled_from(["key", "other"]), st.none() | leaves),
)
roots = st.builds(
    Root,
    text=texts,
    branch=st.none() | branches,
    sure=branches,
    anything=st.dictionaries(st.just("key"), texts | st.integers()),
)
fields = st.tuples(
    st.sampled_from(PATHS), st.sampled_from([NO_DEFAULT, None, "yes", "default@example.org"]), st.booleans()
)


def shout(value: Any) -> str:
    """A conversion that fails for what is no text."""
    return cast(str, value.upper())


def declare(declared: dict[str, Declared]) -> type[Mapper[Root, DimLeaf]]:
    """A mapper with these fields."""
    body: dict[str, Any] = {"__orig_bases__": (Mapper[Root, DimLeaf],)}
    for column, (path, default, is_converted) in declared.items():
        options = {} if default is NO_DEFAULT else {"default": default}
        body[column] = field(path, using=shout if is_converted else None, **options)
    return type("AnyMapper", (Mapper,), body)


def interpret(record: Root, declared: dict[str, Declared]) -> tuple[Any, ...]:
    """The declaration, read aloud; raises what a mapper raises."""
    row = []
    for column in COLUMNS:
        value: Any = None
        if column in declared:
            path, default, is_converted = declared[column]
            value = record
            for name in path.split("."):
                if value is not None:
                    value = value.get(name) if isinstance(value, dict) else getattr(value, name)
            if value is not None and is_converted:
                value = shout(value)
            if value is None and default is not NO_DEFAULT:
                value = default
        if value is not None and column != "needed":
            type_ = DimLeaf.table().c[column].type
            value = cast(Any, type_).process_bind_param(value, POSTGRES)
        if value is None and column == "needed":
            raise ValueError("empty")
        row.append(value)
    return tuple(row)


@given(roots, st.fixed_dictionaries({"needed": fields}, optional={"email": fields, "truth": fields}))
def test_a_compiled_mapper_does_what_its_declaration_says(
    record: Root, declared: dict[str, Declared]
) -> None:
    """Also where it fails: then `explain` finds a column to blame."""
    conversion = compile_mapper(declare(declared), POSTGRES)
    try:
        expected = interpret(record, declared)
    except FAILURES:
        try:
            conversion.convert(record, 1, "1", AT, AT)
        except FAILURES:
            assert conversion.explain(record).field in declared
            return
        raise AssertionError(f"should have failed: {conversion.source_code}") from None
    assert conversion.convert(record, 1, "1", AT, AT)[5:] == expected
