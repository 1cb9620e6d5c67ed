"""The scores of an answer by the definition of SQuAD (Rajpurkar et al. 2016; v2: Rajpurkar, Jia, Liang 2018)."""

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words_of(answer: str) -> list[str]:
    """The words that count: in lower case, without punctuation and articles."""
    return _ARTICLES.sub(" ", answer.lower().translate(_NO_PUNCTUATION)).split()


def f1(answer: Sequence[str], right: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of an answer's words; where one side has none, 1 if both have none."""
    if not answer or not right:
        return float(not answer and not right)
    common = (Counter(answer) & Counter(right)).total()
    return 2 * common / (len(answer) + len(right))


def exact_and_f1(answer: str, right: Sequence[str]) -> tuple[float, float]:
    """Whether an answer is one of the right ones, 0 or 1, and its F1 with the one that it is nearest to.

    Both are of the words that count. Where no right answer has any, the text answers nothing: the answer must be empty.
    """
    said = words_of(answer)
    known = [words for words in map(words_of, right) if words] or [[]]
    return float(said in known), max(f1(said, words) for words in known)
