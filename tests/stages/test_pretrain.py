"""stage=pretrain from the command line, on a tiny encoder and a small text file."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerFast

from tests.conftest import WORDS, bert
from tests.stages.conftest import changed


@pytest.fixture
def run(arguments, command, text_file):
    """Runs the stage with some arguments changed; returns (exit code, stdout, stderr)."""
    kept = {name: value for name, value in arguments.items() if not name.startswith(("general.", "student."))}
    ours = {
        "stage": "pretrain",
        "pretrain.max_length": "16",
        "pretrain.batch_size": "8",
        "pretrain.max_steps": "12",
        "pretrain.learning_rate": "0.003",
        "pretrain.sample_tokens": "2000",
        "pretrain.heldout_fraction": "0.1",
    }
    return lambda **changes: command(changed({**kept, **ours}, **changes))


@pytest.fixture
def output(arguments) -> Path:
    return Path(arguments["output_dir"])


@pytest.fixture
def patterns(tmp_path) -> dict[str, str]:
    """Documents of one word each: what is masked stands on both sides."""
    lines = [f"{WORDS[i % 8]} " * (10 + i // 8) for i in range(320)]
    (tmp_path / "patterns.txt").write_text("\n\n".join(lines))
    return {"corpus__paths": f"[{tmp_path}/patterns.txt]"}


def result_of(output: Path) -> dict:
    return json.loads((output / "result.json").read_text())


def test_the_loss_falls_and_what_is_published_loads(run, output, patterns):
    code, out, err = run(**patterns, pretrain__max_steps="100", pretrain__learning_rate="0.005")
    assert code == 0, err
    assert "[MASK]" in out
    assert "head: new, its bias from the frequencies of 2.0 k tokens" in out
    assert "perplexity" in out
    assert "____" in out
    assert out.rstrip().endswith(f"artifact: {output}")
    result = result_of(output)
    assert result["after"]["loss"] < 0.95 * result["before"]["loss"]
    assert result["after"]["top1"] > result["before"]["top1"]
    assert result["heldout_loss"] == result["after"]["loss"]
    for loader in (AutoModelForMaskedLM, AutoModel):
        _, info = loader.from_pretrained(output, output_loading_info=True)
        assert not [name for name in info["missing_keys"] if "pooler" not in name]
    assert AutoTokenizer.from_pretrained(output).mask_token == "[MASK]"
    assert list((output / "logs").rglob("metrics.csv"))
    assert not list(output.rglob("*.ckpt"))


def test_a_head_that_is_there_is_kept(run, output, tmp_path):
    run()
    code, out, _ = run(teacher__path=str(output), output_dir=str(tmp_path / "second"), pretrain__max_steps="1")
    assert code == 0
    assert "head: kept" in out
    first, second = result_of(output), result_of(tmp_path / "second")
    assert second["before"]["loss"] == pytest.approx(first["after"]["loss"], rel=1e-4)


def test_the_same_settings_again_return_the_finished_result(run, output):
    _, first, _ = run()
    code, out, _ = run()
    assert code == 0
    assert "finished before with the same settings" in out
    assert out.splitlines()[-4:] == first.splitlines()[-4:]


def test_whole_words_and_a_name_made_from_the_choices(run, tmp_path):
    code, _, _ = run(output_dir=None, pretrain__whole_words="true", pretrain__max_steps="2")
    assert code == 0
    assert (tmp_path / "outputs" / "pretrain" / "teacher_files" / "config.json").is_file()


def test_dropout_while_training_is_not_what_the_published_model_says(run, output, teacher_dir):
    code, _, err = run(pretrain__max_steps="1")
    assert code == 0, err
    theirs = json.loads((teacher_dir / "config.json").read_text())
    assert json.loads((output / "config.json").read_text())["hidden_dropout_prob"] == theirs["hidden_dropout_prob"] > 0


def bad_length(tmp_path):
    return {"pretrain__max_length": "65"}, "pretrain.max_length=65 is too long: the models end at 64"


def bad_share(tmp_path):
    return {"pretrain__masked_share": "1"}, "pretrain.masked_share=1.0 is too large: it must be below 1"


def bad_shares_together(tmp_path):
    return {"pretrain__as_mask": "0.9", "pretrain__as_random": "0.2"}, "their sum must not be above 1"


def bad_small_corpus(tmp_path):
    (tmp_path / "small.txt").write_text("the cat sat on the mat\n")
    return {"corpus__paths": f"[{tmp_path}/small.txt]"}, "or lower pretrain.max_length=16 or pretrain.batch_size=8"


def bad_no_mask_token(tmp_path):
    backend = Tokenizer(WordLevel({"[UNK]": 0, "red": 1, "fish": 2}, unk_token="[UNK]"))
    bert().save_pretrained(tmp_path / "other")
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]").save_pretrained(tmp_path / "other")
    return {"teacher__path": str(tmp_path / "other")}, "the tokenizer has no mask token"


BAD = [value for name, value in sorted(globals().items()) if name.startswith("bad_")]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.__name__)
def test_bad_input_is_one_clear_line_and_leaves_nothing(case, run, tmp_path):
    changes, message = case(tmp_path)
    code, _, err = run(**changes)
    assert code == 2
    assert message in err
    assert err.startswith("tinydistill: error: ")
    assert err.count("\n") == 1
    made = [p for p in (tmp_path / "outputs").rglob("*") if p.is_file() and "cache" not in p.parts]
    assert {p.name for p in made} <= {".student.lock"}
