"""Folders in the layouts of public corpora, with sounds that pass for speech."""

from __future__ import annotations

from pathlib import Path

import soundfile as sf

from tests.helpers.audio import talk

RATE = 16000


def audio(path: Path, seconds: float = 1.1, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, talk(seconds, rate), rate)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def librispeech(root: Path) -> None:
    for speaker, chapter in (("19", "198"), ("26", "495")):
        folder = root / "train-clean-5" / speaker / chapter
        lines = [f"{speaker}-{chapter}-{n:04d} HELLO FROM {speaker} {n}\n" for n in range(2)]
        text(folder / f"{speaker}-{chapter}.trans.txt", "".join(lines))
        for n in range(2):
            audio(folder / f"{speaker}-{chapter}-{n:04d}.flac")
    text(root / "SPEAKERS.TXT", "; not a transcript")


def libritts(root: Path) -> None:
    for speaker in ("103", "1034"):
        for n in range(2):
            stem = f"{speaker}_1241_{n:06d}_000000"
            folder = root / "dev" / speaker / "1241"
            audio(folder / f"{stem}.wav", rate=24000)
            text(folder / f"{stem}.normalized.txt", f"Mister {speaker},\n {n}.\n")
            text(folder / f"{stem}.original.txt", "Mr.")


def ljspeech(root: Path) -> None:
    rows = ['LJ001-0001|Dr. "A|Doctor "A', "LJ001-0002|no third column", "LJ001-0003|raw, text|"]
    text(root / "metadata.csv", "\n".join(rows) + "\n")
    for n in range(1, 4):
        audio(root / "wavs" / f"LJ001-{n:04d}.wav", rate=22050)


def vctk(root: Path, trimmed: bool = True) -> None:
    for speaker in ("p225", "p226"):
        for n in (1, 2):
            text(root / "txt" / speaker / f"{speaker}_{n:03d}.txt", f"Please call {n}.\n")
            if trimmed:
                for mic in ("_mic1", "_mic2")[n - 1 :]:
                    folder = root / "wav48_silence_trimmed" / speaker
                    audio(folder / f"{speaker}_{n:03d}{mic}.flac", rate=48000)
            else:
                audio(root / "wav48" / speaker / f"{speaker}_{n:03d}.wav", rate=48000)


def table(root: Path, suffix: str = ".tsv") -> Path:
    for name in ("a", "b", "sub/c"):
        audio(root / f"{name}.wav")
    if suffix == ".tsv":
        lines = [
            "path\tspeaker\tsex\ttext",
            'a.wav\tann\tF\t"quoted, he said',
            "b.wav\tbob\tM\tx y",
        ]
        lines.append("sub/c.wav\tann\tF\tthird")
    else:
        lines = ["text,path,speaker", '"one, two ""three""",a.wav,ann', "x y,b.wav,bob"]
        lines.append(f"third,{root / 'sub' / 'c.wav'},ann")
    return text(root / f"list{suffix}", "\ufeff" + "\n".join(lines) + "\n")
