"""Verbalization of marks in the languages of tts.text.languages: those of web and mail addresses,
scores, sizes and sections.
"""

import re

from tts.text.tracked import Rule, rule

__all__ = ["address_rules", "mark_rules"]

_Match = re.Match[str]
# Top-level domains of a language alone: with those of all countries "gut.es" would be an address.
_TLD = {
    "de": "de|at|ch", "fr": "fr|be|ch|ca", "es": "es|mx|ar|cl", "it": "it|ch", "pt": "pt|br",
    "nl": "nl|be", "pl": "pl",
}  # fmt: skip
_TLD_ANYWHERE = "com|org|net|edu|gov|io|ai|dev|app|info|eu|uk|tv"
#: words of the at sign, the dot, the slash and the underscore
_ADDRESS = {
    "de": ("ät", "Punkt", "Schrägstrich", "Unterstrich"),
    "fr": ("arobase", "point", "barre oblique", "tiret bas"),
    "es": ("arroba", "punto", "barra", "guion bajo"),
    "it": ("chiocciola", "punto", "barra", "trattino basso"),
    "pt": ("arroba", "ponto", "barra", "sublinhado"),
    "nl": ("apenstaartje", "punt", "schuine streep", "laag streepje"),
    "pl": ("małpa", "kropka", "ukośnik", "podkreślenie"),
}
#: words between the numbers of a score or a ratio, of a size, and of a product
_BETWEEN = {
    "de": ("zu", "mal", "mal"), "fr": ("à", "sur", "fois"), "es": ("a", "por", "por"),
    "it": ("a", "per", "per"), "pt": ("a", "por", "vezes"), "nl": ("", "bij", "maal"),
    "pl": ("", "na", "razy"),
}  # fmt: skip
#: singular and plural of the section sign
_SECTION = {
    "de": ("Paragraf", "Paragrafen"), "fr": ("paragraphe", "paragraphes"),
    "es": ("párrafo", "párrafos"), "it": ("paragrafo", "paragrafi"),
    "pt": ("parágrafo", "parágrafos"), "nl": ("paragraaf", "paragrafen"),
    "pl": ("paragraf", "paragrafy"),
}  # fmt: skip


def address_rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of web and mail addresses of a language."""
    words = dict(zip("@./_", _ADDRESS[lang], strict=True))
    ends = f"{_TLD_ANYWHERE}|{_TLD[lang]}"

    def said(m: _Match) -> str:
        bare = re.sub(r"(?i)^https?://", "", m[0])
        text = bare.rstrip(".,;:!?)'\"")
        end = bare[len(text) :]
        text = re.sub(r"[^\w@./ -]", " ", text.rstrip("/"))
        return re.sub(r"[@./_]", lambda mark: f" {words[mark[0]]} ", text) + end

    return (
        rule(r"(?i)(?<![\w.@/])(?:https?://|www\.)[^\s<>\"]{1,500}", said),
        rule(r"(?<![\w.+@-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", said),
        rule(
            rf"(?<![\w.@/-])[a-z][a-z\d-]{{1,62}}\.(?:{ends})(?:/[\w./-]{{0,200}})?(?![\w@])", said
        ),
    )


def mark_rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of marks between numbers and before them, after those of times of day."""
    to, by, times = _BETWEEN[lang]
    one, many = _SECTION[lang]
    return (
        rule(r"(?<![\d:.,])(\d{1,3}):(?=\d{1,3}(?![\d:]|[.,]\d))", rf"\1 {to} " if to else r"\1 "),
        rule(r"(?<=\d)\s?×\s?(?=\d)", f" {times} "),
        rule(r"(?<=\d) ?[xX] ?(?=\d)", f" {by} "),
        rule(r"§§ ?(?=\d)", f"{many} "),
        rule(r"§ ?(?=\d)", f"{one} "),
    )
