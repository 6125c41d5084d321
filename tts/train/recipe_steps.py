"""Steps between the trainings of a recipe, which compute data or weights.

Every step is a function `step(corpus, out, progress, **options)`. It reads the corpus, writes into
the folder `out` or the corpus, calls `progress` with the work done and the work in all, and returns
a line for the user. `options` are the keys that a recipe may set. The commands `tts data` and `tts
models average` do the same.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from tts.data.corpus import Corpus
from tts.data.distillation import write_distillation
from tts.data.features import write_features, write_vtlp_speakers
from tts.data.overlap import write_overlap
from tts.data.profile import write_profile
from tts.data.pseudo import of_corpus, of_folder, write_pseudo_labels
from tts.generators.conditioner import PHONES
from tts.losses.phone import PhoneProbe
from tts.progress import Progress
from tts.registry import load_module
from tts.resources import checkpoint_folder
from tts.synthesizer import Synthesizer
from tts.train.durations import write_durations
from tts.voice.profile import PhoneProfile
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.checkpoint import average_weights
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


def features(corpus: Corpus, out: Path, progress: Progress, vocoder: str) -> str:
    """Compute the source-filter features of the corpus, with the pitch network of a vocoder."""
    module = load_module(vocoder, kind="source_filter_vocoder")
    write_features(corpus, cast(SourceFilterVocoder, module), progress)
    return f"{corpus.folder / 'features.f16'}: {len(corpus)} utterances"


def vtlp(corpus: Corpus, out: Path, progress: Progress, speaker: str = "speaker") -> str:
    """Compute the speaker embeddings of copies with other vocal tract lengths."""
    encoder = cast(SpeakerEncoder, load_module(speaker, kind="speaker"))
    write_vtlp_speakers(corpus, encoder, progress)
    return f"{corpus.folder / 'speaker_warped.f32'}: {len(corpus)} utterances"


def align(
    corpus: Corpus, out: Path, progress: Progress, aligner: str = "aligner", phone_probe: str = ""
) -> str:
    """Align the corpus by an aligner, or refine its durations by a phone probe."""
    return "; ".join(write_durations(corpus.folder, aligner, phone_probe))


def profile(
    corpus: Corpus,
    out: Path,
    progress: Progress,
    phone_probe: str,
    leave_out: tuple[str, ...] = (),
) -> str:
    """Compute a phone profile: mean features of each phone, without the speakers `leave_out`."""
    probe = cast(PhoneProbe, load_module(phone_probe, kind="phone_probe"))
    profile = write_profile(corpus, probe, out, progress, leave_out)
    return f"{out}: {len(profile.phones)} phones"


def overlap(
    corpus: Corpus,
    out: Path,
    progress: Progress,
    vocoder: str,
    phone_probe: str,
    clips: int = 1600,
    seed: int = 0,
) -> str:
    """Train a detector of overlapped speech."""
    analysis = cast(SourceFilterVocoder, load_module(vocoder, kind="source_filter_vocoder"))
    probe = cast(PhoneProbe, load_module(phone_probe, kind="phone_probe"))
    fit = write_overlap(corpus, analysis, probe, out, clips, seed=seed, progress=progress)
    return (
        f"{out}: {fit.detection_rate:.0%} of overlaps told, {fit.false_alarm_rate:.1%} false alarms"
    )


def distill(
    corpus: Corpus,
    out: Path,
    progress: Progress,
    teacher: str,
    rows: int = 10000,
    seed: int = 0,
    text: str = "",
    phone_probe: str = "",
    keep: float = 0.75,
    leave_out: tuple[str, ...] = (),
) -> str:
    """Generate speech for the texts of the corpus by a trained model, as distillation data."""
    # The folder is written as a whole: if it exists, an interrupted recipe has finished it.
    if not out.exists():
        probe = None
        if phone_probe:
            probe = cast(PhoneProbe, load_module(phone_probe, kind="phone_probe"))
        write_distillation(
            corpus,
            Synthesizer.load(teacher, "cpu"),
            out,
            rows,
            seed,
            texts=text or None,
            judge=probe,
            keep=keep if probe else 1.0,
            leave_out=leave_out,
            progress=progress,
        )
    return f"{out}: {rows} segments said by {teacher}"


def pseudo_labels(
    corpus: Corpus,
    out: Path,
    progress: Progress,
    phone_probe: str,
    profile: str | None = None,
    recordings: str | None = None,
    vocoder: str = "vocoder",
    speaker: str = "speaker",
    rows: int = 400,
    keep: float = 0.75,
    seed: int = 0,
) -> str:
    """Recognize the phones of recordings by a phone probe, as training data without transcripts.

    The recordings are those of a folder, by default those of the corpus. Only phones of `profile`
    are recognized, by default all.
    """
    if not out.exists():
        probe = cast(PhoneProbe, load_module(phone_probe, kind="phone_probe"))
        phones = PHONES
        if profile:
            phones = cast(PhoneProfile, load_module(profile, kind="profile")).phones
        source = of_corpus(corpus)
        if recordings:
            analysis = cast(SourceFilterVocoder, load_module(vocoder, kind="source_filter_vocoder"))
            encoder = cast(SpeakerEncoder, load_module(speaker, kind="speaker"))
            source = of_folder(recordings, analysis, encoder)
        rows = write_pseudo_labels(source, probe, phones, out, rows, keep, seed=seed)
    return f"{out}: {rows} stretches as they are heard"


def average(
    corpus: Corpus, out: Path, progress: Progress, first: str, second: str, weight: float = 0.5
) -> str:
    """Average the weights of two checkpoints, with `weight` for the second."""
    average_weights(checkpoint_folder(first), checkpoint_folder(second), weight, out)
    return f"{out}: {1 - weight:g} of {first}, {weight:g} of {second}"


#: steps by their names in recipes
STEPS: Mapping[str, Callable[..., str]] = {
    step.__name__: step
    for step in (features, vtlp, align, profile, overlap, distill, pseudo_labels, average)
}
#: steps that write into the corpus and have no folder of their own
IN_CORPUS = ("features", "vtlp", "align")


def run_step(
    name: str, corpus: Corpus, out: Path, progress: Progress, options: Mapping[str, Any]
) -> str:
    """Run the step `name` of a recipe; return its line for the user.

    Other arguments and errors are those of the function in STEPS.
    """
    if name not in IN_CORPUS:
        out.parent.mkdir(parents=True, exist_ok=True)
    return STEPS[name](corpus, out, progress, **options)
