"""Data that trained models add to a corpus: source-filter features, and speaker embeddings of
warped copies."""

from collections.abc import Callable

import numpy as np
import torch

from tts.audio.files import atomic_output, write_all
from tts.data.corpus import Corpus
from tts.data.vtlp import VTLP_FACTORS, vtlp_samples
from tts.errors import DataError
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.envelope import CHANNELS
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

WARPED_SECONDS = 3.0  # enough for the embedding; whole utterances would take hours

Progress = Callable[[int, int], None]


def write_features(
    corpus: Corpus, vocoder: SourceFilterVocoder, progress: Progress = lambda done, total: None
) -> None:
    """Write features.f16 of a corpus, [frames, 82] (see tts_codecs.envelope), atomically.

    Args:
        vocoder: its pitch network determines the smoothing. It has to be fully trained, since
            generators are trained on these features.
        progress: called with (utterances done, all).

    Raises:
        DataError: the vocoder has another frame rate or number of bands.
        OutputError: the file cannot be written.
    """
    mel = vocoder.mel
    if (mel.sample_rate, mel.hop, mel.n_mels + 2) != (corpus.sample_rate, corpus.hop, CHANNELS):
        raise DataError(
            f"{corpus.folder} has {corpus.sample_rate} Hz, {corpus.hop} samples a frame and "
            f"{CHANNELS} channels; the vocoder {mel.sample_rate}, {mel.hop} and {mel.n_mels + 2}"
        )
    device = vocoder.window.device
    with atomic_output(corpus.folder / "features.f16") as file:
        for index in range(len(corpus)):
            wav = torch.from_numpy(corpus.audio(index))[None].to(device)
            features, _ = vocoder.analyse(wav)
            write_all(file, features[0].cpu().numpy().astype("<f2"))
            progress(index + 1, len(corpus))


def write_vtlp_speakers(
    corpus: Corpus, encoder: SpeakerEncoder, progress: Progress = lambda done, total: None
) -> None:
    """Write speaker_warped.f32 of a corpus, [items, len(VTLP_FACTORS), 256] embeddings of
    frequency-warped copies (see tts.data.vtlp), atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    most = round(WARPED_SECONDS * corpus.sample_rate / corpus.hop)
    with atomic_output(corpus.folder / "speaker_warped.f32") as file:
        for index in range(len(corpus)):
            samples = corpus.audio(index, 0, min(most, corpus.frames(index)))
            rows = [
                encoder.embed(torch.from_numpy(vtlp_samples(samples, warp, corpus.sample_rate)))
                for warp in VTLP_FACTORS
            ]
            write_all(file, np.stack([row.cpu().numpy() for row in rows]).astype("<f4"))
            progress(index + 1, len(corpus))
