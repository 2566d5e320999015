"""Groups of members: get the key of each, or create it with its members and weights, as a set.

What is staged is the group's text. The groups that are not there are inserted: only they pass through Python.
Whoever belongs to one and is not there yet is inferred. The others cost one join. The caller holds the locks
of the bridge and of its dimension, so that nobody else adds the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from strandline.model.bridge import MEMBERS, WEIGHT, Bridge, parse, special_groups
from strandline.model.column import NOT_APPLICABLE_KEY, ROLE, UNKNOWN_KEY, GroupKey
from strandline.model.dimension import SPECIAL_SOURCE
from strandline.model.fact import Fact
from strandline.warehouse import key, temporary
from strandline.warehouse.database import Database
from strandline.warehouse.event import differ
from strandline.warehouse.outrigger import Touched

MEMBER: Final = temporary.table(
    "bridge_member",
    Column("group_key", BigInteger, primary_key=True, autoincrement=False),
    Column("source_id", Text, primary_key=True),
    Column("weight", WEIGHT),
)
"""The members of the groups that are new."""


def ensure(
    database: Database,
    connection: Connection,
    *,
    bridge: type[Bridge],
    groups: Select[Any],
    source_system: str,
    waiting: Sequence[type[Fact]],
    run_id: int,
) -> int:
    """Make each of these groups (a select of their texts) and its members be there; how many members were
    inferred. `waiting` are the facts that may wait for one of these.
    """
    new = _add_groups(connection, bridge, groups, source_system, run_id)
    if not new:
        return 0
    MEMBER.create(connection)
    rows = [
        {"group_key": group_key, "source_id": member, "weight": weight}
        for group_key, text in new
        for member, weight in parse(text).items()
    ]
    connection.execute(insert(MEMBER), rows)
    members = select(MEMBER.c.source_id)
    named: dict[str, Any] = {"dimension": bridge.dimension, "source_system": source_system}
    inferred = key.infer(database, connection, **named, members=members, run_id=run_id)
    for fact in waiting if inferred else ():
        key.welcome(connection, fact=fact, **named, members=members, run_id=run_id)
    _add_members(connection, bridge, source_system, run_id)
    MEMBER.drop(connection)
    return inferred


def _add_groups(
    connection: Connection, bridge: type[Bridge], groups: Select[Any], source_system: str, run_id: int
) -> list[tuple[int, str]]:
    """Insert the groups that are not there: the key and text of each."""
    table, wanted = bridge.groups, groups.distinct().subquery("wanted")
    text = wanted.c[0]
    known = select(literal(1)).where(is_group(bridge, text, source_system)).exists()
    new = sorted(connection.scalars(select(text).where(text.is_not(None), ~known)))
    if not new:
        return []
    add = (
        insert(table)
        .values(source_system=source_system, created_at=func.now(), run_id=run_id)
        .returning(table.c[bridge.group_key()], table.c[MEMBERS])
    )
    return [(row[0], row[1]) for row in connection.execute(add, [{MEMBERS: it} for it in new])]


def is_group(bridge: type[Bridge], text: Any, source_system: str, group: FromClause | None = None) -> Any:
    """Whether a row of the groups is the one of this text."""
    table = bridge.groups if group is None else group
    return and_(table.c[MEMBERS] == text, table.c.source_system == source_system)


def _add_members(connection: Connection, bridge: type[Bridge], source_system: str, run_id: int) -> None:
    member = bridge.dimension.table()
    values: dict[str, Any] = {
        bridge.group_key(): MEMBER.c.group_key,
        bridge.member_key(): bridge.dimension.durable_key_column(),
        "weight": MEMBER.c.weight,
        "created_at": func.now(),
        "run_id": literal(run_id, BigInteger),
    }
    rows = select(*values.values()).where(
        member.c.source_system == source_system,
        member.c.source_id == MEMBER.c.source_id,
        or_(member.c.is_current, member.c.is_deleted),
    )
    connection.execute(insert(bridge.table()).from_select(list(values), rows))


def add_special_groups(connection: Connection, bridge: type[Bridge]) -> None:
    """Insert the groups -1 and -2, so that a fact without a group is not lost in a join."""
    stamps: dict[str, Any] = {"created_at": func.now(), "run_id": 0}
    for number, word in special_groups().items():
        named = {bridge.group_key(): number, "source_system": SPECIAL_SOURCE, MEMBERS: word}
        connection.execute(insert(bridge.groups).values(**named, **stamps))
        alone = {bridge.group_key(): number, bridge.member_key(): number, "weight": Decimal(1)}
        connection.execute(insert(bridge.table()).values(**alone, **stamps))


def attach(
    database: Database,
    connection: Connection,
    touched: Touched,
    *,
    sources: Mapping[str, str],
    waiting: Sequence[type[Fact]],
) -> int:
    """Make the groups that the staged records name be there, and fill their keys in the members that were
    touched; how many members of groups have been inferred.
    """
    inferred = 0
    for column in touched.dimension.companions(GroupKey):
        meaning: GroupKey = column.info[ROLE]
        source = sources.get(meaning.of, touched.source_system)
        inferred += ensure(
            database,
            connection,
            bridge=meaning.bridge,
            groups=touched.named(meaning.of),
            source_system=source,
            waiting=waiting,
            run_id=touched.run_id,
        )
        connection.execute(_fill(touched, column.name, meaning, source))
    return inferred


def _fill(touched: Touched, companion: str, meaning: GroupKey, source: str) -> Any:
    """Write the group's key to every version of the touched members where it is another one."""
    table, version, group = (
        touched.dimension.table(),
        touched.dimension.table().alias("version"),
        meaning.bridge.groups.alias("found_group"),
    )
    key_column = touched.dimension.key_column()
    named = version.c[meaning.of]
    value = case(
        (version.c.is_inferred, UNKNOWN_KEY),
        (named.is_(None), NOT_APPLICABLE_KEY),
        else_=func.coalesce(group.c[meaning.bridge.group_key()], UNKNOWN_KEY),
    )
    found = (
        select(version.c[key_column.name].label("version_key"), value.label("group_key"))
        .outerjoin(group, is_group(meaning.bridge, named, source, group))
        .where(version.c.source_system == touched.source_system, version.c.source_id.in_(touched.members()))
        .subquery("found")
    )
    return (
        update(table)
        .where(key_column == found.c.version_key, differ([table.c[companion]], [found.c.group_key]))
        .values(**{companion: found.c.group_key, **touched.stamps()})
    )


def wrong_weights(connection: Connection, bridge: type[Bridge]) -> list[tuple[int, Decimal]]:
    """The groups whose weights do not sum to 1, each with the sum; 0 for a group without members."""
    table, groups = bridge.table(), bridge.groups
    group_key = groups.c[bridge.group_key()]
    total = func.coalesce(func.sum(table.c.weight), 0)
    sums = (
        select(group_key, total)
        .outerjoin(table, table.c[bridge.group_key()] == group_key)
        .group_by(group_key)
        .having(total != 1)
        .order_by(group_key)
    )
    return [(row[0], row[1]) for row in connection.execute(sums)]
