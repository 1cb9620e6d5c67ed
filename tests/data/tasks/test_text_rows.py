"""Texts without labels as rows, and the files that embeddings are scored on."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.conftest import sentences
from tinydistill.data.tasks.docstring_similarity import DocstringSimilarity, summaries_of
from tinydistill.data.tasks.embeddings import Relevances, Similarities
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import SELECTION, SomeRows, WithSelection
from tinydistill.data.tasks.text_rows import TextRows, sentences_of
from tinydistill.data.text.docstrings import Module
from tinydistill.data.text.sources import TextsCorpus
from tinydistill.errors import InputError


@pytest.fixture
def files(tmp_path):
    """Ten texts, one a line; five pairs with scores; queries and documents."""
    (tmp_path / "texts.txt").write_text("\n".join(f"text {row}" for row in range(10)) + "\n\n text 3 \n")
    pairs = [(f"text {row}", f"other {row}", row / 2) for row in range(5)]
    pd.DataFrame(pairs, columns=["text", "text_pair", "score"]).to_csv(tmp_path / "sts.csv", index=False)
    queries = [{"_id": f"q{row}", "text": f"query {row}"} for row in range(3)]
    documents = [{"_id": row, "title": f"T{row}", "text": f"document {row}"} for row in range(4)]
    for name, rows in (("queries", queries), ("documents", documents)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "relevance.tsv").write_text("query-id\tcorpus-id\tscore\nq0\t1\t1\nq0\t2\t2\nq2\t3\t1\nq1\t0\t0\n")
    return tmp_path


def retrieval(files) -> dict[str, str]:
    names = {"queries": "queries.jsonl", "documents": "documents.jsonl", "relevance": "relevance.tsv"}
    return {role: str(files / name) for role, name in names.items()}


def complaint(source: TextRows) -> str:
    with pytest.raises(InputError) as error:
        source.train(), source.validation()
    return str(error.value)


def test_texts_are_lines_columns_and_sentences_each_once(files, cache):
    (files / "more.jsonl").write_text('{"body": "text 1"}\n{"body": "a new one"}\n')
    corpus = TextsCorpus(["The first of two sentences. And here is the second."])
    task = TextRows([files / "texts.txt", files / "more.jsonl"], text="body", corpus=corpus, cache_dir=cache, sts=None)
    kept = [*task.train().texts, *task.validation()["heldout"].texts]
    assert sorted(kept) == sorted(
        [*(f"text {row}" for row in range(10)), "a new one", "The first of two sentences.", "And here is the second."]
    )
    assert task.train().labels is None
    assert not task.labeled
    assert not task.target.labeled


def test_directories_and_globs_name_files(files):
    (files / "below").mkdir()
    (files / "below" / "a.csv").write_text("text\nfrom a table\n")
    task = TextRows([str(files / "*.txt"), str(files / "below")], sts=str(files / "sts.csv"))
    assert task.train().texts == [*(f"text {row}" for row in range(5, 10)), "from a table"]


def test_what_is_scored_on_is_not_trained_on(files):
    task = TextRows(files / "texts.txt", sts=files / "sts.csv")
    assert task.train().texts == [f"text {row}" for row in range(5, 10)]


def test_pairs_are_texts_once_each_and_who_goes_with_whom(files):
    (files / "sts.csv").write_text("a,b,s\nx,y,1\ny,z,2.5\n")
    split = TextRows(files / "texts.txt", sts=files / "sts.csv", sts_columns=["a", "b", "s"]).validation()["sts"]
    assert split.texts == ["x", "y", "z"]
    labels = split.labels
    assert isinstance(labels, Similarities)
    assert [labels.first.tolist(), labels.second.tolist(), labels.scores.tolist()] == [[0, 1], [1, 2], [1.0, 2.5]]


def test_several_files_of_pairs_are_splits_by_their_names(files):
    (files / "sick.csv").write_text((files / "sts.csv").read_text())
    splits = TextRows(files / "texts.txt", sts=[files / "sts.csv", files / "sick.csv"]).validation()
    assert list(splits) == ["sts", "sick"]


def test_queries_without_a_relevant_document_are_left_out_and_titles_stand_before_texts(files):
    split = TextRows(files / "texts.txt", **retrieval(files)).validation()["retrieval"]
    assert split.texts == ["query 0", "query 2", *(f"T{row} document {row}" for row in range(4))]
    labels = split.labels
    assert isinstance(labels, Relevances)
    assert labels.names == ("q0", "q2", "0", "1", "2", "3")
    assert [labels.first.tolist(), labels.second.tolist()] == [[0, 0, 1], [3, 4, 5]]
    assert [labels.queries.tolist(), labels.documents.tolist()] == [[0, 1], [2, 3, 4, 5]]


def test_a_corpus_gives_so_many_sentences_from_all_over_it(cache):
    corpus = TextsCorpus([f"This is sentence number {row} of many." for row in range(100)])
    some = sentences_of(corpus, 10, cache)
    assert len(some) == 10
    numbers = [int(text.split()[4]) for text in some]
    assert numbers == sorted(numbers)
    assert max(numbers) > 50
    assert sentences_of(corpus, 10, cache) == some
    assert len(sentences_of(corpus, None, cache)) == 100


def test_texts_are_kept_aside_to_choose_by_though_they_have_no_labels(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(dict.fromkeys(sentences(400))) + "\n")
    (tmp_path / "sts.csv").write_text("text,text_pair,score\nx,y,1\ny,z,2\n")
    task = WithSelection(TextRows(tmp_path / "texts.txt", sts=tmp_path / "sts.csv"), rows=30)
    assert list(task.validation()) == [SELECTION, "sts"]
    assert len(task.validation()[SELECTION]) == 30
    assert not set(task.validation()[SELECTION].texts) & set(task.train().texts)


# some rows


def similarities(texts: int, pairs: int) -> Similarities:
    random = np.random.default_rng(0)
    return Similarities(texts, random.integers(0, texts, pairs), random.integers(0, texts, pairs), random.random(pairs))


def test_rows_that_are_taken_keep_the_pairs_that_are_whole():
    labels = similarities(20, 15)
    rows = np.array([3, 5, 8, 9, 12, 14, 19])
    found = labels[rows]
    whole = [
        (rows.tolist().index(one), rows.tolist().index(other), score)
        for one, other, score in zip(labels.first, labels.second, labels.scores, strict=True)
        if one in rows and other in rows
    ]
    assert list(zip(found.first, found.second, found.scores, strict=True)) == whole
    assert len(found) == 7


def test_a_few_rows_are_pairs(files):
    split = Split("sts", [str(row) for row in range(200)], labels=similarities(200, 100))

    class Source(TextRows):
        def validation(self):
            return {"sts": split}

    few = SomeRows(Source(files / "texts.txt"), rows=40).validation()["sts"]
    assert 30 < len(few) <= 40
    assert len(few.labels.scores) >= 15
    assert set(few.labels.first) | set(few.labels.second) == set(range(len(few)))


def test_documents_that_are_left_out_are_no_longer_found(files):
    labels = TextRows(files / "texts.txt", **retrieval(files)).validation()["retrieval"].labels
    few = labels[np.array([0, 1, 3, 5])]
    assert few.names == ("q0", "q2", "1", "3")
    assert [few.queries.tolist(), few.documents.tolist()] == [[0, 1], [2, 3]]
    assert [few.first.tolist(), few.second.tolist()] == [[0, 1], [2, 3]]


# what can't be used


def test_no_text_at_all_is_one_clear_line(files):
    (files / "empty.txt").write_text("\n \n")
    assert "there are no texts to train on: name some with" in complaint(TextRows(files / "empty.txt"))
    assert "there are no texts to train on" in complaint(TextRows())
    assert "does not exist" in complaint(TextRows(files / "missing.txt"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,text_pair,score\nx,y,1\ny,z,good\n", "sts.csv line 3: 'good' in column 'score' is no number"),
        ("text,text_pair,score\nx,y,1\ny,z,nan\n", "sts.csv line 3: 'nan' in column 'score' is no number"),
        ("text,text_pair,score\nx,y,1\ny,,2\n", "sts.csv line 3: the second text is empty"),
        ("text,text_pair,score\nx,y,1\ny,z,1\n", "sts.csv: all 2 rows have the same score, so no correlation"),
        ("a,b,score\nx,y,1\n", "sts.csv has no column 'text' but a, b, score: set sts_columns"),
        ("text,text_pair\nx,y\n", "sts.csv has no column 'score' but text, text_pair"),
    ],
)
def test_a_file_of_pairs_that_is_none_is_one_clear_line(files, content, said):
    (files / "sts.csv").write_text(content)
    assert said in complaint(TextRows(files / "texts.txt", sts=files / "sts.csv"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("relevance.tsv", "query-id\tcorpus-id\nq0\t1\nq7\t1\n", "relevance.tsv line 3: "),
        ("relevance.tsv", "query-id\tcorpus-id\nq0\t9\n", "documents.jsonl has no document '9'"),
        ("relevance.tsv", "query-id\tcorpus-id\nq7\t1\n", "queries.jsonl has no query 'q7'"),
        ("relevance.tsv", "query-id\tcorpus-id\tscore\nq0\t1\t0\n", "says of no document that it is relevant"),
        ("relevance.tsv", "query-id\tcorpus-id\tscore\nq0\t1\thigh\n", "line 2: 'high' is no number"),
        ("relevance.tsv", "query\tpassage\nq0\t1\n", "has no column 'corpus-id' but query, passage"),
        ("queries.jsonl", '{"_id": "q0", "text": " "}\n', "queries.jsonl line 1: there is no text"),
        ("queries.jsonl", '{"_id": "q0", "text": "x"}\n' * 2, "queries.jsonl line 2: the id 'q0' comes twice"),
        ("documents.jsonl", '{"text": "x"}\n', "documents.jsonl line 1 has no column '_id' but text"),
        ("documents.jsonl", '{"_id": 1, "text": 5}\n', "documents.jsonl line 1: column 'text' holds 5, which is not"),
    ],
)
def test_queries_that_are_none_are_one_clear_line(files, name, content, said):
    (files / name).write_text(content)
    assert said in complaint(TextRows(files / "texts.txt", **retrieval(files)))


def test_three_files_belong_together(files):
    given = {**retrieval(files), "relevance": None}
    assert "queries and documents are named, and no relevance" in complaint(TextRows(files / "texts.txt", **given))


# the embedded task


def test_the_summary_of_a_docstring_asks_for_its_body():
    body = "It is long enough to be told from others by what it says, and it goes on and on for a while."
    texts = [f"Return the sum of all.\n\n{body}\n  More of it.", "Too short.\n\nx", f"Two words\n\n{body}"]
    assert list(summaries_of(texts)) == [("Return the sum of all.", f"{body} More of it.")]
    ((_, cut),) = summaries_of([f"Return the sum of all.\n\n{'word ' * 200}"])
    assert len(cut) <= 500
    assert cut.endswith("word")


@pytest.fixture
def docstring_task(monkeypatch, cache):
    """Of 40 modules with two docstrings each, whose texts are told apart by a number."""
    body = "It is long enough to be told from others by what it says, and goes on for a while after number"

    def docstring(number: int) -> str:
        return f"Return the value of number {number}.\n\n{body} {number}. There is one more sentence about {number}."

    modules = [Module("lib", f"m{m}", (docstring(2 * m), docstring(2 * m + 1))) for m in range(40)]
    monkeypatch.setattr("tinydistill.data.text.docstrings.read_modules", lambda _: iter(modules))
    return lambda **options: DocstringSimilarity(cache, queries_of_retrieval=6, **options)


def test_the_embedded_task_trains_on_sentences_of_other_modules_than_it_is_scored_on(docstring_task):
    task = docstring_task()
    train, scored = task.train(), task.validation()["docstrings"]
    assert len(train) == 36 * 2 * 3
    assert len(scored.labels.queries) == len(scored.labels.documents) == 6
    numbers = {text.split()[-1].strip(".") for text in train.texts}
    assert not numbers & {text.split()[-1].strip(".") for text in scored.texts}
    assert scored.texts[0] == "Return the value of number 0."
    assert task.identity() == docstring_task().identity()
    assert len(docstring_task(train_rows=10).train()) == 10


def test_the_embedded_task_is_scored_on_files_first(docstring_task, files):
    assert list(docstring_task(sts=files / "sts.csv").validation()) == ["sts", "docstrings"]


def test_too_few_docstrings_are_one_clear_line(docstring_task):
    task = docstring_task()
    task.queries_of_retrieval = 500
    with pytest.raises(InputError, match="needs 500 docstrings with a body; there are 8: lower queries_of_retrieval"):
        task.train()
