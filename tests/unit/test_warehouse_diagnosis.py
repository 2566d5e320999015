"""What PostgreSQL refuses is told by our names, with the hint that fits and without passwords."""

import psycopg
import pytest
from psycopg import errors as reason
from sqlalchemy import make_url

from strandline.errors import (
    DeclarationError,
    PermissionMissing,
    WarehouseBusy,
    WarehouseError,
    WarehouseFull,
    WarehouseUnreachable,
)
from strandline.settings import Schemas
from strandline.warehouse import diagnosis
from strandline.warehouse.database import Database

URL = make_url("postgresql+psycopg://app:canary@db:5432/shop")


def name(error: BaseException) -> WarehouseError:
    return diagnosis.name(error, url=URL, schemas=Schemas())


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (
            psycopg.OperationalError("password authentication failed"),
            WarehouseUnreachable,
            "user and password",
        ),
        (psycopg.OperationalError('database "shop" does not exist'), WarehouseUnreachable, "createdb shop"),
        (psycopg.OperationalError("no pg_hba.conf entry for host"), WarehouseUnreachable, "pg_hba.conf"),
        (
            psycopg.OperationalError("sorry, too many clients already"),
            WarehouseUnreachable,
            "max_connections",
        ),
        (
            psycopg.OperationalError("the database system is starting up"),
            WarehouseUnreachable,
            "Wait a moment",
        ),
        (
            psycopg.OperationalError("server closed the connection"),
            WarehouseUnreachable,
            "goes on from there",
        ),
        (psycopg.OperationalError("Connection refused"), WarehouseUnreachable, "host and port"),
        (
            psycopg.OperationalError("Passwort-Authentifizierung"),
            WarehouseUnreachable,
            "Check host, port, user",
        ),
        (reason.AdminShutdown("terminating connection"), WarehouseUnreachable, "goes on from there"),
        (reason.DiskFull("could not extend file"), WarehouseFull, "Free some space"),
        (reason.InternalError_("could not write to file: File too large"), WarehouseFull, "Free some space"),
        (reason.ReadOnlySqlTransaction("read-only"), PermissionMissing, "replica"),
        (
            reason.InsufficientPrivilege("permission denied for schema raw"),
            PermissionMissing,
            "ON SCHEMA raw,",
        ),
        (
            reason.InsufficientPrivilege("permission denied for table x"),
            PermissionMissing,
            "GRANT ALL ON ALL",
        ),
        (reason.InsufficientPrivilege("must be owner of table x"), PermissionMissing, "who owns it"),
        (reason.InsufficientPrivilege("keine Berechtigung"), PermissionMissing, "GRANT CREATE ON DATABASE"),
        (reason.LockNotAvailable("lock timeout"), WarehouseBusy, "Wait for it"),
    ],
    ids=lambda value: str(value) if isinstance(value, psycopg.Error) else "",
)
def test_every_refusal_has_its_name_and_its_hint(
    error: psycopg.Error, kind: type[WarehouseError], hint: str
) -> None:
    named = name(error)

    assert type(named) is kind
    assert hint in (named.hint or "")
    assert named.message.startswith("postgresql+psycopg://app:***@db:5432/shop: ")


def test_what_has_no_name_is_still_told_with_the_place() -> None:
    named = name(reason.InternalError_("cache lookup failed"))

    assert type(named) is WarehouseError
    assert named.message == "postgresql+psycopg://app:***@db:5432/shop: cache lookup failed"


def test_the_statement_and_the_row_stay_out_of_the_message() -> None:
    named = name(reason.DiskFull("no space\nHINT:  Check it.\nCONTEXT:  COPY customers, line 1: canary"))

    assert named.message.endswith("no space HINT: Check it.")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:5432/shop",
        "postgresql://app:s3cr3t@127.0.0.1:port/shop",
        "postgresql://app:s3c@r3t@127.0.0.1/shop",
        "postgresql://app:s3c@r3t/x@127.0.0.1/shop",
        "postgresql://app:s3c@r3t:x@127.0.0.1/shop",
        "mysql://app:s3cr3t@127.0.0.1/shop",
    ],
)
def test_a_url_that_cannot_be_used_is_not_quoted(url: str) -> None:
    with pytest.raises(DeclarationError, match=r"^database URL: ") as refused:
        Database(url)

    assert not any(part in refused.value.message for part in ("s3c", "r3t"))
    assert "postgresql://user:password@host:5432/database" in (refused.value.hint or "")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_every_spelling_of_postgresql_means_our_driver(scheme: str) -> None:
    assert Database(f"{scheme}://app@db/shop").url.drivername == "postgresql+psycopg"


def test_a_password_is_hidden_wherever_it_stands_in_the_url() -> None:
    shown = Database(
        "postgresql://app:canary@db/shop?sslpassword=canary&password=canary&sslmode=require"
    ).shown

    assert shown == "postgresql+psycopg://app:***@db/shop?sslmode=require"
