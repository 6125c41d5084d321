"""Sentences of many texts and voices in one batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from tts.align.prosody import shaped
from tts.generators.base import Request, Spoken
from tts.speech import Chunk, Options, joined, spans_of
from tts.synthesizer import FADE_FRAMES, TTS
from tts.text.symbols import Phones
from tts.voice.prompt import VoicePrompt
from tts.voice.voice import Voice
from tts_codecs.envelope import EXTRA, unpack_pitch

#: sentences of a batch by device: a CPU gains nothing beyond what its cache holds
MAX_TURNS = {"cpu": 8, "cuda": 64}
#: phones of a batch with what it is padded with: memory stays under a gigabyte
MAX_PHONES = 6000


@dataclass(frozen=True)
class Turn:
    """One sentence of a text; `number` is its place there, which its seed follows."""

    phones: Phones
    voice: Voice
    options: Options
    number: int = 0


def batches(model: TTS, turns: Sequence[Turn]) -> list[list[int]]:
    """Places of `turns` that go together: of one kind, of similar length."""

    def kind(at: int) -> str:
        turn = turns[at]
        # Voices that weights were adapted to have a generator of their own.
        adapted = turn.voice.sha256 if model.adaptation_of(turn.voice) else ""
        return repr((model.sampling(turn.options), turn.options.pitch, adapted))

    # Once each: a checksum of an adapted voice reads all of its factors.
    kinds = [kind(at) for at in range(len(turns))]
    most = MAX_TURNS.get(torch.device(model.device).type, MAX_TURNS["cpu"])
    out: list[list[int]] = []
    for at in sorted(range(len(turns)), key=lambda n: (kinds[n], len(turns[n].phones), n)):
        longest = len(turns[at].phones)
        full = out and (
            len(out[-1]) == most
            or (len(out[-1]) + 1) * longest > MAX_PHONES
            or kinds[out[-1][0]] != kinds[at]
        )
        if not out or full:
            out.append([])
        out[-1].append(at)
    return out


def say_all(model: TTS, turns: Sequence[Turn]) -> list[Chunk]:
    """Each sentence with its pause as one Chunk whose times count from its start."""
    if not model.batched:
        return [say_alone(model, turn) for turn in turns]
    found: dict[int, Chunk] = {}
    for batch in batches(model, turns):
        said = say_together(model, [turns[at] for at in batch])
        found.update(zip(batch, said, strict=True))
    return [found[at] for at in range(len(turns))]


def say_alone(model: TTS, turn: Turn) -> Chunk:
    """One sentence with its pause."""
    chunks = model.say(turn.phones, turn.voice, turn.options, turn.number)
    pieces = list(chunks)
    whole = joined(pieces, model.sample_rate)
    gain = None
    if any(piece.gain is not None for piece in pieces):
        ones = (np.ones_like(p.samples) if p.gain is None else p.gain for p in pieces)
        gain = np.concatenate(list(ones))
    return Chunk(
        whole.samples, model.sample_rate, turn.phones.text, whole.words, whole.phones, gain
    )


@torch.inference_mode()
def say_together(model: TTS, turns: Sequence[Turn]) -> list[Chunk]:
    """`TTS.say` of sentences of one kind in one batch.

    Each equals what it gives alone but for rounding (under 1e-3); the same batch gives the same
    bytes.
    """
    speed = torch.tensor([turn.options.speed for turn in turns], device=model.device)
    request = model.request([t.phones for t in turns], [t.voice for t in turns], speed)
    assert request.durations is not None
    rngs = [torch.Generator().manual_seed(t.options.seed_of(t.number)) for t in turns]
    spoken = Spoken()
    units = model.generator_for(turns[0].voice).generate(
        request, rngs, model.sampling(turns[0].options), spoken=spoken
    )
    # A pointer has its own idea of how long each phone is.
    assert spoken.durations is not None
    request = replace(request, durations=spoken.durations, frames=spoken.durations.sum(1))
    features = [_features(model, request, units, row) for row in range(len(turns))]
    waves = _waves(model, features, turns[0].options.pitch)
    frame = model.vocoder.hop / model.sample_rate
    out: list[Chunk] = []
    for row, (turn, wave) in enumerate(zip(turns, waves, strict=True)):
        frames = spoken.durations[row, : request.tokens.lengths[row]].tolist()
        words, phones = spans_of(turn.phones, frames, frame)
        pause = torch.from_numpy(model.pause(turn.phones, turn.options))
        samples = torch.cat([wave.float().cpu(), pause]).numpy()
        chunk = Chunk(samples, model.sample_rate, turn.phones.text, words, phones)
        out += shaped([chunk], turn.phones)
    return out


def _features(model: TTS, request: Request, units: torch.Tensor, row: int) -> torch.Tensor:
    """Features [T, C] of one row: decoded alone, as what follows its end must not reach into it."""
    frames = int(request.frames[row])
    prompt = request.prompt
    one = slice(row, row + 1)
    alone = VoicePrompt(
        prompt.speaker[one],
        prompt.features[one, : int(prompt.lengths[row])],
        prompt.lengths[one],
    )
    count = -(-frames // model.generator.patch)
    features, _ = model.units.decode(units[one, :count], model.units.start(alone), True)
    return request.shifted(features[:, :frames], row=row)[0]


def _waves(model: TTS, features: Sequence[torch.Tensor], pitch: float) -> list[torch.Tensor]:
    """Waveforms [N] of rows of features [T, C], faded in and out."""
    vocoder = model.vocoder
    envelopes = pad_sequence(
        [each[:, :-EXTRA] for each in features], batch_first=True, padding_value=vocoder.silence
    )
    f0 = pad_sequence([unpack_pitch(each[:, -EXTRA:]) for each in features], batch_first=True)
    wav, _ = vocoder(envelopes, f0, pitch)
    hop = vocoder.hop
    ramp = torch.linspace(0, 1, FADE_FRAMES * hop, device=wav.device)
    out = []
    for row, each in zip(wav, features, strict=True):
        own = row[: len(each) * hop].clone()
        count = min(len(ramp), len(own))
        own[:count] *= ramp[:count]
        own[len(own) - count :] *= ramp.flip(0)[len(ramp) - count :]
        out.append(own)
    return out
