"""Voices that are mixed of others."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tts import TTS, Voice
from tts.errors import UsageError
from tts.voice.voice import Tuning


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def test_mixture(tts: TTS, recording: Callable[..., Path]) -> None:
    a = tts.voice(recording("a.wav"))
    rng = np.random.default_rng(3)
    b = tts.voice((rng.normal(0, 0.1, 32000).astype(np.float32), 16000))
    c = a.mix(b, 0.3)
    nearer, further = (float(c.speaker @ each.speaker) for each in (a, b))
    assert nearer > further
    assert float(c.speaker.norm()) == pytest.approx(1, abs=1e-4)
    # Means of a mixture, on the whole and of each part, lie on the line between both.
    between = torch.lerp(a.features.mean(0)[:80], b.features.mean(0)[:80], 0.3)
    middle = [c.mix(a, 0.5).features.mean(0)[:80], between]
    assert (c.features.mean(0)[:80] - between).abs().mean() < 0.5
    assert middle[0].isfinite().all()
    for share, same in ((0, a), (1, b), (np.float32(1), b)):
        torch.testing.assert_close(a.mix(b, share).features, same.features)
    one, two = (tts.synthesize("Hello.", a.mix(b, s), seed=1).samples for s in (0.2, 0.8))
    assert len(one) != len(two) or not np.array_equal(one, two)
    assert len(c.features) <= 300


def test_mixture_is_a_voice_file(tts: TTS, tmp_path: Path, recording: Callable[..., Path]) -> None:
    a, b = tts.voice("default"), tts.voice(recording())
    path = tmp_path / "mixed.safetensors"
    mixed = a.mix(b, 0.25)
    mixed.save(path)
    assert Voice.load(path).meta["mixed"] == f"0.75 {a.name} + 0.25 ref"
    assert Voice.load(path).sha256 == mixed.sha256


CC, APACHE = {"licence": "CC BY 4.0", "attribution": "V. P., 2015"}, {"licence": "Apache-2.0"}


def plain(name: str, **meta: Any) -> Voice:
    return Voice(torch.randn(256), torch.randn(40, 82), name, dict(meta))


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (CC, CC, CC),
        (CC, APACHE, {"licence": "CC BY 4.0; Apache-2.0", "attribution": "V. P., 2015"}),
        ({"seconds": 3.0}, {**APACHE, "source": "K", "consent": "hers"},
         {**APACHE, "source": "K", "consent": "hers"}),
        ({"seconds": 3.0}, {}, {}),
    ],
)  # fmt: skip
def test_mixtures_keep_what_their_parts_ask_for(
    first: dict[str, Any], second: dict[str, Any], kept: dict[str, Any], tmp_path: Path
) -> None:
    one = plain("a", **first)
    mixed = one.mix(plain("b", **second))
    assert mixed.meta == {"mixed": "0.5 a + 0.5 b", **kept}
    # Mixed again, each is told once; and a file holds it.
    again = mixed.mix(one)
    again.save(tmp_path / "again.safetensors")
    found = Voice.load(tmp_path / "again.safetensors").meta
    assert {key: value for key, value in found.items() if key != "mixed"} == kept


def test_mixture_of_adapted_voices_adds_their_changes() -> None:
    def voice(rank: int, strength: float) -> Voice:
        factors = {"w.a": torch.randn(6, rank), "w.b": torch.randn(rank, 5), "n": torch.randn(4)}
        fit = Tuning("g", torch.randn(3, 80), factors, strength)
        return Voice(torch.randn(256), torch.randn(40, 82), tunings=(fit,))

    a, b = voice(2, 0.5), voice(3, 1.0)
    found = a.mix(b, 0.25).tunings[0]
    fa, fb = a.tunings[0], b.tunings[0]
    assert fa.shift is not None and fb.shift is not None and found.shift is not None
    torch.testing.assert_close(found.shift, 0.75 * fa.shift + 0.25 * fb.shift)
    for name, product in (("n", lambda f: f["n"]), ("w", lambda f: f["w.a"] @ f["w.b"])):
        expected = 0.375 * product(fa.factors) + 0.25 * product(fb.factors)
        torch.testing.assert_close(product(found.factors), expected, msg=name)
    alone = a.mix(Voice(torch.randn(256), torch.randn(40, 82)), 0.25).tunings[0]
    torch.testing.assert_close(alone.factors["n"], 0.375 * fa.factors["n"])


@pytest.mark.parametrize("rank, exact", [(24, True), (25, False), (200, False)])
def test_mixtures_of_mixtures_do_not_grow(rank: int, exact: bool) -> None:
    def voice(seed: int) -> Voice:
        rng = torch.Generator().manual_seed(seed)
        # As parts of an adaptation are: each is weaker than the one before.
        weights = 0.8 ** torch.arange(rank)
        a = torch.randn(80, rank, generator=rng) * weights
        b = torch.randn(rank, 60, generator=rng)
        fit = Tuning("g", None, {"w.a": a.half(), "w.b": b.half()})
        return Voice(torch.randn(256), torch.randn(40, 82), tunings=(fit,))

    def product(voice: Voice) -> torch.Tensor:
        factors = voice.tunings[0].factors
        return factors["w.a"].float() @ factors["w.b"].float()

    a, b = voice(0), voice(1)
    mixed = a.mix(b)
    expected = 0.5 * (product(a) + product(b))
    assert (product(mixed) - expected).norm() < (1e-3 if exact else 0.01) * expected.norm()
    for _ in range(3):
        mixed = mixed.mix(b)
    assert mixed.tunings[0].factors["w.a"].shape == (80, 48)
    assert mixed.tunings[0].factors["w.b"].shape == (48, 60)


@pytest.mark.parametrize("other, share", [("default", 0.5), (None, 0.5), (0, -0.1), (0, 1.1),
                                          (0, math.nan), (0, "half"), (0, None)])  # fmt: skip
def test_what_cannot_be_mixed(tts: TTS, other: Any, share: Any) -> None:
    voice = tts.voice("default")
    with pytest.raises(UsageError):
        voice.mix(voice if other == 0 else other, share)
