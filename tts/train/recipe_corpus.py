"""The corpus of a recipe, whose files are links to those of the user's corpus.

A recipe writes features, durations and speaker embeddings into the corpus that it trains on. The
user's corpus must stay as it is, so that the recipe works on a folder of links, which it replaces
by its own files.
"""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tts.audio.files import atomic_output, check_folder_writable, write_all, write_error
from tts.data.corpus import Corpus
from tts.errors import ConfigError

#: lists the utterances; linked last
ITEMS = "items.jsonl"
#: written last by `tts data prepare`
CACHE = "cache.json"
#: lists the recordings from which a recipe prepared its corpus
SOURCES = "sources.json"
#: large files that only `tts data prepare` writes
READ_ONLY = ("audio.i16", "f0.f32", "speaker.f32")


def is_corpus(folder: Path) -> bool:
    """Whether a folder has a complete corpus."""
    return (folder / ITEMS).is_file() and (folder / CACHE).is_file()


def save_sources(own: Path, sources: Sequence[str], language: str) -> None:
    """Save from which recordings a corpus is prepared.

    Args:
        own: folder of the corpus.

    Raises:
        OutputError: the file cannot be written.
    """
    check_folder_writable(own)
    resolved = [str(Path(each).resolve()) for each in sources]
    values = {"sources": list(sources), "resolved": resolved, "language": language}
    with atomic_output(own / SOURCES) as file:
        write_all(file, json.dumps(values, indent=1).encode())


def check_sources(own: Path, sources: Sequence[str], language: str) -> None:
    """Check that a corpus was prepared from these recordings, as far as SOURCES tells.

    Raises:
        ConfigError: it was prepared from others, or in another language.
    """
    try:
        values = json.loads((own / SOURCES).read_text("utf-8"))
        made_of, resolved, spoken = values["sources"], values["resolved"], values["language"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # earlier versions did not save the sources
    same = made_of == list(sources) or resolved == [str(Path(s).resolve()) for s in sources]
    if not same or spoken != language:
        raise ConfigError(
            f"{own} was made of {', '.join(made_of)} in {spoken}, not of {', '.join(sources)} in "
            f"{language}: choose another out, or remove {own.parent}"
        )


def link_corpus(data: Path, own: Path) -> None:
    """Make a folder with links to the files of a corpus.

    On another disk, files that a recipe may write are copied.

    Args:
        data: folder of the corpus.
        own: the folder to make; if it is a corpus already, it stays as it is.

    Raises:
        DataError: `data` is no corpus, or damaged.
        ConfigError: `own` is a corpus of other recordings.
        OutputError: the folder cannot be made.
    """
    if is_corpus(own):
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
            # An interrupted call may have left a file.
            place.unlink(missing_ok=True)
            _link(each.resolve(), place)
    except OSError as error:
        raise write_error(own, error) from error


def _files(folder: Path) -> list[Path]:
    """Files of a folder if it exists, without hidden ones, which are incomplete."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [each for each in entries if each.is_file() and not each.name.startswith(".")]


def _link(file: Path, place: Path) -> None:
    """Make a hard link, on another disk a symbolic link or a copy."""
    # Files of a corpus are replaced and never changed in place, so that a hard link is safe.
    with suppress(OSError):
        os.link(file, place)
        return
    # Replacing a symbolic link would replace its target, so that files to write are copied.
    if file.name in READ_ONLY:
        with suppress(OSError, NotImplementedError):
            place.symlink_to(file)
            return
    shutil.copyfile(file, place)
