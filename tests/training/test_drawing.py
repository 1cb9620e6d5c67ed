"""Without matplotlib training goes on without pictures, and says so once."""

import pytest

from tinydistill.errors import InputError
from tinydistill.training import drawing


def test_what_is_left_out_is_said_once_with_the_line_to_type(without_matplotlib, capsys):
    assert not drawing.possible()
    assert not drawing.possible()
    said = "attention maps and the report are left out, as matplotlib is missing: pip install matplotlib\n"
    assert capsys.readouterr().out == said


def test_where_it_is_installed_nothing_is_said(capsys):
    assert drawing.possible()
    assert capsys.readouterr().out == ""


def test_a_report_is_refused(without_matplotlib):
    with pytest.raises(InputError, match="^a report needs matplotlib: pip install matplotlib$"):
        drawing.check_installed()
