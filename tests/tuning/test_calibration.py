"""Calibrated voices: properties on tiny random models."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.tuning import PHONES, TEXT, fitted, noise
from tts import TTS
from tts.audio.reference import load_reference
from tts.losses.phone import PhoneProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.text.symbols import N_SYMBOLS
from tts.tuning.calibration import calibrate
from tts.voice.voice import Voice


def test_adapted_voices_are_calibrated_in_fewer_rounds(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []

    def note(model: object, voice: Voice, count: int, recordings: object = ()) -> Voice:
        rounds.append(count)
        return voice

    monkeypatch.setattr("tts.pipeline.acoustic.calibrate", note)
    plain = TTS.load("default", "cpu").config
    for wanted, most, expected in ((0, 1, 0), (1, 1, 1), (3, 1, 1), (3, 2, 2)):
        changed = {"calibration": wanted, "adapted_calibration": most}
        model = TTS(plain.model_copy(update=changed), "cpu")
        model.acoustic.calibrate(fitted(model, 1))
        assert rounds[-1] == expected
        model.acoustic.calibrate(replace(fitted(model, 1), tunings=()))
        assert rounds[-1] == wanted
        model.acoustic.calibrate(fitted(model, 1), 5)  # asked for by the caller
        assert rounds[-1] == 5


def test_a_profile_finds_what_was_added_to_a_phone(model: TTS) -> None:
    assert model.acoustic.shifts is not None
    profile = model.acoustic.shifts.profile

    class Reader(torch.nn.Module):
        """Every tenth of the prompt is another phone."""

        def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            scores = torch.full((*features.shape[:2], N_SYMBOLS), -30.0)
            for at in range(features.shape[1]):
                scores[:, at, PHONES[at // 40]] = 30.0
            return scores

    offset = torch.randn(len(PHONES), 80, generator=torch.Generator().manual_seed(0))
    profile.kernel.copy_(torch.eye(len(PHONES)))
    owner = torch.arange(400) // 40
    features = torch.zeros(1, 400, 82)
    features[0, :, :80] = (profile.mean + offset)[owner]
    prompt = VoicePrompt(torch.zeros(1, 256), features, torch.tensor([400]))
    probe: PhoneProbe = Reader()  # type: ignore[assignment]
    found = profile(probe, prompt)[0][:10]
    mean = (profile.mean + offset)[:10].mean(0)
    torch.testing.assert_close(found, (offset[:10] - mean) * 40 / 42, atol=1e-3, rtol=0)


def test_calibration_brings_the_prediction_to_the_recording(model: TTS) -> None:
    voice = model.voice(noise(2))
    one, three = calibrate(model.acoustic, voice, 1), calibrate(model.acoustic, voice, 3)
    assert one.tunings[0].shift is not None and three.tunings[0].shift is not None
    assert one.tunings[0].shift.abs().max() > 0
    # Later rounds change less: the same error is not added again.
    step = (three.tunings[0].shift - one.tunings[0].shift).abs().mean()
    assert step < 3 * one.tunings[0].shift.abs().mean()
    assert calibrate(model.acoustic, voice, 0) is voice
    plain = model.synthesize(TEXT, voice).samples
    shifted = model.synthesize(TEXT, one).samples
    assert len(plain) == len(shifted) and not np.allclose(plain, shifted, atol=1e-4)


def test_a_shift_is_added_alike_whole_streamed_and_batched(model: TTS) -> None:
    voice = calibrate(model.acoustic, model.voice(noise(2)), 2)
    plain = model.voice(noise(3))
    whole = model.synthesize(TEXT, voice).samples
    for size in (3, 40):
        pieces = [chunk.samples for chunk in model.stream(TEXT, voice, chunk_frames=size)]
        np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-3)
    phones = model.phonemize(TEXT)[0]
    request = model.acoustic.request([phones, phones], [voice, plain])
    assert request.shift is not None
    assert request.shift[0].abs().max() > 0 and not request.shift[1].any()
    assert not request.shift[..., 80:].any()


def test_a_normalised_generator_needs_its_profile(home: Path) -> None:
    path = home / "configs/models/default.yaml"
    path.write_text(path.read_text() + "normalised: true\n")
    model = TTS.load("default", "cpu")
    voice = model.voice(noise(2))
    request = model.acoustic.request(model.phonemize(TEXT)[:1], [voice])
    assert request.shift is not None and request.shift.abs().max() > 0
    shutil.rmtree(home / "checkpoints/profile")
    path.write_text(path.read_text().replace("profile: profile\n", ""))
    from tts.errors import ConfigError

    with pytest.raises(ConfigError, match="normalised"):
        TTS.load("default", "cpu")


def test_a_voice_is_calibrated_on_all_of_its_recordings(model: TTS) -> None:
    first, second = noise(2, 8), noise(5, 8)
    rate = model.pipeline.capabilities.recording_rate
    features = [model.acoustic.features(load_reference(each, rate)) for each in (first, second)]
    voice = model.voice([first, second], calibration=0)
    assert len(voice.features) < sum(map(len, features))
    whole = calibrate(model.acoustic, voice, 2, features).tunings[0].shift
    kept = calibrate(model.acoustic, voice, 2).tunings[0].shift
    made = model.voice([first, second], calibration=2).tunings[0].shift
    assert whole is not None and kept is not None and made is not None
    torch.testing.assert_close(made, whole)
    assert (whole - kept).abs().max() > 1e-3
    # One recording, whole or as the voice keeps it, tells the same.
    voice = model.voice(noise(2, 3), calibration=0)
    short = [voice.features]
    again = calibrate(model.acoustic, voice, 2, short).tunings[0].shift
    torch.testing.assert_close(again, calibrate(model.acoustic, voice, 2).tunings[0].shift)
