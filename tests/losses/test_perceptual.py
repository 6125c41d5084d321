"""Probes that judge generated features in training."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tts.generators.base import Losses, Request
from tts.generators.conditioning import Condition
from tts.generators.latent_space import CodeSpace, FeatureSpace
from tts.generators.step_types import TeacherForced
from tts.losses.perceptual import PerceptualLosses
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe
from tts.modules.voice_prompt import VoicePrompt
from tts.registry import build_generator
from tts.text.pauses import COMMA, PERIOD
from tts.text.symbols import SIL
from tts.text.tokens import TokenBatch, collate_tokens, token_index
from tts_codecs.spectral import SpectralAutoencoder

CHANNELS = 6
IDS = (20, 25, 30)


def speech(rows: int = 4) -> tuple[TokenBatch, Tensor, Tensor, Tensor]:
    """Tokens, durations, features in which each phone has its own level, and the mask."""
    tokens = collate_tokens([([SIL, *IDS, COMMA, IDS[row % 3]], [0] * 6) for row in range(rows)])
    durations = torch.tensor([[2, 4, 3, 5, 2, 4]] * rows)
    durations[0, -1] = 1
    owner = tokens.ids.gather(1, token_index(durations, 20))
    features = torch.randn(rows, 20, CHANNELS) * 0.05
    for at, symbol in enumerate(IDS):
        features[..., at] += owner == symbol
    mask = (torch.arange(20) < durations.sum(1, keepdim=True)).unsqueeze(-1).float()
    return tokens, durations, features, mask


@pytest.fixture(scope="module")
def probe() -> PhoneProbe:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = PhoneProbe(CHANNELS, dim=16, blocks=1)
        optimizer = torch.optim.Adam(net.parameters(), 1e-2, fused=True)
        for _ in range(120):
            tokens, durations, features, mask = speech()
            loss = net.errors(features, mask, tokens, durations).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval().requires_grad_(False)


def test_deep_features_are_near_where_the_phones_are_the_same(probe: PhoneProbe) -> None:
    _, _, features, mask = speech()
    other = features[:, :, [1, 0, 2, 3, 4, 5]]  # two phones exchanged
    louder = features + 0.1 * torch.randn_like(features)
    assert probe.distance(features, features, mask) == 0
    assert 0 < 2 * probe.distance(louder, features, mask) < probe.distance(other, features, mask)
    made = louder.clone().requires_grad_()
    probe.distance(made, features, mask).backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    assert torch.isfinite(made.grad).all()
    rows = torch.tensor([1.0, 0, 0, 0])
    first = probe.distance(louder[:1], features[:1], mask[:1])
    assert float(probe.distance(louder, features, mask, rows)) == pytest.approx(float(first))
    silent = torch.zeros_like(mask)
    assert torch.isfinite(probe.distance(louder, features, silent))


def test_what_fills_a_batch_is_no_phone_to_be_read(probe: PhoneProbe) -> None:
    """Of an odd number of frames the last latent reaches one too far."""
    tokens, durations, features, _ = speech(1)
    frames = int(durations.sum()) + 1
    mask = torch.ones(1, frames, 1)
    alone = probe.errors(features[:, :frames], mask, tokens, durations)
    padded = collate_tokens([([SIL, *IDS, COMMA, IDS[0]], [0] * 6), ([SIL] * 9, [0] * 9)])
    first = TokenBatch(padded.ids[:1], padded.mods[:1], padded.lengths[:1])
    longer = F.pad(durations, (0, 3))
    assert torch.equal(probe.errors(features[:, :frames], mask, first, longer), alone)
    changed = features[:, :frames].clone()
    right = probe.errors(changed[:, :-1], mask[:, :-1], tokens, durations)
    assert torch.allclose(alone, right, atol=0.05)


def test_phone_probe_reads_what_is_there(probe: PhoneProbe) -> None:
    torch.manual_seed(1)
    tokens, durations, features, mask = speech()
    right = probe.errors(features, mask, tokens, durations)
    assert (right < 0.5).all()
    wrong = TokenBatch(tokens.ids.flip(1), tokens.mods, tokens.lengths)
    assert (probe.errors(features, mask, wrong, durations) > right + 1).all()


def test_phone_probe_knows_one_pause_and_no_padding(probe: PhoneProbe) -> None:
    torch.manual_seed(1)
    tokens, durations, features, mask = speech()
    errors = probe.errors(features, mask, tokens, durations)
    ids = torch.where(tokens.ids == COMMA, PERIOD, tokens.ids)
    longer = TokenBatch(ids, tokens.mods, tokens.lengths)
    torch.testing.assert_close(probe.errors(features, mask, longer, durations), errors)
    spoiled = features + 100 * (1 - mask)
    torch.testing.assert_close(probe.errors(spoiled, mask, tokens, durations)[0], errors[0])


def test_a_recognizer_reads_modifiers_of_phones_and_not_of_pauses(probe: PhoneProbe) -> None:
    torch.manual_seed(2)
    tokens, durations, features, mask = speech()
    phones, none = probe.both_errors(features, mask, tokens, durations)
    torch.testing.assert_close(phones, probe.errors(features, mask, tokens, durations))
    assert torch.equal(none, torch.zeros(4))
    net = PhoneProbe(CHANNELS, dim=16, blocks=1, dropout=0.0, modifiers=True)
    marks = torch.where(torch.isin(tokens.ids, torch.tensor(IDS)), tokens.ids % 3, 0)
    marked = TokenBatch(tokens.ids, marks, tokens.lengths)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2, fused=True)
    for _ in range(120):
        found = net.both_errors(features, mask, marked, durations)
        optimizer.zero_grad()
        torch.stack(found).mean().backward()
        optimizer.step()
    phones, modifiers = net.both_errors(features, mask, marked, durations)
    assert (phones < 0.3).all() and (modifiers < 0.3).all()
    wrong = TokenBatch(tokens.ids, marks + 1, tokens.lengths)
    assert (net.both_errors(features, mask, wrong, durations)[1] > modifiers + 1).all()
    pauses = ~torch.isin(tokens.ids, torch.tensor(IDS))
    other = TokenBatch(tokens.ids, torch.where(pauses, 5, marks), tokens.lengths)
    torch.testing.assert_close(net.both_errors(features, mask, other, durations)[1], modifiers)


def test_judges_count_only_rows_that_were_told(probe: PhoneProbe) -> None:
    torch.manual_seed(1)
    tokens, durations, features, mask = speech()
    prompt = VoicePrompt(torch.randn(4, 8), torch.randn(4, 5, CHANNELS), torch.full((4,), 5))
    request = Request(tokens, prompt, durations)
    perceptual = PerceptualLosses(FeatureSpace(), SpeakerProbe(CHANNELS, 8, 1, 8).eval(), probe)
    drop_all = torch.tensor([True, False, False, False])
    drop_voice = torch.tensor([True, True, False, False])
    made = features.clone().requires_grad_(True)
    losses = perceptual.losses(made, mask, request, torch.ones(4), drop_all, drop_voice)
    assert set(losses) == {"speaker_loss", "phone_loss"}
    for name, told in (("speaker_loss", ~drop_voice), ("phone_loss", ~drop_all)):
        (gradient,) = torch.autograd.grad(losses[name], made, retain_graph=True)
        assert torch.equal(gradient.abs().sum((1, 2)) > 0, told), name
    assert not PerceptualLosses(FeatureSpace())
    assert (
        PerceptualLosses(FeatureSpace()).losses(
            made, mask, request, torch.ones(4), drop_all, drop_voice
        )
        == {}
    )


def test_codes_are_heard_as_they_are_decoded() -> None:
    torch.manual_seed(0)
    auto = SpectralAutoencoder(CHANNELS, dim=16, blocks=1, levels=(3, 2), groups=4).eval()
    latents = CodeSpace(auto.requires_grad_(False))
    codes = torch.randint(0, 6, (2, 7, 4))
    sure = F.one_hot(codes, 6).float().requires_grad_(True)
    heard = latents.to_features(sure)
    torch.testing.assert_close(heard, auto.decode(codes), atol=1e-5, rtol=1e-4)
    (gradient,) = torch.autograd.grad(heard.square().sum(), sure)
    assert (gradient.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("pattern", ["parallel", "delay", "stack_delay", "flat"])
def test_what_steps_estimate_is_put_back_in_time(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = build_generator(
        strategy={"kind": "autoregressive", "pattern": {"name": pattern}},
        head={"kind": "categorical", "num_codebooks": 3, "codebook_size": 7, "width": 4},
        conditioner={
            "channels": CHANNELS,
            "voice_dim": 8,
            "global_dim": 8,
            "phone_dim": 8,
            "phone_blocks": 1,
            "content_blocks": 1,
        },
        backbone={"heads": 2, "hidden": 32, "blocks": 1},
        dim=16,
    )
    codes = torch.randint(0, 7, (2, 10, 3))
    tokens, durations, features, _ = speech(2)
    durations[0, -1] = 4
    prompt = VoicePrompt(torch.randn(2, 256), torch.randn(2, 5, CHANNELS), torch.full((2,), 5))
    condition = model.conditioner(Request(tokens, prompt, durations), model.backbone)

    def right(forced: TeacherForced, condition: Condition) -> Losses:
        return Losses({}, lambda: F.one_hot(forced.steps, 8).float())

    monkeypatch.setattr(model.head, "step_losses", right)
    found = model.strategy.losses(model, codes, condition)
    assert found.estimate is not None
    assert torch.equal(found.estimate().argmax(-1), codes)
