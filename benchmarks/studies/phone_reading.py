"""How well phones are read off recordings whose words nobody told.

python -m benchmarks.studies.phone_reading val.tsv --limit 60

Of recordings spread over a manifest: the phones that a reader finds beside those of the text, their
Levenshtein distance as a share of the latter (phone error rate; people leave out phones that a
dictionary has, so that it does not fall to 0), the share of frames in which another phone is heard
than the words laid over the recording have, and of the frames with the right phone those with
another stress or length. What adaptation learns from a recording without its words is no better
than that.
"""

import argparse
from pathlib import Path
from typing import cast

import numpy as np
from jiwer import wer

from tts import TTS
from tts.audio.reference import load_reference
from tts.data.layouts import read_manifest
from tts.losses.phone import PhoneProbe
from tts.registry import load_module
from tts.text.pauses import is_pause
from tts.voice.reading import PENALTY, align_transcript, read_phones


def spoken(ids: list[int]) -> str:
    """Phones without pauses, as words of a sentence."""
    return " ".join(str(each) for each in ids if not is_pause(each))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--readers", nargs="+", default=["phone_probe", "phone_recognizer"])
    parser.add_argument("--penalty", type=float, default=PENALTY)
    parser.add_argument("--speakers", nargs="+", help="of these alone")
    parser.add_argument("--limit", type=int, default=60)
    options = parser.parse_args()
    model = TTS.load("default", "cpu")
    shifts = model.acoustic.shifts
    assert shifts is not None
    entries = [
        entry
        for entry in read_manifest(options.manifest)
        if options.speakers is None or entry.speaker in options.speakers
    ]
    entries = entries[:: max(1, len(entries) // options.limit)][: options.limit]
    told = []
    for entry in entries:
        reference = load_reference(entry.path, model.config.sample_rate)
        features = model.acoustic.features(reference)
        found = align_transcript(
            shifts.probe, features, shifts.profile.phones, entry.text, model.config.language
        )
        if found is not None:
            told.append((features, found.tokens))
    print(f"{len(told)} of {len(entries)} recordings, whose words fit\n")
    print("| reader | phone error rate | frames with another phone | with another modifier |")
    print("|---|---|---|---|")
    for name in options.readers:
        reader = cast(PhoneProbe, load_module(name, "cpu", "phone_probe"))
        said, heard, frames, marks = [], [], [], []
        for features, tokens in told:
            ids, mods, lengths = read_phones(
                reader, features, shifts.profile.phones, options.penalty
            )
            said.append(spoken(tokens.ids))
            heard.append(spoken(ids))
            owner = np.repeat(np.arange(len(tokens.ids)), tokens.durations)
            other = np.repeat(np.arange(len(ids)), lengths)[: len(owner)]
            right = np.array(tokens.ids)[owner[: len(other)]]
            read = np.array(ids)[other]
            silent = np.array([[is_pause(int(i)) for i in each] for each in (right, read)])
            same = (right == read) | silent.all(0)
            frames.append(~same)
            wrong = np.array(tokens.mods)[owner[: len(other)]] != np.array(mods)[other]
            marks.append(wrong[same & ~silent.any(0)])
        print(
            f"| `{name}` | {wer(said, heard):.1%} | {np.concatenate(frames).mean():.1%} "
            f"| {np.concatenate(marks).mean():.1%} |"
        )


if __name__ == "__main__":
    main()
