"""A mapping rule: evenly spread over the teacher, without its first layers."""

from tinydistill.distillation.mapping import uniform


def skip_first(student_layers, teacher_layers, *, skip=1):
    """The teacher layer, counted from 1, of each student layer."""
    return tuple(skip + n for n in uniform(student_layers, teacher_layers - skip))
