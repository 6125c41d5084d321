"""Old names of configuration keys and of weights, with the names they have now.

A key that was renamed is refused, and the error says what it is called now: a config that is read
with a wrong meaning would be worse. Weights keep the names they were saved under, in checkpoints
and in adapted voices alike, and are mapped when they are read.
"""

from collections.abc import Iterable

from tts_codecs.errors import nearest

#: old keys of YAML files and of `--set` to those of today; of one that stood in several sections,
#: all that it is called in them
KEYS: dict[str, str | tuple[str, ...]] = {
    "books": "num_codebooks",
    "choice": "choice_temperature",
    "clarity": "phone_loss",
    "digits": "fsq_decode",
    "entries": "codebook_size",
    "glob": "global_dim",
    "guide": "uncond",
    "lessons": "distill_data",
    "likeness": "speaker_loss",
    "mean": "prior_loss",
    "taught": "distill_ratio",
    "tolerance": "duration_tolerance",
    "units": ("frames", "output"),
    "warped": "vtlp",
    "written": "text_rows",
}


def unknown_key(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown key: what it is called now, or the nearest there is."""
    listed = list(known)
    now = KEYS.get(name, ())
    for each in (now,) if isinstance(now, str) else now:
        if each in listed:
            return f": it is called {each!r} now"
    return nearest(name, listed)
