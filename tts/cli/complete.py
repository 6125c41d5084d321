"""What a shell offers behind an option: names of models and voices, without loading anything."""

from tts.errors import TTSError


def model_names_for(incomplete: str) -> list[str]:
    """Names of models that begin so."""
    from tts.resources import model_names

    try:
        return [name for name in model_names() if name.startswith(incomplete)]
    except TTSError:
        return []


def voice_names_for(incomplete: str) -> list[str]:
    """Names of voices that begin so."""
    from tts.voice.store import stored_voices

    try:
        return [name for name in stored_voices() if name.startswith(incomplete)]
    except TTSError:
        return []


def added_names_for(incomplete: str) -> list[str]:
    """Names of voices that the user added and that begin so."""
    from tts.voice.store import stored_voices

    try:
        known = stored_voices().values()
    except TTSError:
        return []
    return [each.name for each in known if not each.shipped and each.name.startswith(incomplete)]
