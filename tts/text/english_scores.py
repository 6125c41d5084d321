"""Recognition of scores of games, which look like ranges and dates, and verbalization of those of
cricket.
"""

import re

from tts.text.numbers import cardinal
from tts.text.tracked import Rule, rule

__all__ = ["CRICKET", "is_score"]

_Match = re.Match[str]
_GAMES = re.compile(
    r"\b(?:won|win|wins|winning|lost|lose|loses|losing|beat|beats|beating|score|scored|scores|lead|"
    r"leads|led|leading|draw|drew|drawn|tie|tied|defeat|defeated|victory|loss|final|game|match|"
    r"record|finished|ahead|down|trailing|up)\b",
    re.I,
)

#: sets of tennis: "7-5, 6-7(3), 6-4"
_SETS = re.compile(
    r"(?<![\w-])[0-7][-–][0-7](?: ?\(\d{1,2}(?:[-–]\d{1,2})?\))?, [0-7][-–][0-7](?![\w-])"
)
_PAGES = re.compile(
    r"\b(?:pages?|pp|chapters?|ages?|grades?|lines?|rows?|verses?|steps?|questions?)\b", re.I
)
#: words of cricket alone, and words that other texts have too
_CRICKET = re.compile(
    r"\b(?:wickets?|innings|overs|(?:st|nd|rd|th|first|second|third) over|cricket|lbw|stumps|"
    r"declare[sd]?|all out|not out|ODIs?|T20|IPL|Ashes|follow-on|chasing \d{2,3})\b"
)
_PERHAPS = re.compile(r"\b(?:\d runs|runs? (?:chase|rate)|batting|bowling|bowlers?|batsm[ae]n)\b")
_LANDS = (
    "England|India|Australia|Pakistan|Sri Lanka|New Zealand|South Africa|West Indies|Bangladesh|"
    "Afghanistan|Zimbabwe|Ireland|Scotland|Netherlands|Namibia|Nepal|Oman|ENG|IND|AUS|PAK|SL|NZ|SA|"
    "WI|BAN|AFG|ZIM|IRE|SCO|NED|Surrey|Yorkshire|Lancashire|Essex|Kent|Sussex|Somerset|Middlesex|"
    "Hampshire|Warwickshire|Nottinghamshire|Durham|Glamorgan|Derbyshire|Leicestershire|"
    "Northamptonshire|Worcestershire|Gloucestershire"
)
_STAND = (
    "are|is|were|was|now|on|at|made|make|scored|score|posted|post|reached|reach|closed|close|"
    "finished|finish|ended|end|declared|slipped|slumped|collapsed|fell|moved|raced|advanced|"
    "recovered|been|have|had|still|already|to|trouble|reply|in"
)
#: a side, and words that lead to its runs
_SIDE = re.compile(rf"\b(?:{_LANDS})(,?:?(?: (?:{_STAND})){{0,4}}) $")
_FIGURES = re.compile(r"\b(?:figures|haul|best|spell|returns?)(?: (?:of|were|was|with))? $")
_TOOK = re.compile(r"\b(?:took|takes|taking|claimed|grabbed|finished with|returned|bagged) $")
#: words before a date
_DATED = re.compile(r"\b(?:on|by|since|until|till|before|after|from|dated|due|every|and) $", re.I)
_BEATEN = re.compile(r" (?:winners?|victors?|losers?|up|down|ahead|win|victory|defeat|loss)\b")
_SCORE = r"(?<![\w/.,$£€–-])(\d{1,3})([/–-])(\d{1,3})"
_DECLARED = r"(?: ?dec\b\.?(?= [a-z]|[,;:!?)]|\s*$)|d\b)?"


def is_score(around: str) -> bool:
    """Whether the text around two small numbers shows that they are a score: "won 3-1"."""
    return bool(_GAMES.search(around) or _SETS.search(around) and not _PAGES.search(around))


def _cricket(match: _Match) -> str:
    """Verbalize runs and wickets of a side or a bowler: "245/6" is "two hundred forty-five for
    six"."""
    first, second = int(match[1]), int(match[3])
    line = match.string[max(0, match.start() - 80) : match.start()].rpartition("\n")[2]
    after = match.string[match.end() : match.end() + 80].partition("\n")[0]
    declared = match.string[match.end(3) : match.end()].strip(" .") in ("d", "dec")
    around = f"{line}\n{after}"
    sure = declared or _CRICKET.search(around) is not None
    if first > 10 >= second and (first, second) != (24, 7):
        dated = first <= 31 and second <= 12 and _DATED.search(line) is not None
        is_runs = _is_slashed_score if match[2] == "/" else _is_dashed_score
        if not dated and is_runs(first, line, after, sure):
            return _runs_for_wickets(match, declared)
    if first <= 10 and second > first and (_FIGURES.search(line) or sure and _TOOK.search(line)):
        return _runs_for_wickets(match, False)
    return match[0]


def _is_slashed_score(_: int, line: str, after: str, sure: bool) -> bool:
    return sure or bool(_SIDE.search(line) or _PERHAPS.search(f"{line}\n{after}"))


def _is_dashed_score(runs: int, line: str, after: str, sure: bool) -> bool:
    """Whether a dash is between runs and wickets; scores of other games have dashes too.

    Args:
        runs: the first number.
        line, after: the text before and after the score.
        sure: whether the text is surely about cricket.
    """
    side = _SIDE.search(line)
    if runs < 20 or _BEATEN.match(after):
        return False
    if side is not None:
        return sure or runs > 99 or bool(side[1].strip(":, "))
    return sure and not _GAMES.search(line[-16:]) and not _PAGES.search(line[-16:])


def _runs_for_wickets(match: _Match, declared: bool) -> str:
    end = match[0][-1] if match[0].endswith(".") and not match.string[match.end() :].strip() else ""
    said = f"{cardinal(int(match[1]))} for {cardinal(int(match[3]))}"
    return f"{said} declared{end}" if declared else said


#: applied before the dates and fractions
CRICKET: tuple[Rule, ...] = (
    rule(rf"{_SCORE}{_DECLARED}(?![\w/–-]|[.,]\d|\s?[%°=])", _cricket),
    # "76* off 48 balls"
    rule(
        r"(?<![\w.,$£€*])(\d{1,3})\*(?= (?:off|from) \d{1,3}\b| ?\(\d{1,3}(?: balls?)?\))",
        r"\1 not out",
    ),
)
