"""What a good engineer writes in an afternoon, with no framework: pages into a raw table and a typed table.

    python -m benchmarks.handwritten http://127.0.0.1:…/200000 postgresql://…

httpx on one kept connection; a page cut by msgspec, so that each record keeps its bytes; Pydantic one record
at a time, which is faster than a page at a time; psycopg's binary COPY with its types set, ten pages a COPY;
one transaction for everything. Python's garbage collector is as Python has it.

What it does not do: it keeps no history, recognises no record that it has seen before, cannot resume, and one
record that does not fit ends it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import httpx
import msgspec
import psycopg
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter

PAGE: Final = 1_000
PAGES_A_COPY: Final = 10

TABLES: Final = """
CREATE TABLE IF NOT EXISTS raw_customer (
    source_id text NOT NULL, payload bytea NOT NULL, fetched_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS customer (
    source_id text PRIMARY KEY, customer_name varchar(200) NOT NULL, email_address varchar(320),
    phone varchar(40), is_active boolean NOT NULL, segment varchar(40) NOT NULL,
    credit_limit numeric(18, 2), balance numeric(18, 2), tax_number varchar(20), currency varchar,
    sales_rep varchar, street varchar(200), city varchar(100), postal_code varchar(20),
    country varchar(60) NOT NULL, region varchar(40), customer_since timestamptz,
    last_modified timestamptz NOT NULL, fetched_at timestamptz NOT NULL
);
"""
RAW_TYPES: Final = ["text", "bytea", "timestamptz"]
TYPES: Final = [
    *("text", "varchar", "varchar", "varchar", "bool", "varchar", "numeric", "numeric", "varchar", "varchar"),
    *(
        "varchar",
        "varchar",
        "varchar",
        "varchar",
        "varchar",
        "varchar",
        "timestamptz",
        "timestamptz",
        "timestamptz",
    ),
]


class Address(BaseModel):
    """A postal address."""

    street: str
    city: str
    postal_code: str = Field(alias="postalCode")
    country: str


class Reference(BaseModel):
    """A link to another record."""

    id: str
    name: str


def _flag(value: object) -> bool:
    if value not in ("T", "F"):
        raise ValueError("neither T nor F")
    return value == "T"


class Customer(BaseModel):
    """A customer as the ERP sends it."""

    id: str = Field(alias="internalId")
    company_name: str = Field(alias="companyName")
    email: str | None = None
    phone: str | None = None
    is_active: Annotated[bool, BeforeValidator(_flag)] = Field(alias="isActive")
    segment: str
    credit_limit: Decimal = Field(alias="creditLimit")
    balance: Decimal
    tax_number: str | None = Field(default=None, alias="taxNumber")
    currency: Reference | None = None
    sales_rep: Reference | None = Field(default=None, alias="salesRep")
    billing_address: Address = Field(alias="billingAddress")
    created_at: AwareDatetime = Field(alias="createdAt")
    last_modified: AwareDatetime = Field(alias="lastModified")
    region: str | None = Field(default=None, alias="custentity_region")


class Page(msgspec.Struct):
    """A page, its records not yet read."""

    items: list[msgspec.Raw]
    more: bool = msgspec.field(name="hasMore")


def fetch(url: str) -> Iterator[tuple[list[msgspec.Raw], datetime]]:
    """Every page's records and when they came."""
    decode = msgspec.json.Decoder(Page).decode
    with httpx.Client(timeout=30) as client:
        offset, more = 0, True
        while more:
            answer = client.get(f"{url}/customers", params={"offset": offset, "limit": PAGE})
            answer.raise_for_status()
            page = decode(answer.content)
            yield page.items, datetime.now(UTC)
            offset, more = offset + len(page.items), page.more


def row(record: Customer, fetched_at: datetime) -> tuple[Any, ...]:
    """The typed table's row."""
    address, email = record.billing_address, record.email
    return (
        record.id,
        record.company_name,
        email.strip().lower() if email else None,
        record.phone,
        record.is_active,
        record.segment,
        record.credit_limit,
        record.balance,
        record.tax_number,
        record.currency.name if record.currency else None,
        record.sales_rep.name if record.sales_rep else None,
        address.street,
        address.city,
        address.postal_code,
        address.country,
        record.region,
        record.created_at,
        record.last_modified,
        fetched_at,
    )


def copy(
    connection: psycopg.Connection[Any], table: str, *, types: list[str], rows: list[tuple[Any, ...]]
) -> None:
    """Append the rows."""
    with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)".encode()) as sink:
        sink.set_types(types)
        for values in rows:
            sink.write_row(values)


def load(url: str, database: str) -> None:
    """Everything into both tables."""
    validate = TypeAdapter(Customer).validator.validate_json
    raw_rows: list[tuple[Any, ...]] = []
    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(database, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute(TABLES)
        with connection.transaction():
            for number, (payloads, fetched_at) in enumerate(fetch(url), 1):
                for raw in payloads:
                    payload = bytes(raw)
                    record = validate(payload)
                    raw_rows.append((record.id, payload, fetched_at))
                    rows.append(row(record, fetched_at))
                if number % PAGES_A_COPY == 0:
                    copy(connection, "raw_customer", types=RAW_TYPES, rows=raw_rows)
                    copy(connection, "customer", types=TYPES, rows=rows)
                    raw_rows.clear()
                    rows.clear()
            copy(connection, "raw_customer", types=RAW_TYPES, rows=raw_rows)
            copy(connection, "customer", types=TYPES, rows=rows)


if __name__ == "__main__":
    load(sys.argv[1], sys.argv[2])
