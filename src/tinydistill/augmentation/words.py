"""The words of a text that may be replaced, by their places in it: all else stays byte for byte as it is."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tinydistill.data.files import check_file, numbered_lines

Span = tuple[int, int]  # of characters
Spans = Mapping[str, Sequence[Span]]  # the eligible words of each text

_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")  # letters and digits, with the accents that stand on their own

# function words: what they would be replaced by changes a sentence's grammar, not its matter
_WORDS = """
a an the this that these those such same other another each every either neither both all any some no none few many
much more most less least several own

i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
it its itself they them their theirs themselves one ones oneself someone somebody something anyone anybody anything
everyone everybody everything nobody nothing who whom whose which what whoever whatever whichever

am is are was were be been being do does did doing done have has had having can could may might must shall should will
would ought need dare

not nor never only just too very so also even still yet again ever quite rather almost already always often once twice
here there where when why how now then thus hence therefore however else

and or but if unless because since although though while whereas whether than as until till lest

about above across after against along among around at before behind below beneath beside besides between beyond by
despite down during except for from in inside into like near of off on onto out outside over past per through
throughout to toward towards under underneath up upon via with within without

yes oh

s t d m n ll re ve don didn doesn isn aren wasn weren hasn haven hadn won wouldn couldn shouldn mustn needn shan mightn
ain ca wo sha cannot gonna gotta wanna let

b c e f g h j k l o p q r u v w x y z lrb rrb lsb rsb lcb rcb
"""

ENGLISH = frozenset(_WORDS.split())


def eligible_words(text: str, stop_words: Collection[str]) -> list[Span]:
    """The words of the letters a to z, large or small, that are no stop words."""
    found = ((match[0], match.span()) for match in _WORD.finditer(text))
    return [span for word, span in found if is_plain(word) and word.lower() not in stop_words]


def is_plain(word: str) -> bool:
    """Whether a word is made of the letters a to z alone, large or small."""
    return word.isascii() and word.isalpha()


def match_case(replaced: str, word: str) -> str:
    """A lower-case word in the case of the one that it replaces: Film for Movie, FILM for MOVIE."""
    if replaced.isupper() and len(replaced) > 1:
        return word.upper()
    return word.capitalize() if replaced[0].isupper() else word


def read_stop_words(path: str | Path | None) -> frozenset[str]:
    """The words of a file, one a line; the English ones without a file. Raises InputError where it can't be read."""
    if path is None:
        return ENGLISH
    check_file(Path(path), "{read_stop_words.path}")
    lines = numbered_lines(Path(path), argument="{read_stop_words.path}")
    return frozenset(word for _, line in lines if (word := line.strip().lower()))
