"""Addresses of the net, scores, sizes and sections of seven languages: marks that are words."""

import re

from tts.text.tracked import Rule, rule

__all__ = ["address_rules", "mark_rules"]

_Match = re.Match[str]
# Of all countries, "gut.es" and "fin.me" would be addresses.
_TLD = {
    "de": "de|at|ch", "fr": "fr|be|ch|ca", "es": "es|mx|ar|cl", "it": "it|ch", "pt": "pt|br",
    "nl": "nl|be", "pl": "pl",
}  # fmt: skip
_TLD_ANYWHERE = "com|org|net|edu|gov|io|ai|dev|app|info|eu|uk|tv"
#: at sign, dot, slash, underscore
_ADDRESS = {
    "de": ("ät", "Punkt", "Schrägstrich", "Unterstrich"),
    "fr": ("arobase", "point", "barre oblique", "tiret bas"),
    "es": ("arroba", "punto", "barra", "guion bajo"),
    "it": ("chiocciola", "punto", "barra", "trattino basso"),
    "pt": ("arroba", "ponto", "barra", "sublinhado"),
    "nl": ("apenstaartje", "punt", "schuine streep", "laag streepje"),
    "pl": ("małpa", "kropka", "ukośnik", "podkreślenie"),
}
#: between the numbers of a score or a ratio, of a size, of a product
_BETWEEN = {
    "de": ("zu", "mal", "mal"), "fr": ("à", "sur", "fois"), "es": ("a", "por", "por"),
    "it": ("a", "per", "per"), "pt": ("a", "por", "vezes"), "nl": ("", "bij", "maal"),
    "pl": ("", "na", "razy"),
}  # fmt: skip
#: one section and many
_SECTION = {
    "de": ("Paragraf", "Paragrafen"), "fr": ("paragraphe", "paragraphes"),
    "es": ("párrafo", "párrafos"), "it": ("paragrafo", "paragrafi"),
    "pt": ("parágrafo", "parágrafos"), "nl": ("paragraaf", "paragrafen"),
    "pl": ("paragraf", "paragrafy"),
}  # fmt: skip


def address_rules(lang: str) -> tuple[Rule, ...]:
    """Addresses of pages and of mail, whose dots are no pauses."""
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
    """Marks between numbers and before them; times of day are words by now."""
    to, by, times = _BETWEEN[lang]
    one, many = _SECTION[lang]
    return (
        rule(r"(?<![\d:.,])(\d{1,3}):(?=\d{1,3}(?![\d:]|[.,]\d))", rf"\1 {to} " if to else r"\1 "),
        rule(r"(?<=\d)\s?×\s?(?=\d)", f" {times} "),
        rule(r"(?<=\d) ?[xX] ?(?=\d)", f" {by} "),
        rule(r"§§ ?(?=\d)", f"{many} "),
        rule(r"§ ?(?=\d)", f"{one} "),
    )
