"""Text to the phones of a language: normalization, sentence segmentation, grapheme-to-phoneme.

`Frontend` runs the steps in order. Pronunciations are those of espeak-ng, but for homographs and
foreign names of American English, for inline phones and for words of the user's lexicon.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from tts.errors import TextError
from tts.text.chat import without_chat_marks
from tts.text.emoji_names import has_emoji, say_emoji
from tts.text.foreign_scripts import phonemize
from tts.text.homographs import readings
from tts.text.inline_phones import (
    INLINE,
    MAX_BLOCKS,
    PLACEHOLDER,
    block_number,
    inline_warnings,
    placeholder,
)
from tts.text.normalize import normalize_tracked
from tts.text.phone_builder import Pauses, PhoneBuilder
from tts.text.phone_spans import SpanFinder
from tts.text.phonemes import Phonemizer
from tts.text.sentences import initial_dot, split_complete_at, split_sentences
from tts.text.symbols import PUNCTUATION, Phones
from tts.text.text_input import check_text
from tts.text.tracked import Tracked, spans_of

__all__ = ["Frontend", "Pauses"]

log = logging.getLogger(__name__)
# Marks between digits ("3,5", "10:30") and the dot of an ordinal ("3. Mai") belong to the
# number that espeak reads.
_TOKEN = re.compile(
    r'(?P<word>(?:[^\s,.?!;:—…"()\U000f0000-\U000ffffd]|(?<=\d)[.,:](?=\d)|(?<=\d)\.(?= \w))+)'
    r"|(?P<mark>[,.?!;:—…()])|(?P<block>[\U000f0000-\U000ffffd])"
)
_VOWELS = frozenset("aeiouæɑɐɒɔəɘɚɛɜɝɞɤɨɪɯɵøœɶʉʊʌʏy")
_SPEAKABLE = re.compile(r"[^\W_]")


class Frontend:
    """Front end of one language: text to `Phones`.

    Args:
        lang: espeak language code.
        pauses: what becomes of punctuation. "marks" keeps one token for each mark, "sil" turns
            each into `<sil>`, and "none" drops them.
        lexicon: replaces words of a text by their pronunciations before anything else is done
            (tts.text.user_lexicon).

    Raises:
        UsageError: the language is not known.
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
        """Return all sentences of a text at once, see `sentences`."""
        return list(self.sentences(text, max_chars))

    def sentences(
        self,
        text: str | Iterable[str],
        max_chars: int = 220,
        plain: bool = False,
        emoji: bool = False,
    ) -> Iterator[Phones]:
        """Yield the phones of one sentence after the other, each when it is asked for.

        Args:
            text: the whole text, or pieces of one that is still being written.
            max_chars: the length above which a sentence is cut.
            plain: read the text as it stands. Otherwise the marks of chat programs are left out
                (tts.text.chat).
            emoji: say the short names of emoji, which are silent otherwise.

        Returns:
            Sentences with the spans of their words in the text and the pause after them, in
            seconds.

        Raises:
            TextError: there is nothing to say, or the text is not valid Unicode.
            UsageError: emoji have no names in this language.
        """
        check_text(text)
        parts = [(text, 0.0, 0)] if isinstance(text, str) else split_complete_at(text, self.lang)
        empty = True
        for part, pause, offset in parts:
            spoken, inline = self._normalize(part, plain, emoji)
            spans = SpanFinder(spoken, part, inline, offset)
            sentences = split_sentences(spoken.text, max_chars, self.lang)
            for sentence in sentences:
                phones = self._encode(sentence.text, inline)
                if phones is not None:
                    spans.annotate(phones)
                    phones.pause_after = (
                        pause if sentence is sentences[-1] else sentence.pause_after
                    )
                    empty = False
                    yield phones
        if empty:
            raise _nothing(text if isinstance(text, str) else "", hint=not emoji)

    def one(self, text: str) -> Phones:
        """Return the whole text as one utterance, as transcripts of training are.

        Raises:
            TextError: the text is no string, is not valid Unicode, or has nothing to say.
        """
        check_text(text, pieces=False)
        spoken, inline = self._normalize(text)
        phones = self._encode(spoken.text, inline)
        if phones is None:
            raise _nothing(text)
        SpanFinder(spoken, text, inline).annotate(phones)
        return phones

    def batch_one(self, texts: Sequence[str]) -> list[Phones]:
        """Return `one` of each of many texts.

        Raises:
            TextError: as of `one`; the message names the index of the text.
        """
        out = []
        for index, text in enumerate(texts):
            try:
                out.append(self.one(text))
            except TextError as error:
                raise TextError(f"text {index}: {error}") from error
        return out

    @staticmethod
    def from_phones(ipa: str, pauses: Pauses = "marks") -> Phones:
        """Return the utterance of words and punctuation that are given as IPA.

        Raises:
            TextError: there is no known phone in it.
        """
        phones = PhoneBuilder(pauses)
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

    def _normalize(
        self, text: str, plain: bool = True, emoji: bool = False
    ) -> tuple[Tracked, list[str]]:
        """Normalize a text around its inline phones.

        Returns:
            The spoken text, in which a placeholder stands for each block of inline phones, and the
            phones of the blocks.
        """
        written = self._preprocess(text, plain, emoji)
        pieces = INLINE.split(written.text)
        inline = pieces[1::2]
        if len(inline) > MAX_BLOCKS:
            raise TextError(f"{len(inline)} inline phoneme blocks; at most {MAX_BLOCKS} a text")
        for line in inline_warnings(pieces):
            log.warning("%s", line)
        all_capitals = not self.lang.startswith("en") and _in_capitals(pieces[::2])
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for n, piece in enumerate(pieces):
            if n % 2:
                length = len(piece) + len("[[]]")
                texts.append(f" {placeholder(n // 2)} ")
                starts += [at] * 3
                ends += [at + length] * 3
            else:
                length = len(piece)
                made = normalize_tracked(
                    _lower(piece, self.lang) if all_capitals else piece, self.lang
                )
                texts.append(made.text)
                starts += [at + start for start in made.starts]
                ends += [at + end for end in made.ends]
            at += length
        spoken = Tracked("")
        # A long number is said in many characters, all of which stand for all of it.
        spans = spans_of(written, zip(starts, ends, strict=True))
        spoken.set("".join(texts), [start for start, _ in spans], [end for _, end in spans])
        return spoken, inline

    def _preprocess(self, text: str, plain: bool, emoji: bool) -> Tracked:
        """Return a text without marks of chat programs, with names of emoji and with the words of
        the lexicon."""
        written = Tracked(text)
        if not plain:
            without_chat_marks(written)
        if emoji:
            say_emoji(written, self.lang)
        if self.lexicon is not None:
            self.lexicon(written)
        return written

    def _encode(self, spoken: str, inline: list[str]) -> Phones | None:
        """Return the tokens of a sentence of spoken text; None where it has nothing to say."""
        builder = PhoneBuilder(self.pauses)
        tokens = list(_TOKEN.finditer(spoken))
        chosen = readings([m[0] for m in tokens]) if self.lang == "en-us" else {}
        english = self.lang.startswith("en")
        clause: list[tuple[str, str | None]] = []
        for at, match in enumerate(tokens):
            if match["word"]:
                if _SPEAKABLE.search(match["word"]):
                    clause.append((match["word"], chosen.get(at)))
                continue
            # A clause ends before an initial ("A. Smith") too: apart from what follows, espeak
            # reads "A" as the letter and not as the article.
            parts = inline[block_number(match["block"])].split() if match["block"] else []
            self._add_clause(builder, clause, _like(parts[0]) if english and parts else "")
            clause = []
            if match["block"]:
                for part in parts:
                    builder.word(part, part)
            elif not (english and match["mark"] == "." and initial_dot(spoken, match.start())):
                builder.mark(match["mark"])
        self._add_clause(builder, clause)
        return builder.finish(
            PLACEHOLDER.sub(lambda m: f"[[{inline[block_number(m[0])]}]]", spoken)
        )

    def _add_clause(
        self, builder: PhoneBuilder, clause: list[tuple[str, str | None]], following: str = ""
    ) -> None:
        """Add the words of a clause, each with its pronunciation if that is known already.

        Args:
            builder: takes them.
            clause: each word and its pronunciation or None.
            following: a word that the clause is read with, though it is not added.
        """
        words = [word for word, _ in clause]
        said = phonemize(self.phonemizer, [*words, following]) if following and words else []
        if said and said[-1][0] == following:
            said = said[:-1]
        else:
            said = phonemize(self.phonemizer, words)
        # A word of over a hundred letters comes in parts; known pronunciations then have no place.
        known = [ipa for _, ipa in clause] if len(said) == len(clause) else [None] * len(said)
        for (word, ipa), given in zip(said, known, strict=True):
            builder.word(word, ipa if given is None else given)


def _like(ipa: str) -> str:
    """Return a word that begins as the phones do, which stands in their place while the words
    before them are read: at the end of a clause espeak reads the article "a" as the letter, and
    "the" before a vowel as before a consonant."""
    return "apple" if ipa.lstrip("ˈˌ'")[:1] in _VOWELS else "cat"


def _in_capitals(pieces: Sequence[str]) -> bool:
    """Whether a text is several words in capitals and nothing else. English has rules of its own
    for such lines (tts.text.truecasing)."""
    letters = [c for piece in pieces for c in piece if c.isalpha()]
    spaced = any(" " in piece.strip() for piece in pieces)
    return bool(letters) and spaced and not any(c.islower() for c in letters)


def _lower(text: str, lang: str) -> str:
    """Return a text in small letters, one for each capital, so that spans stay valid. Turkish and
    Azeri have two letters i."""
    if lang.split("-")[0] in ("tr", "az"):
        text = text.replace("I", "ı")
    return text.replace("İ", "i").lower()


def _nothing(text: str, hint: bool = False) -> TextError:
    """Return the error for a text without words.

    Args:
        text: the text.
        hint: whether emoji in it could be said by a request that asks for it.
    """
    shown = text.strip()[:40]
    if not shown:
        return TextError("the text is empty")
    silent = ": emoji are silent without --emoji (emoji=True)" if hint and has_emoji(text) else ""
    return TextError(f"nothing to say in {shown!r}{silent}")
