"""Verbalization of the Roman numerals of rulers and centuries in the languages of
tts.text.languages: "Ludwig XIV.", "siglo XXI".
"""

import re
from collections.abc import Callable

from tts.text.language_numbers import Numbers, dot_stays
from tts.text.numbers import roman
from tts.text.polish_inflection import agreeing_ending, inflected_ordinal
from tts.text.tracked import Rule, rule

__all__ = ["roman_rules"]

_Match = re.Match[str]
_N = r"[IVX]{1,6}"
# Names of rulers and popes; those of queens are after the slash.
_NAMES = {
    "de": "Ludwig Heinrich Karl Friedrich Wilhelm Otto Papst Johannes Paul Benedikt Pius Georg "
    "Philipp Leopold Ferdinand Franz Joseph Maximilian Napoleon Nikolaus Alexander Peter Jakob "
    "Eduard Richard Gregor Leo Innozenz Clemens Christian Gustav Adolf Konrad Rudolf August "
    "Albrecht Sigismund Ramses Charles Juan Carlos Felipe / Elisabeth Katharina Margarethe Maria "
    "Kleopatra",
    "fr": "Louis Henri Charles Philippe François Napoléon Jean Paul Benoît Pie Georges Guillaume "
    "Frédéric Nicolas Alexandre Pierre Jacques Édouard Richard Grégoire Léon Clovis Ramsès Joseph "
    "Albert Léopold Mohammed Hassan Félipe / Élisabeth Elisabeth Catherine Marguerite",
    "es": "Felipe Carlos Alfonso Fernando Luis Enrique Juan Pablo Benedicto Pío Jorge Guillermo "
    "Federico Nicolás Alejandro Pedro Jaime Eduardo Ricardo Gregorio León Napoleón Francisco "
    "Sancho Ramiro Amadeo Ramsés José / Isabel Catalina Juana Margarita",
    "it": "Luigi Enrico Carlo Filippo Francesco Napoleone Giovanni Paolo Benedetto Pio Giorgio "
    "Guglielmo Federico Nicola Alessandro Pietro Giacomo Edoardo Riccardo Gregorio Leone Emanuele "
    "Umberto Ferdinando Vittorio Amedeo Clemente Innocenzo Ramses / Elisabetta Caterina Margherita",
    "pt": "Pedro João Luís Carlos Manuel Afonso Filipe Henrique Paulo Bento Pio Jorge Guilherme "
    "Frederico Nicolau Alexandre Jaime Eduardo Ricardo Gregório Leão Napoleão Francisco Sancho "
    "Fernando José Miguel Dinis Duarte / Isabel Catarina Maria Margarida",
    "nl": "Willem Lodewijk Karel Filips Hendrik Napoleon Johannes Paulus Benedictus Pius George "
    "Frederik Nicolaas Alexander Peter Jacobus Eduard Richard Gregorius Leo Leopold Albert Frans "
    "Boudewijn Floris / Elizabeth Catharina Margaretha",
    "pl": "Jan Paweł Pawł Zygmunt Władysław Kazimierz August Stanisław Bolesław Henryk Ludwik "
    "Karol Fryderyk Mikołaj Aleksander Aleksandr Piotr Napoleon Wilhelm Filip Benedykt Pius Jerzy "
    "Mieszk Mieszko Leszek Edward Ryszard Grzegorz Leon Franciszek Franciszk Ramzes / Elżbiet "
    "Katarzyn Małgorzat Izabel",
}
_CENTURY = {
    "de": "Jahrhundert", "fr": "siècles?", "es": "siglos?", "it": "secol[oi]", "pt": "séculos?",
    "nl": "eeuw", "pl": "wiek",
}  # fmt: skip
_ARTICLES = {
    r"(?:mit|von|unter|zu|bei|nach|vor|aus|dem|vom|zum|beim|seit)": "dem",
    r"(?:für|gegen|durch|um|ohne|den)": "den",
}
_GERMAN_NOUNS = "Weltkrieg|Internationale|Vatikanisch\\w+|Bundesliga|Liga|Akt|Quartal|Semester"
_POLISH_NOUNS = (
    r"wojn\w{1,3}|wiek\w{0,3}|światow\w{1,3}|lig\w{1,2}|klas\w{1,2}|rzesz\w{1,2}|Rzesz\w{1,2}|"
    r"tur\w{1,2}|edycj\w{1,2}|połow\w{1,2}|Rzeczpospolit\w{1,3}|Rzeczypospolitej|część|części|tom\w{0,3}|"
    r"miejsc\w{1,2}|rozbi[oó]r\w{0,3}|semestr\w{0,3}|kwartał\w{0,3}|piętr\w{1,2}"
)
# Words before a Polish century in the genitive or the locative.
_IN_CENTURY = re.compile(r"(?i)\b(?:w|we|na|o|po|do|od|z|ze|połow\w+|końc\w+|lat\w*|[a-z]+u) $")


def roman_rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of numerals after names of rulers, and beside centuries and other nouns."""
    return (*_centuries(numbers), _rulers(numbers))


def _value(text: str) -> str | None:
    """Return the digits of a Roman numeral, None for other letters."""
    value = roman(text)
    return None if value is None else str(value)


def _rulers(numbers: Numbers) -> Rule:
    """Return the rule of numerals after names."""
    lang = numbers.lang
    kings, queens = (part.split() for part in _NAMES[lang].split("/"))
    ends = {"de": "s?", "pl": "(?:owi|em|a|u|ie|y|ę|ą|o|)"}.get(lang, "")
    ends = f"({ends})"
    first = {"fr": "|Ier|Ire|1er"}.get(lang, "")
    dot = r"(\.?)" if lang == "de" else "()"

    def said(m: _Match) -> str:
        name, ending, written, stop = m.groups()
        value = _value("I" if written in ("Ier", "Ire", "1er") else written)
        if value is None:
            return m[0]
        before = m.string[max(0, m.start() - 40) : m.start()]
        queen = name in queens
        if lang == "pl" and queen and not ending:
            return m[0]
        words = _ruler(numbers, value, queen, ending, before)
        stays = stop and dot_stays(lang, m.string, m.end())
        return f"{name}{ending} {words}{'.' if stays else ''}"

    names = "|".join(sorted((*kings, *queens), key=len, reverse=True))
    return rule(rf"\b({names}){ends} ({_N}{first}){dot}(?![\w'])(?!\.\w)", said)


def _ruler(numbers: Numbers, value: str, queen: bool, ending: str, before: str) -> str:
    """Return the words of the number of a ruler.

    Args:
        value: the number.
        queen: whether the name is feminine.
        ending: case ending of the name, in German and Polish.
        before: the text before the name.
    """
    lang = numbers.lang
    if lang == "fr":
        if value != "1":
            return numbers.whole(value)
        return "première" if queen else "premier"
    if lang in ("es", "pt") and int(value) > 10:
        return numbers.whole(value)
    ordinal = numbers.ordinal(value)
    if lang == "nl":
        return f"de {ordinal}"
    if lang == "pl":
        if queen:
            cases = {"a": "a", "y": "ej", "ie": "ej", "ę": "ą", "ą": "ą", "o": "a"}
        else:
            cases = {"a": "ego", "owi": "emu", "u": "u", "em": "ym", "ie": "ym"}
        return inflected_ordinal(ordinal, cases.get(ending, "a" if queen else "y"))
    if lang == "de":
        return _german(ordinal, queen, ending, before)
    return re.sub("o$", "a", ordinal) if queen else ordinal


def _german(ordinal: str, queen: bool, ending: str, before: str) -> str:
    """Return a German ordinal with its article, in the case that the text before governs."""
    said = ordinal[0].upper() + ordinal[1:]
    title = r"(?: (?:König|Kaiser|Papst|Zar|Fürst)(?:in|s|en)?)?(?: [A-Z]\w+)? $"
    case = next(
        (
            article
            for words, article in _ARTICLES.items()
            if re.search(rf"(?i)\b{words}{title}", before)
        ),
        "",
    )
    if ending:
        return f"der {said}n" if queen else f"des {said}n"
    if queen:
        return f"der {said}n" if case == "dem" else f"die {said}"
    return f"{case} {said}n" if case else f"der {said}"


def _centuries(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of numerals beside centuries and other nouns."""
    lang = numbers.lang
    noun = _CENTURY[lang]

    def each(text: str, read: Callable[[str], str]) -> str:
        return re.sub(rf"\b{_N}\b", lambda m: read(v) if (v := _value(m[0])) else m[0], text)

    several = rf"({_N}(?:(?: ?[-–/] ?| [a-z] ){_N}){{0,3}})"
    if lang in ("es", "pt"):

        def behind(m: _Match) -> str:
            def read(value: str) -> str:
                return numbers.ordinal(value) if int(value) <= 10 else numbers.whole(value)

            short = {"s.": "siglo", "ss.": "siglos", "séc.": "século", "sécs.": "séculos"}
            joined = re.sub(r" ?[-–] ?", f" {numbers.words.to} ", m[2])
            return f"{short.get(m[1].lower(), m[1])} {each(joined, read)}"

        short = r"ss?\." if lang == "es" else r"sécs?\."
        return (rule(rf"\b((?i:{noun}|{short})) {several}(?!\w)(?!\.\w)", behind),)
    if lang == "fr":
        # Numerals of fifty and more are left out, as "Ce" and "Le" are words.
        def nth(m: _Match) -> str:
            value = _value(m[1])
            if value is None:
                return m[0]
            said = numbers.ordinal(value)
            return "première" if m[2] in ("re", "ère") else said

        return (rule(rf"(?<![\w'-])({_N})(e|er|re|ère|ème)(?!\w)", nth),)
    if lang == "it":
        return (
            rule(rf"(?<!\w){several} (secol[oi]|sec\.)(?!\w)",
                 lambda m: f"{each(m[1], numbers.ordinal)} {'secolo' if m[2] == 'sec.' else m[2]}"),
            rule(rf"\b(secolo) ({_N})(?!\w)", lambda m: f"{m[1]} {each(m[2], numbers.ordinal)}"),
        )  # fmt: skip
    if lang == "nl":
        return (
            rule(rf"(?<!\w)({_N})(e|de|ste)(?!\w)",
                 lambda m: numbers.ordinal(v) if (v := _value(m[1])) else m[0]),
        )  # fmt: skip
    if lang == "de":
        # They become digits, which the rules of ordinals verbalize.
        return (
            rule(rf"(?<!\w)({_N})\.(?= (?:{noun}|{_GERMAN_NOUNS}))",
                 lambda m: f"{v}." if (v := _value(m[1])) else m[0]),
        )  # fmt: skip
    return _polish(numbers)


def _polish(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rule of Polish numerals before a noun, one or two of them."""

    def nth(m: _Match) -> str:
        before = m.string[max(0, m.start() - 20) : m.start()]
        first, between, second, word = m.groups()
        noun = word
        stop = ""
        if word == "w.":
            noun = "wieku" if _IN_CENTURY.search(before) else "wiek"
            stop = "." if dot_stays("pl", m.string, m.end()) else ""
        ending = agreeing_ending(before, noun)
        said = [
            inflected_ordinal(numbers.ordinal(value), ending) if (value := _value(text)) else text
            for text in (first, second)
            if text
        ]
        return f"{(between or '').join(said)} {noun}{stop}"

    return (
        rule(rf"(?<![\w-])({_N})(?:( i | oraz | lub |/)({_N}))? (w\.|{_POLISH_NOUNS})(?!\w)", nth),
    )
