"""F5-TTS: equal to the package on the same weights and noise, rows alone as in a batch.

The tests marked `peer` need the package: ``pip install f5-tts``, or, for its model classes alone,
``pip install --no-deps f5-tts x-transformers einx loguru torch-einops-utils torchdiffeq rjieba
pypinyin`` (into a folder on PYTHONPATH) beside librosa and einops.
"""

import sys
import types
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.helpers.f5 import LETTERS, published_layout, scramble
from tts.errors import AudioError, CheckpointError, TextError, UsageError
from tts.generators.base import SamplingOptions
from tts.published.f5.conversion import from_published, load_published
from tts.published.f5.generator import F5Generator, step_grid
from tts.published.f5.network import F5Config, F5Network
from tts.published.f5.prompt import F5Prompt, closed, speech_frames
from tts.published.f5.tokenizer import CharacterTokens, spread

SMALL = F5Config(
    vocabulary=len(LETTERS),
    channels=10,
    dim=64,
    blocks=2,
    heads=2,
    feed=2,
    text_dim=32,
    text_blocks=2,
)
FAST = SamplingOptions(steps=5, guidance=3.0)


@pytest.fixture(scope="module")
def small() -> F5Generator:
    network = F5Network(SMALL).eval()
    scramble(network)
    return F5Generator(network, CharacterTokens(LETTERS))


def rng(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prompt_of(frames: int, text: str = "hello there.  ", seed: int = 1) -> F5Prompt:
    return F5Prompt(torch.randn(frames, 10, generator=rng(seed)), text)


def test_published_size() -> None:
    network = F5Network(F5Config(blocks=1))
    block = sum(p.numel() for p in network.blocks.parameters())
    rest = sum(p.numel() for p in network.parameters()) - block
    assert rest + 22 * block == 337_096_804


def test_golden_output() -> None:
    network = F5Network(SMALL)
    with torch.no_grad():
        for i, value in enumerate(network.parameters()):
            grid = torch.arange(value.numel(), dtype=torch.float64).reshape(value.shape)
            value.copy_(0.2 * torch.sin(1.7 * grid + i))
    generator = F5Generator(network, CharacterTokens(LETTERS))
    given = torch.cos(0.37 * torch.arange(120.0)).reshape(12, 10)
    features, frames = generator.generate([F5Prompt(given, "hi.  ")], ["a longer one"], [rng()])
    assert frames.tolist() == [28]
    found = features[0, [0, 9, 18, 27], [0, 3, 6, 9]]
    golden = torch.tensor([-0.427089, 1.039821, 0.767722, 0.961261])
    torch.testing.assert_close(found, golden, rtol=0, atol=1e-4)


def test_row_alone_as_in_a_batch(small: F5Generator) -> None:
    prompts = [prompt_of(30, "ab cd ef.  ", 1), prompt_of(50, seed=2), prompt_of(41, seed=3)]
    texts = ["what a day it is", "no, it is not quite so", "yes"]
    together, frames = small.generate(prompts, texts, [rng(i) for i in range(3)], FAST)
    assert len(set(frames.tolist())) == 3
    for row in range(3):
        alone, count = small.generate([prompts[row]], [texts[row]], [rng(row)], FAST)
        assert count.item() == frames[row] == alone.shape[1]
        torch.testing.assert_close(together[row, :count], alone[0], rtol=0, atol=1e-4)
        assert not together[row, count:].any()
    other, _ = small.generate(prompts[:1], texts[:1], [rng(9)], FAST)
    assert (other[0] - together[0, : other.shape[1]]).abs().mean() > 0.1


def test_what_is_given_stays_and_is_not_returned(small: F5Generator) -> None:
    prompt = prompt_of(25)
    ids = torch.tensor([small.tokens(prompt.text + "what a day")])
    whole, frames = small.sample(
        prompt.features[None], torch.tensor([25]), ids, torch.tensor([60]), [rng()], FAST
    )
    assert whole.shape == (1, 60, 10) and frames.item() == 60
    assert torch.equal(whole[0, :25], prompt.features)
    found, count = small.generate([prompt], ["what a day"], [rng()], FAST)
    assert count.item() == speech_frames(prompt, "what a day") == 25 * 10 // 14
    # At least one frame more than there are characters.
    assert (
        small.sample(
            prompt.features[None], torch.tensor([25]), ids, torch.tensor([3]), [rng()], FAST
        )[1].item()
        == max(25, ids.shape[1]) + 1
    )
    longer = prompt_of(26, seed=1)
    again, _ = small.generate([longer], ["what a day"], [rng()], FAST)
    assert found.shape == (1, 17, 10) and again.shape[1] == 26 * 10 // 14


def test_scale_1_is_the_conditional_branch_alone(
    small: F5Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = prompt_of(20)
    ids = torch.tensor([small.tokens(prompt.text + "day")])
    arguments = (prompt.features[None], torch.tensor([20]), ids, torch.tensor([40]))
    plain = SamplingOptions(steps=4, guidance=1.0)
    near, _ = small.sample(*arguments, [rng()], SamplingOptions(steps=4, guidance=1.0001))
    far, _ = small.sample(*arguments, [rng()], SamplingOptions(steps=4, guidance=3.0))
    batches: list[int] = []
    velocity = small.network.velocity

    def counted(x: Tensor, *rest: Tensor) -> Tensor:
        batches.append(len(x))
        return velocity(x, *rest)

    monkeypatch.setattr(small.network, "velocity", counted)
    found, _ = small.sample(*arguments, [rng()], plain)
    assert batches == [1] * 4
    x = torch.randn(40, 10, generator=rng())[None]
    cond = torch.zeros(1, 40, 10)
    cond[:, :20] = prompt.features
    grid = step_grid(4, -1.0)
    with torch.no_grad():
        for now, then in zip(grid, grid[1:], strict=False):
            x = x + small.network(x, cond, ids, now[None]) * (then - now)
    torch.testing.assert_close(found[:, 20:], x[:, 20:], rtol=0, atol=1e-4)
    assert (near - found).abs().max() < 0.01 < (far - found).abs().mean()


@pytest.mark.parametrize("steps", [1, 5, 6, 7, 10, 12, 16, 32])
def test_grid(steps: int) -> None:
    grid = step_grid(steps, -1.0)
    assert len(grid) == steps + 1 and grid[0] == 0 and grid[-1] == pytest.approx(1)
    assert bool((grid.diff() > 0).all())
    even = step_grid(steps, 0.0)
    pruned = steps in (5, 6, 7, 10, 12, 16)
    assert (even - torch.linspace(0, 1, steps + 1)).abs().max().item() > 0.01 or not pruned
    torch.testing.assert_close(grid, 1 - torch.cos(torch.pi / 2 * even), rtol=0, atol=1e-6)


def test_words_of_the_reference() -> None:
    assert closed(" Hello there. ") == "Hello there.  " == closed("Hello there")
    assert closed("Really?") == "Really?.  "
    with pytest.raises(UsageError, match="needs the words"):
        closed("  ")
    prompt = prompt_of(100, "12345678  ")
    assert speech_frames(prompt, "x" * 20) == 200 == speech_frames(prompt, "x" * 10, 0.5)
    assert speech_frames(prompt, "é" * 10, 2.0) == 100
    assert speech_frames(prompt, "x" * 6, 2.0) == 200  # short texts are given time


def test_prompt(small: F5Generator) -> None:
    quiet = 0.02 * torch.randn(2600, generator=rng())
    prompt = small.prompt(quiet, "hello")
    assert prompt.features.shape == (10, 10) and prompt.text == "hello.  "
    assert prompt.gain == pytest.approx(0.2, rel=0.05)
    loud = small.prompt(4 * quiet, "hello")
    torch.testing.assert_close(loud.features, prompt.features, rtol=0, atol=1e-4)
    assert small.prompt(20 * quiet, "hello").gain == 1.0
    with pytest.raises(AudioError, match="silent"):
        small.prompt(torch.zeros(3000), "hello")
    with pytest.raises(AudioError, match="shorter"):
        small.prompt(quiet[:100], "hello")
    with pytest.raises(UsageError, match="needs the words"):
        small.prompt(quiet, "")


def test_tokens(tmp_path: Path, small: F5Generator) -> None:
    assert "".join(spread("It's 3.14% (yes, well-known)... a; “b”")) == (
        'It\'s 3.14% ( yes, well-known) ... a, "b"'
    )
    with pytest.raises(TextError, match="pinyin"):
        spread("say 你好")
    with pytest.raises(TextError, match="nothing"):
        small.tokens(" ")
    assert small.tokens("ab Zé") == [1, 2, 0, 0, len(LETTERS) - 1]
    path = tmp_path / "vocab.txt"
    # The published file ends lines as on Windows and holds a character that str.splitlines cuts.
    path.write_bytes(" \r\na\r\n\u2028\r\nb\r\n".encode())
    tokens = CharacterTokens.load(path)
    assert len(tokens) == 4 and tokens("ba") == [3, 1]
    path.write_bytes(b"a\nb\n")
    with pytest.raises(CheckpointError, match="space"):
        CharacterTokens.load(path)
    path.write_bytes(b" \na\na\n")
    with pytest.raises(CheckpointError, match="twice"):
        CharacterTokens.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="UTF-8"):
        CharacterTokens.load(path)
    with pytest.raises(CheckpointError, match="cannot read"):
        CharacterTokens.load(tmp_path / "none")


def test_settings_it_does_not_have(small: F5Generator) -> None:
    prompt = prompt_of(20)
    for wrong in (SamplingOptions(method="midpoint"), SamplingOptions(uncond="voice")):
        with pytest.raises(UsageError, match="euler"):
            small.generate([prompt], ["day"], [rng()], wrong)
    with pytest.raises(UsageError, match="takes 87 s"):
        small.generate([prompt], ["day " * 5000], [rng()])
    with pytest.raises(TextError, match="nothing"):
        small.generate([prompt], [" "], [rng()])
    with pytest.raises(UsageError, match="tokens"):
        F5Generator(small.network, CharacterTokens(LETTERS[:-1]))


def test_published_files(small: F5Generator, tmp_path: Path) -> None:
    weights, vocabulary = tmp_path / "model.safetensors", tmp_path / "vocab.txt"
    layout = published_layout(small.network)
    save_file(layout, weights)
    vocabulary.write_text("\n".join(LETTERS) + "\n")
    loaded = load_published(weights, vocabulary, None, None, SMALL)
    own = small.network.state_dict()
    renamed = from_published(layout, SMALL.heads)
    assert renamed.keys() == own.keys()
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, own[name]), name
    with pytest.raises(CheckpointError, match="checksum"):
        load_published(weights, vocabulary)
    with pytest.raises(CheckpointError, match="checksum"):
        load_published(weights, vocabulary, vocabulary_sha256=None, config=SMALL)
    del layout["ema_model.transformer.transformer_blocks.1.attn.to_k.weight"]
    save_file(layout, weights)
    with pytest.raises(CheckpointError, match="not weights of this model"):
        load_published(weights, vocabulary, None, None, SMALL)


@pytest.fixture(scope="module")
def package() -> Any:
    """f5_tts.model without its trainer, which asks for packages that only training needs."""
    pytest.importorskip("f5_tts")
    trainer = types.ModuleType("f5_tts.model.trainer")
    trainer.Trainer = None  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "f5_tts.model.trainer", trainer)
        return pytest.importorskip("f5_tts.model", exc_type=ImportError)


@pytest.fixture(scope="module")
def pair(package: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, F5Generator]:
    """The package's sampler with random weights, and ours loaded from the file of these."""
    network = package.DiT(
        dim=64,
        depth=2,
        heads=2,
        dim_head=32,
        ff_mult=2,
        mel_dim=10,
        text_num_embeds=len(LETTERS),
        text_dim=32,
        text_mask_padding=True,
        conv_layers=2,
    )
    scramble(network, 3)
    index = {letter: i for i, letter in enumerate(LETTERS)}
    peer = package.CFM(network, mel_spec_kwargs={"n_mel_channels": 10}, vocab_char_map=index).eval()
    folder = tmp_path_factory.mktemp("f5")
    state = {f"ema_model.{name}": value for name, value in peer.state_dict().items()}
    save_file({**state, "initted": torch.tensor(1)}, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(LETTERS) + "\n")
    own = load_published(folder / "model.safetensors", folder / "vocab.txt", None, None, SMALL)
    return peer, own


@pytest.mark.peer
@pytest.mark.parametrize("audio", [False, True])
@pytest.mark.parametrize("text", [False, True])
def test_network_equals_the_package(pair: tuple[Any, F5Generator], audio: bool, text: bool) -> None:
    peer, own = pair
    x, cond = torch.randn(2, 2, 37, 10, generator=rng()).unbind()
    ids = torch.full((2, 21), -1)
    ids[0] = torch.randint(0, len(LETTERS), (21,), generator=rng())
    ids[1, :9] = torch.randint(0, len(LETTERS), (9,), generator=rng(6))
    t = torch.tensor([0.13, 0.81])
    with torch.no_grad():
        expected = peer.transformer(
            x, cond, ids, t, drop_audio_cond=audio, drop_text=text, cache=False
        )
        found = own.network(x, cond, ids, t, drop_audio=audio, drop_text=text)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.peer
@pytest.mark.parametrize("steps", [4, 5, 6, 7, 10, 12, 16])
def test_sampling_equals_the_package(pair: tuple[Any, F5Generator], steps: int) -> None:
    peer, own = pair
    strength = 0.0 if steps == 4 else 2.0
    prompts = [prompt_of(30, "ab cd ef.  ", 1), prompt_of(50, "who is it.  ", 2)]
    texts = ["what a day it is", "no"]
    options = SamplingOptions(steps=steps, guidance=1 + strength, sway=-1.0)
    found, frames = own.generate(prompts, texts, [rng(11), rng(11)], options)
    for row, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        count = len(prompt.features)
        expected, _ = peer.sample(
            prompt.features[None],
            [list(prompt.text + text)],
            count + int(frames[row]),
            steps=steps,
            cfg_strength=strength,
            sway_sampling_coef=-1.0,
            seed=11,
        )
        assert expected.shape[1] == count + frames[row] and expected[0, count:].std() > 0.1
        ours = found[row, : frames[row]]
        torch.testing.assert_close(ours, expected[0, count:], rtol=0, atol=1e-4)


@pytest.mark.peer
def test_front_ends_equal_the_package(pair: tuple[Any, F5Generator]) -> None:
    from f5_tts.model.modules import get_vocos_mel_spectrogram
    from f5_tts.model.utils import convert_char_to_pinyin, get_tokenizer

    texts = [
        "Hello,world... it's 3.14% naïve—yes; 5,000 (five)  IC chIC",
        "“Don't!” he said: ‘why?’",
        "U.S.A. e-mail a_b v1.2.3-beta 100%-sure R&D --- x",
        "é. ß",
        "(a) [bc] {de}\n/f/gh",
    ]
    assert [spread(text) for text in texts] == convert_char_to_pinyin(texts)
    path = str(files("f5_tts") / "infer" / "examples" / "vocab.txt")
    assert CharacterTokens.load(path).index == get_tokenizer(path, "custom")[0]
    wav = 0.3 * torch.randn(256 * 12 + 50, generator=rng())
    expected = get_vocos_mel_spectrogram(wav[None, : 256 * 12], n_mel_channels=10)
    found = pair[1].prompt(wav, "x").features
    torch.testing.assert_close(found, expected[0, :, :-1].T, rtol=0, atol=1e-4)
