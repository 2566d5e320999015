"""A Python without what Windows' Python has not: `python python.py -m MODULE …` or `python python.py FILE …`.

It takes away what POSIX has alone, modules and names, once the standard library has loaded its own ways.
"""

import sys

sys.path.pop(0)  # where msvcrt is, by which the standard library tells Windows

import asyncio  # noqa: F401  # it would look for what is taken away, where Windows has another way
import importlib
import multiprocessing.connection  # noqa: F401
import os
import runpy
import select
import shutil  # noqa: F401
import signal
import subprocess  # noqa: F401
import tempfile  # noqa: F401
import threading  # noqa: F401
import uuid  # noqa: F401
from pathlib import Path

MODULES = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "crypt", "spwd")
OF_OS = [
    "O_CLOEXEC",
    "O_DIRECTORY",
    "O_NOCTTY",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "chown",
    "fchown",
    "fork",
    "forkpty",
    "getegid",
    "geteuid",
    "getgid",
    "getpgid",
    "getpgrp",
    "getuid",
    "killpg",
    "lchown",
    "mkfifo",
    "nice",
    "pread",
    "pwrite",
    "register_at_fork",
    "sched_getaffinity",
    "setsid",
    "statvfs",
    "sysconf",
]
OF_SIGNAL = [
    "SIGALRM",
    "SIGCHLD",
    "SIGHUP",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "pthread_kill",
    "setitimer",
]
OF_SELECT = ("poll", "epoll")


def take_away() -> None:
    """From now on it is like Windows' Python."""
    sys.path.insert(0, str(Path(__file__).parent))
    importlib.import_module("msvcrt")
    sys.path.pop(0)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in ((os, OF_OS), (signal, OF_SIGNAL), (select, OF_SELECT)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)


def main() -> None:
    """Run what was asked for."""
    sys.argv.pop(0)
    is_module = sys.argv[0] == "-m"
    if is_module:
        sys.argv.pop(0)
    take_away()
    sys.path.insert(0, os.getcwd())
    if is_module:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


main()
