"""Phone durations of a corpus, from an aligner or refined by a phone probe."""

import json
from pathlib import Path
from typing import cast

from tts.align.aligner import Aligner
from tts.audio.files import atomic_output, write_all
from tts.data.corpus import Corpus
from tts.data.segments import read_durations
from tts.losses.phone import PhoneProbe
from tts.registry import load_module
from tts.train.tasks.aligner import align_corpus, refine_corpus, voicing_agreement


def write_durations(
    folder: str | Path, aligner: str | Path = "aligner", phone_probe: str | Path = ""
) -> list[str]:
    """Align a corpus and write durations.json into it, atomically.

    Args:
        folder: of the corpus.
        aligner: checkpoint of the aligner.
        phone_probe: checkpoint of a phone probe, which refines the durations that the corpus has
            instead of aligning it anew; "" for none.

    Returns:
        lines for the user: how many utterances were aligned, and how well the phones agree with the
        voicing of the features.

    Raises:
        CheckpointError: a checkpoint is missing, damaged or of another kind.
        DataError: the corpus is damaged, or has no durations to refine.
        OutputError: the file cannot be written.
    """
    corpus = Corpus(folder)
    if phone_probe:
        probe = cast(PhoneProbe, load_module(phone_probe, kind="phone_probe"))
        durations = refine_corpus(corpus, probe, read_durations(corpus))
    else:
        durations = align_corpus(corpus, cast(Aligner, load_module(aligner, kind="aligner")))
    path = corpus.folder / "durations.json"
    with atomic_output(path) as file:
        write_all(file, json.dumps(durations).encode())
    lines = [f"{path}: {len(durations)} of {len(corpus)} utterances aligned"]
    if (corpus.folder / "features.f16").exists():
        voiceless, sonorous = voicing_agreement(corpus, durations)
        lines.append(
            f"voiceless phones unvoiced {voiceless:.1%}, vowels and sonorants voiced {sonorous:.1%}"
        )
    return lines
