"""The least that a run with nothing new can be: a script that imports SQLAlchemy, Pydantic and psycopg, and
reads one mark.

    python -m benchmarks.bare postgresql://…
"""

from __future__ import annotations

import sys

import psycopg
from pydantic import BaseModel
from sqlalchemy import create_engine, make_url, text


class Mark(BaseModel):
    """How far a stream has been read."""

    stream: str
    mark: str


def read(database: str) -> Mark:
    """The mark, from a database that strandline has filled."""
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"), module=psycopg)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT stream, mark FROM strandline.read_mark")).one()
    return Mark.model_validate(found._asdict())


if __name__ == "__main__":
    print(read(sys.argv[1]))
