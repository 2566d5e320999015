"""A small project as a user would write it, copied into the folder of every test."""

from datetime import datetime, timedelta

import httpx
from pydantic import AwareDatetime, Field, SecretStr
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline import (
    Bearer,
    Cursor,
    Dimension,
    HttpSource,
    Mapper,
    Pages,
    Pipeline,
    Record,
    SourceSettings,
    attribute,
    field,
    stream,
)
from strandline.source import PageNumber, Retry


class Customer(Record):
    """A customer as the CRM sends it."""

    id: str
    name: str
    segment: str
    updated_at: AwareDatetime = Field(alias="updatedAt")


class CrmSettings(SourceSettings):
    """STRANDLINE_CRM__BASE_URL and STRANDLINE_CRM__TOKEN."""

    base_url: str
    token: SecretStr


class Crm(HttpSource):
    """The CRM."""

    settings: CrmSettings
    timeout = 5.0
    retry = Retry(attempts=3, wait_initial=timedelta(milliseconds=10))

    def auth(self) -> httpx.Auth:
        """The token."""
        return Bearer(self.settings.token)

    @stream(Customer, key="id", cursor=Cursor("updated_at"))
    def customers(self, since: datetime | None) -> Pages:
        """Everybody we sell to."""
        return self.pages(
            "/customers", params={"since": since}, paginator=PageNumber(size=10), records="data"
        )


class DimCustomer(Dimension):
    """A customer; the segment keeps its history."""

    customer_name: Mapped[str] = attribute(String(200))
    segment: Mapped[str] = attribute(String(40), scd=2)


class CrmCustomer(Mapper[Customer, DimCustomer]):
    """The CRM's customers."""

    customer_name = field("name")
    segment = field("segment")


crm = Pipeline("crm")
crm.sync(Crm.customers, CrmCustomer)
