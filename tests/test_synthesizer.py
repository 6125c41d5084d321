"""The Python interface: loading, voices, options, audio, streams, threads; tiny random models."""

import hashlib
import io
import itertools
import random
import shutil
import subprocess
import sys
import threading
import typing
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tts import TTS, Options, Voice
from tts.errors import CheckpointError, TextError, UsageError, VoiceError
from tts.types import OptionValues

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
Recording = Callable[..., Path]


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def test_import_is_instant() -> None:
    code = (
        "import sys, tts; heavy = {'torch', 'numpy', 'pydantic'} & set(sys.modules); "
        "assert not heavy, heavy; assert 'TTS' in dir(tts)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    import tts

    with pytest.raises(AttributeError, match="nothing"):
        _ = tts.nothing


def test_models_by_name_path_and_folder(tts: TTS, tiny_home: Path, tmp_path: Path) -> None:
    said = tts.synthesize(TEXT, "default").samples
    folder = tmp_path / "mine"
    shutil.copytree(tiny_home / "checkpoints", folder)
    shutil.copy(tiny_home / "configs" / "models" / "default.yaml", folder / "model.yaml")
    # Its own weights are used, not the shipped ones of the same names.
    shutil.rmtree(tiny_home / "checkpoints" / "flow")
    for name in (str(folder), folder / "model.yaml"):
        again = TTS.load(name, "cpu").synthesize(TEXT, "default").samples
        np.testing.assert_array_equal(again, said)
    with pytest.raises(UsageError, match="did you mean 'default'"):
        TTS.load("defualt")
    with pytest.raises(CheckpointError, match="flow"):
        TTS.load("default")


def bundle(home: Path, extra: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.write(home / "configs" / "models" / "default.yaml", "model.yaml")
        for name in ("flow", "durations", "vocoder", "speaker"):
            for path in sorted((home / "checkpoints" / name).iterdir()):
                archive.write(path, f"{name}/{path.name}")
        if extra:
            archive.writestr(extra, "x")
    return out.getvalue()


def test_model_by_url(
    tts: TTS, tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, asked = {"a": bundle(tiny_home), "b": bundle(tiny_home, "../evil.yaml")}, []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(served[url.rsplit("/", 1)[-1][0]])

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digest = {name: hashlib.sha256(data).hexdigest() for name, data in served.items()}
    url = f"https://models.example/r1/a.zip#sha256={digest['a']}"
    said = TTS.load(url, "cpu").synthesize(TEXT).samples
    np.testing.assert_array_equal(said, tts.synthesize(TEXT).samples)
    TTS.load(url, "cpu")
    assert asked == ["https://models.example/r1/a.zip"], "the second time it is in the cache"
    with pytest.raises(CheckpointError, match="evil"):
        TTS.load(f"https://models.example/r1/b.zip#sha256={digest['b']}")
    assert not list(tmp_path.rglob("evil.yaml"))
    with pytest.raises(CheckpointError, match="checksum"):
        TTS.load(f"https://models.example/r2/a.zip#sha256={digest['b'][::-1]}")
    for wrong in ("https://models.example/a.zip", url.replace("https", "http")):
        with pytest.raises(UsageError, match="sha256"):
            TTS.load(wrong)


def test_voices(tts: TTS, tmp_path: Path, recording: Recording) -> None:
    path = recording("anna.wav")
    voice = tts.voice(path)
    assert voice.name == "anna" and tts.voice(voice) is voice
    voice.save(tmp_path / "me.safetensors")
    again = tts.voice(str(tmp_path / "me.safetensors"))
    assert isinstance(again, Voice)
    # Kept as 16-bit floats.
    np.testing.assert_allclose(again.features, voice.features, atol=1e-2)
    samples, rate = sf.read(path, dtype="float32")
    assert rate == tts.sample_rate
    np.testing.assert_allclose(tts.voice(samples).features, voice.features, atol=1e-3)
    assert tts.voice("default").name == tts.voice("default").name
    for slip in ("defualt", "DEFAULT", "Defualt"):
        with pytest.raises(VoiceError, match="did you mean 'default'"):
            tts.voice(slip)
    with pytest.raises(UsageError, match="not found"):
        tts.voice("nowhere.wav")


def test_options(tts: TTS) -> None:
    named = tts.synthesize(TEXT, seed=3, speed=1.5)
    np.testing.assert_array_equal(
        named.samples, tts.synthesize(TEXT, "default", Options(seed=3, speed=1.5)).samples
    )
    changed = tts.synthesize(TEXT, "default", Options(seed=3), speed=1.5)
    np.testing.assert_array_equal(named.samples, changed.samples)
    assert len(tts.synthesize(TEXT, seed=3, speed=0.5).samples) > 2 * len(named.samples)
    assert not np.array_equal(named.samples, tts.synthesize(TEXT, seed=4, speed=1.5).samples)
    with pytest.raises(UsageError, match="did you mean 'speed'"):
        tts.synthesize(TEXT, sped=1)  # type: ignore[call-arg]
    for values in (
        {"speed": "fast"},
        {"seed": 1.5},
        {"seed": True},
        {"speed": float("nan")},
        {"steps": 0},
        {"language": 3},
        {"speed": None},
    ):
        with pytest.raises(UsageError, match=next(iter(values))):
            tts.stream(TEXT, "default", **values)  # type: ignore[typeddict-item]
    hints = typing.get_type_hints(Options)
    assert {f.name: hints[f.name] for f in fields(Options)} == typing.get_type_hints(OptionValues)


def test_audio_and_times(tts: TTS, tmp_path: Path) -> None:
    audio = tts.synthesize(TEXT, "default")
    assert audio.samples.dtype == np.float32 and audio.samples.ndim == 1
    assert np.isfinite(audio.samples).all()
    assert [w.text for w in audio.words][:3] == ["The", "birch", "canoe"]
    assert len(audio.words) == 16 and len(audio.phones) > 50
    for spans in (audio.words, audio.phones):
        times = [t for span in spans for t in (span.start, span.end)]
        assert times == sorted(times) and times[-1] <= audio.seconds
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        audio.save(tmp_path / name)
        assert sf.info(tmp_path / name).duration == pytest.approx(audio.seconds, abs=0.15)


def test_stream_is_the_whole_in_pieces(tts: TTS) -> None:
    whole = tts.synthesize(TEXT, seed=1)
    with tts.stream(TEXT, seed=1) as stream:
        chunks = list(stream)
    assert len(chunks) > 4 and {c.sample_rate for c in chunks} == {tts.sample_rate}
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), whole.samples)
    assert [w for c in chunks for w in c.words] == whole.words
    assert [c.text for c in chunks if c.text] == [
        "The birch canoe slid on the smooth planks.",
        "Glue the sheet to the dark blue background.",
    ]


def test_text_in_pieces_is_the_whole_text(tts: TTS) -> None:
    text = (
        'Dr. Smith paid $3.50 on the 3rd. He said: "Never again!" Then he left...\n\n'
        "A new paragraph, e.g. this one. Say [[təmˈɑːtoʊ. hɛlˈoʊ]] now? No heading\n \nHere"
    )
    whole = tts.sentences(text)
    expected = [(p.text, p.ids, p.pause_after) for p in whole]
    assert len(expected) > 5
    for seed in range(20):
        rng = random.Random(seed)
        cuts = sorted(rng.sample(range(1, len(text)), rng.choice([1, 3, 20, len(text) - 1])))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        found = [(p.text, p.ids, p.pause_after) for p in tts.sentences(iter(pieces))]
        assert found == expected, pieces
    with pytest.raises(TextError):
        list(tts.stream(iter([" ", "... ", "\n"])))


def test_endless_text_is_taken_as_needed(tts: TTS) -> None:
    taken = itertools.count()

    def endless() -> Iterator[str]:
        for number in taken:
            yield f"Sentence {number} is said. "

    with tts.stream(endless(), speed=2.0) as stream:
        said = [chunk.text for chunk in itertools.islice(stream, 60) if chunk.text]
    assert len(said) > 8
    # One piece is looked at ahead, to see that the sentence is over.
    assert next(taken) <= len(said) + 2
    with pytest.raises(StopIteration):
        next(stream)


class Counter:
    """Counts evaluations of the first block of the generator, and may act on one."""

    def __init__(self, tts: TTS):
        self.count = 0
        self.act: dict[int, Callable[[], None]] = {}
        tts.acoustic.generator.backbone.blocks[0].register_forward_hook(self)

    def __call__(self, *_: object) -> None:
        self.count += 1
        self.act.get(self.count, lambda: None)()


def test_closing_stops_the_work(tts: TTS) -> None:
    counter = Counter(tts)
    stream = tts.stream(TEXT * 5, steps=4)
    assert counter.count == 0, "nothing is computed before it is asked for"
    next(stream)
    assert counter.count == 4
    threads = threading.active_count()
    stream.close()
    assert list(stream) == [] and counter.count == 4
    assert threading.active_count() == threads
    del stream
    np.testing.assert_array_equal(
        tts.synthesize(TEXT).samples, TTS.load("default", "cpu").synthesize(TEXT).samples
    )


def test_closing_from_another_thread_stops_within_a_block(tts: TTS) -> None:
    counter = Counter(tts)
    stream = tts.stream(TEXT * 5, steps=100)
    inside, closed = threading.Event(), threading.Event()

    def wait_until_closed() -> None:
        inside.set()
        assert closed.wait(60)

    counter.act[30] = wait_until_closed
    got: list[object] = []
    worker = threading.Thread(target=lambda: got.extend(stream))
    worker.start()
    assert inside.wait(60)
    stream.close()
    closed.set()
    worker.join(60)
    assert not worker.is_alive() and got == []
    assert counter.count == 30, "it went on after it was closed"
    assert len(list(tts.stream(TEXT))) > 2


def test_interrupt_ends_it(tts: TTS) -> None:
    counter = Counter(tts)

    def interrupt() -> None:
        raise KeyboardInterrupt

    counter.act[3] = interrupt
    with pytest.raises(KeyboardInterrupt):
        tts.synthesize(TEXT)
    assert len(tts.synthesize(TEXT).samples) > 1000


def test_threads_share_a_model(tts: TTS, recording: Recording) -> None:
    """8 threads give what each gives alone, whatever they say with whatever options."""
    voices = [tts.voice("default"), tts.voice(recording())]
    jobs = [
        (
            TEXT if n % 3 else "Hello there, number two.",
            voices[n % 2],
            Options(seed=n, speed=1 + n / 10, steps=1 + n % 4, guidance=1.0 if n % 2 else 2.0),
        )
        for n in range(8)
    ]
    alone = [tts.synthesize(*job).samples for job in jobs]
    together: list[np.ndarray | None] = [None] * 8
    start = threading.Barrier(8)

    def work(n: int) -> None:
        start.wait(60)
        together[n] = tts.synthesize(*jobs[n]).samples

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for mine, expected in zip(together, alone, strict=True):
        assert mine is not None
        np.testing.assert_array_equal(mine, expected)


def test_models_say_how_early_they_are_heard(
    tts: TTS, tiny_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Autoregressive models speak after the steps they say, others after a whole sentence."""
    import json

    import torch

    from tts.cli.main import run
    from tts.registry import build_generator
    from tts_codecs.checkpoint import save_checkpoint

    arguments = dict(
        strategy={"kind": "autoregressive"},
        head={"kind": "gaussian"},
        dim=16,
        conditioner=dict(
            content_blocks=1, phone_dim=16, phone_blocks=1, voice_dim=16, global_dim=16
        ),
        backbone=dict(heads=2, hidden=16, blocks=1),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_checkpoint(
            tiny_home / "checkpoints" / "ar", build_generator(**arguments), "generator", arguments
        )
    config = tiny_home / "configs" / "models"
    text = (config / "default.yaml").read_text()
    (config / "ar.yaml").write_text(
        text.replace("name: default", "name: ar")
        .replace("generator: flow", "generator: ar")
        .replace("sampling: {steps: 2}\n", "")
    )
    assert run(["models", "--json"]) == 0
    rows = {row["name"]: row["streaming"] for row in json.loads(capfd.readouterr().out)}
    assert set(rows["default"].values()) == {None}
    model = TTS.load("ar", "cpu")
    counter = Counter(model)
    stream = model.stream(TEXT)
    next(stream)
    assert counter.count == rows["ar"]["first_audio_steps"] == 8
    assert rows["ar"]["first_audio_frames"] == 16
    assert rows["ar"]["look_ahead_frames"] == model.acoustic.vocoder.total_look_ahead
