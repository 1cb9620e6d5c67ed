"""The Python API: what is imported lazily, distilled without a command line, and trained by any Trainer."""

import subprocess
import sys

import datasets
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from transformers import AutoModel, AutoTokenizer

import tinydistill as td
from tests.conftest import bert, sentences
from tests.stages.conftest import animal_rows, write_csv
from tinydistill.errors import InputError, UserError

SMALL = [
    "student.num_layers=2",
    "student.hidden_size=16",
    "student.intermediate_size=32",
    "student.num_heads=4",
    "general.max_length=16",
    "general.batch_size=8",
    "general.max_steps=4",
    "general.heldout_fraction=0.1",
    "general.sample_tokens=1000",
    "task.max_length=12",
    "finetune.teacher.epochs=2",
    "finetune.teacher.learning_rate=5e-3",
    "finetune.student.epochs=1",
    "intermediate.epochs=1",
    "prediction.epochs=1",
    "distill.check_score=false",
    "trainer.accelerator=cpu",
    "trainer.precision='32'",
    "pipeline.latency_length=16",
    "pipeline.latency_seconds=0.01",
    "pipeline.report=false",
    "report.sentences=[]",
]


@pytest.fixture
def small(text_file) -> list[str]:
    return [*SMALL, "corpus=files", f"corpus.paths=['{text_file}']"]


def test_a_public_name_is_imported_when_it_is_used():
    code = "import sys, tinydistill as td; heavy = {'torch', 'hydra'} & set(sys.modules); td.Objective; print(heavy)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_is_there_and_has_a_docstring():
    for name in td.__all__:
        assert getattr(td, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = td.nothing


def test_distill_takes_a_file_and_gives_table_paths_and_student(teacher_dir, tmp_path, small):
    rows = write_csv(tmp_path / "data (1).csv", animal_rows(80, 0), header=("message", "team"))
    result = td.distill(teacher_dir, rows, text="message", label="team", out=tmp_path / "out", overrides=small)
    names = ["teacher", "student, not distilled", "student, no training", "student, distilled"]
    assert list(result.table.index) == names
    assert {"metric", "score", "interval", "retention", "parameters", "bytes", "latency_ms"} <= set(result.table)
    assert {"teacher", "baseline", "student", "comparison"} == set(result.paths)
    assert result.score == result.table.loc["student, distilled", "score"]
    assert set(result.student.config.label2id) == {"cat", "dog"}
    logits = result.student(**result.tokenizer("the cat sat", return_tensors="pt")).logits
    assert logits.shape == (1, 2)


@pytest.mark.slow
def test_distill_takes_rows_and_models_in_memory_and_returns_what_is_finished(teacher_dir, tmp_path, small, capsys):
    frame = pd.DataFrame(animal_rows(80, 0), columns=["text", "label"])
    model, tokenizer = AutoModel.from_pretrained(teacher_dir), AutoTokenizer.from_pretrained(teacher_dir)
    one = td.distill(model, frame, tokenizer=tokenizer, out=tmp_path, overrides=small)
    capsys.readouterr()
    two = td.distill(model, datasets.Dataset.from_pandas(frame), tokenizer=tokenizer, out=tmp_path, overrides=small)
    assert "finished before with the same settings" in capsys.readouterr().out
    assert two.table.equals(one.table)


def test_distill_says_what_is_wrong_without_a_command_line(teacher_dir, tmp_path):
    with pytest.raises(InputError, match="needs its tokenizer: set tokenizer"):
        td.distill(bert(), "rows.csv", out=tmp_path)
    with pytest.raises(InputError, match="rows of type list can't be read"):
        td.distill(teacher_dir, [("a", "b")], out=tmp_path)
    with pytest.raises(UserError, match=r"there is no file .*gone.csv"):
        td.distill(teacher_dir, tmp_path / "gone.csv", out=tmp_path, overrides=["pipeline.latency_length=16"])


def test_a_layer_distiller_trains_with_any_trainer(tokenizer, tmp_path):
    teacher = bert(4, 32, seed=1, initializer_range=0.2)
    student = td.initialize_student(
        teacher,
        num_layers=2,
        hidden_size=16,
        intermediate_size=32,
        texts=sentences(64),
        tokenizer=tokenizer,
        max_length=16,
    )
    before = {name: weight.clone() for name, weight in student.state_dict().items()}
    data = td.TextDataModule(sentences(200), tokenizer, max_length=16, batch_size=8)
    module = td.LayerDistiller(teacher, student, td.Objective(td.mapping.uniform(2, 4)))
    trainer = pl.Trainer(
        max_steps=6, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(module, datamodule=data)
    assert trainer.global_step == 6
    after = student.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_subclass_that_returns_one_more_term_trains_on_it(tokenizer):
    class WithNorm(td.Objective):
        def forward(self, student, teacher, mask_BL):
            terms = super().forward(student, teacher, mask_BL)
            return terms | {"norm": student.hidden[2].square().mean()}

    objective = WithNorm(td.mapping.uniform(2, 4), scale="raw")
    module = td.LayerDistiller(bert(4, 32, seed=1), bert(2, 16), objective)
    _, terms = module.imitation({"input_ids": torch.randint(5, 20, (2, 8))})
    plain = {name: value for name, value in terms.items() if name != "norm"}
    assert torch.isclose(objective.total(terms), objective.total(plain) + terms["norm"])
