"""Words that are read in two ways, by the words around them (American English).

espeak knows some of them ("the record", "to record"); imperatives, past tenses and meanings it
does not. A reading is chosen by the words beside it, the way a small tagger would: after "to" or
a pronoun stands a verb, after an article a noun.
"""

import re
from collections.abc import Callable, Sequence

from tts.text.homograph_readings import READINGS

__all__ = ["reading", "readings"]

_Choose = Callable[[Sequence[str], Sequence[str], int], str | None]
_PRONOUNS = frozenset("i you we they he she it who that which this".split())
_SUBJECTS = frozenset("i you we they he she who people".split())
_AUX = frozenset(
    "to will would can could should shall may might must do does did don't doesn't didn't won't "
    "can't couldn't shouldn't wouldn't cannot let let's please not never always often usually "
    "i'll you'll we'll they'll he'll she'll it'll i'd you'd we'd they'd just also then help "
    "mustn't".split()
)
_DETERMINERS = frozenset(
    "the a an my your his her its our their this that these those some any no every each another "
    "what whose first second last next new old good bad great big small of in for with by from on "
    "at one two three four five ten many few several more less most own free other same full "
    "public best worst poor low high heavy strong clean current into under about without "
    "whose's per little entire whole hot cold fresh desktop business research record".split()
)
_OBJECTS = frozenset(
    "the a an my your his her its our their this that these those it them him us me to all both "
    "up every some any yourself down what how more with against".split()
)
_BE = frozenset(
    "am is are was were be been being i'm you're we're they're he's she's it's very too so quite "
    "really more most less feel feels felt seem seems seemed stay stayed remain rather fully "
    "perfectly extremely".split()
)
_PAST = frozenset(
    "have has had i've you've we've they've he'd she'd having was were been be being is are "
    "yesterday ago already never once last just".split()
)
_ARTICLES = frozenset("the a an this that each every my your his her its our their no".split())
_AFTER_VERB = _OBJECTS | frozenset("when if in on at from with slowly well often each".split())
_AFTER_NOUN = frozenset(
    "was were are is have had has of in for and or to from at on by with that which who show will "
    "can may ago , . ? ! ; :".split()
) | {""}


def readings(words: Sequence[str]) -> dict[int, str]:
    """IPA of the homographs in a sentence, by the index of the word. Marks may be words too."""
    low = [word.lower().strip("\"'") for word in words]
    out: dict[int, str] = {}
    for at, word in enumerate(low):
        if word in READINGS and (name := reading(words, at, low)):
            out[at] = READINGS[word][name]
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


def _near(low: Sequence[str], at: int, size: int = 8) -> set[str]:
    return {*low[max(0, at - size) : at], *low[at + 1 : at + 1 + size]}


def _before(low: Sequence[str], at: int, step: int = 1) -> str:
    return low[at - step] if at >= step else ""


def _after(low: Sequence[str], at: int) -> str:
    return low[at + 1] if at + 1 < len(low) else ""


def _starts(low: Sequence[str], at: int) -> bool:
    before = _before(low, at)
    return not before or not re.search(r"\w", before) or before in ("and", "then", "or", "please")


def _verb(low: Sequence[str], at: int, word: str) -> bool:
    before, after = _before(low, at), _after(low, at)
    if before in _AUX:
        return not (before in ("not", "also", "just", "never") and _before(low, at, 2) in _BE)
    if before in ("me", "us", "him", "her", "them") and _before(low, at, 2) in ("let", "help"):
        return True
    if before in _SUBJECTS or (before in ("it", "which", "that") and word.endswith("s")):
        return True
    if before.endswith("ly") and (_before(low, at, 2) in _SUBJECTS | _AUX):
        return True
    if _starts(low, at):
        return after in _OBJECTS or (word in ("use", "house") and after not in ("of", "is"))
    if before in _DETERMINERS or before.endswith("'s") or before in _BE:
        return False
    if word.endswith("s") and not word.endswith("ss"):
        # "The company exports cars": a singular noun before, something after.
        noun = _before(low, at, 2) in _ARTICLES and before.isalpha() and not before.endswith("s")
        return (noun and after not in _AFTER_NOUN) or after in _OBJECTS - {"up", "down", "to"}
    if _plural_subject(low, at):
        return True
    # "prices increase the cost": a noun before, an object after
    return before.endswith("s") and after in _OBJECTS - {"to", "with", "up", "down", "against"}


def _plural_subject(low: Sequence[str], at: int) -> bool:
    """ "Farms produce milk", "The two reports conflict"."""
    before = _before(low, at)
    if len(before) < 4 or not before.endswith("s") or before.endswith(("ss", "us", "is", "'s")):
        return False
    if before in ("news", "sports", "sales", "business", "savings", "goods", "always", "perhaps"):
        return False
    first = _before(low, at, 2)
    after = _after(low, at)
    if not re.search(r"\w", first):
        return after not in ("was", "is", "has", "of")
    return (first in _DETERMINERS or _before(low, at, 3) in _ARTICLES) and (
        not re.search(r"\w", after) or after in _AFTER_VERB
    )


def _adjective(low: Sequence[str], at: int, known: dict[str, str]) -> str:
    before = _before(low, at)
    other = next(name for name in known if name != "adjective")
    return "adjective" if before in _BE and before not in ("more", "most", "less") else other


def _read(words: Sequence[str], low: Sequence[str], at: int) -> str:
    before, two = _before(low, at), _before(low, at, 2)
    rest = set(low[at + 1 :]) | set(low[:at])
    if before in _AUX - {"never", "always", "often", "usually", "just", "also", "then", "not"}:
        return "present"
    if before in _PAST or two in _PAST or before.endswith(("'ve", "n't")) and before[:2] == "ha":
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
    } - ({"then"} if _starts(low, at) else set()):
        return "past"
    noun = before and before not in _SUBJECTS and before.isalpha() and not _starts(low, at)
    plural = before.endswith("s") or before in ("people", "children", "and", "or")
    return "past" if noun and not plural and before not in _DETERMINERS else "present"


def _lead(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    near = _near(low, at)
    metal = (
        "pipe pipes paint pencil poisoning metal heavy toxic melted copper zinc bullet bullets "
        "tin roof contains solder iron glass melts battery batteries"
    )
    if near & set(metal.split()) or _before(low, at, 2) == "made" and _before(low, at) == "of":
        return "metal"
    return "verb"


def _close(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    before, after = _before(low, at), _after(low, at)
    if after in ("to", "by", "friend", "friends", "call", "enough", "together", "attention"):
        return "verb" if before in ("will", "to", "must") and after in ("at",) else "adjective"
    if before in _BE or before in ("come", "came", "get", "got", "stand", "sit", "stay", "keep"):
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
        return name if _near(low, at) & cues else other

    return choose


def _polish(words: Sequence[str], low: Sequence[str], at: int) -> str:
    capital = words[at][:1].isupper() and (not _starts(low, at) or _after(low, at) not in _OBJECTS)
    return "nation" if capital else "noun"


_LIVE_THINGS = frozenset(
    "music show shows concert concerts broadcast broadcasts broadcasting stream streams streaming "
    "band bands performance performances audience album version wire wires bait tv television "
    "radio update updates coverage chat chats demo demos animal animals round rounds ammunition "
    "ammo fire feed feeds blog video footage event events recording session sessions webinar "
    "support score scores results view cam camera cameras birth births virus vaccine vaccines "
    "bacteria cultures plants lobster lobsters stock trading data traffic map captions captioning "
    "translation transcription preview action auction entertainment theater theatre sports "
    "commentary report reports interview podcast call calls game match matches tracking".split()
)
#: what makes a live thing of what comes before or after: "the game will air live"
_SHOWN = frozenset(
    "go goes going went gone air airs aired airing stream streams streamed streaming watch watches "
    "watched watching see sees saw seen hear heard broadcast broadcasts broadcasting perform "
    "performs performed performing play plays played playing record recorded sing sings sang "
    "singing catch caught follow reporting appear appears appeared tune show shows shown".split()
)
_IS = frozenset(
    "am is are was were be been being isn't aren't wasn't i'm you're we're they're he's she's it's "
    "that's and/or".split()
)
_PASSED = frozenset("now still currently also both not never always all only just ever".split())
#: what a verb goes on with: "Live well", "Tom and Ann live in Rome"
_LIVED = frozenset(
    "a an the your my our their his her in with for by as like long longer well life here there "
    "free each every within alone together better more happily near through without up off out to "
    "under next across outside apart below above among around where it this that on at".split()
)
_PLACES = {
    "on": "air stage tv television youtube twitch espn facebook instagram camera",
    "in": "concert studio production session person color hd",
}
_SPIRITED = frozenset("let learn work love breathe die play grow".split())


def _live(words: Sequence[str], low: Sequence[str], at: int) -> str:
    after, before = _after(low, at), _before(low, at)
    step = 1
    while before in _PASSED or before.endswith("ly") and len(before) > 3 and before != "family":
        step += 1
        before = _before(low, at, step)
    two = _before(low, at, step + 1)
    if after in _LIVE_THINGS or after == "-" or before in _IS or before in _SHOWN:
        return "adjective"
    if before in ("it", "him", "her", "them", "us", "me") or before == "you" and two == "to":
        return "verb" if two in ("let", "help", "make", "makes", "made") else "adjective"
    if before in _AUX or before in _SUBJECTS or before in ("that", "which", "long"):
        return "verb"
    on = low[at + 2] if at + 2 < len(low) else ""
    goes_on = after in _LIVED and on not in _PLACES.get(after, "").split()
    if not re.search(r"\w", before) or before in ("and", "or", "then"):
        begun = before in ("and", "or") or after != "at"
        spirited = after in ("and", "or") and on in _SPIRITED
        return "verb" if goes_on and begun or spirited else "adjective"
    if before in _DETERMINERS or before.endswith("'s"):
        return "adjective"
    if {*low[max(0, at - 6) : at]} & _SHOWN:
        return "adjective"
    many = before.endswith("s") and not before.endswith(("ss", "us", "is")) and before != "news"
    asked = {*low[max(0, at - 6) : at]} & {"do", "does", "did", "will", "can", "could", "would"}
    return "verb" if goes_on or many or asked else "adjective"


def _upset(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    return "verb" if _before(low, at) in _BE | {"got", "get", "was", "were", "so"} else None


def _bow(words: Sequence[str], low: Sequence[str], at: int) -> str:
    near = _near(low, at)
    if _before(low, at) == "a" and _before(low, at, 2) in ("take", "takes", "took", "taking"):
        return "bend"
    bend = (
        "ship ship's boat boat's deck audience king queen took down head deep before stage "
        "respectfully front low"
    )
    return "bend" if near & set(bend.split()) or _before(low, at) in _AUX else "knot"


def _minute(words: Sequence[str], low: Sequence[str], at: int) -> str:
    small = "amounts amount details detail traces trace particles quantities differences crack"
    after = _after(low, at)
    # "The details are minute."
    told = _before(low, at) in ("are", "were", "is", "was", "very") and not re.search(r"\w", after)
    return "adjective" if after in small.split() or told else "noun"


def _wound(words: Sequence[str], low: Sequence[str], at: int) -> str:
    after = _after(low, at)
    return (
        "wind"
        if after in ("up", "the", "around", "down", "through", "its", "it", "his")
        and (_before(low, at) not in ("the", "a", "this", "to"))
        else "noun"
    )


def _tear(words: Sequence[str], low: Sequence[str], at: int) -> str:
    near, before, after = _near(low, at, 5), _before(low, at), _after(low, at)
    cry = {"eye", "eyes", "cheek", "face", "single", "cried", "gas", "shed", "drop", "fell"}
    if near & cry or after in ("rolled", "gas"):
        return "noun"
    if before in _AUX or before in _SUBJECTS or _starts(low, at) or after in ("in", "it", "the"):
        return "verb"
    if low[at] == "tear":
        torn = {"shirt", "paper", "muscle", "ligament", "dress", "wear"}
        return "verb" if near & torn else "noun"
    return "verb" if before in ("he", "she", "it") else "noun"


def _content(words: Sequence[str], low: Sequence[str], at: int) -> str:
    feeling = _BE | {"with"}
    return "adjective" if _before(low, at) in feeling - {"more", "most", "less", "with"} else "noun"


def _invalid(words: Sequence[str], low: Sequence[str], at: int) -> str:
    person = _before(low, at) in ("an", "the") and _after(low, at) in (
        "", ".", ",", "was", "could", "for", "who", "in",
    )  # fmt: skip
    return "noun" if person else "adjective"


def _named(name: str, other: str, after: str = "", before: str = "") -> _Choose:
    follow, lead = frozenset(after.split()), frozenset(before.split())

    def choose(words: Sequence[str], low: Sequence[str], at: int) -> str:
        hit = _after(low, at) in follow or _before(low, at) in lead
        return name if hit else other

    return choose


def _resume(words: Sequence[str], low: Sequence[str], at: int) -> str:
    before = _before(low, at)
    return "noun" if before in _DETERMINERS and before not in ("of", "in", "by") else "verb"


def _perfect(words: Sequence[str], low: Sequence[str], at: int) -> str:
    before = _before(low, at)
    return "verb" if before in _AUX - {"not", "just", "also"} or before in _SUBJECTS else "noun"


def _dove(words: Sequence[str], low: Sequence[str], at: int) -> str:
    return "dive" if _before(low, at) in _PRONOUNS or _after(low, at) in ("into", "in") else "bird"


_OWN: dict[str, _Choose] = {
    "read": _read,
    "lead": _lead,
    "close": _close,
    "polish": _polish,
    "live": _live,
    "bow": _bow,
    "minute": _minute,
    "upset": _upset,
    "wound": _wound,
    "tear": _tear,
    "tears": _tear,
    "content": _content,
    "invalid": _invalid,
    "resume": _resume,
    "perfect": _perfect,
    "dove": _dove,
    "bass": _by("fish", "fish caught fishing lake river sea striped pond fry grilled", "music"),
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
