"""New words in the context of a recording: generated, matched in pace, pitch, level and room."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tts.editing.align import Piece
from tts.editing.plan import timed
from tts.generators.base import Infill, Request
from tts.generators.protocols import CodeHead
from tts.synthesizer import Synthesizer
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch, collate_tokens
from tts.types import Options
from tts.voice.voice import Voice, collate_voices
from tts_codecs.envelope import EXTRA, envelope_part, shift_pitch, source_part, unpack_pitch

#: frames of silence at the ends that a generator is given
_EDGE = 25
#: frames that count as much as no difference; largest differences of level and pitch (channels)
_PRIOR, _MOST_LEVEL, _MOST_PITCH = 25.0, 0.7, 0.67
_PACES = (0.6, 1.7)
#: share of the frames of a recording that are taken for its noise
_QUIET = 0.05


@dataclass(frozen=True)
class Rendered:
    """Pieces with their frames, and speech [N] in which the recording's own words are around the
    new ones.

    Attributes:
        begins: the first frame of each piece, and the end of the last.
        lead: how many pieces come before those that were asked for; count: how many those were.
    """

    pieces: list[Piece]
    begins: list[int]
    samples: Tensor
    lead: int
    count: int


def _tokens(pieces: Sequence[Piece], device: str) -> TokenBatch:
    ids = [i for piece in pieces for i in piece.ids]
    mods = [m for piece in pieces for m in piece.mods]
    return collate_tokens([(ids, mods)]).to(device)


def _edged(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces between silence, of which long ones are cut."""
    out = list(pieces)
    for at, first in ((0, True), (-1, False)):
        edge = out[at]
        if edge.word:
            silence = Piece((SIL,), (0,), (5,))
            out = [silence, *out] if first else [*out, silence]
            continue
        frames = min(edge.length, _EDGE)
        source = None if edge.source is None else edge.end - frames if first else edge.source
        out[at] = Piece((SIL,), (0,), (frames,), source=source)
    return out


@torch.inference_mode()
def render(
    model: Synthesizer, voice: Voice, features: Tensor, pieces: Sequence[Piece], options: Options
) -> Rendered:
    """Say the pieces that have no source, in the context of those that have.

    Args:
        features: [T, C] of the recording.
    """
    asked = pieces
    pieces = _edged(asked)
    tokens = _tokens(pieces, model.device)
    prompt = collate_voices([voice]).to(model.device)
    predicted = model.acoustic.durations.predict(tokens, prompt, 1.0)[0].tolist()
    pieces = _paced(pieces, predicted, options.speed)
    rest = -sum(piece.length for piece in pieces) % model.acoustic.generator.patch
    if rest:
        last = pieces[-1]
        pieces[-1] = timed(last, [*last.frames[:-1], last.frames[-1] + rest])
    frames = [n for piece in pieces for n in piece.frames]
    durations = torch.tensor([frames], device=model.device)
    shift = None
    if model.acoustic.shifts is not None:
        shift = model.acoustic.shifts.frames([voice], tokens, durations, sum(frames))
    contrast = model.acoustic.contrast_of([voice])
    request = Request(tokens, prompt, durations, shift=shift, contrast=contrast)
    given, kept, spoken = _given(features, pieces, sum(frames))
    made = _generate(model, voice, request, given, kept, kept & ~spoken, options)
    matched = _matched(model, made, given, kept & spoken, features)
    matched[:, -EXTRA] = shift_pitch(matched[:, -EXTRA], options.pitch)
    heard = torch.where(kept[:, None], given, matched)
    f0 = unpack_pitch(source_part(heard)[None])
    wav, _ = model.acoustic.vocoder(envelope_part(heard)[None], f0)
    begins = [0]
    for piece in pieces:
        begins.append(begins[-1] + piece.length)
    return Rendered(
        list(pieces), begins, wav[0].float().cpu(), int(bool(asked[0].word)), len(asked)
    )


def _paced(pieces: Sequence[Piece], predicted: list[int], speed: float) -> list[Piece]:
    """New words as long as the model has them, at the pace of the words that are kept."""
    at, told, said = 0, 0, 0
    for piece in pieces:
        if piece.source is not None and piece.word:
            told += sum(predicted[at : at + len(piece.ids)])
            said += piece.length
        at += len(piece.ids)
    pace = (said + _PRIOR) / (told + _PRIOR)
    pace = min(max(pace, _PACES[0]), _PACES[1]) / speed
    out, at, owed = [], 0, 0.0
    for piece in pieces:
        if piece.source is None and piece.word:
            frames = []
            for value in predicted[at : at + len(piece.ids)]:
                owed += value * pace
                frames.append(max(1, round(owed)))
                owed -= frames[-1]
            piece = timed(piece, frames)
        at += len(piece.ids)
        out.append(piece)
    return out


def _given(features: Tensor, pieces: Sequence[Piece], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features [T, C] of the recording where a piece is from it, which frames those are [T] bool,
    and which are of words."""
    given = features.new_zeros(count, features.shape[1])
    kept = torch.zeros(count, dtype=torch.bool, device=features.device)
    spoken = torch.zeros_like(kept)
    at = 0
    for piece in pieces:
        if piece.source is not None:
            # The last piece may have been made longer than the recording is.
            found = features[piece.source : piece.source + piece.length]
            given[at : at + len(found)] = found
            kept[at : at + len(found)] = True
        spoken[at : at + piece.length] = bool(piece.word)
        at += piece.length
    return given, kept, spoken


def _generate(
    model: Synthesizer,
    voice: Voice,
    request: Request,
    given: Tensor,
    kept: Tensor,
    paused: Tensor,
    options: Options,
) -> Tensor:
    """Features [T, C] of all of it; what is kept, and which of that is `paused`, [T] bool, is given
    where the model was trained for that."""
    generator, infill = model.acoustic.generator_for(voice), None
    if getattr(generator.strategy, "inpaint", 0):
        shift = 0 if request.shift is None else request.shift
        latents = model.acoustic.latent_space.encode(given[None] - shift, request.prompt)
        count = len(kept) // generator.patch * generator.patch
        committed, quiet = (
            each[:count].view(-1, generator.patch).all(1)[None] for each in (kept, paused)
        )
        infill = Infill(latents, committed)
        if isinstance(generator.head, CodeHead):
            silent = torch.zeros(1, generator.head.codebook_size, device=latents.device)
            infill.silent = silent.index_fill(1, latents[quiet][:, 0], 1) > 0
    rngs = [torch.Generator().manual_seed(options.seed)]
    external = model.acoustic.external
    latents = generator.generate(request, rngs, model.sampling(options), infill, external=external)
    features, _ = model.acoustic.latent_space.decode(
        latents, model.acoustic.latent_space.start(request.prompt), True
    )
    return request.voiced(features[:, : int(request.frames[0])])[0]


def _matched(
    model: Synthesizer, made: Tensor, given: Tensor, both: Tensor, recording: Tensor
) -> Tensor:
    """Generated features with the colour and pitch of the recording, measured on the words that are
    in both, and not below its noise.

    Args:
        both: [T] bool, frames of words that the recording has too; recording: [T', C] all of it.
    """
    count = float(both.sum())
    trust = count / (count + _PRIOR)
    out = made.clone()
    if count:
        difference = envelope_part(given[both] - made[both]).mean(0) * trust
        envelope_part(out)[:] += difference.clamp(-_MOST_LEVEL, _MOST_LEVEL)
        voiced = both & (given[:, -1] > 0) & (made[:, -1] > 0)
        if voiced.any():
            higher = (given[voiced, -EXTRA] - made[voiced, -EXTRA]).mean() * trust
            out[:, -EXTRA] += higher.clamp(-_MOST_PITCH, _MOST_PITCH)
    mel = model.acoustic.vocoder.mel
    levels = envelope_part(recording)
    quiet = levels.quantile(_QUIET, 0) if len(levels) else levels.new_zeros(levels.shape[1])
    scale = torch.stack([envelope_part(out), quiet.expand_as(envelope_part(out))]) * mel.std
    # Amplitudes of noise and speech add up.
    envelope_part(out)[:] = torch.logsumexp(2 * scale, 0) / (2 * mel.std)
    return out


def level_of(samples: Tensor, begins: Sequence[int], pieces: Sequence[Piece], hop: int) -> float:
    """RMS of the kept words in rendered speech; 0 where there are none."""
    parts = [
        samples[begin * hop : (begin + piece.length) * hop]
        for begin, piece in zip(begins, pieces, strict=False)
        if piece.word and piece.source is not None
    ]
    if not parts:
        return 0.0
    return math.sqrt(float(torch.cat(parts).square().mean()))
