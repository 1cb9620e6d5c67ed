"""Peak memory since a moment."""

import contextlib
import ctypes
import gc
import platform
from pathlib import Path

import torch

from tinydistill.platforms import peak_resident

_RESET_PEAK = "5"  # what Linux takes for it
_SELF = Path("/proc/self")


def restart(device: torch.device) -> bool:
    """Give free memory back and begin anew; False where the system can't, and `peak` is the process's so far."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return True
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    try:
        (_SELF / "clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def peak(device: torch.device) -> int | None:
    """Bytes: of a GPU what tensors took, of a processor what the process had resident, if the system tells."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, StopIteration):
        lines = (_SELF / "status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return peak_resident()
