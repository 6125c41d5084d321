"""Rules of homographs whose reading depends on the meaning of the words near them.

Each takes the words of a sentence, the same in lower case, and the index of the homograph, and
returns the name of its reading, or None to leave it to the part of speech (tts.text.homographs).
"""

import re
from collections.abc import Sequence

from tts.text.homograph_neighbors import (
    AUX,
    BE,
    DETERMINERS,
    SUBJECTS,
    near_words,
    starts_clause,
    word_after,
    word_before,
)

__all__ = ["bass", "lead", "live", "tear", "use", "used"]

_METAL = frozenset(
    "pipe pipes paint pencil poisoning metal heavy toxic melted copper zinc bullet bullets tin "
    "roof contains solder iron glass melts battery batteries".split()
)
#: words that begin the object of the verb: "to lead a project about lead poisoning"
_LED_OBJECT = frozenset(
    "the a an us me him her them you it my your his our their this that".split()
)
_MUSIC = frozenset(
    "player players guitar guitars guitarist line lines drum drums clef singer singers solo note "
    "notes amp part voice voices section riff".split()
)
_FISHING = frozenset("fish caught catch fishing lake river sea striped pond fry grilled".split())
_QUESTIONS = frozenset("what which who".split())
_GOT = frozenset("get gets got getting gotten become becomes became becoming grow grew".split())
#: words after "used to" that show what someone is used to
_ACCUSTOMED_TO = frozenset(
    "it this that these those the a an my your his her its our their him them you me us being "
    "having such people all".split()
)
_HABITUAL = frozenset("there it always never also often just and or what how where as".split())
_PEOPLE = frozenset(
    "man men woman women father mother dad mom mum brother sister brothers sisters grandfather "
    "grandmother grandpa grandma uncle aunt parents friend friends family families boy boys girl "
    "girls children kids people students teachers workers farmers neighbors neighbours everyone "
    "everybody nobody someone husband wife son daughter teacher doctor boss guy guys couple team "
    "town city country village company school house place life things".split()
)
_PURPOSE = frozenset(
    "make create build measure cut clean produce treat determine calculate store identify control "
    "cover detect generate test train help support prevent compare define represent construct "
    "obtain access display manage protect connect perform process evaluate estimate collect "
    "analyze transport carry heat cook pay buy fund finance form fill seal attach remove reduce "
    "increase derive select choose describe illustrate show implement run open close tie lift "
    "mark record track".split()
)
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
#: verbs of showing, beside which "live" is the adjective or adverb: "the game will air live"
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
#: adverbs between a word and what decides on it
_SKIPPED = frozenset("now still currently also both not never always all only just ever".split())
#: words that the verb "live" goes on with: "Live well", "Tom and Ann live in Rome"
_AFTER_LIVE = frozenset(
    "a an the your my our their his her in with for by as like long longer well life here there "
    "free each every within alone together better more happily near through without up off out to "
    "under next across outside apart below above among around where it this that on at".split()
)
_PLACES = {
    "on": "air stage tv television youtube twitch espn facebook instagram camera",
    "in": "concert studio production session person color hd",
}
_SPIRITED = frozenset("let learn work love breathe die play grow".split())


def live(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between "live music" (adjective) and "to live" (verb)."""
    after, before = word_after(low, at), word_before(low, at)
    step = 1
    while before in _SKIPPED or before.endswith("ly") and len(before) > 3 and before != "family":
        step += 1
        before = word_before(low, at, step)
    two = word_before(low, at, step + 1)
    if after in _LIVE_THINGS or after == "-" or before in _IS or before in _SHOWN:
        return "adjective"
    if before in ("it", "him", "her", "them", "us", "me") or before == "you" and two == "to":
        return "verb" if two in ("let", "help", "make", "makes", "made") else "adjective"
    if before in AUX or before in SUBJECTS or before in ("that", "which", "long"):
        return "verb"
    on = low[at + 2] if at + 2 < len(low) else ""
    goes_on = after in _AFTER_LIVE and on not in _PLACES.get(after, "").split()
    if not re.search(r"\w", before) or before in ("and", "or", "then"):
        begun = before in ("and", "or") or after != "at"
        spirited = after in ("and", "or") and on in _SPIRITED
        return "verb" if goes_on and begun or spirited else "adjective"
    if before in DETERMINERS or before.endswith("'s"):
        return "adjective"
    if {*low[max(0, at - 6) : at]} & _SHOWN:
        return "adjective"
    many = before.endswith("s") and not before.endswith(("ss", "us", "is")) and before != "news"
    asked = {*low[max(0, at - 6) : at]} & {"do", "does", "did", "will", "can", "could", "would"}
    return "verb" if goes_on or many or asked else "adjective"


def lead(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    """Choose between the metal and "to lead"."""
    led = word_before(low, at) in AUX | SUBJECTS and word_after(low, at) in _LED_OBJECT
    metal = (
        near_words(low, at) & _METAL
        or word_before(low, at, 2) == "made"
        and word_before(low, at) == "of"
    )
    return "metal" if metal and not led else "verb"


def tear(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between a tear of the eye (noun) and "to tear" (verb), for "tear" and "tears"."""
    near, before, after = near_words(low, at, 5), word_before(low, at), word_after(low, at)
    cry = {"eye", "eyes", "cheek", "face", "single", "cried", "gas", "shed", "drop", "fell"}
    if near & cry or after in ("rolled", "gas"):
        return "noun"
    if (
        before in AUX
        or before in SUBJECTS
        or starts_clause(low, at)
        or after in ("in", "it", "the")
    ):
        return "verb"
    if low[at] == "tear":
        torn = {"shirt", "paper", "muscle", "ligament", "dress", "wear"}
        return "verb" if near & torn else "noun"
    return "verb" if before in ("he", "she", "it") else "noun"


def bass(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose between the fish and music."""
    if word_after(low, at) in _MUSIC:
        return "music"
    return "fish" if near_words(low, at) & _FISHING else "music"


def used(words: Sequence[str], low: Sequence[str], at: int) -> str:
    """Choose the habit of "he used to work" and "I am used to it", or the verb of "used to cut"."""
    if word_after(low, at) != "to":
        return "verb"
    step = 1
    while word_before(low, at, step) in _SKIPPED or word_before(low, at, step).endswith("ly"):
        step += 1
    before, object = word_before(low, at, step), low[at + 2] if at + 2 < len(low) else ""
    if before in _GOT:
        return "habit"
    if before in _IS | BE or before.endswith(("n't", "'re")):
        known = object in _ACCUSTOMED_TO or object.endswith("ing") and len(object) > 5
        return "habit" if known or not re.search(r"\w", object) else "verb"
    if not re.search(r"\w", before) or before in SUBJECTS or before in _HABITUAL:
        return "habit"
    # A thing is used, a person has a habit: "the knife used to cut", "my father used to work".
    named = words[at - step][:1].isupper() and (at > step or not before.endswith("s"))
    person = named or before in _PEOPLE or object not in _PURPOSE
    return "habit" if person else "verb"


def use(words: Sequence[str], low: Sequence[str], at: int) -> str | None:
    """Choose the sound of "used to" ("He didn't use to smoke", "Did you use to smoke?").

    "What did you use to cut it?" and other uses are left to the part of speech.
    """
    asked = word_before(low, at, 2) == "did" and word_before(low, at, 3) not in _QUESTIONS
    if asked and word_before(low, at) in SUBJECTS and word_after(low, at) == "to":
        return "noun"
    denied = word_before(low, at) == "didn't" or word_before(low, at) == "not" and "did" in low[:at]
    return "noun" if denied and word_after(low, at) == "to" else None
