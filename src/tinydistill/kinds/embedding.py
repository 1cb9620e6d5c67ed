"""A vector for every text: sentence embeddings, learned from a teacher's and scored by what people say of texts.

B: rows in a batch, E: width of an embedding, N: texts of a split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinydistill.data.tasks.embeddings import Embedding, Relevances, Similarities
from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.targets import Target
from tinydistill.kinds import counted
from tinydistill.kinds.base import Batch, Logits, TaskKind, of_targets
from tinydistill.kinds.embedding_scores import best_documents, cosines, gains
from tinydistill.kinds.functional import cosine_distance, embedding_mse, similarity_kl
from tinydistill.kinds.metrics import OF_NUMBERS, task_metrics
from tinydistill.models.embedder import EmbedderHead
from tinydistill.models.heads import Head


@dataclass(frozen=True)
class EmbeddingLosses:
    """The weights of the losses between embeddings, and the temperature of the last one's cosines."""

    cosine: float = 1.0
    mse: float = 0.0
    similarity: float = 0.0
    similarity_temperature: float = 0.05

    def __call__(self, student_BE: Tensor, teacher_BE: Tensor) -> Tensor:
        """The weighted sum; what has no weight isn't computed."""
        terms = []
        if self.cosine:
            terms.append(self.cosine * cosine_distance(student_BE, teacher_BE))
        if self.mse:
            terms.append(self.mse * embedding_mse(student_BE, teacher_BE))
        if self.similarity:
            terms.append(self.similarity * similarity_kl(student_BE, teacher_BE, self.similarity_temperature))
        return torch.stack(terms).sum()


@of_targets(Embedding)
class SentenceEmbedding(TaskKind):
    """Embeddings [N, E], which are what other kinds call logits, and their answers too."""

    predicts = "embeddings"
    metrics = (*OF_NUMBERS[:1], "ndcg_at_10", "cosine", *OF_NUMBERS[1:])
    pipeline = "sentence-similarity"
    library = "sentence-transformers"
    output_names = ("sentence_embedding",)
    outputs_called = "embeddings"
    taught = "as it is"
    scored_by_teacher = True
    comparable = False
    described = "an embedding: texts that are alike in meaning have a large cosine"
    read_out = """(embeddings,) = session.run(["sentence_embedding"], inputs)
embeddings /= np.linalg.norm(embeddings, axis=-1, keepdims=True)
print(embeddings @ embeddings.T)"""

    def __init__(self, target: Target, losses: EmbeddingLosses | None = None):
        super().__init__(target)
        self.losses = losses or EmbeddingLosses()

    def with_losses(self, weights: Mapping[str, float]) -> "SentenceEmbedding":
        """The same with these weights, as EmbeddingLosses names them."""
        return SentenceEmbedding(self.target, EmbeddingLosses(**weights))

    @property
    def head(self) -> Head:
        """Pooling and maps, as a model's directory has them."""
        return EmbedderHead()

    def measures(self, split: Split) -> tuple[str, ...]:
        """Of pairs correlations, of queries nDCG, of other texts the cosine to the teacher's embeddings."""
        if isinstance(split.labels, Similarities):
            return OF_NUMBERS
        return ("ndcg_at_10",) if isinstance(split.labels, Relevances) else ("cosine",)

    def logits(self, output: Any) -> Tensor:
        """The embeddings [B, E]."""
        embeddings: Tensor = output.sentence_embedding
        return embeddings

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Nobody labels texts with vectors."""
        raise NotImplementedError

    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The weighted sum of the losses on embeddings; temperatures are of classes alone."""
        return self.losses(logits, batch["teacher_logits"])

    def answers(self, split: Split, logits: Logits, rows: EncodedRows | None) -> Logits:
        """The embeddings."""
        return np.asarray(logits)

    def scores(self, names: Sequence[str], answers: Logits, split: Split) -> dict[str, float]:
        """Correlations of cosines with people's scores, or means over queries or texts."""
        if isinstance(split.labels, Similarities):
            said, known = self._cosines(answers, split.labels), split.labels.scores
            found = task_metrics(names, 1)(*(torch.as_tensor(side, dtype=torch.float64) for side in (said, known)))
            return {name: float(found[name]) for name in names}
        return counted.scores_of(names, self._counts(answers, split))

    def commonest(self, split: Split) -> None:
        """There is no commonest embedding."""
        return

    def shown(self, labels: Any, split: Split) -> Sequence[Any]:
        """Nothing that stands in a file."""
        return [""] * len(split)

    def lines(self, split: Split, answers: Logits, logits: Logits) -> dict[str, Sequence[Any]]:
        """A line a pair with people's score and the cosine; a query with its best document; or a text."""
        labels = split.labels
        if isinstance(labels, Similarities):
            scores = {"label": labels.scores.tolist(), "prediction": self._cosines(answers, labels).tolist()}
            sides = {"text": labels.first, "text_pair": labels.second}
            return scores | {name: [split.texts[row] for row in rows.tolist()] for name, rows in sides.items()}
        counts = {} if labels is None else self._counts(answers, split)
        columns: dict[str, Sequence[Any]] = {f"n({name})": values.tolist() for name, values in counts.items()}
        if not isinstance(labels, Relevances):
            return {"label": [""] * len(split), "prediction": [""] * len(split), **columns}
        best = best_documents(answers, labels)
        names = {
            "label": [labels.names[row] for row in labels.queries.tolist()],
            "prediction": [labels.names[row] for row in best[:, 0].tolist()],
        }
        return {**names, **columns}

    def predicted(self, split: Split, answers: Logits, logits: Logits) -> dict[str, Sequence[Any]]:
        """The embedding, a list of numbers."""
        return {"embedding": answers.tolist()}

    def equal(self, ours: Any, theirs: Any) -> None:
        """Embeddings can only be near."""

    def nearness(self, ours: Any, theirs: Any) -> tuple[str, float]:
        """The mean cosine of both models' embeddings of the same texts."""
        return "cosine", float(cosines(ours, theirs).mean())

    def no_better(self, split: Split, answers: Logits) -> str | None:
        """Its cosines must rise with people's scores, or relevant documents stand above those drawn at random."""
        if isinstance(split.labels, Similarities):
            found = self.scores(["spearman"], answers, split)["spearman"]
            return None if found > 0 else f": its cosines on {split.name} don't rise with the scores ({found:.2f})"
        if isinstance(split.labels, Relevances):
            found = self.scores(["ndcg_at_10"], answers, split)["ndcg_at_10"]
            chance = _at_random(split.labels)
            return None if found > chance else f"has ndcg_at_10 {found:.3f} on {split.name}, no better than chance"
        return None

    def in_transformers(self, max_length: int, *, pair: bool) -> str:
        """A program with sentence-transformers."""
        return """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("DIRECTORY")
embeddings = model.encode(["a text", "another text"])
print(model.similarity(embeddings, embeddings))"""

    def _cosines(self, answers: Logits, labels: Similarities) -> NDArray[np.float64]:
        return cosines(answers[labels.first], answers[labels.second])

    def _counts(self, answers: Logits, split: Split) -> dict[str, NDArray[np.float64]]:
        if isinstance(split.labels, Relevances):
            found = gains(best_documents(answers, split.labels), split.labels)
            return {"gain": found, "queries": np.ones(len(found))}
        assert isinstance(split.labels, np.ndarray)
        return {"cosine": cosines(answers, split.labels), "texts": np.ones(len(split))}


def _at_random(labels: Relevances) -> float:
    """nDCG that documents in a random order have in the mean."""
    random = np.random.default_rng(0)
    drawn = np.array([random.permutation(labels.documents)[:10] for _ in labels.queries])
    return float(gains(drawn, labels).mean())
