"""Reading of English words in capitals: as words (emphasis and acronyms) or by letters
(initialisms).

Lists hold the common ones of each kind (tts.text.capital_words). Of all others, those of four
letters and more are words where their consonants can stand together in one, and shorter ones are
spelled. A few are both ("IT", "US", "WHO"), and the words beside them decide. Whole lines in
capitals have no such contrast; they are truecased before (tts.text.truecasing).
"""

import re
import unicodedata

from tts.text.capital_words import ACRONYMS, INITIALISMS, RESPELT, WORDS
from tts.text.english_codes import pronounceable, spell
from tts.text.tracked import Rule, rule

__all__ = ["CAPITALS", "is_word", "names_the_country"]

_Match = re.Match[str]
_UPPER = "A-ZÀ-ÖØ-Þ"
#: endings after an apostrophe
_CLITICS = frozenset("T S RE LL VE D M EM".split())
#: words whose "'S" is a verb
_CONTRACTED = frozenset("I IT HE SHE WE YOU THEY WHO WHAT THAT THERE LET HERE WHERE HOW".split())
_SENTENCE_START = re.compile(r"(?:^|[.!?…\n])[\"')\]]*\s*[\"'(\[]*$")
_BEFORE = re.compile(r"([^\W\d_]+(?:'[a-zA-Z]+)?)[ -]$")
_AFTER = re.compile(r"[ -]([^\W\d_]+)")
_LIST_ITEM = re.compile(f",? (?:and |or |the ){{0,2}}([{_UPPER}]{{2,20}})\\b")
_SHOUTED = re.compile(f"[{_UPPER}]{{3,20}}")
_VOWEL = re.compile("[AEIOUY]")
_MARK = re.compile(r"\s*([.,;:!?…)\"—]|$)")
_EXCHANGE = re.compile(r"(?:NYSE|N Y S E|NASDAQ|Nasdaq|LSE|AMEX): ?$")
#: runs of three vowels in English words
_VOWEL_RUNS = frozenset("eau iou uou eou ieu uie uee oui uea ueue uai uoi eei aie eue eea".split())
#: onsets and codas of longer words, beside those of `pronounceable`
_ONSETS = frozenset(
    "gn ps rh gh sv dw kh sph chr schr phr phl pn q gu chl thw tz ts dj sq dw".split()
)
_CODAS = frozenset(
    "gh ghth lc nx mn lch rch nch nct lct rld nst rst lst pth dth ngth xth lfth mpt mps tz sch "
    "bt lm gm rt rf ln rnt gn ltz kh dd gg bb tt pp mm nn rr cc sm thm xt wth ch ngl rgh pht tl "
    "pl bl cl dl wd wn lth dst ngst rsh ph fth dg gl kl fl zl stl rp lp nk ct ks".split()
)
#: words after the pronoun "US" rather than after a noun: "join US today"
_AFTER_PRONOUN = frozenset(
    "to about that what when how if a an the and or but for in on at your all some more why today "
    "now tomorrow tonight here there with by from as again too first next before after who "
    "something everything nothing know back out off up down over go be have see do get take start "
    "pray talk begin try both".split()
)
#: verbs and prepositions before the pronoun "US"
_TRANSITIVE = frozenset(
    "let lets let's give gave gives tell told tells join joined show shows showed follow contact "
    "help helps helped ask asks asked trust save saved leave left want wants wanted need needs "
    "love loves loved hate hates see saw call called email make makes made hurt killed beat".split()
)
_PREPOSITIONS = frozenset(
    "to for with of about against between than like on at beside around".split()
)
#: words before the pronoun "IT"
_BEFORE_IT = frozenset(
    "do did does doing done get gets got getting love loves loved hate hates hated want wants "
    "wanted make makes made is was isn't wasn't be like likes liked know knew see saw say said "
    "says take took believe lost bring put keep kept use stop fix hit try tried think mean eat "
    "read heard find found give gave let watch bought that's if and".split()
)
#: nouns after "IT" for information technology
_AFTER_IT_DEPARTMENT = frozenset(
    "department departments support team teams manager managers industry guy guys staff services "
    "service infrastructure security company companies professional professionals specialist "
    "specialists consultant consultants consulting consultancy sector system systems director "
    "skills job jobs work worker workers help helpdesk desk project projects budget policy "
    "equipment admin admins administrator people person firm firms solutions degree training "
    "environment operations course courses expert experts costs spending career technician "
    "engineer engineers procurement issues problem problems outage strategy provider".split()
)
#: words beside the exams SAT and ACT
_EXAM = frozenset(
    "score scores test tests exam exams prep practice math section sections subject digital took "
    "take takes taking retake retook passed".split()
)
#: verbs after the subject "IT", unless a word of `_BEFORE_DEPARTMENT` is before
_FINITE = frozenset(
    "is was has had will would can could does did isn't wasn't hasn't won't says said seems seemed "
    "looks looked feels felt makes made takes took depends works worked goes went".split()
)
_BEFORE_DEPARTMENT = frozenset(
    ["", *"the our their my your his her an in of for from and or".split()]
)
#: words after the verb "LED"
_AFTER_VERB_LED = frozenset(
    "the a an his her him them us me my our your their its to by forth off up away into out back "
    "down over through".split()
)
#: nouns after the logical operator "OR"
_AFTER_OPERATOR = frozenset(
    "operator operators gate gates condition conditions clause clauses function functions "
    "expression expressions statement statements keyword keywords of part".split()
)
#: words after the World Health Organization
_AFTER_ORGANIZATION = frozenset(
    "official officials chief director guidelines guideline report reports data experts expert "
    "recommendations recommendation said says statement website team guidance figures declared "
    "estimates recommends warned warns headquarters member members standards spokesperson "
    "spokesman spokeswoman declares announced region regional".split()
)


def is_word(word: str) -> bool:
    """Whether letters in capitals are read as a word, regardless of context."""
    if word in INITIALISMS:
        return False
    if word in WORDS:
        return True
    if len(word) < 4:
        return False
    plain = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    return pronounceable(plain) or (len(plain) > 4 or plain[0] == "Y") and _has_syllables(plain)


def names_the_country(before: str) -> bool:
    """Whether "US" after the word `before` is surely the country and not the pronoun."""
    return before.lower() in ("the", "a", "in")


def _has_syllables(word: str) -> bool:
    """Whether a longer word can be pronounced. As initialisms are rare among these, more consonants
    pass than in `pronounceable`."""
    low = re.sub(r"(?<![^aeiou])y(?=[aeiou])", "j", word.lower()).replace("qu", "q")
    parts = re.split(r"([aeiouy]+)", low)
    if len(parts) < 3:
        return False
    if any(len(run) > 2 and run not in _VOWEL_RUNS for run in parts[1::2]):
        return False
    coda = parts[-1] if _is_coda(parts[-1]) else parts[-1].removesuffix("s")
    inside = all(
        any(_is_coda(run[:at]) and _is_onset(run[at:]) for at in range(len(run) + 1))
        for run in parts[2:-1:2]
    )
    return _is_onset(parts[0]) and inside and _is_coda(coda)


def _is_coda(run: str) -> bool:
    """Whether consonants can end a syllable."""
    return run in _CODAS or pronounceable("a" + run) or run[-1:] == "s" and _is_coda(run[:-1])


def _is_onset(run: str) -> bool:
    """Whether consonants can begin a syllable."""
    return not run or run in _ONSETS or pronounceable(run + "a")


def _is_the_word(word: str, before: str, after: str, end: str) -> bool | None:
    """Whether what is both a word and an initialism is the word here; None for any other word.

    Args:
        word: in capitals.
        before, after: the words beside it as they are written, "" where a mark is between.
        end: the mark with which the clause ends after it, a space at the end of the text, or "".
    """
    low, follows = before.lower(), after.lower()
    shouted = any(len(beside) > 1 and beside in WORDS for beside in (before, after))
    if word == "IT":
        said = follows in _FINITE and low not in _BEFORE_DEPARTMENT
        return follows not in _AFTER_IT_DEPARTMENT and (
            low in _BEFORE_IT or said or shouted and before not in ("THE", "OUR")
        )
    if word == "US":
        if names_the_country(before):
            return False
        goes_on = bool(end) or follows in _AFTER_PRONOUN
        alone = bool(end) or follows in ("all", "both", "too")
        return shouted or low in _TRANSITIVE and goes_on or low in _PREPOSITIONS and alone
    if word == "WHO":
        of_health = low in ("the", "by", "from", "to", "at") and "?" not in end
        return not (of_health or follows in _AFTER_ORGANIZATION)
    if word == "AM":
        return low in ("i", "what", "why", "who", "how") or follows == "i"
    if word in ("SAT", "ACT"):
        # The exams, but not "I SAT down" and "the ACT of giving".
        exam = low in ("the", "your", "my", "his", "her", "their") and follows != "of"
        return not exam and not {low, follows} & _EXAM
    if word == "OR":
        return low not in ("the", "an") or follows in _AFTER_OPERATOR
    if word == "LED":
        lamp = low in ("a", "an", "the", "each", "every", "one")
        return low in ("he", "she", "they", "we", "who", "has", "have", "had") or (
            follows in _AFTER_VERB_LED and not lamp
        )
    return None


def _reads_as_word(word: str, text: str, start: int, stop: int) -> bool:
    """Whether a word in capitals, from `start` to `stop` of a text, is read as a word there."""
    left = text[max(0, start - 30) : start]
    before, after = _BEFORE.search(left), _AFTER.match(text, stop)
    mark = _MARK.match(text[stop : stop + 3])
    end = (mark[1] or " ") if mark else ""
    row = _LIST_ITEM.match(text, stop)
    if word == "WHO" and row and (row[1] in ACRONYMS or not is_word(row[1])):
        return False
    both = _is_the_word(word, before[1] if before else "", after[1] if after else "", end)
    if both is not None:
        return both
    if len(word) < 5 and _EXCHANGE.search(left):
        return False
    if is_word(word):
        return True
    # A name beside another word in capitals: "JOHN SCHMIDT".
    beside = any(
        found and _SHOUTED.fullmatch(found[1]) and is_word(found[1]) for found in (before, after)
    )
    return beside and len(word) > 4 and word not in INITIALISMS and _VOWEL.search(word) is not None


def _small(word: str, text: str, start: int) -> str:
    """Return a word in small letters, with a first capital where it begins a sentence."""
    if _SENTENCE_START.search(text[max(0, start - 6) : start]):
        return word[0] + word[1:].lower()
    return word.lower()


def _capitals(match: _Match) -> str:
    word, end = match[1], match[2] or ""
    if word in RESPELT:
        return RESPELT[word] + ("s" if end == "s" else end)
    if _reads_as_word(word, match.string, match.start(), match.end()):
        return _small(word, match.string, match.start()) + end
    return spell(word) + ("'s" if end else "")


def _with_apostrophe(match: _Match) -> str:
    """Read a word in capitals with an apostrophe: a possessive or a contraction."""
    word, tail = match[0].split("'", 1)
    start = match.start()
    if tail == "S" and word not in _CONTRACTED:
        if len(word) == 1:
            return word + "'s"
        if not _reads_as_word(word, match.string, start, match.end()):
            return spell(word) + "'s"
    if word == "I" and tail in _CLITICS:
        return "I'" + tail.lower()
    return _small(word, match.string, start) + "'" + tail.lower()


#: words in capitals, in small letters where they are words and spelled where they are not
CAPITALS: tuple[Rule, ...] = (
    rule(r"\b([A-Z]{1,4})&([A-Z]{1,4})\b", lambda m: f"{spell(m[1])} and {spell(m[2])}"),
    rule(rf"(?<![^\W_])[{_UPPER}]{{1,20}}'[{_UPPER}]{{1,10}}(?![^\W_])", _with_apostrophe),
    rule(rf"(?<![^\W_])([{_UPPER}]{{2,40}})('?s)?(?![^\W_])", _capitals),
    rule(r"(?<![^\W_])json(?![^\W_])", "jason", re.I),
    rule(r"\biOS\b", "I O S"),
)
