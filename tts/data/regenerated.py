"""Regenerated features of recordings, to fine-tune a vocoder on the output of a generator.

Generated features differ from those of recordings, on which the vocoder was trained: they are
smoother in some respects and noisier in others. Fine-tuning the vocoder on generated features of
the same recordings closes this gap (Tacotron 2, Shen et al. 2018, and HiFi-GAN, Kong et al. 2020,
do this by teacher forcing). The generator starts from the features of the recording with much noise
added (SDEdit, Meng et al. 2021), and keeps its durations and pitch, so that features and audio stay
aligned.

Folder layout, written by `tts data regenerate`:
    items.jsonl     per excerpt: index (of the utterance in the corpus), start and frames
    features.f16    [frames of all excerpts, 82] generated features
"""

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tts.data.corpus import Corpus, speakers_of
from tts.data.segments import SegmentSampler
from tts.errors import DataError, OutputError, UsageError
from tts.generators.base import Request
from tts.generators.strategies.flow import Flow
from tts.modules.voice_prompt import VoicePrompt
from tts.synthesizer import Synthesizer
from tts.text.tokens import collate_tokens
from tts_codecs.envelope import CHANNELS, envelope_part

LEAST_FRAMES, MOST_FRAMES = 60, 400


@dataclass(frozen=True)
class Piece:
    """An excerpt of an utterance: frames [start, start + frames) of item `index`."""

    index: int
    start: int
    frames: int


class RegeneratedFeatures:
    """Excerpts of a corpus with generated features.

    Args:
        folder: written by `tts data regenerate`.
        corpus: of the recordings.
        least: length in frames of the shortest excerpt that is used.
        held_out: speakers that are left out.

    Raises:
        DataError: the folder is missing, damaged or of another corpus, or no excerpt is left.
        UsageError: the corpus has no speaker with a name in `held_out`.
    """

    def __init__(
        self, folder: str | Path, corpus: Corpus, least: int, held_out: Collection[str] = ()
    ):
        left_out = speakers_of(corpus, held_out)
        path = Path(folder)
        try:
            lines = (path / "items.jsonl").read_text(encoding="utf-8").splitlines()
            pieces = [Piece(**json.loads(line)) for line in lines]
            total = sum(piece.frames for piece in pieces)
            self._features = np.memmap(path / "features.f16", "<f2", "r", shape=(total, CHANNELS))
        except FileNotFoundError as error:
            there = "holds no regenerated features" if path.is_dir() else "does not exist"
            raise DataError(f"{folder} {there}: make some with `tts data regenerate`") from error
        except (OSError, ValueError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(f"{folder} holds no regenerated features: {reason}") from error
        self._corpus = corpus
        begin = 0
        self._pieces: list[tuple[Piece, int]] = []
        for piece in pieces:
            inside = 0 <= piece.index < len(corpus) and piece.start >= 0
            if not inside or piece.start + piece.frames > corpus.frames(piece.index):
                raise DataError(f"{folder} was made of another corpus than {corpus.folder}")
            if piece.frames >= least and corpus.items[piece.index].speaker not in left_out:
                self._pieces.append((piece, begin))
            begin += piece.frames
        if not self._pieces:
            others = " of speakers that are not held_out" if left_out else ""
            raise DataError(f"{folder} has no piece of at least {least} frames{others}")

    def crop(self, rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """A random crop: samples [frames * hop] in -1..1 of the recording, and generated features
        [frames, 82]."""
        piece, begin = self._pieces[int(rng.integers(len(self._pieces)))]
        at = int(rng.integers(piece.frames - frames + 1))
        features = self._features[begin + at : begin + at + frames].astype(np.float32)
        return self._corpus.audio(piece.index, piece.start + at, frames), features


@torch.inference_mode()
def regenerate(
    model: Synthesizer, request: Request, features: np.ndarray, begin: float, seed: int
) -> np.ndarray:
    """Generated features [T, 82] of a recording, starting from a mixture of its features and noise.

    Args:
        model: the synthesizer.
        request: phones and durations of the recording, and a prompt of the same speaker.
        features: [T, 82] of the recording.
        begin: weight of the features in the mixture, 0 to 1.
        seed: of the noise.

    Raises:
        UsageError: the generator of the model is not a flow that takes durations.
    """
    acoustic = model.acoustic
    generator, space = acoustic.generator, acoustic.latent_space
    strategy = _flow_of(model)
    if request.durations is None:
        raise UsageError("features are made again with the durations of the recording")
    target = torch.from_numpy(features)[None]
    shift: torch.Tensor | float = 0.0
    if acoustic.shifts is not None:
        count = target.shape[1]
        shift = acoustic.shifts.added(request.prompt, request.tokens, request.durations, count)
    options = model.config.sampling
    rngs = [torch.Generator().manual_seed(seed)]
    condition = generator.condition(request, rngs, options)
    latents = space.encode(target - shift, request.prompt)
    refined = strategy.refine(generator, condition, rngs, options, latents, begin)
    decoded, _ = space.decode(refined, space.start(request.prompt), True)
    spoken = decoded[:, : target.shape[1]] + shift
    # Pitch and voicing stay, so that the sound of the recording goes with them.
    bands = envelope_part(spoken).shape[-1]
    whole = torch.cat([envelope_part(spoken), target[..., bands:]], -1)
    result: np.ndarray = whole[0].numpy()
    return result


def _flow_of(model: Synthesizer) -> Flow:
    """The flow of a model; UsageError where it has none that follows durations."""
    generator = model.acoustic.generator
    strategy = generator.strategy
    if not isinstance(strategy, Flow) or generator.conditioner.untimed:
        raise UsageError(
            f"{model.config.name} cannot regenerate: it has to be a flow that takes durations"
        )
    return strategy


def write_regenerated(
    corpus: Corpus,
    model: Synthesizer,
    folder: str | Path,
    count: int,
    begin: float = 0.35,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Have a model make pieces of a corpus again; the folder is there when all are made.

    Args:
        count: pieces; begin: mean of `regenerate`'s, which varies by a fifth and more around it.

    Raises:
        OutputError: the folder exists, or cannot be written.
        DataError: the corpus lacks features or durations. UsageError: as `regenerate`.
    """
    _flow_of(model)
    folder = Path(folder)
    if folder.exists():
        raise OutputError(f"{folder} exists")
    sampler = SegmentSampler(
        corpus,
        MOST_FRAMES,
        LEAST_FRAMES,
        prompt=(200, 300),
        vtlp=0,
        band_limited=0,
    )
    rng = np.random.default_rng(seed)
    part = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        with (
            (part / "items.jsonl").open("w", encoding="utf-8") as table,
            (part / "features.f16").open("wb") as file,
        ):
            for done in range(count):
                at = int(rng.choice(len(sampler.utterances), p=sampler.weights))
                utterance = sampler.utterances[at]
                tokens, first, last = sampler.segment(utterance, MOST_FRAMES, rng)
                prompt, source = sampler.prompt_for(at, first, last, rng)
                speaker = torch.from_numpy(corpus.speaker(source))[None]
                prompt_features = torch.from_numpy(prompt.astype(np.float32))[None]
                request = Request(
                    collate_tokens([(tokens.ids, tokens.mods)]),
                    VoicePrompt(speaker, prompt_features, torch.tensor([len(prompt)])),
                    torch.tensor(tokens.durations)[None],
                )
                target = corpus.features(utterance.index, first, last - first).astype(np.float32)
                share = float(np.clip(begin * rng.uniform(0.6, 1.2), 0, 0.95))
                features = regenerate(model, request, target, share, seed + done)
                file.write(features.astype("<f2").tobytes())
                piece = Piece(utterance.index, first, last - first)
                table.write(json.dumps(vars(piece)) + "\n")
                progress(done + 1, count)
        part.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}") from error
