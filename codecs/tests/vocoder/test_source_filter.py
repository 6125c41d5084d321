"""The source-filter vocoder: streamed equals offline, causality, the pulse source, pitch."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from codec_helpers import HOP, RATE, tiny_vocoder, voice
from tts_codecs.adversaries.spectra import MultiResolutionDiscriminator
from tts_codecs.checkpoint import load_weights, read_config
from tts_codecs.mel import MelConfig, log_mel
from tts_codecs.vocoder.losses import multi_scale_spectral_loss
from tts_codecs.vocoder.pitch import PitchNet, pulse_train
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints" / "vocoder"


def shipped_vocoder() -> SourceFilterVocoder:
    if not SHIPPED.is_dir():
        pytest.skip("no vocoder weights are shipped yet")
    model = SourceFilterVocoder(**read_config(SHIPPED)["arguments"])
    load_weights(SHIPPED, model)
    return model.eval().requires_grad_(False)


def stream(
    model: SourceFilterVocoder, mel: Tensor, sizes: list[int], f0: Tensor | None = None
) -> Tensor:
    given = f0 is not None
    state, out, at = model.initial(len(mel), mel), [], 0
    for size in sizes:
        part = None if f0 is None else f0[:, at : at + size]
        wav, state, _ = model.chunk(mel[:, at : at + size], state, part)
        out.append(wav)
        at += size
    return torch.cat([*out, model.flush(len(mel), state, given=given)], 1)


def plans(total: int) -> list[list[int]]:
    found = [
        [size] * (total // size) + [total % size] * (total % size > 0) for size in (1, 2, 3, 7)
    ]
    found.append([total])
    rng = random.Random(total)
    for _ in range(3):
        sizes: list[int] = []
        while sum(sizes) < total:
            sizes.append(min(rng.randint(1, 11), total - sum(sizes)))
        found.append(sizes)
    return found


@pytest.mark.parametrize(("look_ahead", "n_fft"), [(2, 640), (0, 640), (3, 1280), (1, 320)])
def test_streamed_equals_offline(look_ahead: int, n_fft: int) -> None:
    model = tiny_vocoder(look_ahead, look_ahead, n_fft)
    for total in (1, 2, 4, 29):
        mel = voice(total, batch=2)
        offline, logits = model(mel)
        assert offline.shape == (2, total * HOP)
        assert logits.shape[:2] == (2, total)
        for sizes in plans(total):
            error = (stream(model, mel, sizes) - offline).abs().max()
            assert error <= 1e-4, (sizes, error)
    assert 0.005 < offline.std() < 0.2
    alone, _ = model(mel[1:])
    torch.testing.assert_close(alone, offline[1:], rtol=0, atol=1e-4)


def test_shipped_weights_stream_as_offline() -> None:
    model = shipped_vocoder()
    mel = voice(40)
    offline, _ = model(mel)
    for sizes in plans(40)[1:4]:
        assert (stream(model, mel, sizes) - offline).abs().max() <= 1e-4, sizes


def test_contrast_changes_what_is_filtered_but_not_training() -> None:
    plain, sharp = tiny_vocoder(), tiny_vocoder()
    sharp.contrast = 1.4
    mel = voice(30)
    heard, logits = plain(mel)
    changed, same = sharp(mel)
    assert not torch.allclose(changed, heard, atol=1e-3)
    torch.testing.assert_close(same, logits)  # the pitch is read off what came
    torch.testing.assert_close(stream(sharp, mel, [7, 1, 12, 10]), changed, atol=1e-4, rtol=0)
    flat = torch.full_like(mel, -0.5)
    torch.testing.assert_close(sharp(flat)[0], plain(flat)[0])
    torch.testing.assert_close(sharp.train()(mel)[0], plain.train()(mel)[0])


def test_nothing_looks_further_than_declared() -> None:
    model = tiny_vocoder()
    mel = voice(30)
    plain, _ = model(mel)
    for t in (5, 15, 29):
        changed = mel.clone()
        changed[:, t:] = changed[:, t:] * 0.5 + 0.3
        after, _ = model(changed)
        edge = (t - model.total_look_ahead) * HOP
        assert torch.equal(after[:, :edge], plain[:, :edge])
        assert (after[:, edge:] - plain[:, edge:]).abs().max() > 2e-4
        # What a stream has given out by then is final.
        wav, _, _ = model.chunk(mel[:, :t], model.initial(1, mel))
        assert wav.shape[1] >= edge
        torch.testing.assert_close(wav, plain[:, : wav.shape[1]], rtol=0, atol=1e-4)


def test_a_state_can_be_used_twice() -> None:
    model, mel = tiny_vocoder(), voice(20)
    _, state, _ = model.chunk(mel[:, :9], model.initial(1, mel))
    first, _, _ = model.chunk(mel[:, 9:], state)
    model.chunk(mel[:, :3] * 0, state)
    again, _, _ = model.chunk(mel[:, 9:], state)
    assert torch.equal(first, again)


def test_given_pitch_replaces_the_predicted_one() -> None:
    model, mel = tiny_vocoder(), voice(24)
    plain, _ = model(mel)
    higher, _ = model(mel, torch.full((1, 24), 240.0))
    unvoiced, _ = model(mel, torch.zeros(1, 24))
    assert (higher - unvoiced).abs().max() > 0.01
    # The pulses show: the spectrum repeats with the pitch that was asked for.
    for hertz in (160.0, 240.0):
        wav, _ = model(mel, torch.full((1, 24), hertz))
        part = (wav - unvoiced)[0, 2 * HOP : 2 * HOP + 4000]
        lag = RATE / hertz
        alike = [
            nn.functional.cosine_similarity(part[round(n * lag) :], part[: -round(n * lag)], 0)
            for n in (3, 2.5)
        ]
        assert alike[0] > 0.4 and alike[0] > alike[1] + 0.2, (hertz, alike)
    # Scaling is the same as giving the scaled pitch.
    scaled, _ = model(mel, torch.full((1, 24), 160.0), f0_scale=1.5)
    torch.testing.assert_close(scaled, higher, rtol=0, atol=1e-5)
    # A stream takes the same pitch.
    glide = torch.linspace(100, 300, 24)[None]
    offline, _ = model(mel, glide)
    for sizes in plans(24):
        error = (stream(model, mel, sizes, glide) - offline).abs().max()
        assert error <= 1e-4, (sizes, error)


# ---- the source ------------------------------------------------------------------------------


def test_pulses_are_a_sum_of_harmonics() -> None:
    f0 = torch.tensor([[100.0, 120.0, 0.0, 0.0, 233.0, 233.0, 50.0]])
    phase = torch.tensor([0.3], dtype=torch.float64)
    found, phase = pulse_train(f0.double(), torch.tensor([90.0]), phase, HOP, RATE)
    assert found.shape == (1, 7 * HOP)
    expected, cycle, last = [], 0.3, 90.0
    for value in f0[0].tolist():
        left, right = (last or value), (value or last)
        count = math.floor(0.5 * RATE / max(left, right, 25.0))
        for n in range(1, HOP + 1):
            share = n / HOP
            cycle += (left + (right - left) * share) / RATE
            level = (last > 0) * (1 - share) + (value > 0) * share
            expected.append((cycle, count, level))
        last = value
    cycles, counts, levels = (
        torch.tensor(x, dtype=torch.float64) for x in zip(*expected, strict=True)
    )
    direct = torch.zeros(len(cycles)).double()
    for k in range(1, int(counts.max()) + 1):
        direct += torch.cos(2 * math.pi * k * cycles) * (k <= counts)
    direct = direct * torch.sqrt(2 / counts) * levels
    torch.testing.assert_close(found[0].double(), direct, rtol=0, atol=1e-5)
    assert float(phase) == pytest.approx(cycle % 1, abs=1e-9)
    assert (found[0, 3 * HOP - 1 : 4 * HOP] == 0).all()  # unvoiced is silent


def test_pulses_have_unit_power_and_cut_anywhere() -> None:
    f0 = torch.full((2, 40), 125.0)
    f0[1] = torch.linspace(80, 300, 40)
    start = (torch.tensor([125.0, 80.0]), torch.zeros(2).double())
    whole, end = pulse_train(f0, *start, HOP, RATE)
    assert whole.square().mean(1).sub(1).abs().max() < 0.1
    for cuts in ([1] * 40, [7, 33], [13, 13, 14]):
        previous, phase = start
        parts = []
        for piece in f0.split(cuts, dim=1):
            part, phase = pulse_train(piece, previous, phase, HOP, RATE)
            previous = piece[:, -1]
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-5)
        turn = (phase - end).abs()
        assert torch.minimum(turn, 1 - turn).max() < 1e-9


def test_the_pitch_net_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    f0 = 80 * 2 ** (2 * torch.rand(6, 20, generator=generator))
    f0[:, ::5] = 0
    # Input that tells the pitch plainly.
    mel = torch.stack([f0 / 100, (f0 > 0).float(), (f0 / 50).sin(), (f0 / 20).sin()], -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = PitchNet(4, 24, 1, look_ahead=1)
        optimizer = torch.optim.Adam(net.parameters(), 1e-2, fused=True)
        losses = []
        for _ in range(60):
            padded = nn.functional.pad(mel, (0, 0, 0, 1))
            hidden, _ = net.stack(padded, net.stack.initial(6, mel, 0.0))
            logits = net.head(hidden)[:, 1:]
            loss = net.loss(logits, f0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    found = net.decode(logits)
    assert ((found > 0) == (f0 > 0)).float().mean() > 0.95
    both = (found > 0) & (f0 > 0)
    assert (found[both] / f0[both]).log2().abs().median() < 0.25
    assert torch.isfinite(net.loss(logits, torch.zeros_like(f0)))  # nothing voiced


def test_decoding_reads_the_expected_pitch() -> None:
    net = PitchNet(4, 8, 1, look_ahead=0)
    logits = torch.full((1, 2, 129), -20.0)
    logits[0, 0, 0] = logits[0, 1, 0] = 5.0
    logits[0, 0, 1 + 40] = 10.0
    logits[0, 1, 1 + 40] = logits[0, 1, 1 + 41] = 10.0
    low, high = (2 ** net.centres[40]).item(), (2 ** net.centres[41]).item()
    found = net.decode(logits)[0]
    assert found[0].item() == pytest.approx(low, rel=1e-4)
    assert found[1].item() == pytest.approx(math.sqrt(low * high), rel=1e-4)
    logits[..., 0] = -1
    assert (net.decode(logits) == 0).all()


# ---- analysis and losses ---------------------------------------------------------------------


def test_log_mel_frames_are_centred() -> None:
    for samples in (1, HOP, HOP + 1, 5 * HOP, 5 * HOP + 17):
        assert log_mel(torch.randn(2, samples)).shape == (2, -(-samples // HOP), 80)
    click = torch.zeros(1, 20 * HOP)
    click[0, 10 * HOP + HOP // 2] = 1.0
    assert int(log_mel(click)[0].sum(-1).argmax()) == 10
    config = MelConfig()
    silence = (math.log(config.floor) - config.mean) / config.std
    torch.testing.assert_close(log_mel(torch.zeros(1, 4000)), torch.full((1, 13, 80), silence))


def test_losses_prefer_the_truth() -> None:
    generator = torch.Generator().manual_seed(0)
    real = 0.1 * torch.randn(2, 6000, generator=generator)
    near = real + 0.005 * torch.randn(2, 6000, generator=generator)
    zero = multi_scale_spectral_loss(real, real, RATE)
    little = multi_scale_spectral_loss(near, real, RATE)
    much = multi_scale_spectral_loss(0.1 * real, real, RATE)
    for a, b, c in zip(zero, little, much, strict=True):
        assert a == 0 and 0 < b < c
    spot = MultiResolutionDiscriminator((256,), channels=4)
    _, matching = spot.generator_loss(real, real)
    assert matching == 0
    fake = near.clone().requires_grad_()
    spot.discriminator_loss(real, fake).backward()
    assert fake.grad is None  # the discriminator's loss does not reach the generator
    adversarial, matching = spot.generator_loss(real, fake)
    (adversarial + matching).backward()
    assert fake.grad is not None and fake.grad.abs().max() > 0
