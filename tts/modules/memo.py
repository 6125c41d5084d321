"""What inference derives from weights; the class lives with the codecs, which need it too."""

from tts_codecs.memo import Memo

__all__ = ["Memo"]
