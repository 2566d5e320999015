"""A program that reads a source whose refresh token is good for one use, and dies where it is told to.

python keeper.py URL [before-request|before-save|after-save]
"""

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from strandline.source import (
    FileVault,
    HttpSource,
    PageNumber,
    Pages,
    Record,
    RefreshToken,
    Retry,
    SourceSettings,
    stream,
)


class Customer(Record):
    """As the CRM sends it."""

    id: str


class KeeperSettings(SourceSettings):
    """What a chain begins with."""

    base_url: str
    refresh_token: SecretStr = SecretStr("seed-of-the-chain")


class Keeper(HttpSource):
    """A CRM that hands out refresh tokens for one use."""

    name = "keeper"
    settings: KeeperSettings
    retry = Retry(attempts=2, wait_initial=timedelta(milliseconds=1))
    timeout = 10.0

    def auth(self) -> RefreshToken:
        """The chain."""
        return RefreshToken(
            "/token", client_id="crm", client_secret="a-secret", refresh_token=self.settings.refresh_token
        )

    @stream(Customer, key="id")
    def customers(self) -> Pages:
        """The customers."""
        return self.pages("/customers", paginator=PageNumber(), records="data")

    def ids(self) -> list[str]:
        """The ids of all customers."""
        return [json.loads(raw)["id"] for page in Keeper.customers.read(self) for raw in page.records]


class DyingVault(FileVault):
    """Files, of which the writing ends the process as a power cut would."""

    where = ""
    saves = 0

    def save(self, name: str, sealed: bytes) -> None:
        """The first save of a renewal says that the token is on its way, the second what came of it."""
        self.saves += 1
        if self.saves == {"before-request": 1, "before-save": 2}.get(self.where):
            os.kill(os.getpid(), signal.SIGKILL)
        super().save(name, sealed)
        if self.saves == 2 and self.where == "after-save":
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    seed = SecretStr(os.environ.get("SEED", "seed-of-the-chain"))
    with Keeper(settings=KeeperSettings(base_url=sys.argv[1], refresh_token=seed)) as keeper:
        vault = DyingVault(Path(os.environ["STRANDLINE_HOME"]) / "credentials")
        vault.where = next(iter(sys.argv[2:]), "")
        keeper.vault = vault
        print(json.dumps(keeper.ids()), flush=True)  # noqa: T201  # it is a program
