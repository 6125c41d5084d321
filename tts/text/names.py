"""Names of speakers, which are one name however their letters are put together."""

import unicodedata

__all__ = ["speaker_name"]


def speaker_name(name: str) -> str:
    """A name in the composed spelling of Unicode (NFC), by which names are compared.

    Systems and programs write "é" as one character or as two, and some change it on the way; one
    person must not become two by it.
    """
    return unicodedata.normalize("NFC", name)
