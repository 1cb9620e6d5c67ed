"""Lengths of time as a command line has them."""

import pytest

from tinydistill.config.compose import composed
from tinydistill.config.durations import seconds_of, written
from tinydistill.errors import UserError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("30min", 1800),
        ("90min", 5400),
        ("2h", 7200),
        ("1h30min", 5400),
        ("1.5h", 5400),
        ("1h1min1s", 3661),
    ],
)
def test_hours_minutes_and_seconds_are_read(text, seconds):
    assert seconds_of("pipeline.budget", text) == seconds


@pytest.mark.parametrize("text", ["1h30min", "1.5h"])
def test_they_are_typed_without_quotes(text):
    assert composed(["stage=pipeline", f"pipeline.budget={text}"]).pipeline.budget == text


@pytest.mark.parametrize("text", ["abc", "30", "30m", "min", "0min", "-5min", "30min1h", "1h30"])
def test_anything_else_is_one_clear_line(text):
    with pytest.raises(UserError) as raised:
        seconds_of("pipeline.budget", text)
    assert str(raised.value) == f"pipeline.budget={text} is no length of time: write 30min, 2h or 1h30min"


@pytest.mark.parametrize("text", ["abc", "30"])
def test_it_is_said_before_anything_is_read(text):
    with pytest.raises(UserError, match=f"^pipeline.budget={text} is no length of time"):
        composed(["stage=pipeline", f"pipeline.budget={text}"])


@pytest.mark.parametrize(("seconds", "text"), [(4.2, "5s"), (60, "1min"), (61, "2min"), (5400, "90min")])
def test_what_is_advised_can_be_typed(seconds, text):
    assert written(seconds) == text
    assert seconds_of("pipeline.budget", text) >= seconds
