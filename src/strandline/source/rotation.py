"""OAuth 2 refresh tokens that are good for one use (RFC 6749, 6): the chain of them is kept, and not broken.

Using a refresh token spends it, and only the answer says what the next one is. So the next one must be stored
before anything else happens, and nobody else may use the same one meanwhile. The order, each time:

 1. Take the lock of these credentials: of all threads here, then of all runs, on all machines.
 2. Read what is stored. If another run has stored an access token that is good, take that: nothing is spent.
 3. Note in the vault that the stored refresh token is now being sent, and when.
 4. Send it.
 5. Store the new access token, the new refresh token and that nothing is on its way, encrypted, in one write.
 6. Give the lock back, and only then use the access token.

What a fall leaves behind, by where it happens:

 - before 4: nothing was spent, and the next run sends the stored one;
 - after 5: the next run takes what is stored, the access token too if it is still good;
 - between 4 and 5 nobody can know whether it was spent: the next run sends it once more. Where the server has
   not got it, or lets the last one be used again until its successor was (many do, for this very case), the
   chain goes on. Where it says invalid_grant, the chain is lost to everybody, and `TokenSpent` says so, since
   when, and how to begin a new one. That window is the time of one request and one write, and no order of
   steps can close it: storing first would need the answer before the request.
 - where 5 fails and the process lives (the database is gone), the new tokens are put into a file under
   STRANDLINE_HOME instead, and the run fails; the next one on this machine goes on from there.

A chain begins with the refresh token of the settings. Its fingerprint is kept with the chain: while the
setting is one that was seen before, what is stored counts; a new one begins a new chain, and takes the place
of the stored one only when the server has accepted it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import msgspec
from pydantic import SecretStr

from strandline.errors import StrandlineError, TokenSpent, VaultUnavailable
from strandline.settings import Settings
from strandline.source.auth import Owner, secret_of
from strandline.source.endpoint import ClientSecretIn, Denied, TokenEndpoint
from strandline.source.token import Steps, Token, TokenCredentials
from strandline.source.vault import Seal, TokenVault, default_vault


class Chain(msgspec.Struct, frozen=True):
    """What is kept: the tokens that are good, and where they come from."""

    refresh: str
    access: str | None = None
    good_until: float | None = None
    links: int = 0
    """How many times a refresh token was exchanged."""
    sent_at: datetime | None = None
    """Since when the refresh token is on its way, without an answer that is stored."""
    seeds: tuple[str, ...] = ()
    """Fingerprints of the settings that it has begun with, this time and before."""

    def __repr__(self) -> str:
        return f"<chain of {self.links} links>"

    @property
    def token(self) -> Token | None:
        """The access token, if there is one that is good."""
        token = Token(SecretStr(self.access), self.good_until) if self.access is not None else None
        return token if token is not None and token.is_good else None

    def next(self, granted: Token) -> Chain:
        """The chain with what has been handed out; a server that does not rotate sends no refresh token."""
        return Chain(
            refresh=granted.refresh.get_secret_value() if granted.refresh else self.refresh,
            access=granted.access.get_secret_value(),
            good_until=granted.good_until,
            links=self.links + 1,
            seeds=self.seeds,
        )


class RefreshToken(TokenCredentials):
    """OAuth 2 with a refresh token, which may be good for one use: what the server sends in its place is
    encrypted and kept, in the warehouse when a pipeline runs.

    `refresh_token` is what a chain begins with; set another one to begin anew. `name` tells two of one source
    apart. Wants STRANDLINE_SECRET_KEY.
    """

    kind = "OAuth 2 refresh token"

    def __init__(
        self,
        token_url: str,
        *,
        refresh_token: SecretStr | str,
        client_id: SecretStr | str | None = None,
        client_secret: SecretStr | str | None = None,
        client_secret_in: ClientSecretIn = "basic",
        scope: str | None = None,
        name: str = "refresh_token",
    ) -> None:
        super().__init__()
        self._endpoint = TokenEndpoint(
            token_url, client_id=client_id, client_secret=client_secret, client_secret_in=client_secret_in
        )
        self._seed = secret_of(refresh_token)
        self._scope = scope
        self._last_name = name
        self._name = name
        self._variable = "the refresh token of the settings"
        self._vault: Callable[[], TokenVault] = default_vault
        self._seal: Seal | None = None
        self.secrets = (self._seed, *self._endpoint.secrets)

    def belong(self, owner: Owner) -> None:
        """Know whose they are, and that they can be kept."""
        self._name = f"{owner.name}.{self._last_name}"
        self._variable = next(iter(owner.variables(self._seed)), self._variable)
        self._vault = lambda: owner.vault() or default_vault()
        self._seal = Seal(Settings.load().secret_key)

    def obtain(self, request: httpx.Request, *, refused: Token | None) -> Steps[Token]:
        """Take the token that another run has stored, or exchange the refresh token for another."""
        vault = self._vault()
        with vault.locked(self._name):
            chain, is_new = self._load(vault)
            stored = chain.token
            if stored is not None and (refused is None or stored.access != refused.access):
                return stored
            # A new one is not stored before the server has accepted it.
            if not is_new and chain.sent_at is None:
                vault.save(self._name, self._close(_sent(chain)))
            answer = yield from self._endpoint.exchange(
                {"grant_type": "refresh_token", "refresh_token": chain.refresh, "scope": self._scope},
                before=request,
                redaction=self.redaction,
                shown=self.shown,
            )
            if isinstance(answer, Denied):
                raise self._denied(answer, chain, vault, is_new=is_new)
            chain = chain.next(answer)
            self._store(vault, chain)
        return Token(answer.access, answer.good_until, SecretStr(chain.refresh))

    def _load(self, vault: TokenVault) -> tuple[Chain, bool]:
        """The chain to go on with, and whether it begins here in the place of a stored one."""
        seed = _fingerprint(self._seed.get_secret_value())
        chain = self._recover(vault, self._read(vault.load(self._name)))
        if chain is None:
            return Chain(self._seed.get_secret_value(), seeds=(seed,)), False
        if seed not in chain.seeds:
            return Chain(self._seed.get_secret_value(), links=chain.links, seeds=(*chain.seeds, seed)), True
        self.redaction.learn(chain.refresh, chain.access)
        return chain, False

    def _recover(self, vault: TokenVault, chain: Chain | None) -> Chain | None:
        """What a run before could not store in the vault, and has put into a file."""
        spare = default_vault()
        kept = self._read(spare.load(_spare(self._name)))
        if kept is None:
            return chain
        if chain is None or kept.links > chain.links:
            vault.save(self._name, self._close(kept))
            chain = kept
        spare.remove(_spare(self._name))
        return chain

    def _store(self, vault: TokenVault, chain: Chain) -> None:
        self.redaction.learn(chain.refresh, chain.access)
        sealed = self._close(chain)
        try:
            vault.save(self._name, sealed)
        except StrandlineError as error:
            spare = default_vault()
            spare.save(_spare(self._name), sealed)
            raise VaultUnavailable(
                f"{self._name}: the new refresh token could not be stored: {error.message}",
                hint=f"It was put into {spare.folder}: run again on this machine, which goes on with it.",
            ) from error

    def _denied(self, answer: Denied, chain: Chain, vault: TokenVault, *, is_new: bool) -> StrandlineError:
        if answer.code != "invalid_grant":
            if not is_new:
                vault.save(self._name, self._close(chain))  # it was not spent
            return answer.error()
        before = (
            f"; it had been sent at {chain.sent_at:%Y-%m-%d %H:%M:%S} UTC, by a run that has not stored the"
            " answer"
            if chain.sent_at
            else ""
        )
        return TokenSpent(
            f"{answer.message}{before}",
            hint=f"Sign in to the API anew, set {self._variable} to the refresh token that this gives,"
            " and run again: one that was not there before takes the place of the stored one.",
        )

    def _read(self, sealed: bytes | None) -> Chain | None:
        if sealed is None:
            return None
        return msgspec.json.decode(self._sealed().open(self._name, sealed), type=Chain)

    def _close(self, chain: Chain) -> bytes:
        return self._sealed().close(self._name, msgspec.json.encode(chain))

    def _sealed(self) -> Seal:
        if self._seal is None:
            self._seal = Seal(Settings.load().secret_key)
        return self._seal


def _sent(chain: Chain) -> Chain:
    return msgspec.structs.replace(chain, sent_at=datetime.now(UTC))


def _spare(name: str) -> str:
    return f"{name}.spare"


def _fingerprint(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()
