"""A general stage of a second or two."""

import pytest


@pytest.fixture
def arguments(teacher_dir, text_file, tmp_path) -> dict[str, str]:
    return {
        "teacher.path": str(teacher_dir),
        "corpus": "files",
        "corpus.paths": f"[{text_file}]",
        "student.num_layers": "2",
        "student.hidden_size": "16",
        "student.intermediate_size": "32",
        "student.num_heads": "4",
        "general.max_length": "16",
        "general.batch_size": "8",
        "general.max_steps": "12",
        "general.sample_tokens": "1000",
        "general.heldout_fraction": "0.1",
        "trainer.accelerator": "cpu",
        "trainer.precision": "'32'",
        "trainer.workers": "0",
        "paths.outputs": str(tmp_path / "outputs"),
        "output_dir": str(tmp_path / "outputs" / "student"),
    }
