"""A bank that is not reached at once: a source behind certificates, authorities and proxies."""

from typing import Any

from strandline.source import HttpSettings, HttpSource, Pages, Record, Retry, stream


class BankSettings(HttpSettings):
    """Where the bank is."""

    base_url: str


class Account(Record):
    """One of ours."""

    id: str


class Bank(HttpSource):
    """What is in the way to it stands in its settings."""

    settings: BankSettings
    retry = Retry(attempts=1)
    timeout = 5.0

    @stream(Account, key="id")
    def accounts(self) -> Pages:
        """All of them."""
        return self.pages("/accounts")


def read(url: str, **settings: Any) -> list[bytes]:
    """All accounts, by a bank with these settings."""
    with Bank(settings=BankSettings(base_url=url, **settings)) as bank:
        return [record for page in Bank.accounts.read(bank) for record in page.records]
