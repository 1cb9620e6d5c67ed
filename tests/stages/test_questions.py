"""Questions from a file to what is shipped: all stages with tiny models, and the programs of the model card."""

import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import WORDS
from tests.stages.conftest import changed

PLAIN = [word for word in WORDS if word not in ("old", "cat", "dog")]


def question_rows(count: int, seed: int) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """Who is there? The old cat or dog in a text of up to thirty words, or nobody in one text of four."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        words = random.choice(PLAIN, random.integers(3, 30)).tolist()
        place = int(random.integers(len(words) + 1))
        animal = f"old {random.choice(['cat', 'dog'])}"
        before = "".join(f"{word} " for word in words[:place])
        if number % 4 == 0:
            rows.append(("the and", " ".join(words), []))
        else:
            rows.append(("the and", f"{before}{' '.join([animal, *words[place:]])}", [(animal, len(before))]))
    return rows


def write_squad(file: Path, rows: list[tuple[str, str, list[tuple[str, int]]]]) -> str:
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": str(number),
                    "question": question,
                    "is_impossible": not answers,
                    "answers": [{"text": text, "answer_start": start} for text, start in answers],
                }
            ],
        }
        for number, (question, context, answers) in enumerate(rows)
    ]
    file.write_text(json.dumps({"version": "v2.0", "data": [{"title": "animals", "paragraphs": paragraphs}]}))
    return str(file)


@pytest.fixture
def quick(task_arguments, tmp_path) -> dict[str, str | None]:
    """The whole pipeline on questions, as fast as it goes."""
    return {
        **task_arguments,
        "stage": "pipeline",
        "task": "question_files",
        "task.train": write_squad(tmp_path / "train.json", question_rows(240, 0)),
        "task.validation": write_squad(tmp_path / "dev.json", question_rows(60, 1)),
        "task.max_length": "20",
        "output_dir": None,
        "finetune.teacher.epochs": "5",
        "finetune.teacher.learning_rate": "3e-3",
        "finetune.student.epochs": "1",
        "intermediate.epochs": "1",
        "prediction.epochs": "4",
        "prediction.learning_rate": "3e-3",
        "pipeline.latency_length": "8",
        "pipeline.latency_seconds": "0.01",
        "pipeline.report": "false",
        "pipeline.export": "true",
        "export.latency.lengths": "[8]",
        "export.latency.batch_sizes": "[1]",
        "export.latency.threads": "[1]",
        "export.latency.seconds": "0.001",
        "export.least_equal": "0.5",
    }


def program(card: str, word: str) -> str:
    """The program of a card that has this word."""
    return next(code for code in re.findall(r"```python\n(.*?)```", card, re.DOTALL) if word in code)


@pytest.mark.slow
def test_one_command_distills_a_question_answerer_and_ships_it(command, quick, tmp_path):
    code, out, err = command(quick)
    assert code == 0, err
    assert "question_files answer_f1" in out
    assert "in windows of 20 tokens" in out
    outputs = tmp_path / "outputs"
    (made,) = (outputs / "pipeline").glob("[!.]*/")
    models = json.loads((made / "result.json").read_text())["models"]
    teacher, baseline, _, distilled = (model["score"] for model in models)
    assert teacher > 0.9
    assert distilled > baseline
    assert all(model["interval"][0] <= model["score"] <= model["interval"][1] for model in models)
    (evaluated,) = (outputs / "evaluate").glob("[!.]*/")
    lines = (evaluated / "predictions" / "validation.tsv").read_text().splitlines()
    assert lines[0].split("\t")[:6] == ["row", "label", "prediction", *(
        f"n({name})" for name in ("exact answers", "F1 of answers", "questions")
    )]  # fmt: skip
    said = [line.split("\t")[2].strip('"') for line in lines[1:]]
    (shipped,) = (outputs / "export").glob("[!.]*/")
    checks = json.loads((shipped / "result.json").read_text())["checks"]
    assert [check["name"] for check in checks] == ["PyTorch fp32", "ONNX fp32", "ONNX int8"]
    assert checks[1]["difference"] < 1e-4
    assert checks[1]["equal"] == 1
    card = (shipped / "README.md").read_text()
    assert "of a question and a text, in windows of 20 tokens, it predicts the span of the text that answers" in card
    assert "pipeline_tag: question-answering" in card

    rows = question_rows(60, 1)
    longest = max(range(60), key=lambda row: len(rows[row][1]))

    def written_for(word: str, number: int) -> str:
        code = program(card, word).replace("DIRECTORY", str(shipped)).replace("model_quantized.onnx", "model.onnx")
        return code.replace("a question", rows[number][0]).replace("a text that may answer it", rows[number][1])

    for number in (0, 1, 2, longest):
        for word in ("onnxruntime", "AutoModelForQuestionAnswering"):
            with redirect_stdout(StringIO()) as printed:
                exec(written_for(word, number), {})
            assert printed.getvalue().strip() == (said[number] or "no answer"), (word, number)
    alone = (
        written_for("onnxruntime", longest) + "\nimport sys\nassert not {'torch', 'tinydistill'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, said[longest] or "no answer"), done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"task__train": "wrong.json"},
            "wrong.json question 0: the answer 'old cat' doesn't start at character 3 of its context",
        ),
        ({"task__text": "query", "task__train": "rows.csv"}, "rows.csv has no column 'query' but question, context"),
        ({"task__monitor": "accuracy"}, "accuracy is no metric of this task: this task predicts answers"),
        (
            {"+trainer__limit_val_batches": "1", "stage": "finetune", "finetune__batch_size": "4"},
            "were validated, and a row's answer needs all of its own: leave out trainer.limit_val_batches",
        ),
        ({"augmentation__method": "neighbors", "stage": "augment"}, "which are none of task=question_files: take"),
    ],
)
def test_what_is_wrong_with_questions_is_one_clear_line(command, quick, tmp_path, change, message):
    write_squad(tmp_path / "wrong.json", [("the and", "an old cat", [("old cat", 3)]), ("a", "the", [])])
    text = (tmp_path / "wrong.json").read_text().replace('"context": "an old cat"', '"context": "the old cat"')
    (tmp_path / "wrong.json").write_text(text)
    (tmp_path / "rows.csv").write_text("question,context,answers\nthe,old cat,cat\n")
    if "task__train" in change:
        change = {**change, "task__train": str(tmp_path / change["task__train"])}
    code, _, err = command(changed(quick, **change))
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "outputs").rglob("result.json"))
