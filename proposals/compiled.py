"""How the inner loops are compiled: numba, without the interpreter lock, kept on disk where possible."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` at its first call, once per set of argument types.

    The machine code is kept beside the source, or in the user's cache folder when the installation is
    read-only, or nowhere when neither can be written, or the disk is full: then each process compiles anew (some ten
    seconds).
    `NUMBA_CACHE_DIR` chooses another folder.

    Numba's cache looks only at the time stamp of the file that holds the kernel, so a kernel calls kernels and
    reads constants of its own file only: a change elsewhere would leave stale code behind.

    No fast-math: a sum has one order, so results do not depend on the width of the vector unit.
    """
    try:
        compiled = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
        _go_on_without_saving(cast(Any, compiled)._cache)
    except RuntimeError:  # numba found no folder that it may write to
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(Function, compiled)


def _go_on_without_saving(cache: Any) -> None:
    """Make code that cannot be saved, because the disk is full, no error: it is compiled, and can be called.

    Numba writes the index before the code that it names. So the index goes if the code could not be written: it might
    name a file that an older version of the kernel left.
    """
    save = cache.save_overload

    def save_if_possible(signature: object, code: object) -> None:
        try:
            save(signature, code)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(cache._cache_file._index_path)

    cache.save_overload = save_if_possible
