"""Adapted voices: properties on tiny random models."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.tuning import TEXT, fitted, noise
from tts import TTS
from tts.errors import UsageError, VoiceError
from tts.losses.phone import PhoneProbe
from tts.progress import Progress
from tts.registry import build_generator
from tts.text.symbols import N_MODS, N_SYMBOLS, SIL
from tts.tuning.adaptation import AdaptationOptions, adapt, is_adapted, parse_strength
from tts.tuning.low_rank import add_factors, compress
from tts.voice.reading import align_recording
from tts.voice.voice import Voice
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import contrasted, envelope_part, source_part


def test_learning_changes_the_voice_and_repeats_itself(model: TTS) -> None:
    options = AdaptationOptions(steps=3, lr=1e-2, rows=2, frames=60, weight_bytes=60_000)
    voice = model.voice(noise(1))
    steps: list[tuple[int, int]] = []
    before = {k: v.clone() for k, v in model.acoustic.generator.state_dict().items()}
    found = adapt(
        model.acoustic, voice, [voice.features], options, progress=lambda *a: steps.append(a)
    )
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    again = adapt(model.acoustic, voice, [voice.features], options)
    assert found.sha256 == again.sha256 != voice.sha256
    factors = found.tunings[0].factors
    assert 0 < sum(2 * value.numel() for value in factors.values()) <= 60_000
    for name, value in model.acoustic.generator.state_dict().items():
        assert torch.equal(value, before[name])
    plain = model.synthesize(TEXT, voice).samples
    assert not np.array_equal(plain, model.synthesize(TEXT, found).samples)
    none = replace(found, tunings=(replace(found.tunings[0], strength=0.0),))
    np.testing.assert_array_equal(plain, model.synthesize(TEXT, none).samples)


def test_an_adapted_voice_has_its_contrast_raised_as_far_as_it_is_adapted(model: TTS) -> None:
    voice, plain = fitted(model, 1), model.voice(noise(2))
    half = replace(voice, tunings=(replace(voice.tunings[0], strength=0.5),))
    more = model.config.adapted_contrast
    assert more > 1
    assert model.acoustic.contrast_of([voice, plain, half]) == (more, 1.0, 0.5 + more / 2)
    sentence = next(iter(model.acoustic.sentences(TEXT)))
    request = model.acoustic.request([sentence, sentence], [voice, plain])
    features = torch.randn(1, 12, 82)
    shifted = replace(request, contrast=None).voiced(features, 3)
    bands = contrasted(envelope_part(shifted), more)
    assert torch.equal(envelope_part(request.voiced(features, 3)), bands)
    assert torch.equal(source_part(request.voiced(features, 3)), source_part(features))
    unchanged = replace(request, contrast=None).voiced(features, 3, row=1)
    assert torch.equal(request.voiced(features, 3, row=1), unchanged)


def test_learning_is_the_same_while_another_begins(model: TTS) -> None:
    voice = model.voice(noise(1))
    options = AdaptationOptions(steps=8, rows=2, frames=60)
    others: list[threading.Thread] = []

    def learned(progress: Progress | None = None) -> dict[str, torch.Tensor]:
        made = adapt(model.acoustic, voice, [voice.features], options, progress=progress)
        return made.tunings[-1].factors

    def another(step: int, of: int) -> None:
        if step == 3:
            others.append(threading.Thread(target=learned))
            others[0].start()
            time.sleep(0.5)  # until it waits for its turn

    alone, beside = learned(), learned(another)
    others[0].join()
    assert alone.keys() == beside.keys()
    assert all(torch.equal(value, beside[name]) for name, value in alone.items())


def test_what_is_kept_is_the_mean_of_the_last_steps(
    model: TTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[list[torch.Tensor]] = []

    class Watched(torch.optim.AdamW):
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            super().step(closure)
            passed.append([p.detach().clone() for p in self.param_groups[0]["params"]])

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    monkeypatch.setattr("tts.tuning.adaptation.compress", lambda learned, most: learned)
    voice = model.voice(noise(1))
    for averaged, last, share in ((0.5, 2, 1.0), (0.0, 1, 0.5), (1.0, 4, 0.8)):
        passed.clear()
        options = AdaptationOptions(4, 1e-2, averaged, share, seconds=0, rows=2, frames=60)
        found = adapt(model.acoustic, voice, [voice.features], options).tunings[0].factors
        for value, *steps in zip(found.values(), *passed[-last:], strict=True):
            kept = share * torch.stack(steps).mean(0)
            torch.testing.assert_close(value, kept, atol=1e-6, rtol=1e-5)


def test_of_less_speech_less_is_kept(model: TTS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tts.tuning.adaptation.compress", lambda learned, most: learned)
    voice = model.voice(noise(1))

    def learned(seconds: float) -> dict[str, torch.Tensor]:
        options = AdaptationOptions(2, seconds=seconds, rows=1, frames=60)
        return adapt(model.acoustic, voice, [voice.features], options).tunings[0].factors

    everything, whole, half, quarter = (learned(seconds) for seconds in (0, 0.1, 1000, 2000))
    for name, value in everything.items():
        assert torch.equal(value, whole[name])
        torch.testing.assert_close(half[name], 2 * quarter[name])
        assert float(half[name].norm()) <= 0.1 * float(value.norm())


def test_what_progress_raises_stops_the_learning(model: TTS) -> None:
    class Stop(Exception):
        pass

    def progress(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        model.voice(noise(1), adapt=True, progress=progress)


def test_alone_in_a_batch_and_in_threads(model: TTS, tmp_path: Path) -> None:
    voices = [fitted(model, seed) for seed in range(5)] + [model.voice(noise(9))]
    alone = [model.synthesize(TEXT, voice).samples for voice in voices]
    for a, b in zip(alone, alone[1:], strict=False):
        assert len(a) != len(b) or not np.allclose(a, b, atol=1e-4)
    # More voices than generators are kept, so some are made again.
    rows = [(f"r{at}", TEXT, voice) for at, voice in enumerate(voices)]
    results = model.batch(rows, tmp_path / "out")
    assert all(not each.error for each in results)
    import soundfile as sf

    for at, samples in enumerate(alone):
        batched, _ = sf.read(tmp_path / "out" / f"r{at}.wav", dtype="float32")
        np.testing.assert_allclose(batched, samples, atol=2e-4)
    found: dict[int, np.ndarray] = {}

    def run(at: int) -> None:
        found[at] = model.synthesize(TEXT, voices[at]).samples

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(voices))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for at, samples in enumerate(alone):
        np.testing.assert_allclose(found[at], samples, atol=1e-6)


def test_saved_with_the_voice_and_tied_to_its_generator(
    model: TTS, home: Path, tmp_path: Path
) -> None:
    voice = fitted(model, 3)
    voice.save(tmp_path / "fitted.safetensors")
    assert (tmp_path / "fitted.safetensors").stat().st_size < 1_000_000
    again = Voice.load(tmp_path / "fitted.safetensors")
    assert again.sha256 == voice.sha256
    np.testing.assert_array_equal(
        model.synthesize(TEXT, again).samples,
        model.synthesize(TEXT, tmp_path / "fitted.safetensors").samples,
    )
    assert not model.untuned(again)
    other = replace(again, tunings=(replace(again.tunings[0], generator="another"),))
    assert "another generator" in model.untuned(other)
    plain = replace(again, tunings=())
    np.testing.assert_array_equal(
        model.synthesize(TEXT, other).samples, model.synthesize(TEXT, plain).samples
    )
    odd = replace(again, tunings=(replace(again.tunings[0], factors={"nothing": torch.ones(3)}),))
    with pytest.raises(VoiceError, match="nothing"):
        model.synthesize(TEXT, odd)
    odd = replace(again, tunings=(replace(again.tunings[0], shift=torch.zeros(3, 80)),))
    with pytest.raises(VoiceError, match="other phones"):
        model.synthesize(TEXT, odd)


def test_too_little_speech_and_wrong_strengths(model: TTS) -> None:
    assert model.acoustic.shifts is not None
    model.acoustic.shifts.probe.head.bias[SIL] = 9
    with pytest.raises(VoiceError, match=r"2\.5 s of speech"):
        model.voice(noise(1), adapt=True)
    with pytest.raises(UsageError, match="0 to 1"):
        model.voice(noise(1), adapt=True, strength=1.5)
    for value, strength in (("", 0), (None, 0), ("yes", 1), (True, 1), ("0.5", 0.5), ("No", 0)):
        assert parse_strength(value) == strength
    for value in ("maybe", "2", "-1", "nan"):
        with pytest.raises(UsageError, match="0 to 1"):
            parse_strength(value)


def test_several_recordings_make_one_voice(model: TTS, recording: Callable[..., Path]) -> None:
    first, second = recording("a.wav"), recording("b.wav", seconds=2.0)
    voice = model.voice([first, second])
    assert voice.meta["seconds"] == pytest.approx(5.0, abs=0.1)
    assert voice.sha256 != model.voice(first).sha256
    with pytest.raises(UsageError, match="not of other voices"):
        model.voice([first, "default"])
    with pytest.raises(UsageError, match="1 to 20"):
        model.voice([])


@pytest.mark.parametrize("head", [{"kind": "categorical", "levels": [5, 4]}, {"kind": "depth"}])
def test_tables_of_symbols_and_codes_are_not_fitted(head: dict[str, Any]) -> None:
    generator = build_generator(
        strategy={"kind": "autoregressive"},
        dim=16,
        conditioner=dict(content_blocks=1, phone_dim=16, phone_blocks=1, voice_dim=16),
        backbone=dict(heads=2, hidden=16, blocks=1),
        head={"num_codebooks": 3, "codebook_size": 20, **head},
    )
    tables = {
        name
        for name, value in generator.named_parameters()
        if {20, 21, N_SYMBOLS, N_MODS, 9} & set(value.shape[:2]) and "backbone" not in name
    }
    left = {name for name, _ in generator.named_parameters() if not is_adapted(name)}
    assert left == tables and len(left) >= 4


def test_a_voice_that_could_not_be_read_again_is_not_written(model: TTS, tmp_path: Path) -> None:
    voice = fitted(model, 1)
    large = {"head.x.a": torch.ones(8, 1), "head.x.b": torch.ones(1, 70_000)}
    voice = replace(voice, tunings=(replace(voice.tunings[0], factors=large),))
    with pytest.raises(VoiceError, match="cannot be kept"):
        voice.save(tmp_path / "large.safetensors")
    assert not list(tmp_path.glob("large*"))


def test_factors_are_exact_for_few_directions_and_stay_in_bounds() -> None:
    rng = torch.Generator().manual_seed(0)
    low = torch.randn(40, 2, generator=rng) @ torch.randn(2, 30, generator=rng) / 10
    vector = torch.randn(7, generator=rng)
    learned = {"a.weight": low, "b.weight": torch.zeros(5, 5), "a.bias": vector}
    factors = compress(learned, 2_000)
    assert set(factors) == {"a.weight.a", "a.weight.b", "a.bias"}

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = torch.nn.Linear(30, 40), torch.nn.Linear(5, 5)
            self.a.bias = torch.nn.Parameter(torch.zeros(7))

    net = Net()
    before = net.a.weight.detach().clone()
    add_factors(net, factors, 0.5)  # type: ignore[arg-type]
    torch.testing.assert_close(net.a.weight - before, low / 2, atol=2e-3, rtol=0)
    torch.testing.assert_close(net.a.bias.detach(), vector / 2, atol=1e-3, rtol=0)
    for thin in (
        {"a.weight.a": torch.ones(8000, 1), "a.weight.b": torch.ones(1, 8000)},
        {"a.weight.a": torch.ones(40), "a.weight.b": torch.ones(40, 30)},
        {"a.weight.a": torch.ones(40, 2)},
        {"a.bias": torch.ones(8)},
    ):
        with pytest.raises(VoiceError, match="factors"):
            add_factors(net, thin, 1.0)  # type: ignore[arg-type]
    full = {"w": torch.randn(64, 64, generator=rng)}
    for most in (300, 3_000, 30_000):
        assert sum(2 * v.numel() for v in compress(full, most).values()) <= most


def test_a_recognizer_reads_what_is_adapted_to_and_the_probe_where_there_is_none(
    profiled_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []

    def reading(reader: PhoneProbe, features: torch.Tensor, known: list[int]) -> Any:
        read.append(reader)
        return align_recording(reader, features, known)

    monkeypatch.setattr("tts.tuning.adaptation.align_recording", reading)
    options = AdaptationOptions(steps=1, rows=1, frames=60)
    for named in (False, True):
        if named:
            arguments = {"dim": 16, "blocks": 1, "kernel": 7, "modifiers": True}
            torch.manual_seed(0)  # of some weights nothing that is heard is speech
            net = PhoneProbe(**arguments)  # type: ignore[arg-type]
            save_checkpoint(profiled_home / "checkpoints/reader", net, "phone_probe", arguments)
            path = profiled_home / "configs/models/default.yaml"
            path.write_text(path.read_text() + "phone_recognizer: reader\n")
        model = TTS.load("default", "cpu")
        shifts = model.acoustic.shifts
        assert shifts is not None and (shifts.recognizer is not shifts.probe) == named
        voice = model.voice(noise(1))
        adapt(model.acoustic, voice, [voice.features], options)
        assert read[-1] is shifts.recognizer


def test_the_surfaces(
    home: Path,
    tmp_path: Path,
    recording: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fastapi.testclient import TestClient

    from tts.cli.main import run
    from tts.serve.app import ServeSettings, create_app

    quick = partial(AdaptationOptions, steps=12, rows=2, frames=60)
    monkeypatch.setattr("tts.tuning.adaptation.AdaptationOptions", quick)
    path = recording(seconds=4.0)
    assert run(["voices", "add", "anna", "--ref", str(path), "--ref", str(path), "--adapt"]) == 0
    out = str(tmp_path / "a.wav")
    assert run(["synthesize", TEXT, "--voice", "anna", "-o", out]) == 0
    command = ["synthesize", TEXT, "--ref", str(path), "-o", out]
    assert run([*command, "--adapt", "--strength", "0.5"]) == 0
    assert run([*command, "--adapt", "--strength", "2"]) == 2
    assert run([*command, "--strength", "0.5"]) == 2
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "id;text;ref;adapt\n"
        + "\n".join(
            f"{name};{TEXT};{path};{value}"
            for name, value in (("a", "yes"), ("b", ""), ("c", "often"))
        )
    )
    assert run(["batch", str(rows), "--out", str(tmp_path / "said")]) == 1
    assert {each.name for each in (tmp_path / "said").glob("*.wav")} == {"a.wav", "b.wav"}
    assert (tmp_path / "said/a.wav").read_bytes() != (tmp_path / "said/b.wav").read_bytes()

    model = TTS.load("default", "cpu")
    app = create_app([model], ServeSettings(voices=tmp_path / "voices"))
    with TestClient(app, base_url="http://localhost") as client, path.open("rb") as file:
        form = {"name": "berta", "consent": "true", "adapt": "yes"}
        answer = client.post("/v1/audio/voices", data=form, files={"audio_sample": file})
        assert answer.status_code == 200
        events = [each.split("\n") for each in answer.text.strip().split("\n\n")]
        assert events[0][0] == "event: state" and "waiting" in events[0][1]
        assert events[-1][0] == "event: voice" and "berta" in events[-1][1]
        assert len(events) > 10
        names = [each["id"] for each in client.get("/v1/audio/voices").json()["voices"]]
        assert "berta" in names
        file.seek(0)
        form = {"name": "carla", "consent": "true", "adapt": "very"}
        answer = client.post("/v1/audio/voices", data=form, files={"audio_sample": file})
        assert answer.status_code == 400 and "0 to 1" in answer.text
    saved = Voice.load(tmp_path / "voices/berta.safetensors")
    assert saved.tunings and saved.tunings[0].factors
