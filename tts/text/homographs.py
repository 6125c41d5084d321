"""Homograph disambiguation of American English: words that are read in two ways.

The reading is chosen by rules over the words beside it, much as a small part-of-speech tagger would
do: after "to" or a pronoun stands a verb, after an article a noun. Other homographs are told apart
by the topic of the words near them. espeak-ng decides some of them itself ("the record", "to
record"), but not imperatives, past tenses and meanings.
"""

import re
from collections.abc import Callable, Sequence

from tts.text.foreign_names import said_abroad
from tts.text.homograph_neighbors import (
    AFTER_NOUN,
    AFTER_VERB,
    ARTICLES,
    AUX,
    BE,
    DETERMINERS,
    OBJECTS,
    PAST,
    PRONOUNS,
    SUBJECTS,
    near_words,
    starts_clause,
    word_after,
    word_before,
)
from tts.text.homograph_readings import READINGS
from tts.text.homograph_senses import bass, lead, live, tear, use, used

__all__ = ["reading", "readings"]

#: rule of one word: from the words of a sentence as they are written, the same in lower case, and
#: an index, to the name of the reading; None leaves the choice to the part of speech
_Rule = Callable[[Sequence[str], Sequence[str], int], str | None]


def readings(words: Sequence[str]) -> dict[int, str]:
    """Return the IPA of the homographs and the foreign names of a sentence, by index of the word.

    Args:
        words: words of the sentence, and punctuation marks.
    """
    low = _lower(words)
    out: dict[int, str] = {}
    for at, word in enumerate(low):
        if word in READINGS and (name := reading(words, at, low)):
            out[at] = READINGS[word][name]
        elif (abroad := said_abroad(words[at].strip("\"'"))) is not None:
            out[at] = abroad
    return out


def reading(words: Sequence[str], at: int, low: Sequence[str] | None = None) -> str | None:
    """Return the name of the reading of a word, or None to leave the word to espeak-ng.

    Args:
        words: words of the sentence, and punctuation marks.
        at: index of the word.
        low: `words` in lower case without quotation marks, where they are known.
    """
    low = low or _lower(words)
    word = low[at]
    known = READINGS.get(word)
    if not known:
        return None
    rule = _RULES.get(word)
    if rule and (found := rule(words, low, at)):
        return found
    if "verb" not in known:
        return None if "adjective" not in known else _adjective(low, at, known)
    return "verb" if _is_verb(low, at, word) else next(name for name in known if name != "verb")


def _lower(words: Sequence[str]) -> list[str]:
    return [word.lower().strip("\"'") for word in words]


def _is_verb(low: Sequence[str], at: int, word: str) -> bool:
    """Whether a word that is a verb or something else is the verb."""
    before, after = word_before(low, at), word_after(low, at)
    if before in AUX:
        return not (before in ("not", "also", "just", "never") and word_before(low, at, 2) in BE)
    if before in ("me", "us", "him", "her", "them") and word_before(low, at, 2) in ("let", "help"):
        return True
    if before in SUBJECTS or (before in ("it", "which", "that") and word.endswith("s")):
        return True
    if before.endswith("ly") and (word_before(low, at, 2) in SUBJECTS | AUX):
        return True
    if starts_clause(low, at):
        return after in OBJECTS or (word in ("use", "house") and after not in ("of", "is"))
    if before in DETERMINERS or before.endswith("'s") or before in BE:
        return False
    if word.endswith("s") and not word.endswith("ss"):
        # "The company exports cars": a singular noun before, something after.
        noun = word_before(low, at, 2) in ARTICLES and before.isalpha() and not before.endswith("s")
        return (noun and after not in AFTER_NOUN) or after in OBJECTS - {"up", "down", "to"}
    if _plural_subject(low, at):
        return True
    # "prices increase the cost": a noun before, an object after
    return before.endswith("s") and after in OBJECTS - {"to", "with", "up", "down", "against"}


def _plural_subject(low: Sequence[str], at: int) -> bool:
    """Whether the word before is a plural subject: "Farms produce milk", "The reports conflict"."""
    before = word_before(low, at)
    if len(before) < 4 or not before.endswith("s") or before.endswith(("ss", "us", "is", "'s")):
        return False
    if before in ("news", "sports", "sales", "business", "savings", "goods", "always", "perhaps"):
        return False
    first = word_before(low, at, 2)
    after = word_after(low, at)
    if not re.search(r"\w", first):
        return after not in ("was", "is", "has", "of")
    return (first in DETERMINERS or word_before(low, at, 3) in ARTICLES) and (
        not re.search(r"\w", after) or after in AFTER_VERB
    )


def _adjective(low: Sequence[str], at: int, known: dict[str, str]) -> str:
    """Return "adjective" after a form of "to be", else the other reading."""
    before = word_before(low, at)
    other = next(name for name in known if name != "adjective")
    return "adjective" if before in BE and before not in ("more", "most", "less") else other


def _read(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between the present and the past of "read" by the auxiliaries and times near it."""
    before, two = word_before(low, at), word_before(low, at, 2)
    rest = set(low[at + 1 :]) | set(low[:at])
    if before in AUX - {"never", "always", "often", "usually", "just", "also", "then", "not"}:
        return "present"
    if before in PAST or two in PAST or before.endswith(("'ve", "n't")) and before[:2] == "ha":
        return "past"
    if before in ("he", "she", "it", "who"):
        did = low[max(0, at - 4) : at]
        return "present" if set(did) & {"did", "does", "will", "can", "could"} else "past"
    asked = set(low[max(0, at - 3) : at]) & {"did", "do", "does", "will", "can", "could", "would"}
    if asked:
        return "present"
    if (
        rest & {"yesterday", "ago", "once", "earlier", "already"}
        or "last" in rest
        and (rest & {"night", "week", "month", "year", "summer", "monday", "sunday", "friday"})
    ):
        return "past"
    told = {"was", "were", "had", "did", "then", "sat", "went", "said", "came", "when"}
    if starts_clause(low, at):
        told -= {"then"}
    if before in ("i", "we", "they", "and", "the") and rest & told:
        return "past"
    noun = before and before not in SUBJECTS and before.isalpha() and not starts_clause(low, at)
    plural = before.endswith("s") or before in ("people", "children", "and", "or")
    return "past" if noun and not plural and before not in DETERMINERS else "present"


def _close(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    """Choose between "a close friend" and "close the door"."""
    before, after = word_before(low, at), word_after(low, at)
    if after in ("to", "by", "friend", "friends", "call", "enough", "together", "attention"):
        return "adjective"
    if before in BE or before in ("come", "came", "get", "got", "stand", "sit", "stay", "keep"):
        return "adjective"
    if after in ("look", "range", "relatives", "contact", "race", "game", "match", "up"):
        return "adjective"
    if before in ("the", "a") and after in ("of", ".", "", ","):
        return "verb"
    if before.endswith("s") and after in ("at", "in", "on", "early", "the", "."):
        return "verb"
    return None


def _polish(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose the nation for a capital that does not only begin a sentence ("Polish the table")."""
    capital = words[at][:1].isupper() and (
        not starts_clause(low, at) or word_after(low, at) not in OBJECTS
    )
    return "nation" if capital else "noun"


def _upset(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    return "verb" if word_before(low, at) in BE | {"got", "get", "was", "were", "so"} else None


def _bow(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between what one takes before a king (or the front of a ship) and a knot."""
    near = near_words(low, at)
    if word_before(low, at) == "a" and word_before(low, at, 2) in (
        "take",
        "takes",
        "took",
        "taking",
    ):
        return "bend"
    bend = (
        "ship ship's boat boat's deck audience king queen took down head deep before stage "
        "respectfully front low"
    )
    return "bend" if near & set(bend.split()) or word_before(low, at) in AUX else "knot"


def _minute(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between the time and "minute traces", "the details are minute"."""
    small = "amounts amount details detail traces trace particles quantities differences crack"
    before, after = word_before(low, at), word_after(low, at)
    ends = not re.search(r"\w", after)
    predicate = before in ("are", "were", "is", "was", "very") and ends
    return "adjective" if after in small.split() or predicate else "noun"


def _wound(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between the past of "wind" ("wound up") and an injury."""
    goes_on = word_after(low, at) in ("up", "the", "around", "down", "through", "its", "it", "his")
    return "wind" if goes_on and word_before(low, at) not in ("the", "a", "this", "to") else "noun"


def _content(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between "feeling content" and what something contains."""
    feels = word_before(low, at) in BE - {"more", "most", "less"}
    return "adjective" if feels else "noun"


def _invalid(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between a person ("an invalid was") and what is not valid."""
    person = word_before(low, at) in ("an", "the") and word_after(low, at) in (
        "", ".", ",", "was", "could", "for", "who", "in",
    )  # fmt: skip
    return "noun" if person else "adjective"


def _resume(words: Sequence[str], low: Sequence[str], at: int) -> str:
    before = word_before(low, at)
    return "noun" if before in DETERMINERS and before not in ("of", "in", "by") else "verb"


def _perfect(words: Sequence[str], low: Sequence[str], at: int) -> str:
    before = word_before(low, at)
    return "verb" if before in AUX - {"not", "just", "also"} or before in SUBJECTS else "noun"


def _dove(words: Sequence[str], low: Sequence[str], at: int) -> str:
    dived = word_before(low, at) in PRONOUNS or word_after(low, at) in ("into", "in")
    return "dive" if dived else "bird"


def _if_near(name: str, cues: str, other: str) -> _Rule:
    """Return a rule that chooses reading `name` where one of the cues is near, else `other`."""
    found = frozenset(cues.split())

    def choose(words: Sequence[str], low: Sequence[str], at: int) -> str:
        return name if near_words(low, at) & found else other

    return choose


def _if_beside(name: str, other: str, after: str = "", before: str = "") -> _Rule:
    """Return a rule that chooses reading `name` where one of the words `before` stands right before
    or one of the words `after` right after, else `other`."""
    follow, lead = frozenset(after.split()), frozenset(before.split())

    def choose(words: Sequence[str], low: Sequence[str], at: int) -> str:
        hit = word_after(low, at) in follow or word_before(low, at) in lead
        return name if hit else other

    return choose


#: rules of single words, before that of the part of speech
_RULES: dict[str, _Rule] = {
    "read": _read,
    "lead": lead,
    "close": _close,
    "polish": _polish,
    "live": live,
    "bow": _bow,
    "minute": _minute,
    "upset": _upset,
    "wound": _wound,
    "tear": tear,
    "tears": tear,
    "content": _content,
    "invalid": _invalid,
    "resume": _resume,
    "perfect": _perfect,
    "dove": _dove,
    "bass": bass,
    "used": used,
    "use": use,
    "row": _if_near("quarrel", "furious blazing heated neighbors argument shouting", "line"),
    "sow": _if_near("pig", "piglets pig boar farmer's pigs", "plant"),
    "sewer": _if_near("tailor", "thread needle fabric dress sewing cloth", "drain"),
    "job": _if_near("name", "bible prophet", "work"),
    "number": _if_beside("numb", "count", before="grew even felt"),
    "does": _if_near("deer", "bucks fawns deer grazing buck", "verb"),
    "learned": _if_beside("adjective", "verb", "professor scholar man friend judge men colleague"),
    "aged": _if_beside("adjective", "verb", "man woman mother father parents aunt uncle"),
    "blessed": _if_beside("adjective", "verb", "virgin event relief day", "the every"),
    "august": _if_near("adjective", "body assembly institution presence company", "month"),
}
