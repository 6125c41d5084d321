"""Verbalization of English in chats and programs: abbreviations, arrows, hearts and operators."""

from tts.text.tracked import Rule, rule

__all__ = ["CHAT"]

_SAID = {
    "pls": "please", "plz": "please", "thx": "thanks", "ppl": "people", "gr8": "great",
    "m8": "mate", "l8r": "later", "2nite": "tonight", "2day": "today", "2moro": "tomorrow",
    "idk": "I D K", "imo": "I M O", "imho": "I M H O", "iirc": "I I R C", "tldr": "T L D R",
    "yoy": "year over year", "qoq": "quarter over quarter", "mom": "month over month",
}  # fmt: skip
_GROWTH = "YoY|QoQ|MoM"
_OVER = {"y": "year over year", "q": "quarter over quarter", "m": "month over month"}

#: applied before other abbreviations
CHAT: tuple[Rule, ...] = (
    rule(
        r"(?<![\w/.-])(pls|plz|thx|ppl|gr8|m8|l8r|2nite|2day|2moro|idk|imo|imho|iirc|tldr)(?![\w/-])",
        lambda m: _SAID[m[1]],
    ),
    rule(r"\bTL;DR\b|\btl;dr\b", "T L D R"),
    rule(rf"\b({_GROWTH})\b", lambda m: _SAID[m[1].lower()]),
    rule(r"(?<![\w/])([yqm])/\1(?![\w/])", lambda m: _OVER[m[1]]),
    # a heart: a verb after a pronoun, and silent where it cannot be less than a number
    rule(r"\b(I|[Ww]e|[Yy]ou|[Tt]hey) ?<3+ ?(?=[A-Za-z])(?!\w+ ?[=<>])", r"\1 love "),
    rule(r"(?:(?<=[a-z] )|(?<=[!?.] ))<3+(?=\s*(?:$|\n|!|<3))", ""),
    # an arrow from one thing to another; other arrows are silent
    rule(r"(?<=[\w)%\"'.]) ?-{1,2}> ?(?=[\w(\"'$£€])", " to "),
    rule(r"(?<!\S)(?:<?-{1,2}>|=+>|<-{1,2}|<=+>)(?!\S)|-{1,2}>", " "),
    rule(r">=|=>(?=\s?\d)", "≥"),
    rule(r"<=|=<(?=\s?\d)", "≤"),
    rule(r"!==?", "≠"),
    rule(r"(?<![=<>])={2,3}(?![=>])", "="),
    rule(r"(?<=\s)&&(?=\s)", "and"),
    rule(r"(?<=\s)\|\|(?=\s)", "or"),
)
