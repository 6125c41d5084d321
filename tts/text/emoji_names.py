"""Verbalization of emoji by their short names in Unicode CLDR, which the package `emoji` holds."""

import functools
import re
from collections.abc import Callable

from tts.errors import UsageError
from tts.text.tracked import Tracked

__all__ = ["check_emoji_language", "has_emoji", "say_emoji"]

# Typographic signs that count as emoji too; normalization reads or removes them.
_SIGNS = frozenset("©®™‼⁉〰〽")
_TONE = re.compile("[\U0001f3fb-\U0001f3ff]")
_KEYCAP = re.compile("([0-9#*])\ufe0f?\u20e3")
_LONGEST = 256
_OPENING = ".,;:!?…"
_CLOSING = ".,;:!?…)\n"


def check_emoji_language(lang: str) -> str:
    """Return the code under which emoji have names in a language.

    Args:
        lang: espeak code, such as "en-us" or "cmn".

    Raises:
        UsageError: emoji have no names in this language.
    """
    import emoji

    code = lang.lower().split("-")[0]
    code = {"cmn": "zh", "yue": "zh"}.get(code, code)
    if code not in emoji.LANGUAGES:
        raise UsageError(
            f"names of emoji are not there in {lang!r}, but in {', '.join(sorted(emoji.LANGUAGES))}"
        )
    return code


def has_emoji(text: str) -> bool:
    """Return whether a text holds an emoji that `say_emoji` names."""
    return not text.isascii() and _row().search(text) is not None


def say_emoji(text: Tracked, lang: str) -> None:
    """Replace each emoji by its name, set off by commas: "thumbs up".

    Repeated emoji are named once, skin tones are left out, and the digit of a keycap is read as a
    digit. Typographic signs such as © stay.

    Args:
        text: is changed in place; each name stands for the characters of its emoji.
        lang: espeak code.

    Raises:
        UsageError: there are emoji, and they have no names in this language.
    """
    if text.text.isascii():
        return
    text.sub(_KEYCAP, r"\1")
    row = _row()
    if row.search(text.text) is None:
        return
    name = _namer(check_emoji_language(lang))

    def named(match: re.Match[str]) -> str:
        import emoji

        # The time of the package is quadratic in the length of a row of joined emoji.
        parts = (match[0][at : at + _LONGEST] for at in range(0, len(match[0]), _LONGEST))
        signs = (each["emoji"] for part in parts for each in emoji.emoji_list(part))
        names = [said for said in dict.fromkeys(map(name, signs)) if said]
        if not names:
            return match[0]
        before = match.string[: match.start()][-1:]
        after = match.string[match.end() :][:1]
        opens = "" if not before or before in '\n("' else " " if before in _OPENING else ", "
        closes = "" if not after or after in _CLOSING else ", "
        return opens + ", ".join(names) + closes

    text.sub(row, named, whole=True)


@functools.cache
def _row() -> re.Pattern[str]:
    """Return the pattern of a row of emoji with the spaces around and between them."""
    import emoji

    every = {char for sign in emoji.EMOJI_DATA for char in sign if not char.isascii()} - _SIGNS
    # Joiners and variation selectors only continue a row: by themselves they shape letters.
    starts = re.escape("".join(sorted(every - {"\u200d", "\ufe0f", "\u20e3"})))
    return re.compile(rf"(?<! )[ ]*[{starts}](?:[ ]*[{starts}\u200d\ufe0f\u20e3])*[ ]*")


@functools.cache
def _namer(code: str) -> Callable[[str], str]:
    """Return a function from an emoji to its name, "" without one, in a language."""
    import emoji

    if code != "en":
        emoji.config.load_language(code)

    def name(sign: str) -> str:
        plain = _TONE.sub("", sign)
        for form in (plain, plain + "\ufe0f", sign):
            entry = emoji.EMOJI_DATA.get(form, {})
            if code in entry:
                said = str(entry[code]).strip(":").replace("_", " ").replace("’", "'")
                flag = code == "en" and 0x1F1E6 <= ord(form[0]) <= 0x1F1FF
                return f"flag of {said}" if flag else said
        return ""

    return name
