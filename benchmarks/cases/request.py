"""Whole requests of 10 and 200 words: real-time factor and first audio."""

import time
from typing import Any

import torch

from benchmarks.harness import shapes
from benchmarks.harness.requests import SENTENCE, first_audio
from benchmarks.harness.row import Context, Goal, Row, faster
from benchmarks.harness.timing import Cost, ratio
from benchmarks.peers import packages as peers
from tts import TTS

#: 200 words in 20 sentences
LONG = " ".join([SENTENCE] * (2 if shapes.SMOKE else 20))


def prepare(context: Context) -> Row:
    """`default` against pocket-tts of 18M, and of the 100M that people use."""
    tts = TTS.load("default", context.device)
    voice = tts.voice("default")
    texts = {"10 words": SENTENCE, "200 words": LONG}

    def check() -> None:
        whole = tts.synthesize(SENTENCE, voice)
        audio = torch.from_numpy(whole.samples)
        assert torch.isfinite(audio).all() and audio.abs().max() > 0.01
        parts = [torch.from_numpy(chunk.samples) for chunk in tts.stream(SENTENCE, voice)]
        assert torch.equal(torch.cat(parts), audio), "streamed is not the whole"
        assert 1.5 < len(audio) / tts.sample_rate < 8

    def early() -> Cost:
        cpu = time.process_time()
        wall = first_audio(tts, voice)
        return Cost(time.process_time() - cpu, wall)

    runs: dict[str, Any] = {}
    others = {"pocket-tts 18M": "english_18m_2026-10", "pocket-tts 100M": "english_2026-10"}
    models = {}
    for name, config in others.items():
        model = context.peer(name, lambda config=config: peers.pocket(config))
        if model is not None:
            models[name] = model, model.get_state_for_audio_prompt(0.1 * torch.randn(1, 48000))
    for words, text in texts.items():
        runs[f"ours, {words}"] = lambda t=text: tts.synthesize(t, voice).seconds
        for name, (model, state) in models.items():
            if words == "10 words" or "18M" in name:
                runs[f"{name}, {words}"] = lambda m=model, s=state, t=text: _whole(m, s, t)
    runs["ours, first audio"] = early
    for name, (model, state) in models.items():
        runs[f"{name}, first audio"] = lambda m=model, s=state: _first(m, s)
    parts = (
        tts.acoustic.generator,
        tts.acoustic.durations,
        tts.acoustic.vocoder,
        tts.acoustic.phrasing,
    )
    weights = sum(shapes.parameters(part) for part in parts if part is not None)
    sizes = {"weights of ours (M)": weights / 1e6}
    for name, (model, _) in models.items():
        sizes[f"weights of {name}, without its encoder (M)"] = _spoken(model) / 1e6
    return Row(
        "Whole requests", "s of audio (first audio: request)", runs, check,
        [
            faster("ours, 10 words", ["pocket-tts 18M, 10 words"], 1.0),
            faster("ours, 200 words", ["pocket-tts 18M, 200 words"], 1.0),
            faster("ours, first audio", ["pocket-tts 18M, first audio"], 1.0, "wall"),
            Goal(
                "cost of a second at 200 words by that at 10",
                lambda costs: ratio(costs["ours, 200 words"], costs["ours, 10 words"]),
                1.1, at_least=False,
            ),
        ],
        "CPU is the real-time factor. pocket-tts with random weights (its weights and tokenizer "
        "are not in its package): it never ends early, so seconds are those of its longest, and "
        "tokens are 1.4 a word; it makes 24 kHz, ours 16 kHz. It decodes in a second thread, so "
        "its wall profits from a second core.",
        lambda: sizes, scale=1.0,
    )  # fmt: skip


def _whole(model: Any, state: Any, text: str) -> float:
    audio = model.generate_audio(state, text)
    assert torch.isfinite(audio).all()
    return audio.shape[-1] / model.sample_rate


def _first(model: Any, state: Any) -> Cost:
    import threading

    stop = threading.Event()
    cpu, wall = time.process_time(), time.perf_counter()
    stream = model.generate_audio_stream(state, SENTENCE, stop=stop)
    next(stream)
    cost = Cost(time.process_time() - cpu, time.perf_counter() - wall)
    stop.set()
    for _ in stream:
        pass
    return cost


def _spoken(model: Any) -> int:
    total = shapes.parameters(model)
    return total - shapes.parameters(model.mimi.encoder)
