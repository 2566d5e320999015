"""A post office whose contracts and mappers, and what belongs to them, are wrong; each line says by which
rule.
"""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped

from strandline import (
    DimDate,
    Dimension,
    Fact,
    Mapper,
    Money,
    Pages,
    Pipeline,
    Record,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
    stream,
)
from strandline.source import Source, paged


class Parcel(Record):
    """A parcel."""

    id: str
    at: AwareDatetime
    postage: float
    weight: str
    scanned: datetime
    sender: str | None
    insured: Decimal | None
    colour: str  # fault: unmapped-field


class Branch(Record):
    """A branch."""

    id: str
    town: str


class Post(Source):
    """The post."""

    @stream(Parcel, key="id", effective_at="at")
    def parcels(self) -> Pages:
        """None."""
        return paged([])

    @stream(Branch, key="id")
    def branches(self) -> Pages:  # fault: undated-history
        """None."""
        return paged([])

    @stream(Branch, key="id")
    def closed_branches(self) -> Pages:  # fault: unused-stream
        """None."""
        return paged([])


class DimBranch(Dimension):
    """A branch."""

    __check_ignore__ = {  # fault: ignore-unused, ignore-without-reason, ignore-unknown-rule  # noqa: RUF012
        "generic-name": "Nothing here is called so",
        "text-length(district)": "",
        "generic-names": "Spelt wrongly",
    }

    branch_code: Mapped[str] = attribute(String(20))
    town: Mapped[str] = attribute(String(40), scd=2)
    opening_hours: Mapped[str | None] = attribute(String(40))  # fault: unmapped-column
    district: Mapped[str | None] = attribute()


class DimVan(Dimension):
    """A van, of which no record ever comes."""

    licence_plate: Mapped[str] = attribute(String(20))


class DimStamp(Dimension):  # fault: orphan-dimension
    """A stamp, by which nothing is counted."""

    motif: Mapped[str] = attribute(String(40))


class DimPostman(Dimension):  # fault: unfilled-model
    """A postman."""

    uniform: Mapped[str] = attribute(String(40))


class FactParcel(Fact):
    """One row a parcel."""

    parcel_id: Mapped[str] = grain(String(20))
    posted_at: Mapped[datetime] = event_time()
    posted_date_key: Mapped[int] = references(DimDate, on="posted_at")
    branch_key: Mapped[int] = references(DimBranch)
    van_key: Mapped[int] = references(DimVan)  # fault: unfilled-dimension
    postage_fee: Mapped[Decimal] = measure(Money)
    insured_value: Mapped[Decimal] = measure(Money)
    weight_grams: Mapped[int] = measure(Integer)


class PostBranch(Mapper[Branch, DimBranch]):
    """Branches."""

    branch_code = field("id")  # fault: key-as-attribute
    town = field("town")

    def district(self, record: Branch) -> str:  # fault: mapper-io
        """From a file beside it."""
        return Path(record.town).read_text()


class PostStamp(Mapper[Parcel, DimStamp]):
    """Stamps."""

    motif = field("sender")  # fault: optional-to-required


class OtherParcel(Mapper[Parcel, FactParcel]):  # fault: unused-mapper
    """Parcels, as they once were."""

    parcel_id = field("id")
    posted_at = field("at")
    branch_key = field("sender")
    van_key = field("sender")
    postage_fee = field("insured", default=Decimal(1))
    insured_value = field("insured", default=Decimal(1))
    weight_grams = field("weight", using=int)


class PostParcel(Mapper[Parcel, FactParcel]):
    """Parcels."""

    parcel_id = field("id")
    posted_at = field("scanned")  # fault: naive-contract
    branch_key = field("sender")
    postage_fee = field("postage")  # fault: float-contract
    insured_value = field("insured", default=Decimal(0))  # fault: measure-default
    weight_grams = field("weight")  # fault: mapped-type

    def van_key(self, record: Parcel) -> Any:  # fault: mapper-clock
        """The van of today."""
        return f"{record.sender}{datetime.now(record.at.tzinfo):%j}"


post = Pipeline("post")
post.sync(Post.branches, PostBranch)
post.sync(Post.parcels, PostStamp)
post.sync(Post.parcels, PostParcel)
