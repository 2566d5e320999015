"""The operating system's account that an embedded server runs as when root starts it.

PostgreSQL refuses to run as root, so root hands it to the owner of its folder, or to `nobody`. That account
often cannot pass the folders on the way (/root, a fresh temporary folder: mode 0700). On Linux `setpriv` then
gives the server the one capability that lets it through; the permissions of the folders stay as they are.
PostgreSQL's programs also ask `access` whether they may run each other, which looks at capabilities only
where a securebit says so.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Bits of CapPrm in /proc/self/status. The first only reads, so it comes first; Docker gives only the second.
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}
SETPCAP = 8
"""The bit of who may set securebits."""


@dataclass(frozen=True)
class Account:
    """Another user than the caller's, to whom processes and files are given."""

    user: int
    group: int

    def give(self, path: Path) -> None:
        """Make the account the owner of one file or folder."""
        os.chown(path, self.user, self.group, follow_symlinks=False)

    def can_reach(self, path: Path) -> bool:
        """Whether the permissions of every folder above `path` let the account through."""
        return all(self._can_enter(parent.stat()) for parent in path.resolve().parents)

    def _can_enter(self, folder: os.stat_result) -> bool:
        if folder.st_uid == self.user:
            return bool(folder.st_mode & 0o100)
        return bool(folder.st_mode & (0o010 if folder.st_gid == self.group else 0o001))

    def command(self, words: Sequence[str], reaching: Sequence[Path]) -> list[str]:
        """Write the command that runs `words` as this account, and gets it through to the given paths."""
        words = [f"--reuid={self.user}", f"--regid={self.group}", "--clear-groups", *words]
        if not all(self.can_reach(path) for path in reaching):
            capability = _capability()
            words = [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}", *words]
            # What is executed has no other capability than that, with this bit as without.
            words = ["--securebits=+no_setuid_fixup", *words] if _permitted() >> SETPCAP & 1 else words
        return ["setpriv", *words]


def of_server(*folders: Path) -> Account | None:
    """Choose the account for a server in these folders; None is the caller's own, as for every ordinary user.

    The first folder that exists and is not root's decides.
    """
    if os.geteuid() != 0:
        return None
    for folder in folders:
        if folder.exists() and folder.stat().st_uid != 0:
            return Account(folder.stat().st_uid, folder.stat().st_gid)
    import pwd  # there is none on Windows

    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def can_use_setpriv() -> bool:
    """Whether the capability can be given here; elsewhere the account needs open folders."""
    return sys.platform == "linux" and shutil.which("setpriv") is not None


def _capability() -> str:
    permitted = _permitted()
    return next((name for name, bit in CAPABILITIES.items() if permitted >> bit & 1), "dac_override")


def _permitted() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapPrm"))
