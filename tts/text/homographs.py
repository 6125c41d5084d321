"""Words that are read in two ways, by the words around them (American English).

espeak knows some of them ("the record", "to record"); imperatives, past tenses and meanings it
does not. A reading is chosen by the words beside it, the way a small tagger would: after "to" or
a pronoun stands a verb, after an article a noun.
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

_Choose = Callable[[Sequence[str], Sequence[str], int], str | None]


def readings(words: Sequence[str]) -> dict[int, str]:
    """IPA of the homographs and of foreign names in a sentence, by the index of the word. Marks may
    be words too."""
    low = [word.lower().strip("\"'") for word in words]
    out: dict[int, str] = {}
    for at, word in enumerate(low):
        if word in READINGS and (name := reading(words, at, low)):
            out[at] = READINGS[word][name]
        elif (abroad := said_abroad(words[at].strip("\"'"))) is not None:
            out[at] = abroad
    return out


def reading(words: Sequence[str], at: int, low: Sequence[str] | None = None) -> str | None:
    """Name of the reading of word `at`, or None to leave it to espeak."""
    low = low or [word.lower().strip("\"'") for word in words]
    word = low[at]
    known = READINGS.get(word)
    if not known:
        return None
    rule = _OWN.get(word)
    if rule and (found := rule(words, low, at)):
        return found
    if "verb" not in known:
        return None if "adjective" not in known else _adjective(low, at, known)
    return "verb" if _verb(low, at, word) else next(name for name in known if name != "verb")


def _verb(low: Sequence[str], at: int, word: str) -> bool:
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
    """ "Farms produce milk", "The two reports conflict"."""
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
    before = word_before(low, at)
    other = next(name for name in known if name != "adjective")
    return "adjective" if before in BE and before not in ("more", "most", "less") else other


def _read(words: Sequence[str], low: Sequence[str], at: int) -> str:
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
    if before in ("i", "we", "they", "and", "the") and rest & {
        "was",
        "were",
        "had",
        "did",
        "then",
        "sat",
        "went",
        "said",
        "came",
        "when",
    } - ({"then"} if starts_clause(low, at) else set()):
        return "past"
    noun = before and before not in SUBJECTS and before.isalpha() and not starts_clause(low, at)
    plural = before.endswith("s") or before in ("people", "children", "and", "or")
    return "past" if noun and not plural and before not in DETERMINERS else "present"


def _close(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    before, after = word_before(low, at), word_after(low, at)
    if after in ("to", "by", "friend", "friends", "call", "enough", "together", "attention"):
        return "verb" if before in ("will", "to", "must") and after in ("at",) else "adjective"
    if before in BE or before in ("come", "came", "get", "got", "stand", "sit", "stay", "keep"):
        return "adjective"
    if after in ("look", "range", "relatives", "contact", "race", "game", "match", "up"):
        return "adjective"
    if before in ("the", "a") and after in ("of", ".", "", ","):
        return "verb"
    if before.endswith("s") and after in ("at", "in", "on", "early", "the", "."):
        return "verb"
    return None


def _by(name: str, words_near: str, other: str) -> _Choose:
    cues = frozenset(words_near.split())

    def choose(words: Sequence[str], low: Sequence[str], at: int) -> str:
        return name if near_words(low, at) & cues else other

    return choose


def _polish(words: Sequence[str], low: Sequence[str], at: int) -> str:
    capital = words[at][:1].isupper() and (
        not starts_clause(low, at) or word_after(low, at) not in OBJECTS
    )
    return "nation" if capital else "noun"


def _upset(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    return "verb" if word_before(low, at) in BE | {"got", "get", "was", "were", "so"} else None


def _bow(words: Sequence[str], low: Sequence[str], at: int) -> str:
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
    small = "amounts amount details detail traces trace particles quantities differences crack"
    after = word_after(low, at)
    # "The details are minute."
    told = word_before(low, at) in ("are", "were", "is", "was", "very") and not re.search(
        r"\w", after
    )
    return "adjective" if after in small.split() or told else "noun"


def _wound(words: Sequence[str], low: Sequence[str], at: int) -> str:
    after = word_after(low, at)
    return (
        "wind"
        if after in ("up", "the", "around", "down", "through", "its", "it", "his")
        and (word_before(low, at) not in ("the", "a", "this", "to"))
        else "noun"
    )


def _content(words: Sequence[str], low: Sequence[str], at: int) -> str:
    feeling = BE | {"with"}
    return (
        "adjective"
        if word_before(low, at) in feeling - {"more", "most", "less", "with"}
        else "noun"
    )


def _invalid(words: Sequence[str], low: Sequence[str], at: int) -> str:
    person = word_before(low, at) in ("an", "the") and word_after(low, at) in (
        "", ".", ",", "was", "could", "for", "who", "in",
    )  # fmt: skip
    return "noun" if person else "adjective"


def _named(name: str, other: str, after: str = "", before: str = "") -> _Choose:
    follow, lead = frozenset(after.split()), frozenset(before.split())

    def choose(words: Sequence[str], low: Sequence[str], at: int) -> str:
        hit = word_after(low, at) in follow or word_before(low, at) in lead
        return name if hit else other

    return choose


def _resume(words: Sequence[str], low: Sequence[str], at: int) -> str:
    before = word_before(low, at)
    return "noun" if before in DETERMINERS and before not in ("of", "in", "by") else "verb"


def _perfect(words: Sequence[str], low: Sequence[str], at: int) -> str:
    before = word_before(low, at)
    return "verb" if before in AUX - {"not", "just", "also"} or before in SUBJECTS else "noun"


def _dove(words: Sequence[str], low: Sequence[str], at: int) -> str:
    return (
        "dive"
        if word_before(low, at) in PRONOUNS or word_after(low, at) in ("into", "in")
        else "bird"
    )


_OWN: dict[str, _Choose] = {
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
    "row": _by("quarrel", "furious blazing heated neighbors argument shouting", "line"),
    "sow": _by("pig", "piglets pig boar farmer's pigs", "plant"),
    "sewer": _by("tailor", "thread needle fabric dress sewing cloth", "drain"),
    "job": _by("name", "bible prophet", "work"),
    "number": _named("numb", "count", before="grew even felt"),
    "does": _by("deer", "bucks fawns deer grazing buck", "verb"),
    "learned": _named("adjective", "verb", "professor scholar man friend judge men colleague"),
    "aged": _named("adjective", "verb", "man woman mother father parents aunt uncle"),
    "blessed": _named("adjective", "verb", "virgin event relief day", "the every"),
    "august": _by("adjective", "body assembly institution presence company", "month"),
}
