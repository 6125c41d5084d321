"""Expansion of English abbreviations of places: states, points of the compass, streets, rooms."""

import re

from tts.text.english_abbreviations import street_end
from tts.text.english_sentence_ends import state_end
from tts.text.tracked import Rule, rule

__all__ = ["PLACES"]

_Match = re.Match[str]
#: states as newspapers abbreviate them after a town or a party
_STATES = {
    "Ala": "Alabama", "Ariz": "Arizona", "Ark": "Arkansas", "Calif": "California",
    "Colo": "Colorado", "Conn": "Connecticut", "Del": "Delaware", "Fla": "Florida",
    "Ga": "Georgia", "Ill": "Illinois", "Ind": "Indiana", "Kan": "Kansas", "Kans": "Kansas",
    "Ky": "Kentucky", "La": "Louisiana", "Mass": "Massachusetts", "Md": "Maryland",
    "Mich": "Michigan", "Minn": "Minnesota", "Miss": "Mississippi", "Mo": "Missouri",
    "Mont": "Montana", "Neb": "Nebraska", "Nev": "Nevada", "N.C": "North Carolina",
    "N.D": "North Dakota", "N.H": "New Hampshire", "N.J": "New Jersey", "N.M": "New Mexico",
    "N.Y": "New York", "Okla": "Oklahoma", "Ont": "Ontario", "Ore": "Oregon", "Pa": "Pennsylvania",
    "Que": "Quebec", "R.I": "Rhode Island", "S.C": "South Carolina", "S.D": "South Dakota",
    "Tenn": "Tennessee", "Tex": "Texas", "Va": "Virginia", "Vt": "Vermont", "W.Va": "West Virginia",
    "Wash": "Washington", "Wis": "Wisconsin", "Wyo": "Wyoming",
}  # fmt: skip
_STATE = "|".join(map(re.escape, _STATES))
#: of these, the abbreviations that mean nothing else
_PLAIN_STATES = "Ariz|Calif|Colo|Conn|Fla|Mich|Minn|Okla|Tenn|Wis|Wyo"
_POINTS = {"N": "North", "S": "South", "E": "East", "W": "West"}
_LANDS = {
    "N": "Korea|Carolina|Dakota|America|Ireland|Africa|Macedonia|Yorkshire|Vietnam|Yemen",
    "S": "Korea|Carolina|Dakota|America|Africa|Sudan|Vietnam|Yorkshire|Yemen",
    "E": "Germany|Timor|Africa|Sussex|Anglia",
    "W": "Virginia|Germany|Africa|Sussex|Yorkshire",
}
_LAND = "|".join(rf"{point}\. (?:{lands})" for point, lands in _LANDS.items())
_WAY = (
    r"(?:St|Ave|Rd|Blvd|Dr|Ln|Ct|Pl|Pkwy|Hwy|Street|Avenue|Road|Boulevard|Drive|Lane|Court|Place|"
    r"Parkway|Highway|Way|Terrace|Square|Broadway)\b"
)
_COURTS = {
    "Ct": "court", "Pl": "place", "Ter": "terrace", "Cir": "circle", "Trl": "trail",
    "Cres": "crescent",
}  # fmt: skip
_COURT = "|".join(_COURTS)


def _state(match: _Match) -> str:
    end = "." if state_end(match.string, match.start(2), match.end()) else ""
    return f"{match[1]}{_STATES[match[2]]}{end}"


def _point(match: _Match) -> str:
    return f"{_POINTS[match[1]]} "


def _court(match: _Match) -> str:
    return f"{match[1]} {_COURTS[match[2]]}{street_end(match)}"


#: applied while numbers are digits, as those of rooms and routes are read in their own way
PLACES: tuple[Rule, ...] = (
    rule(rf"\b([A-Z][A-Za-z'-]{{0,20}}, |[RDI]-)({_STATE})\.(?!\w)", _state),
    rule(rf"()\b({_PLAIN_STATES})\.(?!\w)", _state),
    rule(rf"(?<![\w.])(?={_LAND})([NSEW])\. ", _point),
    rule(
        rf"(?<![\w.])([NSEW])\. (?=(?:\d{{1,3}}(?:st|nd|rd|th)|[A-Z][a-z]{{1,20}}) {_WAY})", _point
    ),
    rule(rf"(?<![\w.])([NSEW])\. (?=\d{{1,3}}(?:st|nd|rd|th)\b|{_WAY})", _point),
    rule(
        r"(?<=\d )(?<![IiOo]n \d{4} )([NSEW])\. (?=[A-Z][a-z]{1,20}(?: [A-Z][a-z]{1,20})?\b"
        r"(?:[,;:!?)]|\.?\s*$| (?:in|is|and|at|near|was)\b))",
        _point,
    ),
    rule(
        rf"(?<=\d )((?:[A-Z][a-z]{{1,20}} )?[A-Z][a-z]{{1,20}}) ({_COURT})\b(?! [A-Z])\.?",
        _court,
    ),
    rule(rf"\b([A-Z][a-z]{{1,20}}|\d{{1,3}}(?:st|nd|rd|th)) ({_COURT})\.(?!\w)", _court),
    rule(r"\b([Rr])m\. ?(?=\d)", r"\1oom "),
    rule(r"\b([Rr])te?\. ?(?=\d)", r"\1oute "),
)
