"""A corpus of a recipe's own, over the files of one that is there.

Recipes write features, durations and warped speakers into the corpus that they train on. That of
the user stays as it is: the recipe's holds the same files as links, in whose place it writes its
own.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from tts.audio.files import write_error
from tts.data.corpus import Corpus
from tts.errors import ConfigError

#: names the utterances; linked last, so that a folder which has it is whole
ITEMS = "items.jsonl"
#: large files that nothing but `tts data prepare` writes
READ_ONLY = ("audio.i16", "f0.f32", "speaker.f32")


def is_there(folder: Path) -> bool:
    """Whether a folder is a corpus, made to its end."""
    return (folder / ITEMS).is_file()


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
