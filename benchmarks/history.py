"""Members with a history, made by SQL: the raw log and the dimension as the engine would have left them.

What member `n` says at its change `k` decides its attributes; changes come ten days apart. It is the same
whether the payload is read or the columns are written at once.
"""

from __future__ import annotations

from typing import Final

from benchmarks.case import Case, columns

ATTRIBUTES: Final = {
    "name": "'Account ' || n",
    "email": "'accounts.' || n || '@tidal-harbour.example'",
    "phone": "'+49 40 ' || lpad((n * 7919 % 10000000)::text, 7, '0')",
    "segment": "'segment ' || (n + {k}) % 7",
    "tier": "'tier ' || n % 3",
    "region": "'Region ' || n % 23",
    "city": "'City of the outer harbour ' || n % 911",
    "country": "'Country ' || n % 53",
    "credit_limit": "((n * 31 + {k}) % 250000)::numeric(20, 4)",
    "balance": "((n * 97 + {k}) % 90000)::numeric(20, 4)",
    "is_active": "n % 17 <> 0",
    "opened_on": "date '2010-01-01' + (n % 4000)::int",
}
"""The 12 attributes; a change moves three of them."""

FIRST: Final = "timestamptz '2025-01-01 00:00:00+00'"


def attributes(k: str = "k") -> dict[str, str]:
    """What member n is after its change k."""
    return {name: value.format(k=f"({k})") for name, value in ATTRIBUTES.items()}


def effective(k: str = "k") -> str:
    """When that change took effect."""
    return f"({FIRST} + ({k}) * interval '10 days' + (n % 86400) * interval '1 second')"


def build(case: Case, *, members: int, versions: int) -> int:
    """Give that many members so many versions each, in the raw log and in the dimension; the last raw_id."""
    last = members * versions
    numbers = f"generate_series(0::bigint, {last} - 1) AS i"
    rows = f"(SELECT i, i % {members} + 1 AS n, i / {members} AS k FROM {numbers})"
    said = f"{rows} AS said"
    sequence = f"pg_get_serial_sequence('{case.qualified(case.table)}', '{_key(case)}')"
    case.execute(
        log(case, said, raw_id="i + 1"),
        _insert(case, _version(case, final=str(versions - 1)), said),
        f"SELECT setval({sequence}, {last})",
    )
    case.apply(last)
    return last


def log(case: Case, said: str, *, raw_id: str, at: str | None = None) -> str:
    """The statement that puts what is said, rows with n and k, into the raw log."""
    values = ", ".join(
        f"'{name}', {f'({value})::text' if '::numeric' in value else value}"
        for name, value in attributes().items()
    )
    payload = f"convert_to(json_build_object('id', n::text, {values}, 'modified_at', at)::text, 'UTF8')"
    moment = at or effective()
    return f"""
        INSERT INTO {case.qualified(case.raw)} (raw_id, source_id, payload, payload_hash, operation,
            cursor_value, effective_at, run_id, request, fetched_at)
        SELECT raw_id, n::text, payload, decode(md5(payload), 'hex'), 'upsert', at, at, 1, 1, at
        FROM (SELECT *, {payload} AS payload FROM (SELECT *, {raw_id} AS raw_id, {moment} AS at FROM {said}))
    """


def stage(case: Case, said: str, *, raw_id: str, at: str | None = None) -> str:
    """The statement that stages the same."""
    return f"""
        INSERT INTO {case.qualified(case.target.staged)}
            (raw_id, source_id, effective_at, synced_at, is_deleted, {columns(list(ATTRIBUTES))})
        SELECT {raw_id}, n::text, {at or effective()}, now(), false, {", ".join(attributes().values())}
        FROM {said}
    """


def _insert(case: Case, values: dict[str, str], said: str) -> str:
    table = case.qualified(case.table)
    return f"INSERT INTO {table} ({columns(list(values))}) SELECT {', '.join(values.values())} FROM {said}"


def _version(case: Case, *, final: str) -> dict[str, str]:
    """The columns of the version that change k has opened, when the change `final` was the last."""
    name = _key(case).removesuffix("_key")
    return {
        f"{name}_key": "i + 1",
        f"{name}_durable_key": "n",
        "version": "k + 1",
        "valid_from": effective(),
        "valid_to": f"CASE WHEN k < {final} THEN {effective('k + 1')} END",
        "is_current": f"k = {final}",
        "is_inferred": "false",
        "is_deleted": "false",
        **{column: _value(case, column, final=final) for column in ATTRIBUTES},
        **_memory(case, final=final),
        "created_at": "now()",
        "updated_at": "now()",
        "synced_at": "now()",
        "source_system": "'erp'",
        "source_id": "n::text",
        "schema_version": "1",
        "run_id": "1",
    }


def _value(case: Case, column: str, *, final: str) -> str:
    """A version's own value under type 2, the first under type 0, the last under types 1 and 3."""
    (scd,) = case.table.c[column].info["strandline"].scd
    return attributes({2: "k", 0: "0"}.get(scd, final))[column]


def _memory(case: Case, *, final: str) -> dict[str, str]:
    """What type 3 remembers; every member has had a change."""
    names = [column.name for column in case.table.c]
    kept = [name.removeprefix("previous_") for name in names if name.startswith("previous_")]
    before = {f"previous_{column}": attributes(f"{final} - 1")[column] for column in kept}
    return before | {f"{column}_changed_at": effective(final) for column in kept}


def _key(case: Case) -> str:
    (key,) = case.table.primary_key.columns.keys()
    return key
