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
