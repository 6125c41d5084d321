"""English words in capitals among others: emphasis, acronyms that are words, and initialisms.

A list knows the common ones of each. Of others those of four letters and more are words where
their consonants can stand together in one; shorter ones are spelled. A few are both ("IT", "US",
"WHO"), which the words beside them decide. Whole lines in capitals have no such contrast; they are
put into small letters before (tts.text.truecasing).
"""

import re
import unicodedata

from tts.text.capital_words import ACRONYMS, INITIALISMS, RESPELT, WORDS
from tts.text.english_codes import pronounceable, spell
from tts.text.tracked import Rule, rule

__all__ = ["CAPITALS", "is_word", "names_the_country"]

_Match = re.Match[str]
_UPPER = "A-ZÀ-ÖØ-Þ"
#: what an apostrophe parts from the end of a word
_CUT = frozenset("T S RE LL VE D M EM".split())
_SELF = frozenset("I IT HE SHE WE YOU THEY WHO WHAT THAT THERE LET HERE WHERE HOW".split())
_BEGINS = re.compile(r"(?:^|[.!?…\n])[\"')\]]*\s*[\"'(\[]*$")
_BEFORE = re.compile(r"([^\W\d_]+(?:'[a-zA-Z]+)?)[ -]$")
_AFTER = re.compile(r"[ -]([^\W\d_]+)")
_ROW = re.compile(f",? (?:and |or |the ){{0,2}}([{_UPPER}]{{2,20}})\\b")
_SHOUTED = re.compile(f"[{_UPPER}]{{3,20}}")
_VOWEL = re.compile("[AEIOUY]")
_MARK = re.compile(r"\s*([.,;:!?…)\"—]|$)")
_EXCHANGE = re.compile(r"(?:NYSE|N Y S E|NASDAQ|Nasdaq|LSE|AMEX): ?$")
#: runs of three vowels and more that English words have
_VOWELS = frozenset("eau iou uou eou ieu uie uee oui uea ueue uai uoi eei aie eue eea".split())
_FIRST = frozenset(
    "gn ps rh gh sv dw kh sph chr schr phr phl pn q gu chl thw tz ts dj sq dw".split()
)
_LAST = frozenset(
    "gh ghth lc nx mn lch rch nch nct lct rld nst rst lst pth dth ngth xth lfth mpt mps tz sch "
    "bt lm gm rt rf ln rnt gn ltz kh dd gg bb tt pp mm nn rr cc sm thm xt wth ch ngl rgh pht tl "
    "pl bl cl dl wd wn lth dst ngst rsh ph fth dg gl kl fl zl stl rp lp nk ct ks".split()
)
#: what goes on with a word that is not a noun: "join US today"
_GOES_ON = frozenset(
    "to about that what when how if a an the and or but for in on at your all some more why today "
    "now tomorrow tonight here there with by from as again too first next before after who "
    "something everything nothing know back out off up down over go be have see do get take start "
    "pray talk begin try both".split()
)
_TEACHES = frozenset(
    "let lets let's give gave gives tell told tells join joined show shows showed follow contact "
    "help helps helped ask asks asked trust save saved leave left want wants wanted need needs "
    "love loves loved hate hates see saw call called email make makes made hurt killed beat".split()
)
_TOWARDS = frozenset("to for with of about against between than like on at beside around".split())
_DID = frozenset(
    "do did does doing done get gets got getting love loves loved hate hates hated want wants "
    "wanted make makes made is was isn't wasn't be like likes liked know knew see saw say said "
    "says take took believe lost bring put keep kept use stop fix hit try tried think mean eat "
    "read heard find found give gave let watch bought that's if and".split()
)
_OFFICE = frozenset(
    "department departments support team teams manager managers industry guy guys staff services "
    "service infrastructure security company companies professional professionals specialist "
    "specialists consultant consultants consulting consultancy sector system systems director "
    "skills job jobs work worker workers help helpdesk desk project projects budget policy "
    "equipment admin admins administrator people person firm firms solutions degree training "
    "environment operations course courses expert experts costs spending career technician "
    "engineer engineers procurement issues problem problems outage strategy provider".split()
)
_EXAM = frozenset(
    "score scores test tests exam exams prep practice math section sections subject digital took "
    "take takes taking retake retook passed".split()
)
#: of a sentence that says something of it, not of those who keep its computers
_FINITE = frozenset(
    "is was has had will would can could does did isn't wasn't hasn't won't says said seems seemed "
    "looks looked feels felt makes made takes took depends works worked goes went".split()
)
_BEFORE_OFFICE = frozenset(["", *"the our their my your his her an in of for from and or".split()])
_GUIDED = frozenset(
    "the a an his her him them us me my our your their its to by forth off up away into out back "
    "down over through".split()
)
_LOGIC = frozenset(
    "operator operators gate gates condition conditions clause clauses function functions "
    "expression expressions statement statements keyword keywords of part".split()
)
_HEALTH = frozenset(
    "official officials chief director guidelines guideline report reports data experts expert "
    "recommendations recommendation said says statement website team guidance figures declared "
    "estimates recommends warned warns headquarters member members standards spokesperson "
    "spokesman spokeswoman declares announced region regional".split()
)


def is_word(word: str) -> bool:
    """Whether letters in capitals are said as a word, wherever they stand."""
    if word in INITIALISMS:
        return False
    if word in WORDS:
        return True
    if len(word) < 4:
        return False
    plain = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    return pronounceable(plain) or (len(plain) > 4 or plain[0] == "Y") and _syllables(plain)


def names_the_country(before: str) -> bool:
    """Whether "US" after the word `before` is surely the country, not the pronoun."""
    return before.lower() in ("the", "a", "in")


def _syllables(word: str) -> bool:
    """`pronounceable` for longer words, among which initialisms are rare: it lets more pass."""
    low = re.sub(r"(?<![^aeiou])y(?=[aeiou])", "j", word.lower()).replace("qu", "q")
    parts = re.split(r"([aeiouy]+)", low)
    if len(parts) < 3:
        return False
    if any(len(run) > 2 and run not in _VOWELS for run in parts[1::2]):
        return False
    ends = parts[-1] if _ends(parts[-1]) else parts[-1].removesuffix("s")
    begins = pronounceable(parts[0] + "a") or parts[0] in _FIRST or not parts[0]
    inside = all(
        any(_ends(run[:at]) and _begins(run[at:]) for at in range(len(run) + 1))
        for run in parts[2:-1:2]
    )
    return begins and inside and _ends(ends)


def _ends(run: str) -> bool:
    return run in _LAST or pronounceable("a" + run) or run[-1:] == "s" and _ends(run[:-1])


def _begins(run: str) -> bool:
    return not run or run in _FIRST or pronounceable(run + "a")


def _both(word: str, before: str, after: str, end: str) -> bool | None:
    """Whether what is both a word and an initialism is the word here; None for all others.

    Args:
        before, after: the words beside it, as written; empty where a mark stands between.
        end: the mark with which a clause ends after it, or a blank at the end of the text.
    """
    low, follows = before.lower(), after.lower()
    shouted = any(len(beside) > 1 and beside in WORDS for beside in (before, after))
    if word == "IT":
        said = follows in _FINITE and low not in _BEFORE_OFFICE
        return follows not in _OFFICE and (
            low in _DID or said or shouted and before not in ("THE", "OUR")
        )
    if word == "US":
        if names_the_country(before):
            return False
        goes_on = bool(end) or follows in _GOES_ON
        alone = bool(end) or follows in ("all", "both", "too")
        return shouted or low in _TEACHES and goes_on or low in _TOWARDS and alone
    if word == "WHO":
        of_health = low in ("the", "by", "from", "to", "at") and "?" not in end
        return not (of_health or follows in _HEALTH)
    if word == "AM":
        return low in ("i", "what", "why", "who", "how") or follows == "i"
    if word in ("SAT", "ACT"):
        # Exams; "I SAT down", "the ACT of giving".
        exam = low in ("the", "your", "my", "his", "her", "their") and follows != "of"
        return not exam and not {low, follows} & _EXAM
    if word == "OR":
        return low not in ("the", "an") or follows in _LOGIC
    if word == "LED":
        lamp = low in ("a", "an", "the", "each", "every", "one")
        return low in ("he", "she", "they", "we", "who", "has", "have", "had") or (
            follows in _GUIDED and not lamp
        )
    return None


def _decide(word: str, text: str, start: int, stop: int) -> bool:
    left = text[max(0, start - 30) : start]
    before, after = _BEFORE.search(left), _AFTER.match(text, stop)
    mark = _MARK.match(text[stop : stop + 3])
    end = (mark[1] or " ") if mark else ""
    row = _ROW.match(text, stop)
    if word == "WHO" and row and (row[1] in ACRONYMS or not is_word(row[1])):
        return False
    both = _both(word, before[1] if before else "", after[1] if after else "", end)
    if both is not None:
        return both
    if len(word) < 5 and _EXCHANGE.search(left):
        return False
    if is_word(word):
        return True
    # "JOHN SCHMIDT": a name beside another word in capitals
    beside = any(
        found and _SHOUTED.fullmatch(found[1]) and is_word(found[1]) for found in (before, after)
    )
    return beside and len(word) > 4 and word not in INITIALISMS and _VOWEL.search(word) is not None


def _small(word: str, text: str, start: int) -> str:
    """A word in small letters; the capital that begins a sentence stays."""
    if _BEGINS.search(text[max(0, start - 6) : start]):
        return word[0] + word[1:].lower()
    return word.lower()


def _capitals(match: _Match) -> str:
    word, end = match[1], match[2] or ""
    if word in RESPELT:
        return RESPELT[word] + ("s" if end == "s" else end)
    if _decide(word, match.string, match.start(), match.end()):
        return _small(word, match.string, match.start()) + end
    return spell(word) + ("'s" if end else "")


def _apostrophe(match: _Match) -> str:
    word, tail = match[0].split("'", 1)
    start = match.start()
    if tail == "S" and word not in _SELF:
        if len(word) == 1:
            return word + "'s"
        if not _decide(word, match.string, start, match.end()):
            return spell(word) + "'s"
    if word == "I" and tail in _CUT:
        return "I'" + tail.lower()
    return _small(word, match.string, start) + "'" + tail.lower()


CAPITALS: tuple[Rule, ...] = (
    rule(r"\b([A-Z]{1,4})&([A-Z]{1,4})\b", lambda m: f"{spell(m[1])} and {spell(m[2])}"),
    rule(rf"(?<![^\W_])[{_UPPER}]{{1,20}}'[{_UPPER}]{{1,10}}(?![^\W_])", _apostrophe),
    rule(rf"(?<![^\W_])([{_UPPER}]{{2,40}})('?s)?(?![^\W_])", _capitals),
    rule(r"(?<![^\W_])json(?![^\W_])", "jason", re.I),
    rule(r"\biOS\b", "I O S"),
)
