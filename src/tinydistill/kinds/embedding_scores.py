"""What embeddings are scored by: cosines of pairs, and where relevant documents stand among all.

N: texts, P: pairs, Q: queries, D: documents, E: width of an embedding.
"""

import numpy as np
from numpy.typing import NDArray

from tinydistill.data.tasks.embeddings import Relevances

Floats = NDArray[np.float64]
TOP = 10  # documents of a query that are looked at
_AT_ONCE = 1024  # queries


def cosines(one_PE: NDArray[np.float32], other_PE: NDArray[np.float32]) -> Floats:
    """The cosine [P] of every pair of rows; 0 where a row is."""
    one, other = unit(one_PE), unit(other_PE)
    found: Floats = (one * other).sum(-1)
    return found


def unit(embeddings_NE: NDArray[np.float32]) -> Floats:
    """The rows at length 1, in double precision."""
    wide = np.asarray(embeddings_NE, np.float64)
    unit_NE: Floats = wide / np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), 1e-12)
    return unit_NE


def best_documents(embeddings_NE: NDArray[np.float32], labels: Relevances) -> NDArray[np.int64]:
    """The rows [Q, TOP] of the documents with the largest cosines, the best first; of equals the first by its name."""
    queries, documents = (unit(np.asarray(embeddings_NE)[rows]) for rows in (labels.queries, labels.documents))
    names = np.array([labels.names[row] for row in labels.documents.tolist()])
    order = np.argsort(names, kind="stable")
    found = []
    for start in range(0, len(queries), _AT_ONCE):
        similar_QD = queries[start : start + _AT_ONCE] @ documents[order].T
        best = np.argsort(-similar_QD, axis=1, kind="stable")[:, :TOP]
        found.append(labels.documents[order[best]])
    rows: NDArray[np.int64] = np.concatenate(found)
    return rows


def gains(best_QK: NDArray[np.int64], labels: Relevances) -> Floats:
    """nDCG [Q] of every query's best documents, each relevant or not (Järvelin, Kekäläinen, 2002)."""
    relevant: dict[int, set[int]] = {}
    for query, document in zip(labels.first.tolist(), labels.second.tolist(), strict=True):
        relevant.setdefault(query, set()).add(document)
    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    found = []
    for query, best in zip(labels.queries.tolist(), best_QK.tolist(), strict=True):
        hits = np.array([document in relevant[query] for document in best], np.float64)
        ideal = discounts[: len(relevant[query])].sum()
        found.append(float(hits @ discounts[: len(hits)] / ideal))
    return np.array(found)
