"""Memory that a step of training, or the detection in one photo, frees is kept for the next."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER, _NONE = -1, 0


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep what is freed, for the rest of this process.

    Otherwise it hands large blocks back to the system, and every step of training on a CPU has its gigabyte of
    activations paged in anew, zeroed by the kernel, and so has every layer of the network in detection
    (`benchmarks/freed_memory.py` measures what that costs). The process keeps its largest size.

    Returns:
        Whether the allocator took it; False, without an effect, where it is not glibc's.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_MAX, _NONE)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
