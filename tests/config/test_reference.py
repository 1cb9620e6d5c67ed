"""docs/configuration.md is what the schema says."""

from pathlib import Path

from tinydistill.config.reference import reference
from tinydistill.config.schema import Config
from tinydistill.config.schema.option import options

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_reference_is_in_step_with_the_schema():
    assert PAGE.read_text() == reference(), "python -m tinydistill.config > docs/configuration.md"


def test_every_option_has_a_line_with_its_default_and_meaning():
    page = reference()
    for key, metadata in options(Config).items():
        assert f"| `{key}` |" in page
        assert metadata["meaning"].replace("|", "\\|") in page
    assert "| `student.num_layers` | int | `3` | Transformer layers (at least 1, at most 1000) |" in page
    assert "| `export.latency.threads` | list[Any] | `[1, null]` |" in page


def test_every_file_of_a_group_says_what_it_is():
    for line in reference().splitlines():
        if line.startswith("| `") and "=" in line.split("|")[1]:
            assert len(line.split("|")[2].strip()) > 5, line
