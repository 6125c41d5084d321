"""Verbalization of German and Polish ordinals, which are written as digits with a dot, in the
inflection that their context governs.
"""

import re

from tts.text.language_numbers import Numbers, dot_stays
from tts.text.language_words import LANGUAGES
from tts.text.polish_inflection import agreeing_ending, inflected_ordinal
from tts.text.tracked import Rule, rule

__all__ = ["begins_ordinal", "german_ending", "german_gender", "ordinal_rules"]

_Match = re.Match[str]
_MASCULINE = (
    "krieg platz stock tag monat advent rang preis bezirk stern satz akt teil versuch band gang "
    "lauf sieger vorsitzende bürgermeister fc weg schritt punkt absatz artikel"
).split()
_FEMININE = (
    "klasse liga etage runde auflage person hälfte halbzeit reihe staffel woche stunde hilfe "
    "generation potenz republik sinfonie symphonie stufe ebene wahl etappe chance frage ehe "
    "mannschaft minute sekunde stelle seite revolution"
).split()
_NEUTER = (
    "jahrhundert jahrtausend jahrzehnt jahr mal kapitel semester kind spiel tor buch quartal gebot "
    "viertel drittel stockwerk geschoss zimmer bild regiment mädchen haus obergeschoss stück"
).split()
_GENDERS = [
    (re.compile(rf"(?:{'|'.join(nouns)})(?:e?s|e?n|e|ern?)?$"), gender)
    for nouns, gender in ((_NEUTER, "n"), (_FEMININE, "f"), (_MASCULINE, "m"))
]
_FEMININE_ENDING = re.compile(r"(?:ung|heit|keit|schaft|tion|tät|ik|ie|enz|anz|ur|e)$")
_NEUTER_ENDING = re.compile(r"(?:chen|lein|um|ment|nis)$")
_OWN = "mein|dein|sein|ihr|unser|eue?r|ein|kein"
# Nouns that are common beside numbers and whose endings tell no gender or the wrong one.
_MISLEADING = {
    **dict.fromkeys("Name Junge Kunde Käse Buchstabe Gedanke Kollege Neffe Löffel".split(), "m"),
    **dict.fromkeys("Auge Ende Interesse Gebäude Gemüse Getränk Gericht Ei".split(), "n"),
    **dict.fromkeys(
        "Frau Nacht Hand Stadt Uhr Tür Zahl Kraft Mutter Tochter Schwester Nummer Kartoffel Gabel "
        "Regel Feder Wand Bank Maus Zeit Arbeit Fahrt Antwort Nuss Mail E-Mail App Party CD DVD "
        "Box Bar Milch Stimme Zwiebel Flasche".split(), "f"),
}  # fmt: skip
_POLISH_NOUN = re.compile(
    r"(?:wojn|miejsc|klas|rund|lig|pi[ęe]t|edycj|rozdział|częś|etap|sezon|wiek|rocznic|tom|dzień)"
)
_MONTH = re.compile(rf"(?:{'|'.join((*LANGUAGES['de'].months, *LANGUAGES['pl'].months))})(?!\w)")
# Determiners before an ordinal by its ending: "n", none ("e"), or by gender. The name of a day may
# stand between ("am Montag, den").
_WITH_N = re.compile(
    rf"(?i)\b(?:am|im|vom|zum|zur|beim|dem|den|des|(?:{_OWN}|dies|jed)e[nms]|(?:{_OWN})er)"
    r"(?: \w+tag,)? ?$"
)
_STRONG = re.compile(rf"(?i)\b(?:{_OWN}) ?$")
_WEAK = re.compile(rf"(?i)\b(?:die|das|ins|ans|(?:{_OWN}|jed|dies|welch)e|jedes|dieses) ?$")
_DER = re.compile(r"(?i)\b(?:der|jeder|dieser|welcher) ?$")
_DATIVE = re.compile(r"(?i)\b(?:in|mit|ab|seit|nach|aus|bei|von|zu|vor) ?$")
# "im 2. und 3. Stock": the determiner before the first ordinal governs all.
_EARLIER = re.compile(
    r"(?:(?<!\d)\d{1,3}\.(?: (?:und|oder|bis|sowie|i|oraz|lub|albo|czy) |[,/–-] ?))+$"
)
_NOUN = re.compile(
    r"(?:\s*(?:und|oder|bis|sowie|,|/|[-–])\s*\d{1,3}\.)*(?:\s+[a-zäöüß]+){0,2}\s*"
    r"(?<![^\W\d_])([A-ZÄÖÜ]\w+)"
)


def ordinal_rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of a language that writes ordinals with a dot; none for others."""
    if numbers.lang == "de":
        return (_german(numbers),)
    if numbers.lang == "pl":
        return _polish(numbers)
    return ()


def begins_ordinal(following: str, alone: bool) -> bool:
    """Whether digits with a dot that begin a line are an ordinal rather than the number of an item.

    Args:
        following: the text after them.
        alone: whether no other items are near. Before a month this does not matter.
    """
    if _MONTH.match(following):
        return True
    word = re.match(r"[^\W\d_]+", following)
    if not alone or not word:
        return False
    return bool(_POLISH_NOUN.match(word[0]) or word[0][0].isupper() and _known(word[0]))


def german_ending(before: str, after: str) -> str | None:
    """Return the ending that "erste" takes between two texts, "r", "s", "n", "m" or "".

    None is returned where nothing shows that digits with a dot are an ordinal.

    Args:
        before, after: the texts around the ordinal.
    """
    before = _EARLIER.sub("", before)
    noun = _NOUN.match(after)
    word = noun[1] if noun else ""
    known = _known(word)
    if _WITH_N.search(before):
        return "n"
    if _WEAK.search(before):
        return ""
    # "Jeder 3. Deutsche": the determiner tells the gender, whatever the ending.
    gender = known or ("" if re.search(r"(?i)\bjeder ?$", before) else _guess(word))
    if _DER.search(before):
        return "n" if gender == "f" else ""
    if _STRONG.search(before):
        return "s" if gender == "n" else "r"
    if not known:
        # "Ich bin 19. Vielleicht ..." looks the same, but no sentence begins with a small letter.
        if not re.match(r"\s+(?!bis\b|und\b)[a-zäöüß]", after):
            return None
        return "n" if re.search(r"(?i)\b(?:bis|ab|seit) ?$", before) else "r"
    if _DATIVE.search(before):
        return "r" if known == "f" else "m"
    return {"m": "r", "f": "", "n": "s"}[known]


def german_gender(noun: str) -> str:
    """Return the gender of a German noun by tables and reliable endings, "" if unknown."""
    return _MISLEADING.get(noun) or _known(noun) or _guess(noun)


def _known(noun: str) -> str:
    return next((gender for nouns, gender in _GENDERS if nouns.search(noun.lower())), "")


def _guess(noun: str) -> str:
    if _NEUTER_ENDING.search(noun):
        return "n"
    return "f" if _FEMININE_ENDING.search(noun) else ""


def _german(numbers: Numbers) -> Rule:
    """Return the rule of German ordinals."""

    def said(m: _Match) -> str:
        before = m.string[max(0, m.start() - 40) : m.start()]
        after = m.string[m.end() : m.end() + 60]
        stays = dot_stays("de", m.string, m.end())
        starts = not before.strip(" \t") or before.rstrip(" \t")[-1:] in "\n"
        ending = german_ending(before, "" if stays else after)
        if starts and (ending is None or stays or re.match(r" (?!bis|und)[a-zäöüß]", after)):
            return m[0]  # an item of a list
        if ending is None:
            return m[0]
        gap = " " if after[:1].isalpha() else ""
        return numbers.ordinal(m[1]) + ending + ("." if stays else gap)

    return rule(r"(?<![\w.,:/–-])(?<!\d )([1-9]\d{0,2})\.(?=[\s,;)!?]|[A-ZÄÖÜ][a-zäöüß]|$)", said)


def _polish(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of Polish decades and ordinals."""

    def decade(m: _Match) -> str:
        ending = "ych" if m[1].lower() != "lata" else "e"
        dot = "." if dot_stays("pl", m.string, m.end()) and m.string[m.end() :][:3] != " XX" else ""
        first = f"{inflected_ordinal(numbers.ordinal(m[2]), ending)}{m[3]}" if m[2] else ""
        return f"{m[1]} {first}{inflected_ordinal(numbers.ordinal(m[4]), ending)}{dot}"

    def said(m: _Match) -> str:
        before = m.string[max(0, m.start() - 20) : m.start()]
        if not before.strip(" \t") or before.rstrip(" \t")[-1] == "\n":
            # The number of an item, unless a noun that is counted so follows.
            if not _POLISH_NOUN.match(m[2]):
                return m[0]
        return inflected_ordinal(
            numbers.ordinal(m[1]), agreeing_ending(_EARLIER.sub("", before), m[2])
        )

    return (
        rule(
            r"\b((?i:lata|lat|latach)) (?:(\d0)\.( i | oraz |, ))?(\d0)(?:\.|-(?:te|tych))(?!\w)",
            decade,
        ),
        rule(
            r"(?<![\w.,:/–-])([1-9]\d{0,2})\.(?=(?: (?:i|oraz|lub|albo|czy) \d{1,3}\.)?"
            r" ([a-ząćęłńóśźż]\w+))",
            said,
        ),
    )
