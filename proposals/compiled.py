"""How the inner loops are compiled: numba, without the interpreter lock, kept on disk where possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` at its first call, once per set of argument types.

    The machine code is kept beside the source, or in the user's cache folder when the installation is
    read-only, or nowhere when neither can be written: then each process compiles anew (some ten seconds).
    `NUMBA_CACHE_DIR` chooses another folder.

    Numba's cache looks only at the time stamp of the file that holds the kernel, so a kernel calls kernels and
    reads constants of its own file only: a change elsewhere would leave stale code behind.

    No fast-math: a sum has one order, so results do not depend on the width of the vector unit.
    """
    try:
        compiled = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # numba found no folder that it may write to
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(Function, compiled)
