"""Flow and diffusion: guidance that falls with the noise, and weights of one in the other."""

from types import ModuleType

import pytest
import torch

from tests.helpers.generators import build, fill, inputs, seeds
from tts.generators.base import SamplingOptions
from tts.generators.generator import Generator
from tts.generators.strategies import diffusion, flow

KINDS = {"flow": flow, "diffusion": diffusion}


def network(kind: str) -> Generator:
    net = build({"strategy": {"kind": kind}}).eval()
    fill(net)
    return net


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_falls_with_the_noise(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: ModuleType = KINDS[kind]
    scales = []

    def watch(out: torch.Tensor, rows: int, scale: float) -> torch.Tensor:
        scales.append(scale)
        return guide_rows(out, rows, scale)

    guide_rows = module.guide_rows
    monkeypatch.setattr(module, "guide_rows", watch)
    net, request = network(kind), inputs([20, 14], [9, 7])
    falling = net.generate(request, seeds(0, 1), SamplingOptions(8, guidance=3, guidance_final=1))
    assert scales[0] == pytest.approx(3, abs=0.02) and sorted(scales, reverse=True) == scales
    assert 1 < scales[-1] < 1.5
    constant = net.generate(request, seeds(0, 1), SamplingOptions(8, guidance=3))
    assert scales[8:] == pytest.approx([3.0] * 8) and not torch.allclose(falling, constant)


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_that_stays_is_guidance(kind: str) -> None:
    net, request = network(kind), inputs([20], [9])
    stays = net.generate(request, seeds(0), SamplingOptions(8, guidance=2, guidance_final=2))
    assert torch.equal(stays, net.generate(request, seeds(0), SamplingOptions(8, guidance=2)))
    # Half-way the unconditional branch is all that is left, so it has to be evaluated.
    bare = net.generate(request, seeds(0), SamplingOptions(8, guidance=1, guidance_final=0))
    assert not torch.allclose(bare, net.generate(request, seeds(0), SamplingOptions(8, guidance=1)))


def test_another_guidance_falls_in_proportion() -> None:
    options = SamplingOptions(guidance=2.25, guidance_final=0.5)
    for own in (2.25, 1.0):
        assert not SamplingOptions(guidance=own, guidance_final=0.5).guided_by(1).guided
    assert SamplingOptions(guidance=1, guidance_final=0.5).guided_by(2).guidance_final == 0.5
    stronger = options.guided_by(3.5)
    assert stronger.guidance == 3.5 and stronger.guidance_final == 0.0
    assert options.guided_by(2.25) == options
    assert SamplingOptions(guidance=2).guided_by(3) == SamplingOptions(guidance=3)
    # Towards 1, as MAGNeT has it, stays towards 1.
    assert SamplingOptions(guidance=10, guidance_final=1).guided_by(4).guidance_final == 1


def test_weights_of_a_flow_are_those_of_a_diffusion_of_the_data() -> None:
    """Both follow the same path from the same noise, and end in the same place."""
    straight, request = network("flow"), inputs([20], [9])
    curved = build({"strategy": {"kind": "diffusion", "predict": "x"}}).eval()
    curved.load_state_dict(straight.state_dict())
    ends = [net.generate(request, seeds(3), SamplingOptions(200)) for net in (straight, curved)]
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=0.03)
    coarse = curved.generate(request, seeds(3), SamplingOptions(1))
    assert (ends[0] - coarse).abs().max() > 0.1
