"""Which shapes are worth training, and which one is chosen."""

from dataclasses import asdict, replace

import pytest

from tinydistill.report.collected import collect
from tinydistill.report.contents import Report
from tinydistill.report.frontier import Candidate, Found, Target, draw, frontier, lines, rank_correlation, read


def shape(name: str, ms: float, solved: float | None, trained: float | None = None) -> Candidate:
    retention = None if trained is None else 100 * trained / 0.9
    return Candidate(name, 1000, 4000, ms, 10 / ms, solved, trained, retention)


SHAPES = [shape("a", 1, 0.5), shape("b", 2, 0.7), shape("c", 3, 0.6), shape("d", 4, 0.8), shape("e", 5, 0.85)]


def search(target: Target, candidates: list[Candidate], trained: dict[str, float], most: int) -> list[str]:
    """The names of the shapes that are trained, in their order; scores as given."""
    order = []
    while len(order) < most and (one := target.next(candidates)) is not None:
        order.append(one.name)
        score = trained[one.name]
        candidates[candidates.index(one)] = replace(one, trained=score, retention=100 * score / 0.9)
    return order


def test_a_shape_that_another_is_faster_and_better_than_is_not_on_the_frontier():
    assert [one.name for one in frontier(SHAPES, lambda one: one.solved)] == ["a", "b", "d", "e"]


def test_with_a_time_the_best_solved_shapes_that_keep_to_it_are_trained_and_the_best_of_them_is_chosen():
    candidates, target = list(SHAPES), Target(ms=4.5)
    assert search(target, candidates, {"d": 0.82, "b": 0.83, "a": 0.6}, 3) == ["d", "b", "a"]
    assert target.choice(candidates).name == "b"


def test_with_a_share_of_the_teacher_the_fastest_shape_that_keeps_it_is_looked_for_in_the_middle():
    candidates, target = list(SHAPES), Target(retention=0.9)
    trained = {"a": 0.6, "b": 0.82, "c": 0.8, "d": 0.84, "e": 0.88}
    assert search(target, candidates, trained, 3) == ["d", "b", "a"]
    assert target.choice(candidates).name == "b"


def test_a_share_that_no_shape_keeps_chooses_none_and_ends():
    candidates, target = list(SHAPES), Target(retention=0.99)
    assert search(target, candidates, dict.fromkeys("abcde", 0.8), 9) == ["d", "e"]
    assert target.choice(candidates) is None


def test_without_anything_asked_for_all_can_be_trained_those_on_the_frontier_first():
    candidates, target = list(SHAPES), Target()
    assert search(target, candidates, dict.fromkeys("abcde", 0.8), 9) == ["e", "d", "b", "a", "c"]
    assert Target(ms=0.5).fast_enough(SHAPES) == []


def forms(name: str, solved: float, trained: float | None = None) -> list[Candidate]:
    """A shape in two forms: the smaller one is slower."""
    one = shape(name, 10 * solved, solved, trained)
    return [replace(one, form="onnx"), replace(one, form="onnx_int8", bytes=1000, ms=one.ms + 0.1)]


@pytest.mark.parametrize(("prefer", "form"), [("fastest", "onnx"), ("smallest", "onnx_int8")])
def test_of_the_forms_of_a_shape_the_fastest_or_the_smallest_is_chosen(prefer, form):
    candidates = [*forms("a", 0.5, 0.8), *forms("b", 0.7, 0.8)]
    asked = [Target(ms=9, prefer=prefer), Target(retention=0.8, prefer=prefer)]
    assert {target.choice(candidates).label for target in asked} == {f"a, {form}"}
    slow = Target(ms=5.05, prefer=prefer)
    assert slow.choice(candidates).label == "a, onnx"  # the other one takes longer


def test_a_shape_is_looked_at_once_whatever_forms_it_has():
    candidates, target = [one for name, solved in zip("abcd", (0.5, 0.6, 0.7, 0.8), strict=True)
                          for one in forms(name, solved)], Target(retention=0.9)  # fmt: skip
    assert target.next(candidates).label == "c, onnx"
    trained = [replace(one, trained=score, retention=100 * score) for one in candidates
               if (score := {"a": 0.6, "b": 0.8, "c": 0.7, "d": 0.9}[one.name])]  # fmt: skip
    assert rank_correlation(trained) == pytest.approx(0.8)
    assert target.next(trained) is None


def test_the_smallest_form_is_looked_for_by_size_and_both_are_drawn(tmp_path):
    large_and_fast = replace(shape("a", 1, 0.6), bytes=9000)
    candidates = [large_and_fast, *forms("b", 0.5), *forms("c", 0.7)]
    smallest = frontier(candidates, lambda one: one.solved, Target(prefer="smallest").cost)
    assert [one.label for one in smallest] == ["c, onnx_int8"]
    assert [row[0] for row in lines(candidates, "c, onnx_int8")][-1] == "c, onnx_int8 *"
    draw(tmp_path / "frontier.png", "title", candidates, 0.9, Target(2, 0.9))
    assert (tmp_path / "frontier.png").stat().st_size > 1000


def test_shapes_are_ranked_by_how_they_agree_with_the_teacher_where_that_is_known():
    alike = {"a": 0.9, "b": 0.8, "c": 0.85, "d": 0.7, "e": 0.6}
    candidates = [replace(one, alike=alike[one.name]) for one in SHAPES]
    assert search(Target(), candidates, dict.fromkeys("abcde", 0.8), 9) == ["a", "c", "b", "d", "e"]
    found = Found(candidates, Target(), candidates[0], "validation/accuracy", 0.9, "onnx", "1 x 128 tokens", None)
    assert "as its teacher does, by which shapes are ranked" in found.remark


def test_how_well_the_ranking_predicts_what_training_makes_is_spearmans_correlation():
    trained = [shape("a", 1, 0.5, 0.6), shape("b", 2, 0.6, 0.7), shape("c", 3, 0.7, 0.65), shape("d", 4, 0.8, 0.9)]
    assert rank_correlation(trained) == pytest.approx(0.8)
    assert rank_correlation(trained[:3]) is None
    assert rank_correlation([shape(one.name, one.ms, 0.5, one.trained) for one in trained]) is None


def test_a_shape_without_a_defined_score_stands_in_the_table_and_nowhere_else(tmp_path):
    candidates = [*SHAPES[:2], shape("x", 0.5, None)]
    assert [one.name for one in frontier(candidates, lambda one: one.solved)] == ["a", "b"]
    assert [row[0] for row in lines(candidates, "b")] == ["x", "a", "b *"]
    draw(tmp_path / "frontier.png", "title", candidates, 0.9, Target(2, 0.9))
    assert (tmp_path / "frontier.png").stat().st_size > 1000


def test_a_report_shows_a_search_with_its_frontier(maker):
    trained = shape("b", 2, 0.7, 0.85)
    timed = ("onnx_int8", "1 x 128 tokens, threads: 1")
    found = Found([SHAPES[0], trained], Target(5), trained, "validation/accuracy", 0.9, *timed, 0.8)
    stored = {**asdict(found), "score": found.score}
    assert read(stored) == found
    maker.make("search/pets", {}, stored, "pets", {}, task__name="pets")
    (maker.root / "figures").mkdir()
    page = Report(collect([maker.root]), maker.root).write("title")
    assert "## Shapes of a student" in page
    assert "| b * | 1.0 k | 0.0 | 2.00 | 5.0x | - | 0.700 | 0.850 | - | 94.4% |" in page
    assert "Rank correlation with the scores after training: 0.80." in page
    assert (maker.root / "figures" / "frontier-0.png").is_file()
