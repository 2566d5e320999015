"""What a program finds around it, for as long as a test wants it: a folder with files, and variables."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path


@contextmanager
def around(files: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[Path]:
    """Be in a folder with these files, in an environment with these variables and no others of ours."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as name, chdir(name):
        for path, text in files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
        for variable in [it for it in os.environ if it.startswith("STRANDLINE_")]:
            del os.environ[variable]
        os.environ.update(variables)
        try:
            yield Path(name)
        finally:
            os.environ.clear()
            os.environ.update(before)
