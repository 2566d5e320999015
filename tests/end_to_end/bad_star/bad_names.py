"""A library whose tables and columns are called as they should not be; each line says by which rule."""

from datetime import datetime
from decimal import Decimal

from pydantic import AwareDatetime
from sqlalchemy import SelectBase, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from strandline import (
    Aggregate,
    Bridge,
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
from strandline.model import Base
from strandline.source import Source, paged


class Thing(Record):
    """Whatever a library has."""

    id: str
    label: str
    at: AwareDatetime
    price: Decimal


class Library(Source):
    """A library."""

    @stream(Thing, key="id", effective_at="at")
    def things(self) -> Pages:
        """None of them."""
        return paged([])


LONG, LONGER = attribute(String(40)), attribute(String(40))


class DimAuthor(Dimension):
    """An author."""

    label: Mapped[str] = attribute(String(40))


class Reader(Dimension):  # fault: dimension-prefix
    """A reader."""

    label: Mapped[str] = attribute(String(40))


class DimLibrarians(Dimension):  # fault: table-number
    """A librarian."""

    label: Mapped[str] = attribute(String(40))


class DimAisle(Dimension):  # noqa: D101  # fault: table-comment
    label: Mapped[str] = attribute(String(40))


class DimBook(Dimension):
    """A book."""

    label: Mapped[str] = attribute(String(40))
    shelfMark: Mapped[str | None] = attribute(String(40))  # noqa: N815  # fault: snake-case
    user: Mapped[str | None] = attribute(String(40))  # fault: reserved-word
    series_that_somebody_wanted_to_buy_as_a_whole: Mapped[str | None] = LONG  # fault: name-length
    name_of_the_person_who_first_told_the_library_about_this_one_book: Mapped[str] = LONGER  # fault: name-cut


class AuthorGroup(Bridge, to=DimAuthor):  # fault: bridge-prefix
    """The authors of a book."""


class Loan(Fact):  # fault: fact-prefix
    """One row a loan."""

    loan_id: Mapped[str] = grain(String(20))
    lent_at: Mapped[datetime] = event_time()
    lent_date_key: Mapped[int] = references(DimDate, on="lent_at")
    reader_key: Mapped[int] = references(Reader)
    librarian_key: Mapped[int] = references(DimLibrarians)
    aisle_key: Mapped[int] = references(DimAisle)
    book_key: Mapped[int] = references(DimBook)
    author_group_key: Mapped[int] = references(AuthorGroup)
    loan_fee: Mapped[Decimal] = measure(Money)


class LoanTotal(Aggregate):  # fault: aggregate-prefix
    """Fees by aisle."""

    aisle_label: Mapped[str] = grain(String(40))
    loan_fee: Mapped[Decimal] = measure(Money)

    @classmethod
    def query(cls) -> SelectBase:
        """By aisle."""
        return (
            select(DimAisle.label.label("aisle_label"), func.sum(Loan.loan_fee).label("loan_fee"))
            .join(DimAisle, DimAisle.key == Loan.aisle_key)
            .group_by(DimAisle.label)
        )


class RawLoan(Base):  # fault: staging-prefix
    """A loan on its way."""

    __table_args__ = {"schema": "staging"}  # noqa: RUF012
    raw_loan_id: Mapped[str] = mapped_column(String(20), primary_key=True)


class DimCity(Base):  # fault: plain-table
    """A city."""

    city_id: Mapped[str] = mapped_column(String(20), primary_key=True)


class BridgeGenre(Base):  # fault: bridge-weight
    """The genres of a book."""

    genre_id: Mapped[str] = mapped_column(String(20), primary_key=True)


class LibraryAuthor(Mapper[Thing, DimAuthor]):
    """Authors."""

    label = field("label")


class LibraryReader(Mapper[Thing, Reader]):
    """Readers."""

    label = field("label")


class LibraryLibrarian(Mapper[Thing, DimLibrarians]):
    """Librarians."""

    label = field("label")


class LibraryAisle(Mapper[Thing, DimAisle]):
    """Aisles."""

    label = field("label")


class LibraryBook(Mapper[Thing, DimBook]):
    """Books."""

    label = field("label")
    shelfMark = field("label")  # noqa: N815
    user = field("label")
    series_that_somebody_wanted_to_buy_as_a_whole = field("label")
    name_of_the_person_who_first_told_the_library_about_this_one_book = field("label")


class LibraryLoan(Mapper[Thing, Loan]):
    """Loans."""

    loan_id = field("id")
    lent_at = field("at")
    reader_key = field("id")
    librarian_key = field("id")
    aisle_key = field("id")
    book_key = field("id")
    loan_fee = field("price")

    def author_group_key(self, record: Thing) -> list[str]:
        """One author each."""
        return [record.id]


library = Pipeline("library")
for each in (LibraryAuthor, LibraryReader, LibraryLibrarian, LibraryAisle, LibraryBook, LibraryLoan):
    library.sync(Library.things, each)
