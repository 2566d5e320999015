"""Refresh tokens that are good for one use: the chain of them outlives runs, crashes and company."""

import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from tests.effort import TIMES
from tests.integration.http.keeper import Keeper, KeeperSettings

from strandline.errors import (
    CredentialsRejected,
    DeclarationError,
    SettingsMissing,
    TokenSpent,
    VaultUnavailable,
)
from strandline.source import FileVault
from strandline.source.vault import Seal
from strandline.testing.dataset import Dataset
from strandline.testing.server import Response, ScriptedApi, Status
from strandline.testing.tokens import Tokens
from strandline.warehouse.credential import DatabaseVault
from strandline.warehouse.database import Database

SEED = "seed-of-the-chain"
NINE = [f"C-{number}" for number in range(9)]
KEEPER = Path(__file__).with_name("keeper.py")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("STRANDLINE_SECRET_KEY", key)
    monkeypatch.setenv("STRANDLINE_HOME", str(tmp_path))
    return key


@pytest.fixture
def tokens(api: ScriptedApi) -> Tokens:
    """The API shows nine customers, three a page, to who has a token."""
    tokens = Tokens(client_id="crm", client_secret="a-secret", refresh_token=SEED)
    pages = Dataset([{"id": it} for it in NINE], page_size=3)
    api.respond("/token", tokens)
    api.respond(
        "/customers", tokens.guarded(lambda request: Response(pages.page(request.query, url="").body))
    )
    return tokens


@pytest.fixture
def begin(api: ScriptedApi) -> Iterator[Callable[..., Keeper]]:
    """A function that opens the source as a new run does."""
    opened: list[Keeper] = []

    def make(seed: str = SEED, vault: Any = None) -> Keeper:
        opened.append(Keeper(settings=KeeperSettings(base_url=api.url, refresh_token=SecretStr(seed))))
        opened[-1].vault = vault
        return opened[-1].__enter__()

    yield make
    for keeper in opened:
        keeper.close()


def sent(tokens: Tokens) -> list[str]:
    return [form["refresh_token"] for form in tokens.forms]


def test_every_run_goes_on_with_the_token_that_the_last_one_was_given(
    begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    for _ in range(3):
        assert begin().ids() == NINE
        tokens.expire()

    assert sent(tokens) == [SEED, "refresh-token-1", "refresh-token-2"]


def test_a_run_takes_an_access_token_that_is_still_good(begin: Callable[..., Keeper], tokens: Tokens) -> None:
    assert begin().ids() == NINE
    assert begin().ids() == NINE
    assert sent(tokens) == [SEED]


def test_what_is_kept_is_sealed_and_for_its_owner_alone(
    begin: Callable[..., Keeper], tokens: Tokens, tmp_path: Path
) -> None:
    begin().ids()
    folder = tmp_path / "credentials"
    file = folder / "keeper.refresh_token"

    assert b"token-1" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(it.name for it in folder.iterdir()) == ["keeper.refresh_token", "keeper.refresh_token.lock"]


def test_a_server_that_does_not_rotate_keeps_its_token(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    api.respond("/token", b'{"access_token": "access-token-1", "expires_in": "3600"}')
    tokens._grant(renewable=False)

    assert begin().ids() == NINE
    assert begin().ids() == NINE
    assert len(api.requests_to("/token")) == 1


def test_two_runs_at_once_do_not_burn_each_others_token(begin: Callable[..., Keeper], tokens: Tokens) -> None:
    """Both find the token refused in the middle of their walk; one renews it, the other takes that."""
    keepers = [begin() for _ in range(4)]
    for _ in range(3):
        tokens.expire()
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(Keeper.ids, keepers)) == [NINE] * 4

    assert tokens.granted == 3
    assert len(set(sent(tokens))) == 3


def keep(api: ScriptedApi, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(KEEPER), api.url, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("where", ["before-request", "after-save"])
def test_a_run_that_is_killed_outside_of_the_window_loses_nothing(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens, where: str
) -> None:
    assert keep(api, where).returncode == -signal.SIGKILL

    assert begin().ids() == NINE
    tokens.expire()
    assert begin().ids() == NINE
    assert len(set(sent(tokens))) == len(sent(tokens))


def test_a_run_that_is_killed_between_use_and_save_is_told_and_begun_anew(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    """The window that nobody can close: the server has spent the token, and the answer is lost."""
    assert keep(api, "before-save").returncode == -signal.SIGKILL
    assert tokens.granted == 1

    with pytest.raises(TokenSpent) as caught:
        begin().ids()

    assert f"POST {api.url}/token: 400 Bad Request (invalid_grant) to the OAuth 2 refresh token" in str(
        caught.value
    )
    assert " UTC, by a run that has not stored the answer" in caught.value.message
    assert "Sign in to the API anew, set STRANDLINE_KEEPER__REFRESH_TOKEN to the" in str(caught.value.hint)

    tokens.refresh_token = "another-seed"
    assert begin("another-seed").ids() == NINE
    tokens.expire()
    assert begin("another-seed").ids() == NINE
    assert sent(tokens)[-2:] == ["another-seed", "refresh-token-2"]


def test_a_server_with_grace_loses_nothing_in_the_window_either(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    tokens.grace = True
    assert keep(api, "before-save").returncode == -signal.SIGKILL

    assert begin().ids() == NINE
    tokens.expire()
    assert begin().ids() == NINE
    assert sent(tokens) == [SEED, SEED, "refresh-token-2"]


def kill_while_reading(
    api: ScriptedApi, tokens: Tokens, *, times: int, chance: random.Random, seed: str = SEED
) -> None:
    """Let runs be killed after any request that they make, or a moment later."""
    for _ in range(times):
        running = subprocess.Popen(
            [sys.executable, str(KEEPER), api.url],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SEED": seed},
        )
        until = len(api.requests) + chance.randint(1, 6)
        while running.poll() is None and len(api.requests) < until:
            time.sleep(0.0005)
        time.sleep(chance.random() * 0.005)
        running.kill()
        running.wait()
        tokens.expire()


def test_killed_at_any_point_the_chain_goes_on(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens, capfd: pytest.CaptureFixture[str]
) -> None:
    """With grace no kill may ever lose it: whatever was spent was the last one that is stored."""
    tokens.grace = True
    kill_while_reading(api, tokens, times=2 * TIMES, chance=random.Random(20261128))

    assert begin().ids() == NINE


@pytest.mark.nightly
def test_killed_at_any_point_the_chain_goes_on_or_says_so(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without grace a kill in the window loses it, and nothing else does."""
    chance = random.Random(7)
    told: list[str] = []
    for seed in range(10):
        tokens.refresh_token = f"seed-number-{seed}"
        begin(f"seed-number-{seed}").ids()
        kill_while_reading(api, tokens, times=3, chance=chance, seed=f"seed-number-{seed}")
        try:
            begin(f"seed-number-{seed}").ids()
        except TokenSpent as error:
            told.append(error.message)
    assert len(told) < 8
    assert all("by a run that has not stored the answer" in it for it in told)


def test_a_new_token_in_the_settings_takes_the_place_of_the_stored_one_only_when_it_is_good(
    begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    assert begin().ids() == NINE
    tokens.expire()
    before = tokens.refresh_token
    with pytest.raises(TokenSpent, match="invalid_grant"):
        begin("mistyped").ids()

    tokens.refresh_token = before  # this server is not offended
    assert begin().ids() == NINE
    assert sent(tokens) == [SEED, "mistyped", "refresh-token-1"]


def test_a_setting_of_before_does_not_bring_the_former_chain_back(
    begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    """A second machine that still has the former token in its environment goes on with what is stored."""
    assert begin().ids() == NINE
    tokens.refresh_token = "another-seed"
    assert begin("another-seed").ids() == NINE
    tokens.expire()

    assert begin(SEED).ids() == NINE
    assert sent(tokens) == [SEED, "another-seed", "refresh-token-2"]


def test_a_client_that_is_refused_has_not_spent_its_token(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    tokens.client_secret = "another"
    with pytest.raises(CredentialsRejected, match="invalid_client"):
        begin().ids()
    tokens.client_secret = "a-secret"
    tokens.refresh_token = None

    with pytest.raises(TokenSpent) as caught:
        begin().ids()
    assert "it had been sent" not in caught.value.message


def test_an_endpoint_that_fails_is_asked_again_with_the_same_token(
    api: ScriptedApi, begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    api.fail("/token", Status(503), request=1)

    assert begin().ids() == NINE
    assert sent(tokens) == [SEED]


class FullVault(FileVault):
    """Files on a disk that is full at the wrong moment."""

    full = True

    def save(self, name: str, sealed: bytes) -> None:
        """Save nothing after a token was sent."""
        if self.full and self.load(name) is not None:
            raise VaultUnavailable(f"{name}: no space")
        super().save(name, sealed)


def test_a_token_that_cannot_be_stored_is_put_aside_and_not_used(
    begin: Callable[..., Keeper], tokens: Tokens, tmp_path: Path, api: ScriptedApi
) -> None:
    vault = FullVault(tmp_path / "vault")
    with pytest.raises(VaultUnavailable, match="new refresh token could not be stored: ") as caught:
        begin(vault=vault).ids()
    assert "goes on with it" in str(caught.value.hint)
    assert not api.requests_to("/customers")

    vault.full = False
    assert begin(vault=vault).ids() == NINE
    tokens.expire()
    assert begin(vault=vault).ids() == NINE
    assert sent(tokens) == [SEED, "refresh-token-1"]
    assert not (tmp_path / "credentials" / "keeper.refresh_token.spare").exists()


def test_without_a_key_nothing_is_read(
    monkeypatch: pytest.MonkeyPatch, begin: Callable[..., Keeper], tokens: Tokens
) -> None:
    monkeypatch.delenv("STRANDLINE_SECRET_KEY")
    with pytest.raises(SettingsMissing, match="not set: STRANDLINE_SECRET_KEY") as caught:
        begin()
    command = str(caught.value.hint).partition(": ")[2]

    made = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert Seal(SecretStr(made.stdout)).open("a", Seal(SecretStr(made.stdout)).close("a", b"it")) == b"it"

    monkeypatch.setenv("STRANDLINE_SECRET_KEY", "too short")
    with pytest.raises(DeclarationError, match="STRANDLINE_SECRET_KEY: not a key") as mistaken:
        begin()
    assert "too short" not in str(mistaken.value)


def test_a_key_may_be_followed_by_its_predecessor(
    monkeypatch: pytest.MonkeyPatch, begin: Callable[..., Keeper], tokens: Tokens, key: str
) -> None:
    begin().ids()
    new = Fernet.generate_key().decode()
    monkeypatch.setenv("STRANDLINE_SECRET_KEY", new)
    with pytest.raises(DeclarationError, match="encrypted with another STRANDLINE_SECRET_KEY") as caught:
        begin().ids()
    assert 'STRANDLINE_SECRET_KEY="new,former"' in str(caught.value.hint)

    monkeypatch.setenv("STRANDLINE_SECRET_KEY", f"{new},{key}")
    tokens.expire()
    assert begin().ids() == NINE
    monkeypatch.setenv("STRANDLINE_SECRET_KEY", new)
    assert begin().ids() == NINE


def test_what_is_sealed_for_one_name_opens_under_no_other(key: str) -> None:
    seal = Seal(SecretStr(key))

    with pytest.raises(DeclarationError, match="belongs to crm"):
        seal.open("erp", seal.close("crm", b"token"))


def test_a_vault_in_the_warehouse_lets_one_run_at_a_time(warehouse: Database) -> None:
    """Two machines: two database objects, each with connections of its own."""
    other = Database(warehouse.url, warehouse.schemas)
    order: list[str] = []
    held = threading.Event()

    def late() -> None:
        held.wait()
        with DatabaseVault(other).locked("crm.token"):
            order.append("second")
            DatabaseVault(other).save("crm.token", b"two")

    thread = threading.Thread(target=late)
    thread.start()
    vault = DatabaseVault(warehouse)
    with vault.locked("crm.token"), vault.locked("erp.token"):
        held.set()
        assert vault.load("crm.token") is None
        time.sleep(0.2)
        vault.save("crm.token", b"one")
        order.append("first")
    thread.join()
    other.close()

    assert order == ["first", "second"]
    assert vault.load("crm.token") == b"two"


def test_the_lock_ends_with_a_session_that_is_cut_off(warehouse: Database) -> None:
    vault = DatabaseVault(warehouse)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'strandline'"
    with vault.locked("crm.token"):
        with warehouse.begin() as connection:
            connection.exec_driver_sql(f"{cut} AND pid <> pg_backend_pid()")
        vault.save("crm.token", b"kept all the same")

    with vault.locked("crm.token"):
        assert vault.load("crm.token") == b"kept all the same"
