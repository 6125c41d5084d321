"""What tells speakers apart, and its distances between what is generated and what was recorded."""

import pytest
import torch
from torch import Tensor

from tts.generators.base import Request
from tts.generators.latent_space import FeatureSpace
from tts.losses.identity import AngularMargin, SpeakerIdentity
from tts.losses.perceptual import PerceptualLosses
from tts.modules.voice_prompt import VoicePrompt
from tts.text.tokens import collate_tokens
from tts_codecs.envelope import EXTRA

BANDS = 6


@pytest.fixture
def identity() -> SpeakerIdentity:
    torch.manual_seed(0)
    return SpeakerIdentity(BANDS, dim=8, blocks=2, size=8).eval().requires_grad_(False)


def features(rows: int = 3, frames: int = 12) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    mask = torch.ones(rows, frames, 1)
    mask[0, 8:] = 0
    return torch.randn(rows, frames, BANDS + EXTRA), mask


def test_what_fills_a_row_and_what_a_microphone_adds_say_nothing(
    identity: SpeakerIdentity,
) -> None:
    x, mask = features()
    found = identity(x, mask)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(identity(x + 100 * (1 - mask), mask), found)
    torch.testing.assert_close(identity(x[:1, :8], mask[:1, :8]), found[:1])
    coloured = x.clone()
    coloured[..., :BANDS] += torch.randn(3, 1, BANDS)
    coloured[..., BANDS:] += 1
    torch.testing.assert_close(identity(coloured, mask), found, atol=1e-5, rtol=1e-4)


def test_what_is_as_recorded_has_no_distance(identity: SpeakerIdentity) -> None:
    x, mask = features()
    assert all(each.abs().max() < 1e-5 for each in identity.distances(x, x, mask))
    made = (x + 0.3 * torch.randn_like(x)).requires_grad_(True)
    angle, style = identity.distances(made, x, mask)
    assert (angle > 1e-4).all() and (style > 1e-2).all()
    (gradient,) = torch.autograd.grad((angle + style).sum(), made)
    assert (gradient[1:, :, :BANDS].abs().sum((1, 2)) > 0).all()
    assert not gradient[..., BANDS:].any() and not gradient[0, 8:].any()


def test_rows_without_a_voice_have_no_identity_to_meet(identity: SpeakerIdentity) -> None:
    x, mask = features()
    tokens = collate_tokens([([20], [0])] * 3)
    prompt = VoicePrompt(torch.randn(3, 8), x, mask.sum((1, 2)).long())
    request = Request(tokens, prompt, torch.tensor([[8], [12], [12]]))
    perceptual = PerceptualLosses(FeatureSpace(), identity=identity)
    made = (x + 0.3 * torch.randn_like(x)).requires_grad_(True)
    none, lost = torch.zeros(3, dtype=torch.bool), torch.tensor([False, True, False])
    losses = perceptual.losses(made, mask, request, torch.ones(3), none, lost, x)
    assert set(losses) == {"identity_loss", "style_loss"}
    for value in losses.values():
        (gradient,) = torch.autograd.grad(value, made, retain_graph=True)
        assert torch.equal(gradient.abs().sum((1, 2)) > 0, ~lost)


def test_a_margin_makes_the_right_answer_harder() -> None:
    torch.manual_seed(0)
    margin = AngularMargin(4, 5)
    vectors = torch.nn.functional.normalize(margin.centres[:3].detach() + 0.01, dim=-1)
    who = torch.arange(3)
    easy, right = margin(vectors, who, 0.0)
    hard, same = margin(vectors, who, 1.0)
    assert hard > easy and right == same == 1
    cosine = vectors @ torch.nn.functional.normalize(margin.centres, dim=-1).T
    plain = torch.nn.functional.cross_entropy(margin.scale * cosine, who)
    torch.testing.assert_close(easy, plain, atol=1e-3, rtol=1e-3)
