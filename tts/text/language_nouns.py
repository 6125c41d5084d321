"""Agreement of numbers with the gender of the noun after them: "una persona", "duas casas".

The gender is that of reliable endings, with tables of nouns that have another. Before a word of
unknown gender a number is read as in counting.
"""

import re
from collections.abc import Callable

from tts.text.language_numbers import Numbers
from tts.text.language_ordinals import german_gender
from tts.text.tracked import Rule, rule

__all__ = ["noun_rules"]

_Match = re.Match[str]
# Words before a number that is a name and no count: "capítulo 1 trata de ...".
_LABEL = re.compile(
    r"(?i)\b(?:cap[ií]t\w+|chapitre|p[aáà]gin\w+|page|partie|part[ei]|fase|phase|n[ií]vel|"
    r"livello|niveau|grupo|groupe|gruppo|tipo|type|art[ií][cg]\w+|article|n[uú]m\w*|num[eé]ro|"
    r"jour|giorno|d[ií]a|canale?|chaîne|salle|sala|lecci[oó]n|li[cç][aã]o|leçon|lezione|"
    r"unidad\w*|unità|ejercicio|exercice|esercizio|tab\w+|figur[ae]|paso|étape|punto|point|"
    r"volum\w+|tom[eo]|l[ií]nea|linha|linea|ligne|zon[ae]|s[eé]rie|temporada|saison|stagione|"
    r"épisode|episodi\w+|f[oó]rmul[ae]|formule|classe|clase|rai|piano|planta|versi[oó]n\w*|"
    r"el|del|al|le|du|au|il|dal|o|do|ao|no|nr|rozdział\w*|stron\w+|numer\w*|punkt\w*|etap\w*) $"
)
# Function words with the endings of nouns.
_FUNCTION_WORDS = frozenset(
    "para contra hasta hacia como pero cada ahora era esta hora cuando donde entre sobre desde sin "
    "por mejor peor mayor menor una uno esta este cuya cuyo "
    "otra otro mucho menos apenas mas nos vos tras además entonces jamás quizás nunca "
    "ya agora embora fora ainda antes depois eles elas isso isto nas das mais dois "
    "della dello dalla dallo nella nello alla allo sulla sullo quella quello questa questo "
    "sopra sotto dopo contro senza ancora allora quando come sono stato stata "
    "dans sans avec pour plus comme alors entre sont".split()
)
_GREEK = frozenset(
    "problema sistema programa tema clima idioma poema esquema drama diploma síntoma sintoma "
    "fantasma dilema emblema teorema panorama carisma aroma mapa día dia programma schema dramma "
    "sofá tranvía planeta cinema".split()
)
_BOTH = frozenset("atleta colega piloto poeta guía policía cometa suicida camarada policia".split())
_FEMININE = re.compile(
    r"(?:[csxg]ión|[csxg]iones|[zsg]ione|[dt]ad(?:es)?|umbres?|tud(?:es)?|t[àù]|ções|sões|dades|"
    r"agens)$"
)
_ES_FEMININE = frozenset(
    "mano foto moto radio vez noche tarde parte clase calle gente llave nube leche sangre mujer "
    "flor labor piel sal miel señal cárcel imagen orden virgen red sed pared ley base frase fase "
    "serie especie torre madre nave fuente suerte muerte".split()
)
_ES_MASCULINE = frozenset(
    "mes país hombre coche minuto tren jamón café euro lápiz "
    "nombre pie puente bosque cliente padre restaurante diente aceite cine paquete billete viaje "
    "año árbol hotel bar papel animal hospital mar sol pan avión camión limón corazón melón ratón "
    "botón examen volumen gol pastel nivel kilo litro metro".split()
)
_FR_FEMININE = frozenset(
    "fois personne femme fille page place heure minute seconde année semaine journée table chambre "
    "maison voiture bouteille tasse pomme livre chose partie question porte ville rue route école "
    "équipe étoile image feuille lettre carte nuit main mère sœur tête idée vie mort eau fleur "
    "couleur clé dent fin part cuillère tranche gousse pièce boîte ligne phrase page victoire "
    "défaite étape lampe banane orange carotte chaise robe chemise jupe montre planche".split()
)
_IT_FEMININE = frozenset(
    "mano foto moto auto radio notte parte classe chiave gente madre moglie luce voce pace legge "
    "rete nave carne neve arte morte croce torre parete canzone email".split()
)
_IT_MASCULINE = frozenset(
    "mese paese cane padre bicchiere mare ponte piede sole pane fiume latte studente bar "
    "film euro chilo sport computer pianeta papa".split()
)
_PT_FEMININE = frozenset(
    "mulher noite tarde parte vez mão mãe foto tribo moto cor flor classe fase frase série espécie "
    "rede árvore chave ave luz cruz voz noz lei base torre ponte fonte gente viagem imagem".split()
)
_PL_FEMININE = re.compile(
    r"(?:osob|kobiet|dziewczyn|książ[ek]|minut|sekund|godzin|stron|liczb|form|grup|klas|szkoł|"
    r"ulic|noc|drużyn|rodzin|córk|siostr|matk|babci|żon|firm|gr|sztuk|part|butelk|szklank|filiżank|"
    r"łyżk|łyżeczk|kart|kartk|tabletk|puszk|paczk|złotów|rzek|gwiazd|planet|bramk|połów|koszul|"
    r"sukienk|spódnic|torb|walizk|cebul|marchewk|kanapk|herbat|kaw|kiełbas|dzielnic|stacj|"
    r"[cs]j|możliwości|możliwoś|części|częś|wsi|wieś|rzecz|twarz|mysz|ofiar|szans|prób|rund|"
    r"zmian|rol|wersj|opcj|dziesiątk|setk)(?:a|ą|ę|y|i|e|ć|)"
)
_PL_NEUTER = frozenset(
    "dziecko miasto jajko zdjęcie pytanie słowo zdanie miejsce piwo okno drzewo krzesło pudełko "
    "jabłko auto zwierzę życie mieszkanie spotkanie pióro państwo województwo zadanie".split()
)
_NAMED = re.compile(
    r"(?<![.!?…:])\s[A-ZÄÖÜ]\w* $|\b(?:Kapitel|Teil|Gleis|Platz|Nummer|Stufe|Seite) $"
)
_DATIVE = re.compile(r"(?i)\b(?:mit|nach|von|seit|aus|bei|zu|vor|in) $")


def _romance(word: str, feminine: frozenset[str], masculine: frozenset[str]) -> str:
    """Return the gender of a Spanish, Italian or Portuguese noun in the singular or the plural, ""
    if unknown.

    Args:
        feminine, masculine: nouns whose endings mislead.
    """
    forms = {word, word.removesuffix("s"), word.removesuffix("es")}
    forms.add(re.sub("ces$", "z", word))
    one = word.removesuffix("s")
    if forms & feminine:
        return "f"
    if forms & (masculine | _GREEK) or re.search("gramm?a$", one):
        return "m"
    if len(one) < 3 or forms & _BOTH or one.endswith("ista"):
        return ""
    if _FEMININE.search(word):
        return "f"
    if one[-1] in "ao":
        return "f" if one[-1] == "a" else "m"
    return "m" if re.search(r"(?:ore?s?|ajes?|és)$", word) else ""


def _french_gender(word: str) -> str:
    """Return "f" for a noun that is surely feminine, else ""."""
    word = word if word in _FR_FEMININE else word.removesuffix("s")
    if word in _FR_FEMININE:
        return "f"
    if word in (
        "musée",
        "lycée",
        "trophée",
        "silence",
        "incendie",
        "génie",
        "parapluie",
        "bastion",
    ):
        return ""
    ends = r"(?:[st]ion|ette|[ae]nce|ure|ée|erie|elle|esse|euse|trice|tude|ienne|ière)$"
    return "f" if re.search(ends, word) else ""


def _spanish(numbers: Numbers, digits: str, word: str, before: str) -> str | None:
    gender = _romance(word, _ES_FEMININE, _ES_MASCULINE)
    return numbers.whole(digits, gender) if gender else None


def _italian(numbers: Numbers, digits: str, word: str, before: str) -> str | None:
    gender = _romance(word, _IT_FEMININE, _IT_MASCULINE)
    if digits != "1" or not gender:
        return None
    if gender == "f":
        return "un'" if word[0] in "aeiouàèéìòù" else "una"
    return "uno" if re.match(r"s[^aeiou]|z|gn|ps|x|y|pn", word) else "un"


def _portuguese(numbers: Numbers, digits: str, word: str, before: str) -> str | None:
    gender = _romance(word, _PT_FEMININE, frozenset())
    return numbers.whole(digits, "f") if gender == "f" else None


def _french(numbers: Numbers, digits: str, word: str, before: str) -> str | None:
    return numbers.whole(digits, "f") if _french_gender(word) == "f" else None


def _german(numbers: Numbers, digits: str, word: str, before: str) -> str | None:
    gender = german_gender(word)
    # "Gleis 1 Ausgang": a noun before the number has it as its name.
    if digits != "1" or not word[0].isupper() or _NAMED.search(before):
        return None
    if not gender and not before.strip():
        return None
    if _DATIVE.search(before):
        return "einer" if gender == "f" else "einem" if gender else None
    return numbers.whole(digits, gender or "m")


def _polish(numbers: Numbers, digits: str, word: str, before: str) -> str | None:
    few = digits[-1] == "2" and digits[-2:-1] != "1"
    if _PL_FEMININE.fullmatch(word):
        if digits == "1":
            return "jedną" if word[-1] in "ęą" else "jedna" if word[-1] in "aćśzc" else None
        return numbers.whole(digits, "f") if few and word[-1] in "yie" else None
    return "jedno" if digits == "1" and word in _PL_NEUTER else None


#: words of digits before a noun, with the text before them; None where they do not change
_READ: dict[str, Callable[[Numbers, str, str, str], str | None]] = {
    "es": _spanish, "it": _italian, "pt": _portuguese, "fr": _french, "de": _german,
    "pl": _polish,
}  # fmt: skip
# Patterns of numbers that have genders.
_ENDS = {
    "es": r"(?:[2-9]00|[2-9]0?[01]|\d*[2-9]\d\d|\d*1)", "it": "1", "fr": r"\d*1", "de": "1",
    "pt": r"(?:\d*[12]|\d*[2-9]\d\d)", "pl": r"\d*[12]",
}  # fmt: skip


def noun_rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rule of a language whose numbers have genders; none for others."""
    read = _READ.get(numbers.lang)
    if read is None:
        return ()

    def said(m: _Match) -> str:
        digits, word = numbers.plain(m[1]), m[2]
        before = m.string[max(0, m.start() - 30) : m.start()]
        if numbers.lang != "de":
            if word.lower() in _FUNCTION_WORDS or digits == "1" and _LABEL.search(before):
                return m[0]
            word = word.lower()
            # A word that should be a plural and is none is no noun.
            many = word.endswith("s") or numbers.lang not in ("es", "pt", "fr")
            if digits != "1" and not many:
                return m[0]
        new = read(numbers, digits, word, before)
        if new is None:
            return m[0]
        return new if new.endswith("'") else new + " "

    figures = rf"[1-9]\d{{0,2}}(?:[. ]\d{{3}}){{1,3}}|{_ENDS[numbers.lang]}"
    figures = figures.replace(r"\d*", r"\d{0,5}")
    return (rule(rf"(?<![\w.,:/–-])(?<!\d )({figures}) (?=([^\W\d_]{{2,30}})(?![\w.]*\d))", said),)
