import pytest
import torch

from tests.conftest import bert
from tinydistill.errors import InputError
from tinydistill.initialization.start import check_start, first_weights

BATCHES = [{"input_ids": torch.randint(5, 27, (16, 12), generator=torch.Generator().manual_seed(0))}]


def changed(student, method, **options) -> bool:
    before = {name: value.clone() for name, value in student.state_dict().items()}
    teacher = bert(4, 32, seed=1, initializer_range=0.2)
    assert first_weights(student, teacher, (2, 4), BATCHES, method=method, seed=0, **options) == ()
    return any(not torch.equal(before[name], value) for name, value in student.state_dict().items())


def test_the_teacher_gives_a_student_its_weights_unless_they_are_to_be_random(tmp_path):
    assert changed(bert(2, 16), "closed_form")
    assert changed(bert(2, 32), "teacher_layers")
    assert not changed(bert(2, 16), "random")


def test_a_closed_form_is_kept_in_a_cache_that_is_named(tmp_path):
    first, second = bert(2, 16), bert(2, 16)
    assert changed(first, "closed_form", cache_dir=tmp_path)
    assert changed(second, "closed_form", cache_dir=tmp_path)
    assert len(list(tmp_path.glob("start-*[!k]"))) == 1
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_what_was_left_at_random_is_told():
    student, teacher = bert(2, 16, heads=2), bert(4, 32, seed=1, initializer_range=0.2)
    left = first_weights(student, teacher, (2, 4), BATCHES, method="closed_form", seed=0)
    assert left == ("attention scores (2 heads, the teacher has 4)",)


@pytest.mark.parametrize(
    ("width", "method", "message"),
    [
        (64, "closed_form", "no wider than the teacher, not 64 and 32: take method=random"),
        (16, "teacher_layers", "need equal widths, not 16 and 32: take method=closed_form"),
        (16, "magic", "magic is no way to start a student: take closed_form, teacher_layers or random"),
    ],
)
def test_a_size_that_does_not_fit_a_method_is_known_from_the_configurations(width, method, message):
    with pytest.raises(InputError, match=message):
        check_start(bert(2, width).config, bert(4, 32).config, method)
