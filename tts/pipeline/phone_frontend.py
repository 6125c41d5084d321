"""Text front end of phones: sentences as phones, with pauses that a phrasing model adds."""

from collections.abc import Iterable, Iterator

from tts.prosody.phrasing import PhrasingModel, with_phrasing
from tts.text.analysis import read_sentences
from tts.text.frontend import Frontend, Pauses
from tts.text.phonemes import check_language
from tts.text.symbols import Phones
from tts.text.user_lexicon import UserLexicon
from tts.voice.voice import Voice, collate_voices


class PhoneFrontend:
    """A `TextFrontend` that reads text as phones (tts.text), in any language of espeak.

    Args:
        language: espeak code of texts without one, and the language of the phrasing model.
        phrasing: model of pauses; None adds none.
        device: of the phrasing model.
    """

    def __init__(self, language: str, phrasing: PhrasingModel | None = None, device: str = "cpu"):
        self.language, self.phrasing, self.device = language, phrasing, device
        self._frontends: dict[tuple[str, Pauses], Frontend] = {}

    def sentences(
        self,
        text: str | Iterable[str],
        language: str | None = None,
        markup: str = "none",
        emoji: bool = False,
    ) -> Iterator[Phones]:
        """Sentences one at a time, each with the pause that follows it in seconds. [[phonemes]] in
        the text are said as they are; errors are those of tts.pipeline.ports.TextFrontend."""
        return read_sentences(self.frontend(language), text, markup, emoji)

    def frontend(self, language: str | None = None, pauses: Pauses = "marks") -> Frontend:
        """Text to phones in a language, with the user's lexicon.

        Raises:
            UsageError: an unknown language.
        """
        code = language or self.language
        # Of another kind it may not even be looked up.
        if not isinstance(code, str) or (code, pauses) not in self._frontends:
            lexicon = UserLexicon(check_language(code))
            self._frontends[code, pauses] = Frontend(code, pauses, lexicon)
        return self._frontends[code, pauses]

    def phrased(self, sentence: Phones, voice: Voice, language: str) -> Phones:
        """The sentence with pauses where the voice would make them and the text has no mark; itself
        without a phrasing model or in another language than the model's."""
        if self.phrasing is None or language.split("-")[0] != self.language.split("-")[0]:
            return sentence
        return with_phrasing(sentence, self.phrasing, collate_voices([voice]).to(self.device))
