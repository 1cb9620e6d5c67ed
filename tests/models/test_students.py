import pytest
import torch

from tests.conftest import bert
from tests.encoders import ENCODERS
from tinydistill.errors import InputError
from tinydistill.models import students
from tinydistill.models.observation import Observer

SIZE = {"num_layers": 2, "hidden_size": 16, "intermediate_size": 48, "num_heads": 4, "dropout": 0.05}


@pytest.mark.parametrize("config", ENCODERS.values(), ids=ENCODERS.keys())
def test_a_student_has_the_teachers_architecture_at_its_own_size(config):
    student = students.new_student(students.student_config(config, **SIZE), seed=0)
    assert student.config.model_type == config.model_type
    assert student.config.vocab_size == config.vocab_size
    ids = torch.randint(3, 20, (2, 8))
    states = student(input_ids=ids, output_hidden_states=True).hidden_states
    assert [s.shape[-1] for s in states] == [16, 16, 16]
    assert any(tuple(p.shape) in {(48, 16), (16, 48), (96, 16)} for p in student.parameters())
    Observer(student, [0], [1, 2])({"input_ids": ids})


def test_the_same_seed_makes_the_same_student():
    config = students.student_config(bert().config, **SIZE)
    first, second, other = (students.new_student(config, seed) for seed in (0, 0, 1))
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(first.state_dict()[name], second.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InputError, match=r"a width of 16 can't be divided among 3 attention heads: .* num_heads"):
        students.student_config(bert().config, **SIZE | {"num_heads": 3})
