"""Removal of the marks of chat programs: Markdown, HTML tags and entities, hard ends of lines.

The answers of language models are full of them, and they are not to be read. Headings, items of
lists and rows of tables end with a pause, and a word that was hyphenated at the end of a line is
joined again.
"""

import html
import re

from tts.text.tracked import Rule, Tracked, rule

__all__ = ["without_chat_marks"]

_Match = re.Match[str]
_TAGS = (
    "a|abbr|address|article|aside|audio|b|big|blockquote|body|br|button|caption|center|cite|code|"
    "col|dd|del|details|div|dl|dt|em|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|"
    "i|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol|p|pre|q|s|samp|section|small|span|"
    "strong|style|sub|summary|sup|table|tbody|td|tfoot|th|thead|title|tr|tt|u|ul|var|video"
)
_BLOCKS = frozenset(
    "blockquote br dd div dt h1 h2 h3 h4 h5 h6 hr li p pre section table td th title tr".split()
)
_ENDS = tuple(".!?…:;,。！？、，")
# First parts of compounds, which keep their hyphen at the end of a line.
_COMPOUND_PARTS = frozenset(
    "well self half high low long short old new full ex non two three four five six seven eight "
    "nine ten first second third mid all cross anti pro semi post pre so twenty thirty forty fifty "
    "sixty seventy eighty ninety hard soft open left right large small".split()
)
_WORDS_ONLY = re.compile(r"[^.!?…。！？]{1,60}")


def _tag(match: _Match) -> str:
    """Remove an HTML tag; one of a block ends the line."""
    name = match[1].lower()
    return "\n" if name in _BLOCKS else ""


def _hyphenated(match: _Match) -> str:
    """Join a word that was hyphenated at the end of a line; a compound keeps its hyphen."""
    before = re.search(r"[^\W\d_]+$", match.string[max(0, match.start() - 20) : match.start()])
    return "-" if before and before[0].lower() in _COMPOUND_PARTS else ""


def _ended(match: _Match) -> str:
    """End a heading, an item or a row with a full stop, unless a mark ends it already."""
    line = match[0].rstrip()
    said = line.rstrip("*_`\"'”’)#| ")
    return match[0] if not said or said.endswith(_ENDS) or not _SAID.search(said) else line + "."


def _item(match: _Match) -> str:
    """Remove the bullet of an item."""
    return "" if _is_item(match) else match[0]


def _item_end(match: _Match) -> str:
    return _ended(match) if _is_item(match) else match[0]


def _is_item(match: _Match) -> bool:
    """Whether a bullet is one: a dash before an amount is a minus, unless other items are near."""
    if match[1] not in "-–—+" or not re.match(r"[\d$£€.]", match.string[match.end(2) :][:1]):
        return True
    around = match.string[max(0, match.start() - 200) : match.end() + 200]
    return len(re.findall(rf"^{_BULLET}", around, re.M)) > 1


def _number(match: _Match) -> str:
    """Set off the number of an item by a comma."""
    return match[0] if _is_ordinal(match) else match[1] + ","


def _number_end(match: _Match) -> str:
    return match[0] if _is_ordinal(match) else _ended(match)


def _is_ordinal(match: _Match) -> bool:
    """Whether digits with a dot that begin a line are a German or Polish ordinal rather than the
    number of an item: before a month, or, where no other items are near, before a noun that is
    counted so."""
    from tts.text.language_ordinals import begins_ordinal

    text = match.string
    line = text[match.start() : match.start() + 60].lstrip(" \t")
    found = re.match(r"\d{1,3}\.[ \t]", line)
    if not found:
        return False
    around = text[max(0, match.start() - 200) : match.end() + 200]
    alone = len(re.findall(r"^[ \t]{0,16}\d{1,3}[.),][ \t]", around, re.M)) == 1
    return begins_ordinal(line[found.end() :], alone)


_SAID = re.compile(r"[^\W_]")
_BULLET = r"[ \t]{0,16}([-*+•●▪‣◦–—])([ \t]{1,4})(?:\[[ xX]\][ \t]{1,4})?"
_HEADING = r"[ \t]{0,4}#{1,6}[ \t]{1,4}"
_NUMBER = r"[ \t]{0,16}\d{1,3}[.)][ \t]{1,4}(?=[^\W\d_]|[\"'“*_`\[(])"
_LINES: tuple[Rule, ...] = (
    rule(r"\r\n?", "\n"),
    rule(r"(?<=[^\W\d_])[-‐­]\n[ \t]{0,8}(?=[a-zß-ÿ])", _hyphenated),
    rule(r"^[ \t]{0,8}(?:```|~~~)[^\n]{0,60}$", "", re.M),
    rule(r"<!--(?:[^-]|-(?!->)){0,2000}-->", ""),
    rule(rf"</?({_TAGS})(?:\s[^<>]{{0,500}})?/?>", _tag, re.I),
    # horizontal rules, underlines of headings, the line under the head of a table
    rule(r"^[ \t]{0,8}(?:[-*_=][ \t]{0,2}){3,200}$", "", re.M),
    rule(r"\n[ \t]{0,8}\|?(?:[ \t]{0,40}:?-{2,60}:?[ \t]{0,40}\|){1,40}"
         r"[ \t]{0,40}(?::?-{2,60}:?)?[ \t]{0,40}$", "", re.M),
    rule(r"^[ \t]{0,4}\[[^\]\n]{1,60}\]:[ \t]{1,4}\S[^\n]{0,500}$", "", re.M),
    # rows of tables, whose cells are separated by pauses
    rule(r"^[ \t]{0,8}\|[^\n]{1,2000}\|[ \t]{0,8}$", _ended, re.M),
    rule(r"^[ \t]{0,8}\|[ \t]{0,40}([^\n]{0,2000}?)[ \t]{0,40}\|[ \t]{0,8}(?=\.?$)", 1, re.M),
    rule(r"(?<=[^\s|])[ \t]{1,40}\|[ \t]{1,40}(?=[^\s|])", ", "),
    rule(r"^(?:[ \t]{0,4}>[ \t]{0,4}){1,8}(?=[^\W\d_]|[\"'“*_#>\-]|\d{1,3}[.)] |$)", "", re.M),
    # headings and items of lists
    rule(rf"^({_HEADING}[^\n]{{1,500}}?)[ \t]{{1,4}}#{{1,6}}[ \t]{{0,4}}$", 1, re.M),
    rule(rf"^{_HEADING}[^\n]{{1,500}}$", _ended, re.M),
    rule(rf"^{_HEADING}(?=\S)", "", re.M),
    rule(rf"^{_BULLET}[^\n]{{1,2000}}$", _item_end, re.M),
    rule(rf"^{_BULLET}(?=\S)", _item, re.M),
    rule(rf"^{_NUMBER}[^\n]{{1,2000}}$", _number_end, re.M),
    rule(r"^([ \t]{0,16}\d{1,3})[.)](?=[ \t]{1,4}(?:[^\W\d_]|[\"'“*_`\[(]))", _number, re.M),
)  # fmt: skip
_INSIDE: tuple[Rule, ...] = (
    rule(r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{0,1000}(?:\([^()\s]{0,100}\))?"
         r"(?:\s\"[^\"\n]{0,200}\")?\)", 1),
    rule(r"(?<!\[)\[([^\[\]\n]{1,300})\]\[[^\[\]\n]{0,60}\](?!\])", 1),
    rule(r"\[\^[^\[\]\n]{1,40}\]", ""),
    rule(r"<((?:https?://|mailto:)[^<>\s]{1,1000})>", lambda m: m[1].removeprefix("mailto:")),
    rule(r"(?<!\w):[a-z][a-z_]{1,30}:(?!\w)", ""),
    rule(r"`{1,3}([^`\n]{1,500})`{1,3}", 1),
    rule(r"(\*\*|__|~~|\|\|)(?=\S)([^\n]{1,500}?)(?<=\S)\1", 2),
    rule(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]{1,500}?)(?<=\S)\*(?![\w*])", 1),
    rule(r"(?<![\w_\\])_(?=[^\s_])([^_\n]{1,500}?)(?<=\S)_(?![\w_])", 1),
    rule(r"\\([*_`#\[\]()!>|~-])", 1),
    rule(r"&(?:[a-zA-Z]{2,30}|#\d{1,7}|#[xX][\da-fA-F]{1,6});", lambda m: html.unescape(m[0])),
)  # fmt: skip


def _line_end(match: _Match) -> str:
    """Put a comma after a line that is an item: it is short, ends without a mark, and the next line
    begins anew."""
    text = match.string
    before = text[max(0, match.start() - 80) : match.start()].rpartition("\n")[2].rstrip()
    after = text[match.end() : match.end() + 80].partition("\n")[0].lstrip()
    if not before or not after or before.endswith((*_ENDS, "-", "—", ")")) or len(before) > 60:
        return match[0]
    begins = after[0].isupper() or after[0].isdigit()
    short = len(before) <= 40 and len(after) <= 40
    if begins and len(before) <= 48 or short and _WORDS_ONLY.fullmatch(before + after):
        return ",\n"
    return match[0]


def without_chat_marks(tracked: Tracked) -> None:
    """Remove the marks of chat programs in place, in time that is linear in the length.

    Args:
        tracked: the text; what is left keeps its spans.
    """
    text = tracked.text
    if "\n" not in text and not re.search(r"[`*_~<&\[\]#>|:\\]|^\s*[-+•●▪‣◦–—\d]|\r", text):
        return
    tracked.apply(_LINES)
    tracked.apply(_INSIDE)
    tracked.sub(_SINGLE_END, _line_end)


_SINGLE_END = re.compile(r"(?<!\n)\n(?![ \t]{0,8}\n)")
