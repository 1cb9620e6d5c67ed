"""Optimization: freed memory stays with the process, so that the system needn't clear every page for each step again.

Without a call of `keep_memory` the same is computed with the C library's own settings.
"""

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of malloc.h


def keep_memory() -> None:
    """Lets the C library keep what is freed, until the process ends; does nothing where that isn't glibc."""
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26)):
        mallopt(parameter, value)
