import torch

from tinydistill.training import runtime
from tinydistill.training.checkpoints import WholeCheckpoints, last_checkpoint


def test_auto_precision_follows_the_hardware(monkeypatch):
    for fast, precision in ((True, "bf16-mixed"), (False, "32")):
        monkeypatch.setattr(runtime, "multiplies_bf16", lambda _accelerator, fast=fast: fast)
        assert runtime.resolve_precision("auto", "cpu") == precision
    assert runtime.resolve_precision("32", "cpu") == "32"


def test_a_processor_multiplies_bf16_when_it_says_so(monkeypatch):
    for capabilities, fast in (
        ({"avx512_bf16": True, "cpu_name": "AMD Zen 4"}, True),
        ({"avx512_bf16": True, "cpu_name": "Intel Xeon"}, False),
        ({"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, True),
        ({"avx2": True}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c)
        assert runtime.multiplies_bf16("cpu") is fast


def test_the_last_checkpoint_is_found_where_the_trainer_leaves_it(tmp_path):
    assert last_checkpoint(tmp_path) is None
    WholeCheckpoints().save_checkpoint({"state_dict": {}}, tmp_path / "checkpoints" / "last.ckpt")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "last.ckpt"
