"""Sentence embeddings: losses against naive loops, scores against sentence-transformers' own evaluators."""

import math

import numpy as np
import pytest
import torch

from tests.conftest import sentences
from tests.embedders import embed, embedder
from tinydistill.data.tasks.embeddings import Embedding, Relevances, Similarities
from tinydistill.data.tasks.examples import Split
from tinydistill.kinds import kind_of
from tinydistill.kinds.counted import SCORES
from tinydistill.kinds.embedding import EmbeddingLosses
from tinydistill.kinds.functional import cosine_distance, embedding_mse, similarity_kl

KIND = kind_of(Embedding())


def drawn(rows: int = 6, width: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, rows, width, generator=torch.Generator().manual_seed(0)).unbind()


def cosine(one, other) -> float:
    return float(one @ other / (one.norm() * other.norm()))


def test_losses_are_those_of_a_loop():
    student, teacher = drawn()
    rows = range(len(student))
    distances = [1 - cosine(student[i], teacher[i]) for i in rows]
    assert float(cosine_distance(student, teacher)) == pytest.approx(sum(distances) / 6)
    squares = sum(float((student[i] - teacher[i]) @ (student[i] - teacher[i])) for i in rows)
    whole = sum(float(teacher[i] @ teacher[i]) for i in rows)
    assert float(embedding_mse(student, teacher)) == pytest.approx(squares / whole)
    total = 0.0
    for i in rows:
        shares = []
        for side in (student, teacher):
            exps = {j: math.exp(cosine(side[i], side[j]) / 0.3) for j in rows if j != i}
            shares.append({j: value / sum(exps.values()) for j, value in exps.items()})
        total += sum(shares[1][j] * math.log(shares[1][j] / shares[0][j]) for j in shares[1])
    assert float(similarity_kl(student, teacher, 0.3)) == pytest.approx(total / 6, rel=1e-4)


def test_losses_of_a_perfect_copy_are_none_and_of_one_row_finite():
    _, teacher = drawn()
    for loss in (cosine_distance, embedding_mse, lambda s, t: similarity_kl(s, t, 0.05)):
        assert float(loss(teacher, teacher)) == pytest.approx(0, abs=1e-6)
        assert torch.isfinite(loss(teacher[:1], teacher[:1]))


def test_similarities_see_no_rotation_and_no_length():
    student, teacher = drawn()
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))[0]
    expected = similarity_kl(student, teacher, 0.1)
    torch.testing.assert_close(similarity_kl(3 * student @ rotation, teacher, 0.1), expected)


def test_the_kinds_loss_is_the_weighted_sum_and_has_a_gradient():
    student, teacher = drawn()
    student.requires_grad_(True)
    kind = KIND.with_losses({"cosine": 0.5, "mse": 2.0, "similarity": 3.0, "similarity_temperature": 0.2})
    found = kind.soft_loss(student, {"teacher_logits": teacher})
    terms = cosine_distance(student, teacher), embedding_mse(student, teacher), similarity_kl(student, teacher, 0.2)
    torch.testing.assert_close(found, 0.5 * terms[0] + 2 * terms[1] + 3 * terms[2])
    found.backward()
    assert student.grad.abs().sum() > 0
    torch.testing.assert_close(EmbeddingLosses()(student, teacher), terms[0])


class Encoder:
    """What an evaluator of sentence-transformers asks of a model, from embeddings that are there."""

    similarity_fn_name = "cosine"

    def __init__(self, vectors: dict[str, np.ndarray]):
        self.vectors = vectors
        self.model_card_data = self

    def encode(self, texts, **_):
        return np.stack([self.vectors[text] for text in texts])

    encode_query = encode_document = encode

    def similarity(self, one, other):
        from sentence_transformers.util import cos_sim

        return cos_sim(one, other)

    def set_evaluation_metrics(self, *_, **__):
        pass


def test_pairs_are_scored_as_sentence_transformers_scores_them():
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    for seed in range(5):
        random = np.random.default_rng(seed)
        texts = [f"text {row}" for row in range(20)]
        embeddings = random.normal(size=(20, 6)).astype(np.float32)
        upper = np.stack(np.triu_indices(20, 1))  # each pair once: what is equal but for rounding is no tie to theirs
        first, second = upper[:, random.permutation(upper.shape[1])[:30]]
        scores = random.integers(0, 6, 30).astype(np.float64)
        split = Split("sts", texts, labels=Similarities(20, first, second, scores))
        evaluator = EmbeddingSimilarityEvaluator(
            [texts[row] for row in first], [texts[row] for row in second], scores.tolist(), main_similarity="cosine"
        )
        expected = evaluator(Encoder(dict(zip(texts, embeddings, strict=True))))
        found = KIND.scores(["spearman", "pearson"], KIND.answers(split, embeddings, None), split)
        assert found["spearman"] == pytest.approx(expected["spearman_cosine"], abs=1e-6)
        assert found["pearson"] == pytest.approx(expected["pearson_cosine"], abs=1e-6)


def retrieval(seed: int, queries: int = 15, documents: int = 40) -> Split:
    random = np.random.default_rng(seed)
    pairs = sorted({(query, int(d)) for query in range(queries) for d in random.integers(0, documents, 1 + query % 4)})
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    names = tuple([f"q{row}" for row in range(queries)] + [f"d{row}" for row in range(documents)])
    labels = Relevances(
        queries + documents,
        first,
        queries + second,
        np.arange(queries),
        queries + np.arange(documents),
        names,
    )
    return Split("retrieval", list(names), labels=labels)


@pytest.mark.parametrize("documents", [40, 4])
def test_retrieval_is_scored_as_sentence_transformers_scores_it(documents):
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    for seed in range(5):
        split = retrieval(seed, documents=documents)
        labels, count = split.labels, len(split.labels.queries)
        embeddings = np.random.default_rng(seed).normal(size=(len(split), 6)).astype(np.float32)
        relevant: dict[str, set[str]] = {}
        for query, document in zip(labels.first, labels.second, strict=True):
            relevant.setdefault(labels.names[query], set()).add(labels.names[document])
        evaluator = InformationRetrievalEvaluator(
            dict(zip(labels.names[:count], split.texts[:count], strict=True)),
            dict(zip(labels.names[count:], split.texts[count:], strict=True)),
            relevant,
            ndcg_at_k=[10],
            write_csv=False,
        )
        expected = evaluator(Encoder(dict(zip(split.texts, embeddings, strict=True))))
        found = KIND.scores(["ndcg_at_10"], embeddings, split)["ndcg_at_10"]
        assert found == pytest.approx(expected["cosine_ndcg@10"], abs=1e-6)


def test_other_texts_are_scored_by_the_mean_cosine_to_the_teachers_embeddings():
    student, teacher = (side.numpy() for side in drawn())
    split = Split("heldout", [str(row) for row in range(6)], labels=teacher)
    assert KIND.measures(split) == ("cosine",)
    expected = np.mean([cosine(torch.tensor(a), torch.tensor(b)) for a, b in zip(student, teacher, strict=True)])
    assert KIND.scores(["cosine"], student, split)["cosine"] == pytest.approx(expected)
    assert KIND.nearness(student, teacher) == ("cosine", pytest.approx(expected))


def test_the_lines_of_a_file_give_the_scores_of_all_rows():
    split = retrieval(3)
    embeddings = np.random.default_rng(0).normal(size=(len(split), 6)).astype(np.float32)
    lines = KIND.lines(split, embeddings, embeddings)
    assert lines["label"] == [f"q{row}" for row in range(15)]
    assert all(name.startswith("d") for name in lines["prediction"])
    sums = {name[2:-1]: np.array([sum(values)]) for name, values in lines.items() if name.startswith("n(")}
    assert SCORES["ndcg_at_10"](sums)[0] == pytest.approx(KIND.scores(["ndcg_at_10"], embeddings, split)["ndcg_at_10"])


def test_a_teacher_whose_embeddings_know_nothing_is_found_out(tokenizer):
    texts = sentences(12)
    vectors = embed(embedder(), tokenizer, texts).numpy()
    first, second = np.arange(6), np.arange(6, 12)
    like = (vectors[first] * vectors[second]).sum(1).astype(np.float64)
    for scores, knows in ((like, True), (-like, False)):
        split = Split("sts", texts, labels=Similarities(12, first, second, scores))
        assert (KIND.no_better(split, vectors) is None) == knows
    split = retrieval(1)
    right = np.eye(len(split), dtype=np.float32)
    for query, document in zip(split.labels.first, split.labels.second, strict=True):
        right[query, document] = 1
    assert KIND.no_better(split, right) is None
    wrong = right.copy()
    wrong[: len(split.labels.queries)] *= -1
    assert "no better than chance" in KIND.no_better(split, wrong)
