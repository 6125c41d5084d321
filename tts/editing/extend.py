"""A recording that goes on: its last words are the context in which the next ones are said."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tts.editing.align import Piece, align_words
from tts.editing.edit import CONTEXT, Edited, runs
from tts.editing.heard import check_options, listen, probing
from tts.editing.join import Joiner
from tts.editing.plan import Change, pieces_of
from tts.editing.render import render
from tts.synthesizer import Synthesizer
from tts.text.pauses import PERIOD, is_pause
from tts.text.symbols import SIL
from tts.types import Options, Span, options_of
from tts.voice.reading import align_recording
from tts.voice.sources import Recording

#: frames of silence that are kept after a recording, and put in where it has none; after each
#: sentence, and how many of those are the room alone, without the end of the sound
_SILENCE, _PAUSE = 25, 12
_CLOSING, _ROOM = 12, 6


def extend(
    model: Synthesizer,
    recording: Recording,
    text: str,
    said: str | None = None,
    options: Options | None = None,
    sample_rate: int | None = None,
    **values: object,
) -> Edited:
    """Make a recording go on with a text; see `TTS.extend`."""
    chosen = options_of(options, values)
    check_options(chosen, "continued", ("markup",))
    shifts = probing(model)
    sentences = list(model.sentences(text, chosen.language, chosen.markup, chosen.emoji))
    chosen.check_takes(len(sentences))
    heard = listen(model, recording, sample_rate, chosen.language)
    samples, rate, features = heard.samples, heard.rate, heard.features
    known = shifts.profile.phones
    if said is None:
        aligned = align_recording(shifts.recognizer, features, known)
        pieces = _read(aligned.tokens.ids, aligned.tokens.mods, aligned.tokens.durations)
    else:
        words = model.acoustic.frontend(chosen.language, "none").one(said)
        found = align_words(shifts.probe, features, words, known, said)
        pairs = zip(found.pauses, [*found.words, None], strict=True)
        pieces = [each for pair in pairs for each in pair if each is not None]
    pieces, end = _ended(pieces)
    frame = model.acoustic.vocoder.hop / model.sample_rate
    samples = samples if end is None else samples[: round(end * frame * rate)]
    first = len(pieces)
    while first > 1 and sum(piece.length for piece in pieces[first - 1 :]) * frame < CONTEXT:
        first -= 1
    voice = model.acoustic.calibrate(heard.voice)
    joiner = Joiner(samples, rate)
    spans: list[Span] = []
    said_until = 0  # samples, without the silence after them
    for number, phones in enumerate(sentences):
        new = pieces_of(phones)
        context = [*pieces[first:], *new, Piece((SIL,), (0,), (_CLOSING,))]
        seed = replace(chosen, seed=chosen.seed_of(number))
        rendered = render(model, voice, features, context, seed)
        found_runs = runs(
            [*pieces[:first], *context], [(first, rendered)], frame, samples, rate, model
        )
        spoken = rendered.pieces[-len(new) - 1 : -1]
        first_word = round(rendered.begins[-len(new) - 2] * frame * rate)
        if number:
            # A pause that was made after the recording belongs to the first sentence alone.
            found_runs = [
                replace(each, begin=first_word) for each in found_runs if each.made is not None
            ]
            seconds = sentences[number - 1].pause_after + _SILENCE / 2 * frame
            joiner.linger(
                round(_ROOM * frame * rate), round(seconds * rate) - (joiner.length - said_until)
            )
        for run in found_runs:
            joiner.add(run)
        at = (joiner.length - (found_runs[-1].end - first_word)) / rate
        said_until = joiner.length - found_runs[-1].end + round(rendered.begins[-2] * frame * rate)
        for piece in spoken:
            if piece.word:
                spans.append(Span(piece.word, at, at + piece.length * frame))
            at += piece.length * frame
    joiner.close()
    out, kept = joiner.result()
    said_now = tuple(word for phones in sentences for word, _, _ in phones.words)
    return Edited(
        out,
        rate,
        spans,
        kept=kept,
        changes=[Change((), said_now)],
        original=np.ascontiguousarray(samples),
        warnings=heard.warnings,
    )


def _read(ids: Sequence[int], mods: Sequence[int], frames: Sequence[int]) -> list[Piece]:
    """Phones that were read off a recording as pieces: what is between two pauses is one word."""
    pieces: list[Piece] = []
    first = at = 0
    for last in range(1, len(ids) + 1):
        if last < len(ids) and is_pause(ids[last]) == is_pause(ids[first]):
            continue
        part = slice(first, last)
        word = "" if is_pause(ids[first]) else "(heard)"
        pieces.append(Piece(tuple(ids[part]), tuple(mods[part]), tuple(frames[part]), word, at))
        at, first = at + sum(frames[part]), last
    return pieces


def _ended(pieces: list[Piece]) -> tuple[list[Piece], int | None]:
    """Pieces that end in a pause, and the frame after which the recording is cut; None for not."""
    last = pieces[-1]
    if last.word:
        return [*pieces, Piece((PERIOD,), (0,), (_PAUSE,))], None
    frames = min(last.length, _SILENCE)
    assert last.source is not None
    pause = Piece((PERIOD,), (0,), (frames,), source=last.source)
    return [*pieces[:-1], pause], pause.end
