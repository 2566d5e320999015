"""The statements that SQLAlchemy has sent to PostgreSQL, with their values in them, as a page shows them."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, event

listed: list[str] = []
"""What was executed since somebody emptied it, but for what is sent as a text, as drivers do."""

PLACE = re.compile(
    r"%\((\w+)\)s(?:::(?:TIMESTAMP WITH TIME ZONE|DOUBLE PRECISION|[A-Z]+(?:\(\d+(?:, \d+)?\))?))?|%%"
)
"""Where a value goes, with its type; a percent sign is written twice."""


@event.listens_for(Engine, "before_cursor_execute")
def _note(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    if getattr(context, "compiled", None) is not None and isinstance(parameters, dict):
        listed.append(filled(statement, parameters))


def filled(statement: str, parameters: dict[str, Any]) -> str:
    """The statement that was sent, with its values where they go."""
    return PLACE.sub(lambda place: literal(parameters[place[1]]) if place[1] else "%", statement)


def literal(value: Any) -> str:
    """A value as it is typed in psql."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int() | float() | Decimal():
            return str(value)
        case date():
            return f"'{value}'"
    return "'" + str(value).replace("'", "''") + "'"


def tidy(statement: str) -> str:
    """The statement on one line, however it is wrapped."""
    text = " ".join(statement.strip().rstrip(";").split())
    return re.sub(r"\s*([(),])\s*", r"\1", text)
