"""Guesses of the type of a file from its first bytes, for error messages."""

from __future__ import annotations

__all__ = ["SNIFF_BYTES", "seems_to_be"]

SNIFF_BYTES = 512

# (offset, magic, name). The order matters: containers with inner types come after them.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (8, b"AVI ", "an AVI video"),
    (4, b"ftypM4A", "an M4A (AAC) file"),
    (4, b"ftyp", "an MP4/M4A (AAC) file"),
    (0, b"\x1aE\xdf\xa3", "a WebM/Matroska file"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a WMA/WMV file"),
    (0, b"#!AMR", "an AMR recording"),
    (0, b"ADIF", "an AAC stream"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"PK\x03\x04", "a ZIP archive (or a document or checkpoint stored as one)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a Windows program"),
    (0, b"\x93NUMPY", "a NumPy array file"),
    (0, b"\x80\x02", "a Python pickle"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"version https://git-lfs", "a Git LFS pointer (fetch the real file with `git lfs pull`)"),
    (8, b"WAVE", "a damaged WAV file"),
    (0, b"RIFF", "a damaged RIFF/WAV file"),
    (0, b"RF64", "a damaged RF64/WAV file"),
    (0, b"fLaC", "a damaged or empty FLAC file"),
    (0, b"OggS", "a damaged Ogg file, or an Ogg stream of another codec"),
    (0, b"FORM", "a damaged AIFF file"),
    (0, b"ID3", "a damaged MP3 file"),
)


def seems_to_be(head: bytes) -> str:
    """Guess the type of a file in words, from its first `SNIFF_BYTES` bytes.

    >>> seems_to_be(b"%PDF-1.7")
    'a PDF document'
    """
    if not head:
        return "an empty file"
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    if head[0] == 0xFF and len(head) > 1 and head[1] & 0xF6 == 0xF0:
        return "an AAC stream"
    if not any(head):
        return "a file of zeros"
    if len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27:
        return "a safetensors file"
    return _text_kind(head)


def _text_kind(head: bytes) -> str:
    """Guess the type of a text file."""
    try:
        # The cut at SNIFF_BYTES may split one character: drop up to three trailing bytes.
        text = head.decode("utf-8", errors="strict")
    except UnicodeDecodeError as exc:
        if exc.start < len(head) - 3:
            return "unknown binary data"
        text = head[: exc.start].decode("utf-8")
    if any(ord(ch) < 32 and ch not in "\t\n\r\f\x1b" for ch in text):
        return "unknown binary data"
    start = text.lstrip("\ufeff \t\r\n")[:64].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "a web page (HTML)"
    if start.startswith("<"):
        return "an XML file"
    if start.startswith(("{", "[")):
        return "a JSON file"
    return "a text file"
