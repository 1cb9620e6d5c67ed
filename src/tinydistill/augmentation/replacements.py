"""The words that may take each word's place: from the masked LM, from word vectors, or from embeddings."""

from collections.abc import Mapping, Sequence

from tinydistill.augmentation.candidates import WholeWords, Words
from tinydistill.augmentation.contexts import MaskedWords
from tinydistill.augmentation.rows import Choices
from tinydistill.augmentation.words import Spans


class Replacements:
    """What can be replaced in a text that was looked at, by which words.

    Args:
        words: the eligible words of each text.
        questions: these words' questions to the masked LM, and `answers` [questions, K] what it said.
        vocabulary: the words that the answers number.
        neighbors: for words in small letters that have no question, others like them.
    """

    def __init__(
        self,
        words: Spans,
        questions: MaskedWords,
        answers: Words,
        vocabulary: WholeWords,
        neighbors: Mapping[str, Sequence[str]],
    ):
        self._words, self._questions, self._answers = words, questions.questions, answers
        self._vocabulary, self._neighbors = vocabulary.words, neighbors
        self._first, count = {}, 0  # word of each text among the words of all
        for text, spans in words.items():
            self._first[text] = count
            count += len(spans)

    def __call__(self, text: str) -> Choices:
        """The choices for a text; words without any are none."""
        spans, first = self._words[text], self._first[text]
        found = [self._of(text[start:end], first + n) for n, (start, end) in enumerate(spans)]
        kept = [(span, candidates) for span, candidates in zip(spans, found, strict=True) if candidates]
        return Choices(text, [span for span, _ in kept], [candidates for _, candidates in kept])

    def _of(self, word: str, number: int) -> Sequence[str]:
        question = self._questions[number]
        if question < 0:
            return self._neighbors.get(word.lower(), ())
        return [self._vocabulary[word] for word in self._answers[question].tolist() if word >= 0]
