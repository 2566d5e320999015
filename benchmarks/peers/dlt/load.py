"""The benchmark's customers with dlt, in one of three ways that its documentation shows.

    python load.py default|tuned|arrow http://127.0.0.1:…/100000 postgresql://…

`default` yields the pages as they come, and dlt infers everything. `tuned` declares a Pydantic model, keeps
the raw record as text beside it, and has every knob turned that was found to help: CSV and COPY instead of
INSERT, larger buffers, uncompressed files, two processes. `arrow` reads each record with a typed parser and
yields Arrow tables, which dlt hardly looks into; the raw record is not kept.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

PAGE: Final = 1_000
PAGES_A_TABLE: Final = 20

SETTINGS: Final = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
TUNED: Final = SETTINGS | {
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "DATA_WRITER__FILE_MAX_ITEMS": "20000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__WORKERS": "2",
    "LOAD__WORKERS": "2",
}


class Page(msgspec.Struct):
    """A page, its records not yet read."""

    items: list[msgspec.Raw]
    more: bool = msgspec.field(name="hasMore")


def pages(url: str) -> Iterator[list[msgspec.Raw]]:
    """Every page's records, in bytes."""
    decode = msgspec.json.Decoder(Page).decode
    with httpx.Client(timeout=30) as client:
        offset, more = 0, True
        while more:
            answer = client.get(f"{url}/customers", params={"offset": offset, "limit": PAGE})
            page = decode(answer.raise_for_status().content)
            yield page.items
            offset, more = offset + len(page.items), page.more


def whole_pages(url: str) -> Iterator[list[dict[str, Any]]]:
    """Every page's records as they are."""
    for page in pages(url):
        yield [msgspec.json.decode(it) for it in page]


def pages_with_raw(url: str) -> Iterator[list[dict[str, Any]]]:
    """Every page's records, each with its own text."""
    for page in pages(url):
        yield [msgspec.json.decode(it) | {"raw": bytes(it).decode()} for it in page]


def customer_model() -> type:
    """The contract of a record; dlt makes a column of each field, those of nested models included."""
    from dlt.common.libs.pydantic import DltConfig
    from pydantic import BaseModel, BeforeValidator

    class Reference(BaseModel):
        """A link to another record."""

        id: str
        name: str

    class PostalAddress(BaseModel):
        """A postal address."""

        street: str
        city: str
        postalCode: str
        country: str

    class Customer(BaseModel):
        """A customer as the ERP sends it."""

        dlt_config: ClassVar[DltConfig] = {"skip_nested_types": True}

        internalId: str
        companyName: str
        email: str | None = None
        phone: str | None = None
        isActive: Annotated[bool, BeforeValidator(lambda it: it == "T")]
        segment: str
        creditLimit: Decimal
        balance: Decimal
        taxNumber: str | None = None
        currency: Reference | None = None
        salesRep: Reference | None = None
        billingAddress: PostalAddress
        createdAt: datetime
        lastModified: datetime
        custentity_region: str | None = None
        raw: str

    return Customer


class Named(msgspec.Struct):
    """What a record refers to."""

    name: str


class Address(msgspec.Struct):
    """A postal address."""

    street: str
    city: str
    postal_code: str = msgspec.field(name="postalCode")
    country: str = ""


class Row(msgspec.Struct):
    """A record as the typed parser reads it."""

    internal_id: str = msgspec.field(name="internalId")
    company_name: str = msgspec.field(name="companyName")
    is_active: str = msgspec.field(name="isActive")
    segment: str = ""
    credit_limit: Decimal = msgspec.field(name="creditLimit", default=Decimal())
    balance: Decimal = Decimal()
    created_at: datetime = msgspec.field(name="createdAt", default=datetime(1970, 1, 1, tzinfo=UTC))
    last_modified: datetime = msgspec.field(name="lastModified", default=datetime(1970, 1, 1, tzinfo=UTC))
    address: Address = msgspec.field(name="billingAddress", default_factory=lambda: Address("", "", ""))
    email: str | None = None
    phone: str | None = None
    tax_number: str | None = msgspec.field(name="taxNumber", default=None)
    currency: Named | None = None
    sales_rep: Named | None = msgspec.field(name="salesRep", default=None)
    region: str | None = msgspec.field(name="custentity_region", default=None)


def tables(url: str) -> Iterator[Any]:
    """Arrow tables of some pages each."""
    import pyarrow

    money = pyarrow.decimal128(18, 2)
    instant = pyarrow.timestamp("us", tz="UTC")
    types = {"credit_limit": money, "balance": money, "created_at": instant, "last_modified": instant}
    types |= {"is_active": pyarrow.bool_()}
    read = msgspec.json.Decoder(Row).decode
    rows: list[tuple[Any, ...]] = []
    names: list[str] = [
        *("internal_id", "company_name", "email", "phone", "is_active", "segment", "credit_limit", "balance"),
        *("tax_number", "currency", "sales_rep", "street", "city", "postal_code", "country", "region"),
        *("created_at", "last_modified"),
    ]
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in names])

    def table() -> Any:
        columns = [pyarrow.array(it, field.type) for it, field in zip(zip(*rows), schema)]  # noqa: B905
        rows.clear()
        return pyarrow.Table.from_arrays(columns, schema=schema)

    for number, page in enumerate(pages(url), 1):
        rows += [flat(read(it)) for it in page]
        if number % PAGES_A_TABLE == 0:
            yield table()
    if rows:
        yield table()


def flat(it: Row) -> tuple[Any, ...]:
    """The record's row."""
    address = it.address
    return (
        it.internal_id,
        it.company_name,
        it.email.strip().lower() if it.email else None,
        it.phone,
        it.is_active == "T",
        it.segment,
        it.credit_limit,
        it.balance,
        it.tax_number,
        it.currency.name if it.currency else None,
        it.sales_rep.name if it.sales_rep else None,
        address.street,
        address.city,
        address.postal_code,
        address.country,
        it.region,
        it.created_at,
        it.last_modified,
    )


def credentials(database: str) -> dict[str, Any]:
    """The URL's parts, as dlt wants them; a server that is reached through a file asks for no password."""
    url = urlsplit(database)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    return {
        "username": url.username,
        "password": url.password or "none",
        "host": url.hostname or "localhost",  # which the query overrides
        "database": url.path[1:],
        "query": query,
    }


def run(records: Callable[[], Iterator[Any]], database: str, **options: Any) -> None:
    """Load what the generator yields into the table `customers`."""
    import dlt

    file_format = options.pop("file_format", None)
    resource = dlt.resource(records, name="customers", write_disposition="append", **options)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "customers",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(credentials(database)),
            dataset_name="erp",
        )
        pipeline.run(resource, loader_file_format=file_format).raise_on_failed_jobs()


def main(way: str, url: str, database: str) -> None:
    """Load in this way."""
    os.environ.update(SETTINGS if way == "default" else TUNED)
    if way == "default":
        run(lambda: whole_pages(url), database)
    elif way == "tuned":
        run(
            lambda: pages_with_raw(url),
            database,
            columns=customer_model(),
            file_format="csv",
        )
    else:
        run(lambda: tables(url), database, file_format="csv")


if __name__ == "__main__":
    main(*sys.argv[1:])
