"""Every file of conf/experiment runs, on tiny models and little data; the paper's recipes hold the paper's numbers."""

import re

import pytest
from transformers import AutoModel, ModernBertConfig

from tests.conftest import sentences
from tests.embedders import write_embedder, write_sts
from tests.stages.conftest import changed
from tinydistill.config.compose import composed, plain
from tinydistill.config.help import CONF_DIR

EXPERIMENTS = sorted((CONF_DIR / "experiment").glob("*.yaml"))
LONG = ("tinybert4", "own_data", "embedder")  # a teacher is fine-tuned, rows are augmented, files are exported
SMALL = {
    "general.max_length": "16",
    "pretrain.max_length": "16",
    "task.max_length": "12",
    "export.formats": "[]",
    "debug": "fast",
}


@pytest.fixture
def modernbert(tmp_path, tokenizer) -> str:
    ids = {f"{name}_token_id": number for name, number in (("pad", 0), ("cls", 2), ("bos", 2), ("sep", 3), ("eos", 3))}
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    config = ModernBertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, local_attention=8, **sizes, **ids)
    AutoModel.from_config(config).save_pretrained(tmp_path / "modernbert")
    tokenizer.save_pretrained(tmp_path / "modernbert")
    return str(tmp_path / "modernbert")


@pytest.fixture
def embedding(tmp_path, tokenizer) -> dict[str, str | None]:
    directory = write_embedder(tmp_path / "embedder", tokenizer)
    (tmp_path / "texts.txt").write_text("\n".join(sentences(100)) + "\n")
    files = {"task.train": str(tmp_path / "texts.txt"), "task.validation": None}
    files["task.sts"] = str(write_sts(tmp_path / "sts.tsv", directory, tokenizer))
    return {"task": "embedding_files", "teacher.path": str(directory), **files}


@pytest.mark.parametrize(
    "experiment",
    [
        pytest.param(file.stem, marks=[pytest.mark.slow] if file.stem in LONG else [])
        for file in EXPERIMENTS
        if file.stem != "tinybert6"  # 4's, larger
    ],
)
def test_every_experiment_runs(experiment, command, arguments, task_arguments, modernbert, embedding, tmp_path):
    on_small_data = {"corpus": "files", "task": "files", "experiment": experiment, "output_dir": None}
    given = {name: value for name, value in (arguments | task_arguments).items() if name != "general.max_steps"}
    teacher = {"teacher.path": modernbert} if experiment == "modernbert" else {}
    relations = {"objective.relation_heads": "8", "student.num_heads": "2"} if experiment == "minilmv2" else {}
    task = embedding if experiment == "embedder" else {}
    code, out, err = command(changed(given, **on_small_data, **SMALL, **teacher, **relations) | task)
    assert code == 0, err
    assert f"artifact: {tmp_path / 'outputs'}" in out


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_the_header_of_an_experiment_is_its_command(file):
    header = re.match(r"# @package _global_\n# tinydistill (experiment=\w+).*\n#\n# ", file.read_text())
    assert header is not None
    assert header[1] == f"experiment={file.stem}"


# shared by all tasks; N and the epochs of the intermediate phase are each task's
PAPER = {
    "general": {"epochs": 3, "max_length": 128, "learning_rate": 1e-4},
    "intermediate": {"batch_size": 32, "learning_rate": 5e-5},
    "prediction": {"epochs": 3, "batch_size": 32, "learning_rate": 3e-5, "temperature": 1.0},
    "augmentation": {"probability": 0.4, "candidates": 15},
    "objective": {"embedding": 1, "hidden": 1, "attention": 1, "scale": "raw"},
    "mapping": {"_target_": "tinydistill.distillation.mapping.uniform"},
    "teacher": {"path": "google-bert/bert-base-uncased"},
    "corpus": {"repo": "wikimedia/wikipedia"},
    "pipeline": {"augment": True},
}


@pytest.mark.parametrize(("experiment", "size"), [("tinybert4", (4, 312, 1200, 12)), ("tinybert6", (6, 768, 3072, 12))])
@pytest.mark.parametrize(
    ("task", "epochs", "rows", "length"),
    [("cola", 50, 30, 64), ("mnli", 10, 10, 128), ("qqp", 10, 10, 128), ("qnli", 10, 20, 128), ("sst2", 20, 20, 64)],
)
def test_the_papers_recipes_are_the_papers(experiment, size, task, epochs, rows, length):
    config = composed([f"experiment={experiment}", f"task={task}"])
    values = plain(config)
    for node, options in PAPER.items():
        assert {name: values[node][name] for name in options} == options
    student = config.student
    assert (student.num_layers, student.hidden_size, student.intermediate_size, student.num_heads) == size
    assert student.init == "random"
    assert config.general.batch_size * config.general.accumulate_grad_batches == 256
    assert (config.intermediate.epochs, config.augmentation.rows) == (epochs, rows)
    assert config.task.max_length == length
