"""strandline's side of `volume`: exports of customers, of any size, as files and as one download.

STRANDLINE_EXPORT__ROOT=/tmp/drop strandline run csv --app benchmarks.export
"""

from decimal import Decimal

from pydantic import AwareDatetime, Field

from benchmarks.pipeline import DimCustomer
from strandline import (
    BooleanString,
    HttpSource,
    Mapper,
    Pages,
    Pipeline,
    Record,
    SourceSettings,
    field,
    stream,
)
from strandline.source import Csv, FileSource, Json, JsonLines


class Exported(Record):
    """A customer as it is exported: all its fields side by side."""

    id: str
    company_name: str = Field(alias="companyName")
    email: str | None = None
    phone: str | None = None
    is_active: BooleanString = Field(alias="isActive")
    segment: str
    credit_limit: Decimal = Field(alias="creditLimit")
    balance: Decimal
    tax_number: str | None = Field(default=None, alias="taxNumber")
    street: str
    city: str
    postal_code: str = Field(alias="postalCode")
    country: str
    created_at: AwareDatetime = Field(alias="createdAt")
    last_modified: AwareDatetime = Field(alias="lastModified")
    remark: str


class ExportSettings(SourceSettings):
    """Where the files are."""

    root: str


class Export(FileSource):
    """The folder of exports."""

    settings: ExportSettings

    @stream(Exported, key="id", effective_at="last_modified")
    def lines(self, since: str | None) -> Pages:
        """Of CSV."""
        return self.files("customers.csv", format=Csv(), since=since)

    @stream(Exported, key="id", effective_at="last_modified")
    def documents(self, since: str | None) -> Pages:
        """Of JSON, a line each."""
        return self.files("customers.ndjson", format=JsonLines(), since=since)

    @stream(Exported, key="id", effective_at="last_modified")
    def elements(self, since: str | None) -> Pages:
        """Of one array in one JSON document."""
        return self.files("customers.json", format=Json("data"), since=since)


class DownloadSettings(SourceSettings):
    """Where the server is."""

    base_url: str


class Download(HttpSource):
    """The same over HTTP."""

    settings: DownloadSettings
    timeout = 60.0

    @stream(Exported, key="id", effective_at="last_modified")
    def documents(self) -> Pages:
        """Of JSON, a line each."""
        return self.pages("customers.ndjson", format=JsonLines())


class ExportedCustomer(Mapper[Exported, DimCustomer]):
    """Customers of an export."""

    customer_name = field("company_name")
    email_address = field("email")
    phone = field("phone")
    is_active = field("is_active")
    segment = field("segment")
    credit_limit = field("credit_limit")
    balance = field("balance")
    tax_number = field("tax_number")
    street = field("street")
    city = field("city")
    postal_code = field("postal_code")
    country = field("country")
    customer_since = field("created_at")


csv = Pipeline("csv")
csv.sync(Export.lines, ExportedCustomer)
ndjson = Pipeline("ndjson")
ndjson.sync(Export.documents, ExportedCustomer)
json = Pipeline("json")
json.sync(Export.elements, ExportedCustomer)
http = Pipeline("http")
http.sync(Download.documents, ExportedCustomer)
