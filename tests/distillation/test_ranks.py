"""Two processes learn what one learns with twice the batch, with a plain Trainer and no setting of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertTokenizerFast

from tests.conftest import sentences

SCRIPT = """
import sys
import pytorch_lightning as pl
import torch
from transformers import AutoTokenizer
from tests.conftest import bert
from tinydistill.data.text.datamodule import TextDataModule
from tinydistill.distillation.layer_distiller import LayerDistiller
from tinydistill.distillation.objective import Objective

directory, devices, batch_size, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.manual_seed(0)
plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
teacher = bert(3, 32, seed=1, initializer_range=0.2)
module = LayerDistiller(teacher, bert(2, 16, **plain), Objective((1, 2)), learning_rate=1e-2)
data = TextDataModule(
    open(directory + "/texts.txt").read().split("\\n"),
    AutoTokenizer.from_pretrained(directory),
    max_length=16,
    batch_size=batch_size,
    heldout_blocks=6,
    cache_dir=directory + "/cache",
)
trainer = pl.Trainer(
    accelerator="cpu",
    devices=devices,
    strategy="ddp" if devices > 1 else "auto",
    max_epochs=2,
    gradient_clip_val=1.0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(module, datamodule=data)
if trainer.is_global_zero:
    torch.save({"weights": module.state_dict(), "steps": trainer.global_step}, out)
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_with_twice_the_batch_learns(
    tmp_path: Path, tokenizer: BertTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "texts.txt").write_text("\n".join(" ".join(sentences(1 + seed % 4, seed)) for seed in range(60)))
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [str(script), str(tmp_path), "2", "4", str(tmp_path / "pair.pt")]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path), "1", "8", str(tmp_path / "alone.pt")])
    exec(SCRIPT, {})
    pair, alone = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("pair", "alone"))
    assert pair["steps"] == alone["steps"] > 20
    for name, value in alone["weights"].items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(pair["weights"][name], value, rtol=0, atol=2e-3)
