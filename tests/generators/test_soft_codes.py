"""Soft decoding: latents are the mean vectors of codes, for every strategy of codes."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import (
    CODEBOOK_SIZE,
    FAMILIES,
    NUM_CODEBOOKS,
    build,
    close,
    differ,
    fill,
    inputs,
    one_row,
    seeds,
)
from tts.errors import UsageError
from tts.generators.base import Infill, SamplingOptions
from tts.generators.generator import Generator
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.latent_space import CodeSpace
from tts.generators.sampling import process
from tts.generators.soft_codes import CodeValues, SoftCodes
from tts.generators.speculative import NGram, speculate
from tts_codecs.quantizers.fsq import GroupedFSQ
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.spectral import SpectralAutoencoder

DIM = 5
CODED = [name for name, (_, kind) in FAMILIES.items() if kind == "codes"]
FIRST_DRAWN = [name for name in CODED if name.startswith("coarse first")]
HARD = SamplingOptions(steps=4, guidance=1.5, temperature=0.7)
SOFT = replace(HARD, soft_decode=True)


def values(seed: int = 3) -> CodeValues:
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(NUM_CODEBOOKS, CODEBOOK_SIZE, DIM, generator=generator)
    return CodeValues(torch.randn(DIM, generator=generator), table)


def net(family: str) -> Generator:
    made = build(family)
    fill(made)
    return made.eval().requires_grad_(False)


def vectors_of(codes: torch.Tensor, made: CodeValues) -> torch.Tensor:
    """[B, U, D], codebook by codebook."""
    total = made.origin.expand(*codes.shape[:2], DIM).clone()
    for codebook in range(codes.shape[2]):
        total += made.contributions[codebook][codes[..., codebook]]
    return total


@pytest.mark.parametrize("family", CODED)
def test_without_chance_soft_latents_are_the_vectors_of_the_codes(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All probability on one code: what is expected is what is drawn."""
    model, request = net(family), inputs([12, 8], [9, 6])
    whole = CategoricalHead.forward
    sharpen = 1e6
    monkeypatch.setattr(
        CategoricalHead, "forward", lambda self, *a, **k: whole(self, *a, **k) * sharpen
    )
    codes = model.generate(request, seeds(1, 2), HARD)
    soft = model.generate(request, seeds(1, 2), SOFT, code_values=values())
    assert soft.is_floating_point()
    wanted = vectors_of(codes, values())
    for row, length in enumerate(request.frames // model.patch):
        close(soft[row, :length], wanted[row, :length])


@pytest.mark.parametrize("family", CODED)
def test_draws_stay_the_same_and_are_less_scattered(family: str) -> None:
    """The codes that the generator is fed do not change; a mean lies nearer to the others than
    draws do to each other."""
    model, request = net(family), inputs([12, 8], [9, 6])
    first, second = (
        model.generate(request, seeds(a, b), SOFT, code_values=values())
        for a, b in ((1, 2), (3, 4))
    )
    again = model.generate(request, seeds(1, 2), SOFT, code_values=values())
    assert torch.equal(first, again)
    drawn = [model.generate(request, seeds(a, b), HARD) for a, b in ((1, 2), (3, 4))]
    spread = (vectors_of(drawn[0], values()) - vectors_of(drawn[1], values())).square().mean()
    # The first pass of coarse_first is decoded as drawn, as the second sees its codes.
    share = 1.01 if family in FIRST_DRAWN else 0.9
    assert (first - second).square().mean() < share * spread
    if "pointer" not in family:
        alone = model.generate(one_row(request, 1), seeds(2), SOFT, code_values=values())
        close(alone[0], first[1, : alone.shape[1]])


@pytest.mark.parametrize("family", [name for name in CODED if "pointer" not in name])
def test_known_latents_are_decoded_as_they_are(family: str) -> None:
    model, request = net(family), inputs([16], [9])
    generator = torch.Generator().manual_seed(8)
    latents = torch.randint(CODEBOOK_SIZE, (1, 8, NUM_CODEBOOKS), generator=generator)
    known = torch.tensor([[True, True, False, False, False, True, False, True]])
    infill = Infill(latents, known)
    soft = model.generate(request, seeds(1), SOFT, infill, code_values=values())
    wanted = vectors_of(latents, values())
    close(soft[known], wanted[known])
    assert differ(soft[~known], wanted[~known])


def test_a_streamed_mean_is_that_of_the_distribution_of_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against the distributions that the head draws from, step by step."""
    model, request = net("ar delay"), inputs([12], [9])
    seen: list[torch.Tensor] = []
    choose = CategoricalHead.choose

    def noted(self: CategoricalHead, logits: Tensor, *rest: Any) -> Tensor:
        seen.append(process(logits, options.categorical()).exp())
        return choose(self, logits, *rest)

    monkeypatch.setattr(CategoricalHead, "choose", noted)
    options = replace(SOFT, top_k=3)
    pieces = list(model.stream(request, seeds(1), options, code_values=values()))
    assert len(pieces) > 1
    soft, made = torch.cat(pieces, 1)[0], values()
    for latent in range(soft.shape[0]):
        # Codebook k of a latent is drawn k steps later.
        means = [seen[latent + k][0, 0, k] @ made.contributions[k] for k in range(NUM_CODEBOOKS)]
        close(soft[latent], made.origin + sum(means))


@pytest.mark.parametrize(
    "quantizer",
    [GroupedFSQ([4, 3], NUM_CODEBOOKS), ResidualVQ(DIM, NUM_CODEBOOKS, CODEBOOK_SIZE)],
    ids=["fsq", "rvq"],
)
def test_values_of_codes_are_those_that_the_quantizer_decodes(
    quantizer: GroupedFSQ | ResidualVQ,
) -> None:
    for codebook in quantizer.codebooks:
        torch.nn.init.normal_(codebook)
    made = CodeValues(*quantizer.contributions(NUM_CODEBOOKS))
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(quantizer.codebook_size, (2, 6, NUM_CODEBOOKS), generator=generator)
    close(SoftCodes(made, codes).latents(), quantizer.decode(codes))


def test_a_code_that_is_not_known_adds_nothing() -> None:
    codes = torch.full((1, 2, NUM_CODEBOOKS), CODEBOOK_SIZE)
    assert torch.equal(SoftCodes(values(), codes).latents()[0, 1], values().origin)


def test_codecs_that_take_codes_alone_get_codes() -> None:
    model, request = net("ar delay"), inputs([12], [9])
    plain = model.generate(request, seeds(1), HARD)
    assert torch.equal(model.generate(request, seeds(1), SOFT), plain)


def test_a_space_decodes_vectors_as_the_codes_that_they_are() -> None:
    space = CodeSpace(SpectralAutoencoder(dim=8, blocks=1, levels=(3, 3), groups=2).eval())
    codes = torch.randint(space.autoencoder.quantizer.codebook_size, (1, 4, space.num_codebooks))
    made = space.code_values()
    assert made is not None
    close(space.values(SoftCodes(made, codes).latents()), space.values(codes))


def test_speculative_decoding_refuses_it() -> None:
    model, request = net("ar delay"), inputs([12], [9])
    with pytest.raises(UsageError, match="soft_decode"):
        next(speculate(model, request, seeds(0)[0], SOFT, NGram()))
