"""Text to phone tokens: normalisation, sentences, espeak phonemes, fixed symbols."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from tts.errors import TextError
from tts.text.chat import without_chat_marks
from tts.text.emoji_names import say_emoji
from tts.text.foreign import phonemize
from tts.text.given import check_text
from tts.text.homographs import readings
from tts.text.inline import INLINE, inline_warnings
from tts.text.normalize import normalize_tracked
from tts.text.phonemes import Phonemizer
from tts.text.sentences import initial_dot, split_complete_at, split_sentences
from tts.text.symbols import PAUSES, PUNCTUATION, SIL, Phones, encode_phones, phones_to_ids
from tts.text.tracked import Tracked, spans_of

__all__ = ["Frontend", "Pauses"]

log = logging.getLogger(__name__)
# Normalisation removes private-use characters, so these can stand for inline phonemes.
_PRIVATE = 0xF0000
_MAX_INLINE = 0xFFFD
_HELD = re.compile("[\U000f0000-\U000ffffd]")
# Marks between digits ("3,5", "10:30") and the dot of an ordinal ("3. Mai") belong to the
# number that espeak reads.
_TOKEN = re.compile(
    r'(?P<word>(?:[^\s,.?!;:—…"()\U000f0000-\U000ffffd]|(?<=\d)[.,:](?=\d)|(?<=\d)\.(?= \w))+)'
    r"|(?P<mark>[,.?!;:—…()])|(?P<held>[\U000f0000-\U000ffffd])"
)
_STRENGTH = {mark: rank for rank, mark in enumerate(",()—:;….!?")}
_VOWELS = frozenset("aeiouæɑɐɒɔəɘɚɛɜɝɞɤɨɪɯɵøœɶʉʊʌʏy")
_SPEAKABLE = re.compile(r"[^\W_]")

Pauses = Literal["marks", "sil", "none"]


class Frontend:
    """Text to `Phones` for one language.

    Args:
        lang: espeak language code.
        pauses: "marks" keeps one token per punctuation mark, "sil" turns each into `<sil>`,
            "none" drops them.
        lexicon: puts how words are said in their place before anything else is done.

    Raises:
        UsageError: unknown language.
    """

    def __init__(
        self,
        lang: str = "en-us",
        pauses: Pauses = "marks",
        lexicon: Callable[[Tracked], None] | None = None,
    ) -> None:
        self.lexicon = lexicon
        self.phonemizer = Phonemizer(lang)
        self.lang = self.phonemizer.lang
        self.pauses = pauses

    def __call__(self, text: str, max_chars: int = 220) -> list[Phones]:
        """All of `sentences` at once."""
        return list(self.sentences(text, max_chars))

    def sentences(
        self,
        text: str | Iterable[str],
        max_chars: int = 220,
        plain: bool = False,
        emoji: bool = False,
    ) -> Iterator[Phones]:
        """One `Phones` per sentence as it is needed, with the pause that follows it (seconds).

        Args:
            text: whole, or in pieces that may still be being written.
            plain: read what stands there, marks of chat programs (tts.text.chat) as well.
            emoji: say the short names of emoji, which are silent otherwise.

        Raises:
            TextError: nothing to say, or not valid Unicode.
            UsageError: emoji have no names in this language.
        """
        check_text(text)
        parts = [(text, 0.0, 0)] if isinstance(text, str) else split_complete_at(text, self.lang)
        empty = True
        for part, pause, offset in parts:
            spoken, inline = self._prepare(part, plain, emoji)
            places = _Places(spoken, offset, part, inline)
            sentences = split_sentences(spoken.text, max_chars, self.lang)
            for sentence in sentences:
                phones = self._encode(sentence.text, inline)
                if phones is not None:
                    phones.spans = places.of(phones)
                    phones.pause_after = (
                        pause if sentence is sentences[-1] else sentence.pause_after
                    )
                    empty = False
                    yield phones
        if empty:
            raise _nothing(text if isinstance(text, str) else "")

    def one(self, text: str) -> Phones:
        """The whole text as one utterance; for training transcripts.

        Raises:
            TextError: no string, nothing to say, or not valid Unicode.
        """
        check_text(text, pieces=False)
        spoken, inline = self._prepare(text)
        phones = self._encode(spoken.text, inline)
        if phones is None:
            raise _nothing(text)
        phones.spans = _Places(spoken, 0, text, inline).of(phones)
        return phones

    def batch_one(self, texts: Sequence[str]) -> list[Phones]:
        """`one` for many texts; a text with nothing to say raises, naming its index."""
        out = []
        for index, text in enumerate(texts):
            try:
                out.append(self.one(text))
            except TextError as error:
                raise TextError(f"text {index}: {error}") from error
        return out

    @staticmethod
    def from_phones(ipa: str, pauses: Pauses = "marks") -> Phones:
        """Phones given directly as IPA words and punctuation, with silence at both edges.

        Raises:
            TextError: no known phone in it.
        """
        phones = _Builder(pauses)
        # Dots inside of a word mark syllables, not sentences.
        for chunk in re.sub(r"(?<=\S)\.(?=\S)", "", ipa).split():
            for match in re.finditer(r"[,.?!;—…()]|[^,.?!;—…()]+", chunk):
                if match[0] in PUNCTUATION:
                    phones.mark(match[0])
                else:
                    phones.word(match[0], match[0])
        result = phones.finish(ipa)
        if result is None:
            raise TextError(f"no known phone in {ipa[:40]!r}; give IPA such as 'həlˈoʊ'")
        return result

    def _prepare(
        self, text: str, plain: bool = True, emoji: bool = False
    ) -> tuple[Tracked, list[str]]:
        """Spoken text with one private-use character per inline phoneme block."""
        written = Tracked(text)
        if not plain:
            without_chat_marks(written)
            text = written.text
        if emoji:
            say_emoji(written, self.lang)
            text = written.text
        if self.lexicon is not None:
            self.lexicon(written)
            text = written.text
        pieces = INLINE.split(text)
        inline = pieces[1::2]
        if len(inline) > _MAX_INLINE:
            raise TextError(f"{len(inline)} inline phoneme blocks; at most {_MAX_INLINE} a text")
        for line in inline_warnings(pieces):
            log.warning("%s", line)
        shout = not self.lang.startswith("en") and _is_shout(pieces[::2])
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for n, piece in enumerate(pieces):
            if n % 2:
                length = len(piece) + 4
                texts.append(f" {chr(_PRIVATE + n // 2)} ")
                starts += [at] * 3
                ends += [at + length] * 3
            else:
                length = len(piece)
                made = normalize_tracked(_lower(piece, self.lang) if shout else piece, self.lang)
                texts.append(made.text)
                starts += [at + start for start in made.starts]
                ends += [at + end for end in made.ends]
            at += length
        spoken = Tracked("")
        # A long number is said in many characters, all of which stand for all of it.
        spans = spans_of(written, zip(starts, ends, strict=True))
        spoken.set("".join(texts), [start for start, _ in spans], [end for _, end in spans])
        return spoken, inline

    def _encode(self, spoken: str, inline: list[str]) -> Phones | None:
        builder = _Builder(self.pauses)
        clause: list[str] = []
        tokens = list(_TOKEN.finditer(spoken))
        chosen = readings([m[0] for m in tokens]) if self.lang == "en-us" else {}
        known: dict[int, str] = {}

        def flush(following: str = "") -> None:
            said = phonemize(self.phonemizer, [*clause, following] if following else clause)
            if following:
                said = said[:-1] if said[-1:] and said[-1][0] == following else []
                said = said or phonemize(self.phonemizer, clause)
            # A word of over a hundred letters comes in parts: then no reading is placed.
            same = len(said) == len(clause)
            for at, (word, ipa) in enumerate(said):
                builder.word(word, known.get(at, ipa) if same else ipa)
            clause.clear()
            known.clear()

        english = self.lang.startswith("en")
        for at, match in enumerate(tokens):
            if english and match["mark"] == "." and initial_dot(spoken, match.start()):
                # Apart from what follows, "A." is the letter and not the article.
                flush()
                continue
            if match["word"]:
                if _SPEAKABLE.search(match["word"]):
                    if at in chosen:
                        known[len(clause)] = chosen[at]
                    clause.append(match["word"])
                continue
            if match["mark"]:
                flush()
                builder.mark(match["mark"])
            else:
                parts = inline[ord(match["held"]) - _PRIVATE].split()
                flush(_like(parts[0]) if english and clause and parts else "")
                for part in parts:
                    builder.word(part, part)
        flush()
        return builder.finish(_HELD.sub(lambda m: f"[[{inline[ord(m[0]) - _PRIVATE]}]]", spoken))


class _Places:
    """Where the words of a text's sentences stand in the text as it was written."""

    def __init__(self, spoken: Tracked, offset: int, written: str, inline: Sequence[str]) -> None:
        self.spoken, self.offset, self.at = spoken, offset, 0
        self.written, self.inline = written, inline
        self.blocks = list(_HELD.finditer(spoken.text))[::-1]  # the next one is the last

    def of(self, phones: Phones) -> list[tuple[int, int]]:
        """One (start, end) per word; sentences come in order. Words of the lexicon that are given
        as phones get their written form as a name."""
        out: list[tuple[int, int]] = []
        left, place = 0, (0, 0)  # words of an inline block that are to come, and where it stands
        for number, (word, first_token, last_token) in enumerate(phones.words):
            if left:
                left -= 1
                out.append(place)
                continue
            found = self.spoken.text.find(word, self.at)
            while self.blocks and self.blocks[-1].start() < self.at:
                self.blocks.pop()
            held = self.blocks[-1] if self.blocks else None
            if held and (found < 0 or held.start() < found):
                # Inline phonemes: their words share the place of their block.
                first, last = held.span()
                parts = self.inline[ord(held[0]) - _PRIVATE].split()
                left = sum(bool(encode_phones(part)[0]) for part in parts) - 1
            elif found < 0:
                first = last = self.at
            else:
                first, last = found, found + len(word)
            self.at = max(self.at, last)
            start, end = _bare(self.written, *self.spoken.span(first, last))
            if out and _goes_on(self.written, start, end, out[-1][1] - self.offset):
                start = _join(out, start + self.offset, end + self.offset) - self.offset
            elif out and out[-1][0] < start + self.offset and end + self.offset <= out[-1][1]:
                start, end = (each - self.offset for each in out[-1])
            place = (start + self.offset, end + self.offset)
            out.append(place)
            written = self.written[start:end]
            if held and first == held.start() and not left and written and "[[" not in written:
                phones.words[number] = (written, first_token, last_token)
        return out


def _like(ipa: str) -> str:
    """A word that begins as the phones do, which stands in their place while what is before them is
    read: at the end of a clause the article "a" would be read as the letter, and "the" before a
    vowel as before a consonant."""
    first = ipa.lstrip("ˈˌ'")[:1]
    return "apple" if first in _VOWELS else "cat"


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of a text without the blanks at its edges, where there is anything else."""
    part = text[start:end]
    if not part.strip():
        return start, end
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _goes_on(text: str, start: int, end: int, before: int) -> bool:
    """Whether what was written for a word goes on with a letter after a dot where that of the word
    before ends, as ".Y." does after "N": then it is one form, which both stand for."""
    return start == before and text[start:end][:1] == "." and text[start + 1 : end][:1].isalpha()


def _join(places: list[tuple[int, int]], start: int, end: int) -> int:
    """Give the words that the last form stands for one that goes on to `end`; where it begins."""
    last = places[-1]
    at = len(places)
    while at and places[at - 1] == last:
        at -= 1
        places[at] = (last[0], end)
    return last[0]


class _Builder:
    """Collects words and pauses; a run of pauses leaves its strongest mark."""

    def __init__(self, pauses: Pauses) -> None:
        self.phones = Phones([SIL], [0])
        self.pauses = pauses

    def word(self, text: str, ipa: str) -> None:
        ids, mods = encode_phones(ipa, self.phones.dropped)
        if ids:
            start = len(self.phones.ids)
            self.phones.ids += ids
            self.phones.mods += mods
            self.phones.words.append((text, start, start + len(ids)))

    def mark(self, mark: str) -> None:
        if self.pauses == "none" or not self.phones.words:
            return
        mark = "," if mark in "()" else mark
        new = SIL if self.pauses == "sil" else phones_to_ids(mark)[0]
        last = self.phones.ids[-1]
        if last not in PAUSES:
            self.phones.ids.append(new)
            self.phones.mods.append(0)
        elif self.pauses == "marks" and _rank(mark) > _rank(_mark_of(last)):
            self.phones.ids[-1] = new

    def finish(self, text: str) -> Phones | None:
        if not self.phones.words:
            return None
        if self.phones.ids[-1] != SIL:
            self.phones.ids.append(SIL)
            self.phones.mods.append(0)
        self.phones.text = " ".join(text.split())
        return self.phones


def _is_shout(pieces: Sequence[str]) -> bool:
    """Several words in capitals alone; English tells its own (tts.text.capitals)."""
    letters = [c for piece in pieces for c in piece if c.isalpha()]
    spaced = any(" " in piece.strip() for piece in pieces)
    return bool(letters) and spaced and not any(c.islower() for c in letters)


def _lower(text: str, lang: str) -> str:
    """Small letters, one for each capital, so that places stay; Turkish and Azeri have two i."""
    if lang.split("-")[0] in ("tr", "az"):
        text = text.replace("I", "ı")
    return text.replace("İ", "i").lower()


def _mark_of(symbol: int) -> str:
    return PUNCTUATION[symbol - 4] if 4 <= symbol < 4 + len(PUNCTUATION) else ","


def _rank(mark: str) -> int:
    return _STRENGTH.get(mark, 0)


def _nothing(text: str) -> TextError:
    shown = text.strip()[:40]
    return TextError(f"nothing to say in {shown!r}" if shown else "the text is empty")
