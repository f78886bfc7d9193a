"""Kernels run where nothing may be written, and importing compiles none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import proposals
from proposals.compiled import kernel

PACKAGE = Path(proposals.__file__).parent


def run(code: str, folder: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "PYTHONPATH"))}
    clean |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A copy of the package beside whose source nothing can be written (also not by root)."""
    shutil.copytree(PACKAGE, tmp_path / "proposals", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "proposals" / "__pycache__").write_text("a file where the folder would be")
    return tmp_path


ONE_KERNEL = """
import numpy as np
from proposals import region_features
print(region_features.__file__)
print(region_features._extents(np.array([[0, 1]], np.int32), 2)[0])
"""


def test_without_any_folder_to_write_to_kernels_still_run(sealed: Path) -> None:
    nowhere = str(sealed / "proposals" / "__pycache__" / "home")
    lines = run(ONE_KERNEL, sealed, HOME=nowhere, XDG_CACHE_HOME=nowhere).splitlines()
    assert lines[0].startswith(str(sealed))
    assert lines[1] == "[1 1]"


def test_a_read_only_installation_uses_the_users_cache_folder(sealed: Path) -> None:
    home = sealed / "home"
    run(ONE_KERNEL, sealed, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    assert list(home.rglob("region_features._extents*.nbc"))


FULL_DISK = """
import resource
from proposals import region_features
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
"""


@pytest.mark.parametrize("limit", [0, 1000])
def test_on_a_full_disk_kernels_still_run(tmp_path: Path, limit: int) -> None:
    """With no room at all, and with room for numba's index but not for the code."""
    code = FULL_DISK.format(limit=limit) + ONE_KERNEL
    assert run(code, PACKAGE.parent, NUMBA_CACHE_DIR=str(tmp_path)).endswith("[1 1]")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing half saved"
    run(ONE_KERNEL, PACKAGE.parent, NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.rglob("region_features._extents*.nbc")), "saved as soon as there is room"


def test_what_could_not_be_saved_is_not_taken_from_an_older_version(tmp_path: Path) -> None:
    source, cache = tmp_path / "one.py", tmp_path / "cache"
    call = "import one; print(one.give())"
    for number, limit in ((1, None), (2, 1000), (2, None)):
        source.write_text(f"from proposals.compiled import kernel\n@kernel\ndef give(): return {number}\n")
        os.utime(source, (number, number))
        limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, -1)); " if limit else ""
        path = os.pathsep.join((str(tmp_path), str(PACKAGE.parent)))
        assert run(limited + call, tmp_path, NUMBA_CACHE_DIR=str(cache), PYTHONPATH=path) == str(number)


def test_importing_compiles_nothing() -> None:
    code = """
import numba.core.compiler as compiler
def refuse(*args, **kwargs):
    raise AssertionError("compiled on import")
compiler.compile_extra = refuse
import proposals
from proposals import grouping
print(len(grouping._group.signatures))
"""
    assert run(code, PACKAGE.parent) == "0"


def test_the_function_keeps_its_name_and_docstring() -> None:
    def double(number: int) -> int:
        """Twice the number."""
        return 2 * number

    compiled = kernel(double)
    assert (compiled.__name__, compiled.__doc__) == ("double", "Twice the number.")
    assert compiled(4) == 8
