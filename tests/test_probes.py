"""Probes that judge generated features in training."""

import pytest
import torch
from torch import Tensor

from tts.align.aligner import TokenBatch, collate_tokens, token_index
from tts.align.pauses import COMMA, PERIOD
from tts.align.phone_probe import PhoneProbe
from tts.generators.base import Request
from tts.generators.conditioning import VoicePrompt
from tts.generators.judges import Judges
from tts.text.symbols import SIL
from tts.voice.probe import SpeakerProbe

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
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(120):
            tokens, durations, features, mask = speech()
            loss = net.errors(features, mask, tokens, durations).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval().requires_grad_(False)


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


def test_judges_count_only_rows_that_were_told(probe: PhoneProbe) -> None:
    torch.manual_seed(1)
    tokens, durations, features, mask = speech()
    prompt = VoicePrompt(torch.randn(4, 8), torch.randn(4, 5, CHANNELS), torch.full((4,), 5))
    request = Request(tokens, prompt, durations)
    judges = Judges(SpeakerProbe(CHANNELS, 8, 1, 8).eval(), probe)
    drop_all = torch.tensor([True, False, False, False])
    drop_voice = torch.tensor([True, True, False, False])
    made = features.clone().requires_grad_(True)
    losses = judges.losses(made, mask, request, torch.ones(4), drop_all, drop_voice)
    assert set(losses) == {"likeness", "clarity"}
    for name, told in (("likeness", ~drop_voice), ("clarity", ~drop_all)):
        (gradient,) = torch.autograd.grad(losses[name], made, retain_graph=True)
        assert torch.equal(gradient.abs().sum((1, 2)) > 0, told), name
    assert Judges().losses(made, mask, request, torch.ones(4), drop_all, drop_voice) == {}
