"""Weights of others: asked for, licence first, whole or not at all, and then spoken with.

Tiny random weights in the published layouts stand for the files; no network is used.
"""

import hashlib
import io
import json
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from safetensors.torch import save

from codec_helpers import lively
from codec_helpers import published_layout as vocos_layout
from tests.helpers.cli import one_line
from tests.helpers.f5 import LETTERS, published_layout, scramble
from tts import TTS
from tts.cli.main import run
from tts.errors import AudioError, CheckpointError, TextError, UsageError, VoiceError
from tts.published import PUBLISHED, PublishedF5
from tts.published.f5.conversion import VOCABULARY, WEIGHTS
from tts.published.f5.generator import F5Generator
from tts.published.f5.network import F5Config, F5Network
from tts.published.f5.pipeline import MAX_TOGETHER, F5Model
from tts.published.f5.tokenizer import CharacterTokens
from tts.resources import configs
from tts.types import joined
from tts.voice.voice import Voice
from tts_codecs import vocos
from tts_codecs.download import HubFile
from tts_codecs.vocos import VocosCodec, VocosConfig

SIZES = F5Config(vocabulary=len(LETTERS), dim=32, blocks=1, heads=2, text_dim=16, text_blocks=1)
VOCODER_SIZES = VocosConfig(dim=16, hidden=16, blocks=1)
WORDS = "the words of this"
Recording = Callable[..., Path]
Captured = pytest.CaptureFixture[str]


class Web:
    """Stands for the network: files by address, and what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        network = F5Network(SIZES).eval()
        scramble(network)
        self.generator = F5Generator(network, CharacterTokens(LETTERS))
        self.codec = lively(VocosCodec.random(VOCODER_SIZES))
        kept = io.BytesIO()
        torch.save(vocos_layout(self.codec), kept)
        self.model = PublishedF5(
            "f5-base",
            self.add(WEIGHTS, save(published_layout(network))),
            self.add(VOCABULARY, ("\n".join(LETTERS) + "\n").encode()),
            self.add(vocos.WEIGHTS, kept.getvalue()),
            SIZES,
            VOCODER_SIZES,
        )

    def add(self, like: HubFile, data: bytes) -> HubFile:
        self.files[like.url] = data
        digest = hashlib.sha256(data).hexdigest()
        return HubFile(like.repo, like.revision, like.path, digest, len(data), like.licence)

    def open(self, url: str, timeout: float) -> io.BytesIO:
        self.asked.append(url)
        if url not in self.files:
            raise TimeoutError("timed out")
        return io.BytesIO(self.files[url])


@pytest.fixture
def web(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    config = Path(__file__).parents[2] / "configs" / "models" / "f5-base.yaml"
    (tiny_home / "configs" / "models" / config.name).write_text(config.read_text())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Web()
    monkeypatch.setitem(PUBLISHED, "f5-base", made.model)
    monkeypatch.setattr(urllib.request, "urlopen", made.open)
    yield made


@pytest.fixture
def model(web: Web) -> TTS:
    web.model.fetch(accept_licence=True)
    return TTS.load("f5-base", "cpu")


def cached(tmp_path: Path) -> list[str]:
    """Files below the cache folder, hidden ones too."""
    return [name for _, _, names in os.walk(tmp_path / "cache") for name in names]


def ask(ref: Path, *arguments: str) -> list[str]:
    out = str(ref.with_name("out.wav"))
    return ["synthesize", "What a day it is.", "--model", "f5-base", "--ref", str(ref), "-o", out,
            "--steps", "2", *arguments]  # fmt: skip


def test_pins() -> None:
    """The shipped entry: addresses of one revision, and checksums of all files."""
    real = PublishedF5("f5-base")
    assert real.size == 1_348_435_761 + 13_800 + 54_365_991
    for file in real.files:
        assert f"/resolve/{file.revision}/{file.path}" in file.url
        assert len(file.revision) == 40 and len(file.sha256) == 64
    assert "CC BY-NC 4.0" in real.licences and "MIT" in real.licences
    assert (configs() / "models" / "f5-base.yaml").is_file()


def test_fetch_then_speak(web: Web, tmp_path: Path, recording: Recording, capfd: Captured) -> None:
    ref = recording(rate=22050)
    assert run(ask(ref, "--ref-text", WORDS)) == 1
    one_line(capfd, "tts models fetch f5-base", "not fetched", "CC BY-NC 4.0")
    with pytest.raises(CheckpointError, match="tts models fetch f5-base"):
        TTS.load("f5-base", "cpu")
    assert run(["models"]) == 0
    listed = capfd.readouterr().out
    assert "not fetched: tts models fetch f5-base" in listed and "CC-BY-NC-4.0" in listed
    assert not web.asked

    assert run(["models", "fetch", "f5-base", "--accept-licence"]) == 0
    out, err = capfd.readouterr()
    assert out == "" and "CC BY-NC 4.0" in err and "MIT" in err
    for file in web.model.files:
        assert file.url in err and file.sha256 in err
    assert sorted(web.asked) == sorted(web.files)
    assert sorted(cached(tmp_path)) == sorted(2 * ["config.yaml", "model.safetensors"])
    assert run(["models", "fetch", "f5-base"]) == 0  # nothing to accept any more
    assert len(web.asked) == 3 and "is there" in capfd.readouterr().err

    assert run(ask(ref, "--ref-text", WORDS, "--json", "--provenance")) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["sample_rate"] == sf.info(tmp_path / "out.wav").samplerate == 24000
    assert told["seconds"] == pytest.approx(sf.info(tmp_path / "out.wav").duration, abs=1e-3)
    assert len(json.loads((tmp_path / "out.wav.provenance.json").read_text())["weights_sha256"])
    assert run(["models", "--json"]) == 0
    row = next(r for r in json.loads(capfd.readouterr().out) if r["name"] == "f5-base")
    assert row["missing"] == [] and row["licence"].startswith("CC-BY-NC-4.0")
    assert row["parameters"] == sum(p.numel() for p in web.generator.parameters())


def test_is_the_published_model(web: Web, model: TTS, recording: Recording) -> None:
    """What is said equals what the parts say that the files were made of."""
    voice = model.voice(recording(rate=24000), "The words.")
    can = model.capabilities
    assert can.sample_rate == can.recording_rate == model.sample_rate == 24000
    assert can.needs_transcript and not (can.word_times or can.pitch or can.batching)
    assert not (can.streaming or can.adaptation)
    (phones,) = model.sentences("It is a day.")
    found = joined(model.say(phones, voice, found_options(seed=5, steps=4)), 24000)
    assert voice.recording is not None
    prompt = web.generator.prompt(voice.recording, "The words.")
    rng = torch.Generator().manual_seed(5)
    options = model.sampling(model_options := found_options(steps=4))
    assert model_options.steps == 4 and options.sway == -1.0 and options.guidance == 3.0
    mel, frames = web.generator.generate([prompt], ["It is a day."], [rng], options)
    expected = (web.codec.decode(mel)[0, 0] * prompt.gain).numpy()
    assert len(found.samples) == len(expected) == int(frames) * 256
    inner = slice(300, -300)  # the edges are faded
    assert np.abs(expected[inner]).mean() > 1e-3
    np.testing.assert_allclose(found.samples[inner], expected[inner], rtol=0, atol=1e-4)


def found_options(**values: Any) -> Any:
    from tts.types import Options

    return Options(**values)


def test_requests(model: TTS, recording: Recording) -> None:
    voice = model.voice(recording(), WORDS)
    text = "What a day it is. And 2 more of them! Yes."
    whole = model.synthesize(text, voice, seed=3, steps=2)
    pieces = model.synthesize(
        iter(["What a day it", " is. And 2 more of ", "them! Yes."]), voice, seed=3, steps=2
    )
    assert np.array_equal(whole.samples, pieces.samples)
    (phones,) = model.sentences("And 2 more of them!")
    second = joined(model.say(phones, voice, found_options(seed=4, steps=2)), 24000).samples
    chunks = [chunk for chunk in model.stream(text, voice, seed=3, steps=2) if chunk.text]
    assert [c.text for c in chunks] == ["What a day it is.", "And two more of them!", "Yes."]
    assert len(chunks[1].samples) == len(second)
    # But for its level (tts.audio.loudness).
    assert np.corrcoef(chunks[1].samples, second)[0, 1] > 0.99
    assert not np.array_equal(model.synthesize(text, voice, steps=2).samples, whole.samples)
    slow = model.synthesize("It is a day.", voice, speed=0.5, steps=2).seconds
    assert slow == pytest.approx(
        2 * model.synthesize("It is a day.", voice, steps=2).seconds, rel=0.02
    )
    stream = model.stream(text, voice, steps=2)
    next(stream)
    stream.close()
    assert not list(stream)


def test_long_sentences_are_parted(
    model: TTS, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = model.pipeline.generator
    assert isinstance(network, F5Model)
    voice = model.voice(recording(seconds=9), "some words, many of them")
    said: list[str] = []
    frames: list[int] = []
    generate = network.network.generate

    def watched(prompts: Any, texts: Any, *rest: Any, **more: Any) -> Any:
        mel, count = generate(prompts, texts, *rest, **more)
        said.extend(texts)
        frames.append(len(prompts[0].features) + int(count))
        return mel, count

    monkeypatch.setattr(network.network, "generate", watched)
    sentence = "one and two and three, " * 7 + "and four."
    chunks = [c for c in model.stream(sentence, voice, steps=1, guidance=1) if c.text]
    assert [c.text for c in chunks] == [sentence] and len(said) > 2
    assert " ".join(said) == sentence
    assert max(frames) <= MAX_TOGETHER * 24000 / 256


def test_voices(model: TTS, tmp_path: Path, recording: Recording, capfd: Captured) -> None:
    arguments = ["--ref", str(recording()), "--model", "f5-base"]
    assert run(["voices", "add", "anna", *arguments]) == 2
    one_line(capfd, "--ref-text")
    assert run(["voices", "add", "anna", "--ref-text", f"  {WORDS} ", *arguments]) == 0
    capfd.readouterr()
    voice = model.voice("anna")
    assert voice.transcript == WORDS and voice.recording is not None
    assert len(voice.recording) == pytest.approx(3 * 24000, rel=0.1)
    plain = TTS.load("default", "cpu")
    assert plain.synthesize("Hello.", voice).seconds > 0.1
    kept = plain.voice(recording(), "other words")
    kept.save(tmp_path / "kept.safetensors")
    again = Voice.load(tmp_path / "kept.safetensors")
    assert again.transcript == "other words" and again.recording is None
    assert again.sha256 == plain.voice(recording()).sha256
    assert plain.voice(voice, "x").sha256 != voice.sha256
    path = tmp_path / "anna.safetensors"
    voice.save(path)
    data = path.read_bytes().replace(WORDS.encode(), WORDS.upper().encode())
    path.write_bytes(data)
    with pytest.raises(VoiceError, match="checksum"):
        Voice.load(path)
    for name in ("default", "kept.safetensors"):
        with pytest.raises(VoiceError, match="--ref-text"):
            model.voice(name if name == "default" else tmp_path / name)


def test_refusals(model: TTS, recording: Recording, capfd: Captured) -> None:
    ref = recording()
    assert run(ask(ref)) == 2
    one_line(capfd, "f5-base", "--ref-text")
    assert run(ask(ref, "--ref-text", " ")) == 2
    one_line(capfd, "--ref-text")
    assert run(ask(ref, "--ref-text", WORDS, "--timestamps", str(ref.with_name("a.srt")))) == 2
    one_line(capfd, "timestamps")
    assert run(ask(ref, "--ref-text", WORDS, "--pitch", "1.2")) == 2
    one_line(capfd, "pitch")
    assert run(ask(recording("long.wav", seconds=14), "--ref-text", WORDS)) == 1
    one_line(capfd, "12 s")
    assert not ref.with_name("out.wav").exists()
    with pytest.raises(UsageError, match="transcript="):
        model.voice(ref)
    with pytest.raises(AudioError, match="12 s"):
        model.voice(ref.with_name("long.wav"), WORDS)
    voice = model.voice(ref, WORDS)
    with pytest.raises(TextError, match="letters"):
        model.synthesize("[[həlˈoʊ]]", voice)
    for nothing in ("", " ... "):
        with pytest.raises(TextError, match="nothing"):
            model.synthesize(nothing, voice)
    with pytest.raises(TextError, match="nothing"):
        model.synthesize(iter([]), voice)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_licence_comes_first(
    web: Web, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="CC BY-NC 4.0"):
        web.model.fetch()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run(["models", "fetch", "f5-base"]) == 2
    err = capfd.readouterr().err
    assert "CC BY-NC 4.0" in err and err.splitlines()[-1].startswith("tts: error: ")
    assert "--accept-licence" in err.splitlines()[-1]
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert run(["models", "fetch", "f5-base"]) == 1
    assert "nothing fetched" in capfd.readouterr().err
    assert run(["models", "fetch", "f5-bsae"]) == 2
    one_line(capfd, "f5-base")
    assert not web.asked and not cached(tmp_path)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert run(["models", "fetch", "f5-base"]) == 0
    assert web.model.fetched


def test_nothing_half(web: Web, tmp_path: Path, capfd: Captured) -> None:
    weights = web.model.weights.url
    data = web.files.pop(weights)
    command = ["models", "fetch", "f5-base", "--accept-licence"]
    for wrong, word in ((None, "timed out"), (data[:-1], "checksum"), (data + b"x", "larger")):
        if wrong is not None:
            web.files[weights] = wrong
        assert run(command) == 1
        assert word in capfd.readouterr().err.splitlines()[-1]
        # What came whole waits for the next try.
        assert sorted(cached(tmp_path)) == ["pytorch_model.bin", "vocab.txt"]
        assert not web.model.fetched
    web.files[weights] = data
    assert run(command) == 0
    assert web.asked.count(web.model.vocoder.url) == 1 and web.model.fetched
    assert sorted(cached(tmp_path)) == sorted(2 * ["config.yaml", "model.safetensors"])
    path = web.model.folder / "f5" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        TTS.load("f5-base", "cpu")
