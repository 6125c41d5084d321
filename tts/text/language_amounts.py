"""Verbalization of amounts in the languages of tts.text.languages: millions and fractions, and of
signs of arithmetic.
"""

import re

from tts.text.language_numbers import COUNTED, CURRENCY, Numbers, dot_stays
from tts.text.tracked import Rule, rule

__all__ = ["SCALES", "fraction_rules", "scale_rules", "sum_rules"]

_Match = re.Match[str]
_Noun = tuple[tuple[str, ...], str]


def _table(entries: str) -> dict[str, _Noun]:
    """Parse a table of nouns: "Mio f Million/Millionen;..."."""
    out: dict[str, _Noun] = {}
    for entry in entries.split(";"):
        short, gender, forms = entry.split(" ", 2)
        out[short] = (tuple(forms.split("/")), gender)
    return out


#: forms and gender of thousand and more, by their abbreviations and the words in full
SCALES: dict[str, dict[str, _Noun]] = {
    "de": _table(
        "Tsd n Tausend/Tausend;Mio f Million/Millionen;Mill f Million/Millionen;"
        "Mrd f Milliarde/Milliarden;Bio f Billion/Billionen;Million f Million/Millionen;"
        "Millionen f Million/Millionen;Milliarde f Milliarde/Milliarden;"
        "Milliarden f Milliarde/Milliarden"
    ),
    "fr": _table(
        "million m million/millions;millions m million/millions;milliard m milliard/milliards;"
        "milliards m milliard/milliards;Mio m million/millions;Mrd m milliard/milliards"
    ),
    "es": _table(
        "millón m millón/millones;millones m millón/millones;mill m millón/millones;mil m mil/mil"
    ),
    "it": _table(
        "milione m milione/milioni;milioni m milione/milioni;mln m milione/milioni;"
        "mld m miliardo/miliardi;mrd m miliardo/miliardi;miliardo m miliardo/miliardi;"
        "miliardi m miliardo/miliardi"
    ),
    "pt": _table(
        "milhão m milhão/milhões;milhões m milhão/milhões;mi m milhão/milhões;"
        "bilhão m bilhão/bilhões;bilhões m bilhão/bilhões;bi m bilhão/bilhões;mil m mil/mil"
    ),
    "nl": _table(
        "mln m miljoen/miljoen;mld m miljard/miljard;mrd m miljard/miljard;"
        "miljoen m miljoen/miljoen;miljard m miljard/miljard;duizend m duizend/duizend"
    ),
    "pl": _table(
        "tys m tysiąc/tysiące/tysięcy/tysiąca;mln m milion/miliony/milionów/miliona;"
        "mld m miliard/miliardy/miliardów/miliarda"
    ),
}
# Thousands, after which no preposition stands.
_THOUSANDS = frozenset({"Tsd", "tys", "mil", "duizend"})
# Without a currency these are other words ("5 mi").
_NEED_CURRENCY = frozenset({"Bio", "mi", "bi", "Mill", "mill"})


def scale_rules(numbers: Numbers, number: str) -> tuple[Rule, ...]:
    """Return the rules of amounts in millions, with the sign of what is counted on either side.

    Args:
        numbers: the numbers of the language.
        number: pattern of a number.
    """
    w, lang = numbers.words, numbers.lang
    table = SCALES[lang]
    scales = "|".join(sorted(table, key=len, reverse=True))
    units = "|".join(sorted(map(re.escape, w.units), key=len, reverse=True))

    def amount(sign: str, value: str, scale: str, what: str | None) -> str:
        forms, gender = table[scale]
        said = f"{w.minus} " if sign else ""
        # A word in full is in the right form already.
        many = scale if scale in forms else numbers.form(numbers.plain(value), forms)
        said += f"{numbers.number(value, gender)} {many}"
        if not what:
            return said
        nouns = numbers.noun(what)[0]
        many = nouns[2] if len(nouns) > 2 else nouns[1]
        return f"{said} {many if scale in _THOUSANDS else numbers.of(many)}"

    def dot(m: _Match, found: str | None) -> str:
        return "." if found and dot_stays(lang, m.string, m.end()) else ""

    def behind(m: _Match) -> str:
        sign, value, scale, stop, what = m.groups()
        if scale in _NEED_CURRENCY and not what:
            return m[0]
        return amount(sign, value, scale, what) + (stop or "" if what is None and dot(m, stop)
                                                   else "")  # fmt: skip

    def before(m: _Match) -> str:
        one, what, two, value, scale, stop = m.groups()
        return amount(one or two, value, scale, what) + dot(m, stop)

    return (
        rule(rf"(?<!\w)([-–](?=\S))?({CURRENCY})\s?(-)?({number})\s?({scales})(?!\w)(\.)?", before),
        rule(
            rf"((?<![\w)])[-–])?(?<![\w.,])({number})\s?({scales})(?!\w)(\.)?"
            rf"(?:\s?({COUNTED}|{units})(?![\w/^']))?",
            behind,
        ),
    )


# Fractions by their denominator: singular and plural, in Polish also from five on.
_PARTS: dict[str, dict[int, tuple[str, ...]]] = {
    "de": {3: ("Drittel",), 4: ("Viertel",), 5: ("Fünftel",), 8: ("Achtel",), 10: ("Zehntel",)},
    "fr": {3: ("tiers",), 4: ("quart", "quarts"), 5: ("cinquième", "cinquièmes"),
           8: ("huitième", "huitièmes"), 10: ("dixième", "dixièmes")},
    "es": {3: ("tercio", "tercios"), 4: ("cuarto", "cuartos"), 5: ("quinto", "quintos"),
           8: ("octavo", "octavos"), 10: ("décimo", "décimos")},
    "it": {3: ("terzo", "terzi"), 4: ("quarto", "quarti"), 5: ("quinto", "quinti"),
           8: ("ottavo", "ottavi"), 10: ("decimo", "decimi")},
    "pt": {3: ("terço", "terços"), 4: ("quarto", "quartos"), 5: ("quinto", "quintos"),
           8: ("oitavo", "oitavos"), 10: ("décimo", "décimos")},
    "nl": {3: ("derde",), 4: ("kwart",), 5: ("vijfde",), 8: ("achtste",), 10: ("tiende",)},
    "pl": {3: ("trzecia", "trzecie"), 4: ("czwarta", "czwarte"),
           5: ("piąta", "piąte"), 8: ("ósma", "ósme", "ósmych"),
           10: ("dziesiąta", "dziesiąte", "dziesiątych")},
}  # fmt: skip
# A half alone, before a masculine, a feminine and a neuter noun, and after a whole number.
_HALVES: dict[str, tuple[str, str, str, str, str]] = {
    "de": ("ein halb", "ein halber", "eine halbe", "ein halbes", "einhalb"),
    "fr": ("un demi", "un demi", "une demi", "un demi", " et demi"),
    "es": ("un medio", "medio", "media", "medio", " y medio"),
    "it": ("un mezzo", "mezzo", "mezza", "mezzo", " e mezzo"),
    "pt": ("meio", "meio", "meia", "meio", " e meio"),
    "nl": ("een half", "een halve", "een halve", "een half", " en een half"),
    "pl": ("pół", "pół", "pół", "pół", " i pół"),
}
# Genders of nouns that are often halved, where the ending does not tell.
_HALVED: dict[str, dict[str, str]] = {
    "de": {
        **dict.fromkeys("Liter Meter Kilometer Tag Teelöffel Esslöffel TL EL Becher Apfel".split(),
                        "m"),
        **dict.fromkeys("Kilo Kilogramm Pfund Jahr Glas Dutzend Prozent Gramm".split(), "n"),
        **dict.fromkeys("Stunde Minute Tasse Zwiebel Dose Packung Flasche Zitrone Million".split(),
                        "f"),
    },
    "fr": dict.fromkeys("heure tasse journée cuillère livre douzaine année bouteille".split(), "f"),
    "nl": {
        **dict.fromkeys("uur jaar pond glas dozijn kopje procent".split(), "n"),
        **dict.fromkeys("liter meter kilo kilometer dag ui theelepel eetlepel fles".split(), "m"),
    },
}  # fmt: skip
# Words before a part of a work, "Teil 1/2", which is no fraction.
_NUMBERED = re.compile(
    r"(?i)\b(?:teil|seite|folge|nr|band|blatt|partie|page|tome|épisode|parte|página|episodio|"
    r"pagina|episódio|deel|aflevering|część|strona|tom|odcinek|le|el|il|den|am|vom|dia|dnia)\.? ?$"
)


def fraction_rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rule of fractions in digits ("1/2"), which the clean-up makes of "½" too."""
    w, lang = numbers.words, numbers.lang
    units = "|".join(sorted(map(re.escape, w.units), key=len, reverse=True))
    singles = {forms[0]: gender for forms, gender in w.units.values()}

    def said(m: _Match) -> str:
        whole, top, bottom, unit, word = m.groups()
        before = m.string[max(0, m.start() - 12) : m.start()]
        if int(bottom) not in (2, *_PARTS[lang]) or not 0 < int(top) < int(bottom):
            return m[0]
        if not whole and not unit and _NUMBERED.search(before):
            return m[0]
        noun, gender = "", _gender(lang, word or "", singles)
        if unit:
            forms, gender = numbers.noun(unit)
            noun = forms[-1] if whole or len(forms) > 2 else forms[0]
        if int(bottom) == 2:
            part = _half(lang, whole, gender)
        else:
            part = _part(numbers, top, int(bottom), bool(whole))
            if not whole and (unit or word in singles):
                noun = numbers.of(noun or word or "")
        if whole:
            part = _mixed(numbers, whole, part, int(bottom) == 2, gender)
        if word and not unit:
            # The word stays in the text, so that only its preposition is added.
            return part + (" " + noun.removesuffix(word) if noun else " ")
        return f"{part} {noun}".rstrip()

    return (
        rule(
            r"(?<![\w.,/:-])(?:(\d{1,3}) )?(\d{1,2})/(\d{1,2})(?![\w/]|[.,-]\d)"
            rf"(?:\s?({units})(?![\w/^'])|\s(?=([^\W\d_]+)))?",
            said,
        ),
    )


def _gender(lang: str, word: str, singles: dict[str, str]) -> str:
    """Return the gender of a word, by the tables and by endings that tell it, "" if unknown."""
    known = _HALVED.get(lang, {}).get(word) or singles.get(word)
    if lang in ("es", "pt"):
        word = word.removesuffix("s")
    if known or len(word) < 4 or lang in ("de", "fr", "nl", "pl"):
        return known or ""
    return "f" if word.endswith("a") else "m" if word.endswith("o") else ""


def _half(lang: str, whole: str | None, gender: str) -> str:
    """Return the word of a half before a noun of a gender, alone or after a whole number."""
    forms = _HALVES[lang]
    if not whole:
        return forms["_mfn".find(gender) if gender else 0]
    half = forms[4]
    if gender == "f" and lang in ("fr", "es", "it", "pt"):
        return half + "e" if lang == "fr" else half[:-1] + "a"
    return half.replace("half", "halve") if lang == "nl" and gender in ("m", "f") else half


def _part(numbers: Numbers, top: str, bottom: int, mixed: bool) -> str:
    """Return the words of a fraction other than a half, alone or after a whole number (`mixed`)."""
    forms = _PARTS[numbers.lang][bottom]
    what = forms[0] if top == "1" else forms[-1] if int(top) > 4 else forms[1 % len(forms)]
    gender = {"de": "n", "pl": "f"}.get(numbers.lang, "m")
    count = "een" if numbers.lang == "nl" and top == "1" else numbers.whole(top, gender)
    if numbers.lang == "de" and mixed:
        return f" {count}{what.lower()}"
    joins = {"fr": " et ", "es": " y ", "it": " e ", "pt": " e ", "nl": " ", "pl": " i "}
    return (joins.get(numbers.lang, "") if mixed else "") + f"{count} {what}"


def _mixed(numbers: Numbers, whole: str, part: str, half: bool, gender: str) -> str:
    """Return the words of a whole number with those of a fraction after it."""
    if half and numbers.lang == "de":
        return numbers.whole(whole, "n") + part
    if half and numbers.lang == "nl" and whole == "1":
        return "anderhalve" if part.endswith("halve") else "anderhalf"
    return numbers.whole(whole, gender if gender == "f" else "") + part


# Words of plus, minus, times, divided by and equals.
_SIGNS: dict[str, tuple[str, str, str, str, str]] = {
    "de": ("plus", "minus", "mal", "geteilt durch", "gleich"),
    "fr": ("plus", "moins", "fois", "divisé par", "égale"),
    "es": ("más", "menos", "por", "entre", "igual a"),
    "it": ("più", "meno", "per", "diviso", "uguale a"),
    "pt": ("mais", "menos", "vezes", "dividido por", "igual a"),
    "nl": ("plus", "min", "keer", "gedeeld door", "is"),
    "pl": ("plus", "minus", "razy", "podzielić przez", "równa się"),
}
_TERM = r"\d{1,9}(?:[.,]\d{1,9})?"


def sum_rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of the signs of arithmetic.

    A hyphen, a colon and a slash are such signs only in an equation.

    Args:
        lang: code of the language.
    """
    plus, minus, times, by, equal = _SIGNS[lang]
    names = {"+": plus, "-": minus, "–": minus, "×": times, "*": times, "·": times,
             "÷": by, "/": by, ":": by}  # fmt: skip

    def whole(m: _Match) -> str:
        # In "3/4 + 1/4" the slashes are those of fractions.
        signs = (
            r" ?([-+–×*·÷:]) ?(?=\d)| (/) " if re.search(r"[-+–×*·]", m[1]) else r" ?([÷/:]) ?()"
        )
        said = re.sub(signs, lambda sign: f" {names[sign[1] or sign[2]]} ", m[1])
        return f"{said} {equal} "

    return (
        rule(rf"(?<![\w.,:/+–-])({_TERM}(?: ?[-+–×*·÷/:] ?{_TERM}){{1,8}}) ?= ?(?=[-\w?])", whole),
        rule(r"(?<=\d)([+×÷])(?=\d)", lambda m: f" {names[m[1]]} "),
        rule(r"(?<=[\w)%]) ([+×÷]) (?=[\w(])", lambda m: f" {names[m[1]]} "),
        rule(r"(?<=[\w)%]) = (?=[-\w(])|(?<=\d)=(?=\d)", f" {equal} "),
    )  # fmt: skip
