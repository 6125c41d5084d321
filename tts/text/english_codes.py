"""Verbalization of English codes: web and mail addresses, telephone numbers, postcodes, chemical
and mathematical formulas, names of files and models.
"""

import re

from tts.text import english_tables as tables
from tts.text.numbers import NUMBER, cardinal, digits, number
from tts.text.tracked import Rule, rule

__all__ = ["ADDRESSES", "CODES", "FORMULAS", "RAISED", "pronounceable", "spell"]

_Match = re.Match[str]
_TLD = (
    "com|org|net|edu|gov|io|ai|dev|app|info|uk|de|fr|es|it|eu|ca|au|us|tv|me|co|nl|pl|pt|ch|at|"
    "jp|cn|in|br|ru|se|no|dk|fi|ie|nz|biz|mil|int|xyz|online|shop|blog|tech|cloud"
)
_FILE = (
    "txt|pdf|docx?|xlsx?|pptx?|csv|tsv|js|ts|py|md|json|html?|css|xml|ya?ml|zip|gz|tar|exe|jpe?g|"
    "png|gif|svg|mp3|mp4|wav|flac|ogg|mov|avi|cpp|rs|go|java|sh|ini|cfg|log|sql|php|toml"
)
_SPELLED_FILES = frozenset(
    "txt pdf csv tsv js ts py md html css xml gz svg wav cpp rs sql php".split()
)
#: consonants that can begin and end a syllable of a word in capitals
_ONSETS = frozenset(
    "b c d f g h j k l m n p q r s t v w x y z bl br ch cl cr dr fl fr gl gr kn ph pl pr qu sc sh "
    "sk sl sm sn sp st str sw th tr tw wh wr sch scr shr spl spr squ thr".split()
) | {""}
_CODAS = frozenset(
    "b c d f g k l m n p r s t v w x y z ck ct ch sh th ng nd nt nk nc mp lt ld lk lf lm lp ll ss "
    "st sk sp ft pt rt rd rk rm rn rp rl rs rb rg rv rth nth ght tch dge ff zz ls ns ts ds ks ps "
    "ms bs gs ws xt rst mb hn wn wl wk".split()
) | {""}
#: symbols of elements in chemical formulas
_ATOMS = (
    "He|Li|Be|Ne|Na|Mg|Al|Si|Cl|Ar|Ca|Ti|Cr|Mn|Fe|Co|Ni|Cu|Zn|Br|Kr|Ag|Cd|Sn|Xe|Ba|Pt|Au|Hg|Pb|"
    "Ra|H|B|C|N|O|F|P|S|K|V|I|U"
)
#: nouns whose numbers are read digit by digit
_IDENTIFIED = (
    "OTP|SSN|EIN|IMEI|ISBN|passcode|one-time code|verification code|security code|access code|"
    "confirmation code|tracking number|account number|routing number|serial number|case number|"
    "ticket number|order number|invoice number|confirmation number|booking number|policy number|"
    "reference number|passport number|member number|card number|meeting ID"
)
#: nouns whose numbers are read so only after "number", "code" or a colon, or when they are long
_ALSO_COUNTED = (
    "refs?|reference|order|ticket|case|invoice|account|acct|tracking|confirmation|booking|policy|"
    "passport|member|membership|license|licence|serial|card|claim|customer|employee|student|"
    "transaction|file|badge|ID"
)

#: pattern of a variable that has an exponent, but not of a unit
_VARIABLE = r"(?<!\d)(?:(?<!\d )|(?![kcmd]?m\b|s\b|ft\b|in\b))[A-Za-z]{1,2}"


def spell(letters: str) -> str:
    """Spell letters one by one; digits are read as numbers of one digit."""
    return " ".join(cardinal(c) if c.isdigit() else c.upper() for c in letters if c.isalnum())


def pronounceable(word: str) -> bool:
    """Whether letters can be pronounced as a word: English has each of their runs of consonants."""
    low = word.lower()
    parts = re.split(r"([aeiouy]+)", low)
    if len(parts) < 3:
        return False
    if max(map(len, parts[1::2])) > 2 or parts[0] not in _ONSETS or parts[-1] not in _CODAS:
        return False
    return all(
        any(run[:at] in _CODAS and run[at:] in _ONSETS for at in range(len(run) + 1))
        for run in parts[2:-1:2]
    )


def _address(match: _Match) -> str:
    """Verbalize a web or mail address; parts of a few consonants are spelled."""
    text = re.sub(r"^https?://", "", match[0], flags=re.I)
    bare = text.rstrip(".,;:!?)'\"")
    end = text[len(bare) :]
    text = bare.rstrip("/")
    text = re.sub(r"^www(?=\.)", "W W W", text, flags=re.I)
    text = re.sub(r"[^\w\s'@./:?&=#%+~-]", " ", text)
    text = re.sub(
        r"(?<![^\W_])[B-DF-HJ-NP-TV-XZb-df-hj-np-tv-xz]{2,4}(?![^\W_])", lambda m: spell(m[0]), text
    )
    text = re.sub(r"(?<=\.)U K\b", "uk", text)
    for mark, word in tables.ADDRESS.items():
        text = text.replace(mark, f" {word} ")
    return " " + text + end


def _file(match: _Match) -> str:
    name, kind = match[1], match[2]
    name = re.sub(r"[_-]", lambda m: " underscore " if m[0] == "_" else " dash ", name)
    if name.isupper():
        name = name.lower()
    return f"{name} dot {spell(kind) if kind in _SPELLED_FILES else kind}"


def _hashtag(match: _Match) -> str:
    if re.fullmatch(r"(?=\w*\d)[\dA-Fa-f]{6}", match[1]):
        return f"hash {spell(match[1])}"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", match[1])
    return f"hashtag {words}"


def _groups(match: _Match) -> str:
    """Read groups of digits, such as those of a telephone number, digit by digit."""
    groups = re.findall(r"\+?\d+", match[0])
    said = []
    for group in groups:
        if group == "800" and groups[0] in ("1", "+1", "800"):
            said.append("eight hundred")
        else:
            said.append("plus " + digits(group) if group[0] == "+" else digits(group))
    return ", ".join(said)


def _international(match: _Match) -> str:
    size = sum(c.isdigit() for c in match[0])
    return _groups(match) if 7 <= size <= 16 else match[0]


def _zip_code(match: _Match) -> str:
    """Read a ZIP code digit by digit, after the name of its state or the word for it."""
    name = tables.STATE_NAMES.get(match[1], match[1])
    return f"{name}{match[2]}{digits(match[3])}" + (f", {digits(match[4])}" if match[4] else "")


def _house(match: _Match) -> str:
    """Read a number with a letter as that of a house ("221B Baker Street"), but not "5B" for five
    billion."""
    before = match.string[max(0, match.start() - 12) : match.start()]
    capital = match.string[match.end() : match.end() + 2].strip()[:1].isupper()
    if capital or re.search(
        r"(?i)\b(?:apt|apartment|room|flat|unit|suite|seat|gate)\b\.? $", before
    ):
        number = match[1]
        said = _model(number) if len(number) == 3 else cardinal(number)
        return f"{said} {match[2]}"
    return match[0]


def _model(text: str) -> str:
    """Read a number of three digits as that of a model or a road: 747 is "seven forty-seven"."""
    high, low = text[0], int(text[1:])
    if text[0] == "0":
        return digits(text)
    if not low:
        return cardinal(text)
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def _formula(match: _Match) -> str:
    """Spell a chemical formula."""
    text = match[0]
    if not re.search(r"\d", text) and text not in tables.FORMULAS:
        return text
    parts = re.findall(r"[A-Za-z]|\d+", text)
    return " ".join(cardinal(p) if p.isdigit() else p.upper() for p in parts)


def _letters_before_number(match: _Match) -> str:
    """Spell letters before digits ("GPT4"), or set them off where they are a word."""
    letters = match[1]
    if letters in tables.CURRENCIES:
        return letters
    if len(letters) > 3 and pronounceable(letters) or letters in tables.WORDS_WITH_NUMBERS:
        return letters + " "
    return spell(letters) + " "


def _letters_after_number(match: _Match) -> str:
    """Spell letters after digits, unless they are a unit or a currency."""
    word = match[2]
    if word in tables.UNITS or word in tables.CURRENCIES:
        return match[0]
    apart = " " if match.string[match.start() - 1 : match.start()].isalpha() else ""
    return f"{apart}{cardinal(match[1])} {spell(word)}"


def _power(match: _Match) -> str:
    """Verbalize a base with an exponent."""
    base, sign, exponent = match[1], match[2], match[3]
    if base[0].isdigit():
        said = number(base)
    else:
        said = " ".join(base) if len(base) < 3 else base
    if not sign and exponent in ("2", "3"):
        return f"{said} {'squared' if exponent == '2' else 'cubed'}"
    minus = "minus " if sign in ("-", "−", "–") else ""
    power = cardinal(exponent) if exponent.isdigit() else exponent
    return f"{said} to the power of {minus}{power}"


def _scientific(match: _Match) -> str:
    """Verbalize scientific notation, "1.5e-3"."""
    minus = "minus " if match[2] == "-" else ""
    return f"{number(match[1])} times ten to the power of {minus}{cardinal(match[3])}"


# Two sentences without a space between them, "me.It was".
_GLUED = re.compile(r"[a-z]{1,3}\.(?:it|in|no|at|me|us)")
_UP = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿˣ", "0123456789+-nx")
_DOWN = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")


def _ion(match: _Match) -> str:
    """Spell the formula of an ion with its charge."""
    charge = match[2].translate(_UP)
    said = f"{charge[0]} " if len(charge) > 1 else ""
    return f"{spell(match[1].translate(_DOWN))} {said}{'plus' if charge[-1] == '+' else 'minus'}"


def _hexadecimal(match: _Match) -> str:
    return ", ".join(spell(group) for group in re.split("[:-]", match[0]))


#: applied before the clean-up, which takes raised digits for marks of notes
RAISED: tuple[Rule, ...] = (
    rule(
        rf"(?<!\w)([⁰¹²³⁴⁵⁶⁷⁸⁹]{{2,3}})({_ATOMS})\b",
        lambda m: f"{spell(m[2])}-{m[1].translate(_UP)}",
    ),
    rule(rf"\b((?:(?:{_ATOMS})[₀-₉]{{0,3}}){{1,8}})([⁰¹²³⁴⁵⁶⁷⁸⁹]?[⁺⁻])(?![⁰¹²³⁴⁵⁶⁷⁸⁹])", _ion),
    rule(
        r"(?:(?<=[\d)])|(?<=(?<![^\W\d_])[A-Za-z])|(?<=(?<![^\W\d_])[a-z][a-z]))"
        r"(?<!\bis)(?<!\bit)(?<!\bof)(?<!\bto)(?<!\bin)(?<!\bon)(?<!\bat)(?<!\bbe)(?<!\bwe)"
        r"(?<!\bhe)(?<!\bme)(?<!\bso)(?<!\bup)(?<!\bus)(?<!\bby)(?<!\bdo)(?<!\bno)"
        r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿˣ]{1,9}",
        lambda m: "^" + m[0].translate(_UP),
    ),
    rule(r"(?<=\w)[₀-₉]{1,9}", lambda m: m[0].translate(_DOWN)),
    rule(r"(?<=[\d)])\s?−\s?(?=[\d(])", " minus "),
)
#: addresses and names of files, which are applied first
ADDRESSES: tuple[Rule, ...] = (
    rule(r"(?<!\w)\.NET\b|(?<=ASP)\.NET\b", " dot net"),
    # endings of names by themselves: "a .py file", "the .com boom"
    rule(
        rf"(?:^|(?<=[\s(\"'/]))\.((?!go\b)(?:{_FILE})|com|org|net|edu|gov|io|env|git\w+|bashrc)(?![\w@.]*\w)",
        lambda m: "dot " + (spell(m[1]) if m[1] in _SPELLED_FILES else m[1]),
    ),
    # paths of files
    rule(r"(?<![\w./:~<])/(?=[A-Za-z][\w.-]{0,40}/[\w.])", "slash "),
    rule(r"(?<![A-Za-z])([A-Z]):\\(?=\w)", r"\1 colon backslash "),
    rule(r"(?<=\w)\\(?=\w)", " backslash "),
    rule(r"(?<![\w.@/])(?:https?://|www\.)[^\s<>\"]{1,2000}", _address, re.I),
    rule(r"(?<![\w.+@-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", _address),
    rule(
        rf"(?<![\w.@/-])[A-Za-z0-9-]{{2,63}}(?:\.[a-z0-9-]{{1,63}}){{0,3}}\.(?:{_TLD})"
        r"(?:/[\w./?=&#%~-]{0,200})?(?![\w@])",
        lambda m: m[0] if _GLUED.fullmatch(m[0]) else _address(m),
    ),
    rule(rf"(?<![\w.@/-])([A-Za-z][\w-]{{0,40}})\.({_FILE})(?![\w@]|\.\w)", _file),
    rule(r"(?<![\w&/#])#([A-Za-z]\w{0,60})", _hashtag),
)
#: digits that identify something and are read one by one
CODES: tuple[Rule, ...] = (
    # MAC addresses, UUIDs, checksums and keys
    rule(
        r"(?<![\w:.-])[\dA-Fa-f]{2}(?:([:-])[\dA-Fa-f]{2})(?:\1[\dA-Fa-f]{2}){4}(?![\w:-])",
        _hexadecimal,
    ),
    rule(r"(?<![\w-])[\dA-Fa-f]{8}(?:-[\dA-Fa-f]{4}){3}-[\dA-Fa-f]{12}(?![\w-])", _hexadecimal),
    rule(
        r"(?<![\w-])(?=[a-f\d]{0,38}[a-f]\d)(?=[a-f\d]{0,38}\d[a-f])(?=[a-f\d]{7,64}(?![\w-]))"
        r"(?=\d{0,6}[a-f\d]*?[a-f][a-f\d]*?[a-f])[a-f\d]{7,64}",
        _hexadecimal,
    ),
    rule(
        r"(?<![\w-])(?=[A-Z\d]{0,12}\d[A-Z])(?=[A-Z\d]{0,12}[A-Z]\d)"
        r"(?=\d{0,12}[A-Z]+\d+[A-Z]+\d)[A-Z\d]{9,24}(?![\w-])",
        _hexadecimal,
    ),
    rule(r"(?<![\w+.-])\+?1[- .](?:\(\d{3}\)|\d{3})[- .]\d{3}[- .]\d{4}(?![\w-])", _groups),
    rule(
        r"(?<![\w+.-])(1[- ]8\d\d)[- ]([A-Z]{4,12})\b",
        lambda m: (
            ", ".join("eight hundred" if g == "800" else digits(g) for g in re.split(r"\D", m[1]))
            + f", {m[2].lower()}"
        ),
    ),
    rule(r"(?<![\w+])\+\d{1,15}(?:[ .-]?(?:\(\d{1,4}\)|\d{1,8})){0,7}(?![\w-])", _international),
    rule(
        r"(?<![\w+.-])(?:\(0\d{1,4}\) ?|0\d{2,4} )\d{3,4} ?\d{2,6}(?: \d{2,4})?(?![\w-])", _groups
    ),
    rule(r"(?<![\w+.,-])0\d{9,10}(?![\w,.-]\w)", _groups),
    rule(r"(?<![\w+.,-])0\d(?: \d\d){4}(?![\w-])", _groups),
    rule(r"(?<![\w.+-])(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])", _groups),
    # numbers of credit cards, of social security and of orders
    rule(r"(?<![\w+.,-])(?<!\d )\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?![\w-]|[.,]\d)", _groups),
    rule(r"(?<![\w+.,-])\d{3}-\d\d-\d{4}(?![\w-])", _groups),
    rule(r"(?<![\w+.,-])(?=[\d-]{0,20}\d{5})\d{1,7}(?:-\d{1,7}){2,4}(?![\w-]|[.,]\d)", _groups),
    rule(
        rf"\b((?i:{_IDENTIFIED}))((?i: number| no\.?| code| ID)?(?::| is:?| was)? )"
        r"(\d{4,20})\b(?![-,.:/]\d|\s?%)",
        lambda m: m[1] + m[2] + digits(m[3]),
    ),
    # these nouns are counted too, so that "number", "code" or a colon must stand between
    rule(
        rf"\b((?i:{_ALSO_COUNTED}))((?i: number| no\.?| code| ID)(?::| is:?)? |: )"
        r"(\d{5,20})\b(?![-,.:/]\d|\s?%)",
        lambda m: m[1] + m[2] + digits(m[3]),
    ),
    rule(r"(?<![\w.+$£€-])\d{3}-\d{4}(?![\w-])", _groups),
    rule(r"(?<![\w.])(911|999|112)(?= or (?:911|999|112)\b)", lambda m: digits(m[1])),
    rule(r"(?<=(?:one|ine|two) or )(911|999|112)\b", lambda m: digits(m[1])),
    rule(
        r"\b([A-Z]{1,2}\d[A-Z\d]?)(\d[A-Z]{2})\b",
        lambda m: f"{spell(m[1])}, {spell(m[2])}",
    ),
    rule(r"(?<![\w.,])(\d{1,4})([A-D])\b(?= [A-Z][a-z]|[,.;:!?)]|\s*$)", _house),
    rule(r"(?<![\w.,-])(\d{5})-(\d{4})(?![\w-])", lambda m: f"{digits(m[1])}, {digits(m[2])}"),
    rule(
        r"(?i)\b(call|calls|called|calling|dial|dials|dialed|dialled|dialing|ring|rang|phone|text|"
        r"emergency|extension|ext\.|PIN|PIN is|code is|password is|passcode is|code|number is)"
        r"(:? )(\d{3,8})\b(?![-,.:/]\d|\s?%| (?:people|times|of|more)\b)",
        lambda m: f"{m[1]}{m[2]}{digits(m[3])}",
    ),
    rule(
        r"\b(911|999|112)(?= (?:calls?|operators?|dispatchers?|emergency|emergencies)\b)",
        lambda m: digits(m[1]),
    ),
    rule(
        r"\b((?:[Ff]light|FLIGHT) )([A-Z]{2}) ?(\d{2,4})\b",
        lambda m: f"{m[1]}{spell(m[2])} {digits(m[3])}",
    ),
    rule(
        r"\b([A-Z]{1,2}\d[A-Z\d]?) (\d[A-Z]{2})\b",
        lambda m: f"{spell(m[1])}, {spell(m[2])}",
    ),
    rule(r"\b([A-Z]\d[A-Z]) (\d[A-Z]\d)\b", lambda m: f"{spell(m[1])}, {spell(m[2])}"),
    rule(
        rf"\b((?i:zip(?: code)?|postcode|postal code)|{tables.STATES})(:? )(\d{{5}})"
        r"(?:-(\d{4}))?\b(?![,.]\d)",
        _zip_code,
    ),
    rule(
        rf"\b([A-Z][a-z]+, )({tables.WORDLIKE_STATES})( )(\d{{5}})\b(?![,.]\d)",
        lambda m: f"{m[1]}{tables.STATE_NAMES[m[2]]} {digits(m[4])}",
    ),
)
#: formulas, powers, versions and names of models
FORMULAS: tuple[Rule, ...] = (
    # sections of the tax law: "401(k)", "501(c)(3)"
    rule(
        r"(?<![\w.,$£€-])([45])(0\d|57|29)\(([a-z])\)(?:\((\d)\))?",
        lambda m: f"{_model(m[1] + m[2])} {m[3].upper()}{' ' + cardinal(m[4]) if m[4] else ''}",
    ),
    rule(r"(?<![\w.,$£€-])401k\b", "four oh one K"),
    rule(r"\b(Q[1-4]|FY|H[12])'(\d\d)\b", r"\1 \2"),
    rule(rf"(?<![\w,.])({NUMBER})[eE]([+-]?)(\d{{1,3}})(?![\w.])", _scientific),
    rule(r"(?<=\d)\s?[xX×*·]\s?(?=10\s?\^)", " times "),
    rule(
        rf"(?<![\w.,])({NUMBER}|{_VARIABLE})(?:\^|\*\*)[{{(]?([+-]?)(\d{{1,4}}|[a-z])\b[}})]?",
        _power,
    ),
    rule(r"\)\^([23])(?!\d)", lambda m: f") {'squared' if m[1] == '2' else 'cubed'}"),
    rule(r"\bpH\b", "P H"),
    rule(rf"\b(?:(?:{_ATOMS})\d{{0,3}}){{2,10}}\b", _formula),
    rule(r"\b([A-Z]{2})(\d{3})\b", lambda m: f"{spell(m[1])} {_model(m[2])}"),
    rule(r"\b([A-Z]{2,5})(?=\d)", _letters_before_number),
    # "10:30PM", "17:30UTC": a time of day and its zone
    rule(r"(?<=\d:[0-5]\d)(?=[A-Z]{2,4}\b)", " "),
    rule(r"(?<![\d.,])(\d{1,4})([A-Z]{2,4})\b", _letters_after_number),
    rule(r"\b(?!(?:km|cm|mm|ft|kg)\d)([b-df-hj-np-tv-xz]{2,4})(?=\d)", _letters_before_number),
    rule(r"\b([A-Z]{1,3})-(\d{3})\b(?![-.,]\d)", lambda m: f"{m[1]}-{_model(m[2])}"),
    rule(r"\b([A-Z])(\d{3})\b(?![-.,]\d)", lambda m: f"{m[1]} {_model(m[2])}"),
    rule(
        r"\b(Boeing|Airbus|Highway|Hwy\.?|Route|Interstate|Area|Xbox|Porsche|Peugeot|Bus|Room|"
        r"Apartment|Apt\.?|Suite|Studio) "
        r"(\d{3})\b(?![-.,]\d)",
        lambda m: f"{m[1]} {_model(m[2])}",
    ),
    rule(
        r"\b((?i:version|python|ios|android|macos|ubuntu|java|php|ruby|chrome|firefox|debian|"
        r"fedora|linux|kernel|release)) (\d{1,3})\.(\d{1,2})\b(?!\.\d)",
        lambda m: (
            f"{m[1]} {cardinal(m[2])} point " + (digits(m[3]) if m[3][0] == "0" else cardinal(m[3]))
        ),
    ),
    rule(r"(?<![\w.])v\.?\s?(?=\d)", "version "),
)
