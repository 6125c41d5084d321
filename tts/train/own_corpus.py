"""A corpus of a recipe's own, over the files of one that is there.

Recipes write features, durations and warped speakers into the corpus that they train on. That of
the user stays as it is: the recipe's holds the same files as links, in whose place it writes its
own.
"""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tts.audio.files import atomic_output, write_all, write_error
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.train.publish import check_folder

#: names the utterances; linked last
ITEMS = "items.jsonl"
#: written last by `tts data prepare`
CACHE = "cache.json"
#: what the recordings of a recipe's corpus are, where it was made of recordings
SOURCES = "sources.json"
#: large files that nothing but `tts data prepare` writes
READ_ONLY = ("audio.i16", "f0.f32", "speaker.f32")


def is_there(folder: Path) -> bool:
    """Whether a folder is a corpus, made to its end."""
    return (folder / ITEMS).is_file() and (folder / CACHE).is_file()


def note_sources(own: Path, sources: Sequence[str], language: str) -> None:
    """Write down what a corpus will be made of, before it is made.

    Raises:
        OutputError: it cannot be written.
    """
    check_folder(own)
    resolved = [str(Path(each).resolve()) for each in sources]
    known = {"sources": list(sources), "resolved": resolved, "language": language}
    with atomic_output(own / SOURCES) as file:
        write_all(file, json.dumps(known, indent=1).encode())


def check_sources(own: Path, sources: Sequence[str], language: str) -> None:
    """Checks that a corpus which is there was made of these recordings, as far as it is known.

    Raises:
        ConfigError: it was made of others, or in another language.
    """
    try:
        known = json.loads((own / SOURCES).read_text("utf-8"))
        made_of, resolved, spoken = known["sources"], known["resolved"], known["language"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # it was made before this was written down
    same = made_of == list(sources) or resolved == [str(Path(s).resolve()) for s in sources]
    if not same or spoken != language:
        raise ConfigError(
            f"{own} was made of {', '.join(made_of)} in {spoken}, not of {', '.join(sources)} in "
            f"{language}: choose another out, or remove {own.parent}"
        )


def link_corpus(data: Path, own: Path) -> None:
    """Make a folder of the files of a corpus, as links; files on another disk that a recipe may
    write are copied.

    Args:
        data: folder of the corpus; own: the folder to make. One that is there stays as it is.

    Raises:
        DataError: `data` is no corpus, or damaged.
        ConfigError: `own` is of another corpus.
        OutputError: it cannot be made.
    """
    if is_there(own):
        if (own / ITEMS).read_bytes() != (Corpus(data).folder / ITEMS).read_bytes():
            raise ConfigError(
                f"{own} was made of other recordings than those of {data}: choose another out, or "
                f"remove {own.parent}"
            )
        return
    Corpus(data)
    files = [each for place in (data, data / "coded") for each in _files(place)]
    files.sort(key=lambda each: each == data / ITEMS)
    try:
        for each in files:
            place = own / each.relative_to(data)
            place.parent.mkdir(parents=True, exist_ok=True)
            # Left by one that was interrupted.
            place.unlink(missing_ok=True)
            _link(each.resolve(), place)
    except OSError as error:
        raise write_error(own, error) from error


def _files(folder: Path) -> list[Path]:
    """Files in a folder that is there, but for hidden ones, which are half written."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [each for each in found if each.is_file() and not each.name.startswith(".")]


def _link(file: Path, place: Path) -> None:
    # Files of a corpus are replaced and never changed where they lie, so of two names of a file
    # the other one keeps it.
    with suppress(OSError):
        os.link(file, place)
        return
    # Another disk. What is replaced through a symbolic link is the file that it leads to.
    if file.name in READ_ONLY:
        with suppress(OSError, NotImplementedError):
            place.symlink_to(file)
            return
    shutil.copyfile(file, place)
