"""The character tokens of F5-TTS: its vocabulary file and the spaces its front end puts in.

F5-TTS was trained on text cut into words by a segmenter made for Chinese, with a space before each
word of more than one character where none stood. English stays as it is but for words glued to a
mark ("(yes" becomes "( yes"); the same is done here without the segmenter.
"""

import re
from pathlib import Path

from tts.errors import CheckpointError, TextError

# Words of letters and digits, joined by single ".", "_" or "-".
_WORD = r"[a-zA-Z0-9]+(?:[._-][a-zA-Z0-9]+)*%?"
# Marks between words stay together only where words may hold them.
_PIECE = re.compile(rf"{_WORD}|[+#&._%-]+?(?={_WORD})|[+#&._%-]+|.", re.DOTALL)
_PLAIN = str.maketrans({";": ",", "“": '"', "”": '"', "‘": "'", "’": "'"})
_CHINESE = re.compile("[\u3100-\u9fff]")


def spread(text: str) -> list[str]:
    """Text to single characters, as the published model expects them.

    Raises:
        TextError: Chinese, which needs pinyin.
    """
    if found := _CHINESE.search(text):
        raise TextError(f"f5-base reads Chinese as pinyin, which is not supported: {found.group()}")
    out: list[str] = []
    for piece in _PIECE.findall(text.translate(_PLAIN)):
        if len(piece) > 1 and out and out[-1] not in " :'\"":
            out.append(" ")
        out.extend(piece)
    return out


class CharacterTokens:
    """Characters to the rows of a published embedding.

    Args:
        vocabulary: one token per row; the first is the space, which also stands for what is not
            in the list.
    """

    def __init__(self, vocabulary: list[str]):
        if not vocabulary or vocabulary[0] != " ":
            raise CheckpointError("not an F5-TTS vocabulary: its first entry is not the space")
        self.index = {token: row for row, token in enumerate(vocabulary)}
        if len(self.index) != len(vocabulary):
            raise CheckpointError("not an F5-TTS vocabulary: it has entries twice")

    @classmethod
    def load(cls, path: str | Path) -> "CharacterTokens":
        """Read a vocab.txt (UTF-8, one token a line).

        Raises:
            CheckpointError: missing, or not such a file.
        """
        try:
            # Only line feeds part entries: the list holds other characters that Python splits at.
            text = Path(path).read_bytes().decode().replace("\r\n", "\n")
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{path} is not an F5-TTS vocabulary: not UTF-8") from error
        return cls(text.removesuffix("\n").split("\n"))

    def __len__(self) -> int:
        return len(self.index)

    def __call__(self, text: str) -> list[int]:
        """Rows of the embedding for a text.

        Raises:
            TextError: empty, or Chinese.
        """
        if not text.strip():
            raise TextError("there is nothing to say")
        return [self.index.get(character, 0) for character in spread(text)]
