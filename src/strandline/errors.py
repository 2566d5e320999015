"""Every error that strandline raises, as one tree, split by what its reader does next.

    StrandlineError                 message = the class docstring unless one is given; .hint; .exit_code
    ├── DeclarationError            fix the code that declares (raised before any I/O); exit code 2
    │   └── SettingsWrong           correct the settings where the message says
    │       └── SettingsMissing     set the variables that the message names
    ├── SourceError
    │   ├── CredentialsRejected     give other credentials
    │   │   └── TokenSpent          sign in anew, and set the refresh token that this gives
    │   ├── VaultUnavailable        credentials could not be read or stored: mend where they are kept
    │   ├── SourceUnavailable       retried, then given up: run again later
    │   │   └── RateLimited         retried as the source asked, then given up
    │   │       └── QuotaExhausted  nothing more for now: run again when the message says
    │   ├── UnexpectedResponse      the API is not what the stream says: look at it
    │   ├── PaginationLoop          the API repeats a page: fix the paginator
    │   ├── SourceUnsettled         the source changed each time it was read: read it at a quieter time
    │   ├── OrderBroken             the source sent records out of its declared order
    │   ├── ProgramFailed           a tap or connector ended wrongly: its last words are in the message
    │   ├── ReportFailed            the source has not made the report: ask for another, or later
    │   ├── MethodRefused           the client only reads: declare the method on the stream
    │   └── ReconciliationUnanswered  the source did not say what it has: run again later
    ├── WarehouseError
    │   ├── WarehouseUnreachable    start it, or give another --database-url
    │   ├── PermissionMissing       grant it
    │   ├── WarehouseFull           free some space, then run again
    │   ├── WarehouseBusy           another run holds the stream: wait for it
    │   ├── SchemaOutOfDate         a table differs from its model: migrate
    │   ├── DataWouldBeLost         a migration drops data: allow it, or do not apply it
    │   ├── UnknownKey              nothing is known of this natural key: correct it
    │   ├── RowExists               what is to be added is there already: upsert it
    │   ├── ForeignRow              it is another's, a pipeline's say: change it at its source
    │   ├── LateChange              a change lies before what is known: tell it a later moment
    │   └── VersionFixed            a version is not changed by itself: upsert its member
    ├── UnknownPage                 no page of this list is called so: begin at the first
    ├── ValuesRefused               values that a program gave for a row do not fit its model: correct them
    ├── RecordRejected              one record failed contract or mapping; kept, counted, the rest goes on
    ├── TooManyRejects              fix contract or source; nothing was merged
    │   └── UnknownField            name the field in the contract, or let it pass; nothing was merged
    ├── TooManyDeletions            confirm them, or look at the source; nothing was merged
    ├── StillRefused                a reject that was to be released is refused again: mend what refuses it
    └── ExpectationFailed           a merge was rolled back, for its rows are not as expected: look at them

A leaf's name is the condition. A message says where, what and with which values; the hint says what to type
next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from inspect import cleandoc
from typing import Any, ClassVar

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3


class StrandlineError(Exception):
    """Something went wrong that strandline knows by name."""

    exit_code: ClassVar[int] = EXIT_FAILED

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or cleandoc(type(self).__doc__ or ""))
        self.hint = hint

    @property
    def message(self) -> str:
        """Where, what and with which values, without the hint."""
        return str(self.args[0])


class DeclarationError(StrandlineError):
    """A source, model, mapper or pipeline is declared in a way that cannot work."""

    exit_code = EXIT_USAGE


class SettingsWrong(DeclarationError):
    """A setting has a value that it cannot have, or stands where it cannot stand."""

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        problems: tuple[Any, ...] = (),
    ) -> None:
        """`problems` are all of them, as `strandline.settings.problem.Problem` tells each."""
        super().__init__(message, hint=hint)
        self.problems = problems


class SettingsMissing(SettingsWrong):
    """A setting that has no default was not given."""


class SourceError(StrandlineError):
    """A source could not be read."""


class CredentialsRejected(SourceError):
    """The source does not accept the credentials."""


class TokenSpent(CredentialsRejected):
    """The refresh token was used up or withdrawn, and nobody has the one that came after it."""


class VaultUnavailable(SourceError):
    """Credentials that change could not be read or stored."""


class SourceUnavailable(SourceError):
    """The source did not answer, also not when asked again."""


class RateLimited(SourceUnavailable):
    """The source asked to slow down for longer than the stream may wait."""


class QuotaExhausted(RateLimited):
    """The source answers nothing more until a time that is too far off to be waited for."""

    def __init__(
        self, message: str | None = None, *, hint: str | None = None, retry_at: datetime | None = None
    ) -> None:
        """`retry_at` is when the source wants to be asked again."""
        super().__init__(message, hint=hint)
        self.retry_at = retry_at


class UnexpectedResponse(SourceError):
    """The source answered with something that is not what the stream declares."""


class PaginationLoop(SourceError):
    """The source sent the same page or token twice, so reading on would never end."""


class SourceUnsettled(SourceError):
    """The source changed each time it was read, so nobody can tell whether a record was missed."""


class OrderBroken(SourceError):
    """The source sent records out of the order that the stream declares."""


class ProgramFailed(SourceError):
    """A program that reads the source, a tap or a connector, ended wrongly."""


class ReportFailed(SourceError):
    """The source was asked for a report and did not make it, or not in time."""


class MethodRefused(SourceError):
    """The client only reads: a method other than GET or HEAD must be declared on the stream."""


class ReconciliationUnanswered(SourceError):
    """The source could not be asked for what the warehouse is expected to have."""


class WarehouseError(StrandlineError):
    """The warehouse could not do what was asked."""


class WarehouseUnreachable(WarehouseError):
    """The database does not answer."""


class PermissionMissing(WarehouseError):
    """The database user may not do this."""


class WarehouseFull(WarehouseError):
    """The database has no space left."""


class WarehouseBusy(WarehouseError):
    """Another run holds this stream."""


class SchemaOutOfDate(WarehouseError):
    """A table in the database differs from its model."""


class DataWouldBeLost(WarehouseError):
    """A migration would drop data, and nobody has said that it may."""


class UnknownKey(WarehouseError):
    """No record with this natural key was ever read."""


class RowExists(WarehouseError):
    """A row that is to be added is there already."""


class ForeignRow(WarehouseError):
    """A row belongs to another source than the one that writes."""


class LateChange(WarehouseError):
    """A change of a member lies before one that is known already."""


class VersionFixed(WarehouseError):
    """A version of a member cannot be changed by itself."""


class UnknownPage(StrandlineError):
    """No page of this list is called so."""


class ValuesRefused(StrandlineError):
    """Values that were given for a row do not fit its model."""

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        unknown: Mapping[str, str | None] | None = None,
        wrong: Mapping[str, str] | None = None,
    ) -> None:
        """`unknown` has the names that the model does not have, each with the nearest that it has, `wrong`
        the reason by column.
        """
        super().__init__(message, hint=hint)
        self.unknown = unknown or {}
        self.wrong = wrong or {}


class RecordRejected(StrandlineError):
    """A record failed its contract or its mapping."""

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        field: str = "",
        rule: str = "",
        problems: tuple[str, ...] = (),
    ) -> None:
        """`field` is the dotted path to the first offending value, `rule` what it broke, `problems` all of
        them.
        """
        super().__init__(message, hint=hint)
        self.field = field
        self.rule = rule
        self.problems = problems or (self.message,)


class TooManyRejects(StrandlineError):
    """More records were rejected than the stream allows, so nothing was merged."""


class UnknownField(TooManyRejects):
    """A record has a field that its contract does not name, and the stream is declared to fail then."""


class TooManyDeletions(StrandlineError):
    """More members are absent from the source than may be closed unasked, so nothing was merged."""


class StillRefused(StrandlineError):
    """A reject that was to be released is refused again."""


class WorkerDied(StrandlineError):
    """A process that helped to read ended in the middle of it."""


class DbtFailed(StrandlineError):
    """dbt could not be run behind a load, or has said nothing of what it did."""


class ExpectationFailed(StrandlineError):
    """Rows are not as a pipeline expects them, so what made them was not merged."""
