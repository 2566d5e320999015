"""A project of a user whose source says a lot while it is read, in all ways in which Python can."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import structlog
from pydantic import SecretStr
from sqlalchemy.orm import Mapped

from strandline import Dimension, Mapper, Personal, Pipeline, Record, SourceSettings, attribute, field, stream
from strandline.source import Page, Source


class Lamp(Record):
    """A lamp, and who looks after it."""

    id: int
    mail: str
    nickname: Annotated[str, Personal()]


class LampSettings(SourceSettings):
    """A secret, which is said all the time."""

    token: SecretStr


class Quay(Source):
    """Where the lamps are."""

    settings: LampSettings

    @stream(Lamp, key="id")
    def lamps(self) -> Iterator[Page]:
        """One of them."""
        token = self.settings.token.get_secret_value()
        structlog.get_logger().info("lamp lit", token=token, by={"keeper_mail": "ada@sea", "Nickname": "Ada"})
        structlog.get_logger().debug("oil is low", mail="ada@sea")
        logging.getLogger("oil").warning("no oil from %s", token)
        logging.getLogger("oil").info("a lot of oil")
        try:
            raise ValueError(f"not {token}")
        except ValueError:
            logging.getLogger("oil").exception("spilt")
        line = b'{"id": 1, "mail": "ada@sea", "nickname": "Ada"}'
        yield Page([line], 1, "GET lamps", status=200, fetched_at=datetime.now(UTC), size=1)


class DimLamp(Dimension):
    """A lamp."""

    keeper_mail: Mapped[str] = attribute(pii=True)


class QuayLamp(Mapper[Lamp, DimLamp]):
    """The lamps."""

    keeper_mail = field("mail")


lamps = Pipeline("lamps")
lamps.sync(Quay.lamps, QuayLamp)
