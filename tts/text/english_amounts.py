"""English amounts: money, units of measure and their ranges."""

import re

from tts.text import lexicon
from tts.text.numbers import cardinal, number, plural
from tts.text.tracked import Rule, rule

__all__ = [
    "AMOUNTS", "AMOUNT_FORMS", "DOTTED", "INDIAN", "SQUARES", "UNIT_NAMES", "attributive",
    "before_noun", "in_quotes", "unit_name",
]  # fmt: skip

_Match = re.Match[str]
_N = r"(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,15})(?:\.\d{1,15})?"
_NUM = r"\d{1,3}(?:,\d{3}){1,10}(?:\.\d{1,40})?|\d{1,40}(?:\.\d{1,40})?|\.\d{1,40}"
#: every short form of a unit, the longest first
UNIT_NAMES = "|".join(sorted(map(re.escape, lexicon.UNITS), key=len, reverse=True))
#: the dot of a short form, where the sentence goes on: "2 tsp. salt", "5 lbs., please"
DOTTED = (
    r"(?:(?:(?<=oz|lb|ft|mi|yd|qt|pt|hr|yr|wk)|(?<=lbs|tsp|gal|hrs|min|sec|yrs|wks|mos)"
    r"|(?<=tbsp|Tbsp|mins|secs))\.(?= [a-z(]|[,;:]"
    r"| \d{1,2}\s?(?:oz|in|min|mins|sec|secs|tsp)\b))?"
)
_SCALE = r"thousand|lakh|crore|million|billion|trillion|Cr|cr|bn|tn|mn|k|K|m|M|b|B|(?<=\d)T"
_BY_LENGTH = sorted(lexicon.CURRENCIES, key=len, reverse=True)
_SIGNS = "|".join(re.escape(c) for c in _BY_LENGTH if not c.isalpha())
_MARKS = "|".join(re.escape(c) for c in _BY_LENGTH if not c.isalpha() or c.islower())
_CODES = "|".join(c for c in lexicon.CURRENCIES if c.isalpha() and c.isupper())
_AFTER = "|".join(re.escape(c) for c in lexicon.CURRENCIES if len(c) == 1 or c.islower())
_PER = "|".join(
    re.escape(unit) for unit in sorted({*lexicon.PER, *lexicon.UNITS}, key=len, reverse=True)
)
_SHORT_PER = {"pw": "week", "pcm": "month", "pa": "year"}
_DOLLARS = "USD|AUD|CAD|NZD|HKD|SGD"
_DASH = r"\s?[-–—]\s?"
_ARTICLE = re.compile(r"(?:^|\W)(?:an?|every|each|another)(?: [a-z]{2,12})? $", re.I)
# What belongs to someone or is known; not "it's 5 km further", nor "cost the firm $5 million last".
_DEFINITE = re.compile(
    r"(?:(?:^|\W)(?:the|this|its|my|your|his|our|their)|(?<!\w)(?!(?:it|he|she|that|there|here|"
    r"what|who|where|let)')[a-z]{1,24}(?:'s|s'))"
    r"(?: (?:first|last|next|new|old|same|whole|entire|final|initial|usual|original|proposed|"
    r"planned|current|latest|recent|annual|record|huge|massive|full|free|other|standard))? $",
    re.I,
)
# words after an amount that is the subject, or that tell when: "the 5 km took an hour"
_NO_NOUN = re.compile(
    r"[ -](?:[a-z]{2,}ed|took|takes?|came|comes?|made|makes?|got|gets?|gave|gives?|cost|costs|felt|"
    r"left|paid|pays?|bought|brought|kept|ran|runs?|do|does|did|done|needs?|helps?|meant|means?|"
    r"spent|lost|won|owed|sent|saw|told|said|found|stood|became|becomes?|grew|fell|rose|covers?|"
    r"remains?|lasts?|last|next|this|these|those|further|extra|again|yet|still|even|daily|weekly|"
    r"monthly|yearly|annually|each|worth|apiece|well|nearly|almost|since|being|also|never|always|"
    r"my|your|his|her|our|their|its|no|already|alone)\b"
)
# a name that a thing has or a short form of it: "a $20 Uber ride", "a $3 BLT"
_NAMED = re.compile(
    r" (?!(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|(?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December|NE|NW|SE|SW|AM|PM|AD|BC)\b)"
    r"(?:[A-Z][a-z]+|[A-Z]{2,6}s?|[A-Z]&[A-Z])\b"
)
_INDEFINITE = re.compile(r"(?:^|\W)(?:an?|another) $", re.I)
_RATE = re.compile(r"-(?:an?|per)-[a-z]")
_NOUN = re.compile(
    r"[ -](?!(?:"
    + lexicon.FUNCTION
    + r")\b)(?:[a-z]{2}|[A-Z]-[a-z]|(?:TV|SSD|HDD|LCD|LED)s?\b|V\d)"
)
_KNOWN_NOUN = re.compile(r" (?:" + lexicon.MEASURED + r")\b")


def before_noun(match: _Match) -> bool:
    """Whether a noun follows at once: "27 in. monitor"."""
    return _NOUN.match(match.string[match.end() : match.end() + 24]) is not None


def attributive(match: _Match) -> bool:
    """Whether the amount stands before what it measures: "a $5 bill", "35 mm film"."""
    end = match.end()
    after = match.string[end : end + 24]
    if _KNOWN_NOUN.match(after) or _RATE.match(after):
        return True
    before = match.string[max(0, match.start() - 24) : match.start()]
    if _NOUN.match(after):
        if _ARTICLE.search(before):
            return True
        return _DEFINITE.search(before) is not None and _NO_NOUN.match(after) is None
    return _NAMED.match(after) is not None and _INDEFINITE.search(before) is not None


def _sign(sign: str | None) -> str:
    return "minus " if sign else ""


def _scale(short: str | None) -> str:
    return f" {lexicon.SCALES.get(short, short.lower())}" if short else ""


def _decimal_comma(match: _Match) -> str:
    return match[1] + match[2].replace(".", "") + "." + match[3]


def _money(match: _Match) -> str:
    return money(match[1], match[2], match[3], match[4], attributive(match))


def money(
    sign: str | None, currency: str, amount: str, scale: str | None, attributive: bool = False
) -> str:
    """Words of an amount of money; attributive ones are singular ("a five dollar bill")."""
    one, many, cent, cents = lexicon.CURRENCIES[currency]
    if attributive:
        many, cents = one, cent
    amount = amount.replace(",", "")
    whole, _, part = amount.partition(".")
    if scale or (part and len(part) != 2) or not cent:
        unit = one if amount == "1" and not scale else many
        return f"{_sign(sign)}{number(amount)}{_scale(scale)} {unit}"
    said = []
    if int(whole or "0") or not int(part or "0"):
        said.append(f"{cardinal(int(whole or '0'))} {one if whole == '1' else many}")
    if part and int(part):
        said.append(f"{cardinal(int(part))} {cent if int(part) == 1 else cents}")
    return _sign(sign) + " and ".join(said)


def _trailing_currency(match: _Match) -> str:
    if not match[3]:
        return money(match[1], match[4], match[2], None, attributive(match))
    return f"{_sign(match[1])}{number(match[2])} {match[3]} {lexicon.CURRENCIES[match[4]][1]}"


def _money_range(match: _Match) -> str:
    sign, first, scale, second = match.groups()
    if "." in first and len(first.partition(".")[2]) == 2 and not scale:
        return f"{money(None, sign, first, None)} to {sign}{second}"
    middle = _scale(scale)
    return f"{number(first)}{middle} to {sign}{second}"


def _money_range_after(match: _Match) -> str:
    return f"{number(match[1])} to {match[3]}{match[2]}"


def unit_name(short: str, many: bool) -> str:
    """Words of a unit: "km/h" is "kilometers per hour"."""
    name = lexicon.UNITS[short]
    if not many:
        return name
    first, *rest = name.split(" per ", 1)
    if first not in lexicon.UNCOUNTED:
        head, _, last = first.partition(" ")
        # "degree Celsius" counts its first word, "square meter" its last.
        counts_first = head in ("degree", "dot", "part") or last.startswith("of ")
        first = f"{plural(head)} {last}" if counts_first else plural(first)
    return " per ".join([first, *rest])


def _per(short: str) -> str:
    return lexicon.PER.get(short) or lexicon.UNITS.get(short) or short


def _unit(match: _Match) -> str:
    sign, amount, short = match[1], match[2], match[3]
    many = amount != "1" and not attributive(match)
    if short == "°":
        return f"{_sign(sign)}{number(amount)} {'degrees' if many else 'degree'}"
    return f"{_sign(sign)}{number(amount)} {unit_name(short, many)}"


def _unit_of_noun(match: _Match) -> str:
    return f"{match[1]}-{unit_name(match[2], False)}"


def _compound_unit(match: _Match) -> str:
    return f"{number(match[1])} {unit_name(match[2], match[1] != '1')} per {_per(match[3])}"


def _scaled_per(match: _Match) -> str:
    return f"{match[1]} per {_per(match[2])}"


def _bare_unit(match: _Match) -> str:
    return f"{unit_name(match[1], True)} per {_per(match[2])}"


def _negative_power(match: _Match) -> str:
    return f"/{match[1]}" + ("^2" if match[2] == "2" else "")


def _bare_square(match: _Match) -> str:
    before = match.string[max(0, match.start() - 12) : match.start()]
    if re.search(r"\d\s?$", before):
        return match[0]
    single = re.search(r"(?:\bper|\ban?|\beach|/|\bone)\s?$", before)
    return unit_name(f"{match[1]}^{match[2]}", not single)


def _unit_range(match: _Match) -> str:
    return f"{'minus ' if match[1] else ''}{number(match[2])} to {match[3]}"


def _angle(match: _Match) -> str:
    said = [f"{number(match[1])} degree{'' if match[1] == '1' else 's'}"]
    if match[2]:
        said.append(f"{number(match[2])} minutes")
    if match[3]:
        said.append(f"{number(match[3])} seconds")
    if match[4]:
        said.append(lexicon.COMPASS[match[4]])
    return " ".join(said)


def in_quotes(match: _Match) -> bool:
    """Whether a quotation is open where the match begins, so that its " closes it."""
    line = match.string[max(0, match.start() - 200) : match.start()].rpartition("\n")[2]
    return line.count('"') % 2 == 1


def _inches(match: _Match) -> str:
    if match[0][-1] == '"' and in_quotes(match):
        return match[0]
    single = match[1] == "1" or before_noun(match)
    return f"{number(match[1])} {'inch' if single else 'inches'}"


def _feet_and_inches(match: _Match) -> str:
    single = attributive(match)
    foot = "foot" if single or match[1] == "1" else "feet"
    return f"{number(match[1])} {foot} {number(match[2])} {'inch' if single else 'inches'}"


def _by_inches(match: _Match) -> str:
    if match[0][-1] == '"' and in_quotes(match):
        return match[0]
    unit = "inch" if before_noun(match) else "inches"
    return f"{number(match[1])} by {number(match[2])} {unit}"


def _by(match: _Match) -> str:
    return (
        " times " if match.string[match.end() :][:20].lstrip("0123456789. ")[:1] == "=" else " by "
    )


def _thousands(match: _Match) -> str:
    return match[0].replace(" ", ",")


def _by_thousands(match: _Match) -> str:
    return f"{int(match[0].replace(',', '')):,}"


#: before anything that reads numbers: Indian groups, lakhs and crores ("12,34,567"), as groups of
#: three; not the lists of a citation ("[1,12,123]")
INDIAN: Rule = rule(r"(?<![\d.,(\[])[1-9]\d?(?:,\d\d){1,6},\d{3}(?!,?\d|[)\]])", _by_thousands)
#: before the powers of numbers
SQUARES: tuple[Rule, ...] = (
    rule(r"(?<=[a-zA-Z])(?: |·)(s|h|kg|m|L|mol|K|d)\^-([12])(?!\d)", _negative_power),
    rule(r"(?<![\w/])([kcm]?m|ft|in|mi|yd)\^([23])(?!\d)", _bare_square),
)
#: in this order, before the amounts themselves
AMOUNT_FORMS: tuple[Rule, ...] = (
    # "1 000 000" where it surely is one number
    rule(r"(?<![\d.,+-])(?<!\d )[1-9]\d{0,2}(?: \d{3}){0,4} 000(?![\d.,]|[ -]\d)", _thousands),
    # as other countries group them
    rule(
        r"(?<![\w.,'-])[1-9]\d{0,2}(?:(?:'\d{3}){1,4}|(?:\.\d{3}){2,4})(?![\w'-]|[.,]\d)",
        lambda m: re.sub(r"[.']", ",", m[0]),
    ),
    # currencies
    rule(
        r"\$(100|1,?000|1,?000,?000)s\b(?: of (thousands|[mbtr]+illions)\b)?",
        lambda m: (
            f"{cardinal(m[1].replace(',', '')).removeprefix('one ')}s of "
            f"{m[2] + ' of ' if m[2] else ''}dollars"
        ),
    ),
    rule(r"(?<=\d)\s?元", " yuan"),
    rule(r"(?<=\d)\s?円", " yen"),
    rule(r"(?<=\d)\s?kr\b", " kroner"),
    rule(
        rf"(?<![\w.,$£€-])({_N})(k|K|M|B|bn)\s?[-–]\s?(?={_N}\2\b)",
        r"\1\2 to ",
    ),
    rule(r"\bRs\.?\s?(?=\d)", "₹"),
    rule(r"(?<=\d)/-(?![\w-])", ""),
    rule(r"(?<=\d)\.[-–—](?!\w)", ""),
    rule(rf"\$\s?({_N})\s?({_DOLLARS})\b", r"\1 \2"),
    rule(rf"\b({_DOLLARS})\$\s?(?=\d)", r"\1 "),
    rule(rf"(?<!\w)((?:{_SIGNS}){_N})-(?=(?:{_SCALE})\b)", r"\1 "),
    rule(
        rf"(?<!\w)({_SIGNS})\s?(\d{{1,3}}(?:\.\d{{3}}){{0,4}}|\d{{1,9}}),(\d\d)\b(?![,.]?\d)",
        _decimal_comma,
    ),
    rule(r"(?<![\w.,])()(\d{1,3}(?:\.\d{3}){0,4}|\d{1,9}),(\d\d)(?=\s?[€])", _decimal_comma),
    rule(rf"(?<!\w)({_SIGNS})\s?-\s?(?=\d)", r"-\1"),
    rule(rf"(?<![^\s(])-\s(?=(?:{_SIGNS})\d)(?<!\w -\s)", "-"),
    rule(
        rf"(?<!\w)({_SIGNS})({_N})\s?({_SCALE})?(?:{_DASH}|\s?to\s?)(?:\1)?({_N})(?![\d%])",
        _money_range,
    ),
    rule(
        rf"(?<![\w.,])({_CODES})\s?({_N}){_DASH}(?:\1\s?)?({_N})(?![\w%])",
        lambda m: f"{number(m[2])} to {m[3]} {m[1]}",
    ),
    rule(
        rf"(?<![\w.,])({_N}){_DASH}({_N}) ?({_CODES})\b",
        lambda m: f"{number(m[1])} to {m[2]} {m[3]}",
    ),
    rule(rf"(?<![\w.,])({_N}){_DASH}({_N})\s?({_AFTER})(?![\w$€£])", _money_range_after),
    rule(
        rf"(?<![\w.,$£€])({_N})(?:\s?({_SCALE})\b)?\s?({_AFTER})(?![\w$€£])(?!\s?\d)",
        lambda m: f"{m[3]}{m[1]}{m[2] or ''}",
    ),
    rule(
        rf"(?<![\w.,])({_CODES})\s?({_N})(?:\s?({_SCALE})\b)?",
        lambda m: f"{m[2]} {_scale(m[3]).strip() + ' ' if m[3] else ''}{m[1]}",
    ),
    rule(r"(?<![\w.,$£€])(\d{1,2})p(?!\w|\.\s?m\b)", lambda m: f"£0.{m[1].zfill(2)}"),
    rule(rf"(?<![\w$])\$/(?=(?:{_PER})\b)", "dollars per "),
    # "$20k/year", "£3m/yr", "2M/day": a scale, which the units would take for meters
    rule(
        rf"(?<![\w.,])((?:{_SIGNS}){_N}\s?(?:{_SCALE})|{_N}(?:k|K|M|B|bn|tn|mn))"
        rf"\s?/\s?({_PER})(?![\w/^])",
        _scaled_per,
    ),
    rule(
        rf"(?<!\w)((?:{_SIGNS}){_N}(?:\s?(?:{_SCALE}))?)\s?(pw|pcm|pa)\b",
        lambda m: f"{m[1]} per {_SHORT_PER[m[2]]}",
    ),
    rule(r"(?<=[A-Za-z]{2})\s?/\s?(hr|yr|wk|mo)(?!\w)", lambda m: f" per {_per(m[1])}"),
    rule(r"\bper (hr|yr|wk|mo)\b", lambda m: f"per {_per(m[1])}"),
    # units
    rule(
        rf"(?<=\d)\s?({UNIT_NAMES})\.?\s?[xX×]\s?(?=\d{{1,6}}(?:\.\d{{1,3}})?\s?\1(?!\w))",
        " by ",
    ),
    rule(
        r"(?<![\w.,/])(\d{1,6}(?:\.\d{1,3})?)\s?(?:in\.?|\")\s?[xX×]\s?"
        r"(\d{1,6}(?:\.\d{1,3})?)\s?(?:in\b|\")",
        _by_inches,
    ),
    rule(
        r"(?<![\w.,])(\d{1,3})\s?(?:ft|feet|foot)\.?,? ?(\d{1,2}(?:\.\d)?)\s?(?:in\b|inch(?:es)?\b)"
        r"(?:(?<=in)\.(?= [a-z]|[,;:]))?",
        _feet_and_inches,
    ),
    rule(
        rf"(?<![\w.,–-])(-)?({_N})\s?(?:{UNIT_NAMES})?{_DASH}(-?{_N}\s?(?:{UNIT_NAMES}))(?![\w^])",
        _unit_range,
    ),
    rule(rf"(?<![\w.,-])({_N})\s?({UNIT_NAMES})\s?/\s?({_PER})(?![\w^])", _compound_unit),
    rule(
        rf"(?<![\w/.,-])(km|mg|kg|g|μg|MB|GB|KB|kB|TB|m|ml|mL|L|W|kW)/({_PER})(?![\w/^])",
        _bare_unit,
    ),
    rule(rf"(?<=[A-Za-z]{{2}})/(?=(?:{lexicon.PER_WORDS})\b)", " per "),
    rule(rf"(?<=\d)(?:\s?/)({_PER})(?![\w/^])", lambda m: f" per {_per(m[1])}"),
    rule(
        rf"(?<![\w.,])(\d{{1,6}}(?:\.\d{{1,3}})?)-({UNIT_NAMES}){DOTTED}(?= [A-Za-z])",
        _unit_of_noun,
    ),
    rule(r"(?<=\d)-yr-(?=old)", "-year-"),
    rule(
        r"(?<![\w.,])(\d{1,3}(?:\.\d{1,9})?)\s?°\s?(?:(\d{1,2}(?:\.\d{1,9})?)\s?'\s?)?"
        r"(?:(\d{1,2}(?:\.\d{1,9})?)\s?(?:\"|'')\s?)?([NSEW])?(?![\w°])(?<![°\s])",
        lambda m: _angle(m) if m[2] or m[4] else m[0],
    ),
    rule(
        r"(?<![\w.,'])(\d{1,2})'\s?(\d{1,2})(?:\"|'')",
        lambda m: f"{cardinal(m[1])} foot {cardinal(m[2])}",
    ),
    rule(r"(?<![\w.,'\"/-])(\d{1,3}(?:\.\d{1,2})?)\"(?!\w)", _inches),
    # times and by
    rule(r"(?<=\d)\s?[*·]\s?(?=\d)", " times "),
    rule(r"(?<=\d)\s?×\s?(?=\d)", " times "),
    rule(r"(?<=\d) [xX] (?=\d)|(?<=\d)[xX](?=\d{1,5}(?!\d))", _by),
    rule(r"(?<![\w.,])(\d{1,6})\s?in\.(?= [a-z]|\s*$|[,;)])", _inches),
    rule(r"(?<![\w.,])(\d{1,6}(?:\.\d{1,3})?)in\b(?!-)", _inches),
    rule(r"(?<=\d)\s?[-–]\s?(\d{1,9})x(?!\w)", r" to \1x"),
    rule(rf"(?<=\d)x\s?/\s?({_PER})(?![\w/^])", lambda m: f" times per {_per(m[1])}"),
    rule(r"(?<=\d)x(?!\w|\s?[+=*/^-])", " times"),
    rule(
        r"(?<![\w.])(\d{1,2})(20|40|60|80)p(?!\w)", lambda m: f"{cardinal(m[1])} {cardinal(m[2])} P"
    ),
    rule(rf"(?<![\w.])(\d)K(?= (?:{lexicon.PICTURES})\b)", r"\1-K"),
)
AMOUNTS: tuple[Rule, ...] = (
    rule(rf"(-)?(?<!\w)({_MARKS})\s?({_NUM})(?:\s?({_SCALE})\b(?!&))?(?!\d)", _money),
    rule(
        rf"(?<![\w.,])(-)?({_NUM})(?: (thousand|[mbtr]+illion))?\s?({_CODES})\b",
        _trailing_currency,
    ),
    rule(rf"(?<![\w.,-])(-)?((?:{_NUM}))\s?({UNIT_NAMES}){DOTTED}(?![\w^])(?!-\d)", _unit),
    rule(rf"(?<![\w.,])({_NUM})(bn|tn|mn|k|K|M|B)\b", lambda m: number(m[1]) + _scale(m[2])),
)
