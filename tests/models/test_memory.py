import platform

import torch

from tinydistill.models.fast_paths.cpu_kernels import keep_memory


def test_what_is_freed_may_be_kept_where_the_c_library_can(monkeypatch):
    keep_memory()
    assert torch.ones(1 << 20).sum() == 1 << 20
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    keep_memory()  # elsewhere nothing happens
