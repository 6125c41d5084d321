"""Rendering of new words in the context of a recording, matched to its pace, pitch and timbre."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from tts.editing.align import Segment
from tts.editing.plan import with_frames
from tts.generators.base import Infill, Request
from tts.generators.protocols import CodeHead
from tts.synthesizer import Synthesizer
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch, collate_tokens
from tts.types import Options
from tts.voice.voice import Voice, collate_voices
from tts_codecs.envelope import EXTRA, envelope_part, shift_pitch, source_part, unpack_pitch

#: frames of silence at both ends that a generator is given
_EDGE = 25
#: frames of evidence that count as much as the prior of no difference
_PRIOR_FRAMES = 25.0
#: largest corrections of the envelope and of the pitch channel
_MAX_ENVELOPE, _MAX_PITCH = 0.7, 0.67
#: slowest and fastest pace of new words, as a factor of their predicted durations
_PACES = (0.6, 1.7)
#: quantile of the frames of a recording that is taken for its noise
_NOISE_QUANTILE = 0.05


@dataclass(frozen=True)
class Rendered:
    """Rendered speech, in which words of the recording are around the new ones.

    Attributes:
        segments: the segments with their durations.
        begins: first frame of each segment, and the frame after the last.
        samples: [N], the speech.
        lead: segments of silence that were added before those that were asked for.
        count: number of segments that were asked for.
    """

    segments: list[Segment]
    begins: list[int]
    samples: Tensor
    lead: int
    count: int


def _token_batch(segments: Sequence[Segment], device: str) -> TokenBatch:
    """Return the tokens of all segments as a batch of one."""
    ids = [i for segment in segments for i in segment.ids]
    mods = [m for segment in segments for m in segment.mods]
    return collate_tokens([(ids, mods)]).to(device)


def _with_silence(segments: Sequence[Segment]) -> list[Segment]:
    """Return segments with silence at both ends. Silence that is there is cut to what generators
    know."""
    out = list(segments)
    for at, first in ((0, True), (-1, False)):
        edge = out[at]
        if edge.word:
            silence = Segment((SIL,), (0,), (5,))
            out = [silence, *out] if first else [*out, silence]
            continue
        frames = min(edge.length, _EDGE)
        source = None if edge.source is None else edge.end - frames if first else edge.source
        out[at] = Segment((SIL,), (0,), (frames,), source=source)
    return out


@torch.inference_mode()
def render(
    model: Synthesizer,
    voice: Voice,
    features: Tensor,
    segments: Sequence[Segment],
    options: Options,
) -> Rendered:
    """Generate the segments without a source in the context of those with one.

    Args:
        model: the model.
        voice: voice of the speaker.
        features: [T, C] of the recording.
        segments: words and pauses in order.
        options: options of synthesis.
    """
    asked = segments
    acoustic = model.acoustic
    segments = _with_silence(asked)
    tokens = _token_batch(segments, model.device)
    prompt = collate_voices([voice]).to(model.device)
    predicted = acoustic.durations.predict(tokens, prompt, 1.0)[0].tolist()
    segments = _paced(segments, predicted, options.speed)
    segments = _padded(segments, acoustic.generator.patch)
    begins = [0, *accumulate(segment.length for segment in segments)]
    frames = [count for segment in segments for count in segment.frames]
    durations = torch.tensor([frames], device=model.device)
    shift = None
    if acoustic.shifts is not None:
        shift = acoustic.shifts.frames([voice], tokens, durations, sum(frames))
    contrast = acoustic.contrast_of([voice])
    request = Request(tokens, prompt, durations, shift=shift, contrast=contrast)
    given, kept, in_word = _given(features, segments, sum(frames))
    made = _generate(model, voice, request, given, kept, kept & ~in_word, options)
    matched = _matched(model, made, given, kept & in_word, features)
    matched[:, -EXTRA] = shift_pitch(matched[:, -EXTRA], options.pitch)
    result = torch.where(kept[:, None], given, matched)
    f0 = unpack_pitch(source_part(result)[None])
    wav, _ = acoustic.vocoder(envelope_part(result)[None], f0)
    lead = int(bool(asked[0].word))
    return Rendered(segments, begins, wav[0].float().cpu(), lead, len(asked))


def _padded(segments: list[Segment], patch: int) -> list[Segment]:
    """Return segments whose frames fill whole patches of a generator; the last one is prolonged."""
    rest = -sum(segment.length for segment in segments) % patch
    if not rest:
        return segments
    last = segments[-1]
    longer = with_frames(last, [*last.frames[:-1], last.frames[-1] + rest])
    return [*segments[:-1], longer]


def _paced(segments: Sequence[Segment], predicted: list[int], speed: float) -> list[Segment]:
    """Return the segments with the durations of new words: as predicted, at the pace of the words
    of the recording.

    Args:
        segments: all segments.
        predicted: predicted frames of each token.
        speed: speed of the request.
    """
    of_segment = []
    for segment in segments:
        of_segment.append(predicted[: len(segment.ids)])
        predicted = predicted[len(segment.ids) :]
    expected = measured = 0
    for segment, values in zip(segments, of_segment, strict=True):
        if segment.source is not None and segment.word:
            expected += sum(values)
            measured += segment.length
    pace = (measured + _PRIOR_FRAMES) / (expected + _PRIOR_FRAMES)
    pace = min(max(pace, _PACES[0]), _PACES[1]) / speed
    paced, remainder = [], 0.0
    for segment, values in zip(segments, of_segment, strict=True):
        if segment.source is None and segment.word:
            frames = []
            for value in values:  # what rounding leaves goes to the next token
                remainder += value * pace
                frames.append(max(1, round(remainder)))
                remainder -= frames[-1]
            segment = with_frames(segment, frames)
        paced.append(segment)
    return paced


def _given(
    features: Tensor, segments: Sequence[Segment], count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay the features of the recording where its segments are.

    Args:
        features: [T', C] of the recording.
        segments: all segments.
        count: their frames.

    Returns:
        The features [T, C], zero where a segment is new; whether a frame is of the recording, [T]
        bool; and whether it is of a word, [T] bool.
    """
    given = features.new_zeros(count, features.shape[1])
    kept = torch.zeros(count, dtype=torch.bool, device=features.device)
    in_word = torch.zeros_like(kept)
    at = 0
    for segment in segments:
        if segment.source is not None:
            # The last segment may have been made longer than the recording is.
            found = features[segment.source : segment.source + segment.length]
            given[at : at + len(found)] = found
            kept[at : at + len(found)] = True
        in_word[at : at + segment.length] = bool(segment.word)
        at += segment.length
    return given, kept, in_word


def _generate(
    model: Synthesizer,
    voice: Voice,
    request: Request,
    given: Tensor,
    kept: Tensor,
    paused: Tensor,
    options: Options,
) -> Tensor:
    """Generate the features [T, C] of all segments. A model that was trained for it is given those
    of the recording (infilling).

    Args:
        model, voice, request, options: see `render`.
        given: [T, C], features of the recording.
        kept: [T] bool, frames of the recording.
        paused: [T] bool, frames of the recording that are pauses.
    """
    generator, infill = model.acoustic.generator_for(voice), None
    if generator.strategy.inpaint:
        shift = 0 if request.shift is None else request.shift
        latents = model.acoustic.latent_space.encode(given[None] - shift, request.prompt)
        count = len(kept) // generator.patch * generator.patch
        known, quiet = (
            each[:count].view(-1, generator.patch).all(1)[None] for each in (kept, paused)
        )
        infill = Infill(latents, known)
        if isinstance(generator.head, CodeHead):
            silent = torch.zeros(1, generator.head.codebook_size, device=latents.device)
            infill.silent = silent.index_fill(1, latents[quiet][:, 0], 1) > 0
    rngs = [torch.Generator().manual_seed(options.seed)]
    acoustic = model.acoustic
    latents = generator.generate(
        request,
        rngs,
        model.sampling(options),
        infill,
        external=acoustic.external,
        code_values=acoustic.code_values,
    )
    features, _ = model.acoustic.latent_space.decode(
        latents, model.acoustic.latent_space.start(request.prompt), True
    )
    return request.voiced(features[:, : int(request.frames[0])])[0]


def _matched(
    model: Synthesizer, made: Tensor, given: Tensor, both: Tensor, recording: Tensor
) -> Tensor:
    """Return generated features with the timbre and pitch of the recording, measured on the words
    that are in both, and with its noise.

    Args:
        model: the model.
        made: [T, C], generated features.
        given: [T, C], features of the recording.
        both: [T] bool, frames of words of the recording, which were generated too.
        recording: [T', C], features of the whole recording.
    """
    count = float(both.sum())
    trust = count / (count + _PRIOR_FRAMES)
    out = made.clone()
    if count:
        difference = envelope_part(given[both] - made[both]).mean(0) * trust
        envelope_part(out)[:] += difference.clamp(-_MAX_ENVELOPE, _MAX_ENVELOPE)
        voiced = both & (given[:, -1] > 0) & (made[:, -1] > 0)
        if voiced.any():
            higher = (given[voiced, -EXTRA] - made[voiced, -EXTRA]).mean() * trust
            out[:, -EXTRA] += higher.clamp(-_MAX_PITCH, _MAX_PITCH)
    mel = model.acoustic.vocoder.mel
    levels = envelope_part(recording)
    noise = (
        levels.quantile(_NOISE_QUANTILE, 0) if len(levels) else levels.new_zeros(levels.shape[1])
    )
    scale = torch.stack([envelope_part(out), noise.expand_as(envelope_part(out))]) * mel.std
    # Amplitudes of noise and speech add up.
    envelope_part(out)[:] = torch.logsumexp(2 * scale, 0) / (2 * mel.std)
    return out


def level_of(
    samples: Tensor, begins: Sequence[int], segments: Sequence[Segment], hop: int
) -> float:
    """Return the RMS of words of the recording in rendered speech; 0 if there are none.

    Args:
        samples: [N], rendered speech.
        begins: first frame of each segment.
        segments: the segments.
        hop: samples of a frame.
    """
    parts = [
        samples[begin * hop : (begin + segment.length) * hop]
        for begin, segment in zip(begins, segments, strict=False)
        if segment.word and segment.source is not None
    ]
    if not parts:
        return 0.0
    return math.sqrt(float(torch.cat(parts).square().mean()))
