"""Names of speakers, which are compared by their composed spelling."""

import unicodedata

__all__ = ["speaker_name"]


def speaker_name(name: str) -> str:
    """Return a name in the composed spelling of Unicode (NFC), by which names are compared.

    Some systems write "é" as one character and others as two, and some change one into the other.
    Without this, one person could become two.
    """
    return unicodedata.normalize("NFC", name)
