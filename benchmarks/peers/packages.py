"""Peers of the shape of ours, with random weights. Each function imports its package itself, so a
package that is not there fails alone."""

import importlib
import logging
import sys
import types
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.shapes import CODEBOOK_SIZE, DIM, HEADS, HIDDEN, LAYERS


def musicgen(codebooks: int, device: str = "cpu") -> Any:
    """transformers' MusicGen decoder (Copet et al. 2023), as audiocraft's: delay pattern."""
    from transformers import MusicgenForCausalLM
    from transformers.models.musicgen import MusicgenDecoderConfig

    config = MusicgenDecoderConfig(
        vocab_size=CODEBOOK_SIZE,
        num_hidden_layers=LAYERS,
        ffn_dim=HIDDEN,
        num_attention_heads=HEADS,
        hidden_size=DIM,
        num_codebooks=codebooks,
        max_position_embeddings=2048,
        dropout=0.0,
        attention_dropout=0.0,
        pad_token_id=CODEBOOK_SIZE,
        bos_token_id=CODEBOOK_SIZE,
    )
    model = MusicgenForCausalLM(config).eval().to(device)
    settings = model.generation_config
    settings.num_return_sequences = 1
    settings.pad_token_id = settings.bos_token_id = settings.decoder_start_token_id = CODEBOOK_SIZE
    return model


def x_transformers(device: str = "cpu") -> Any:
    """x-transformers' decoder with rotary positions and flash attention."""
    from x_transformers import ContinuousTransformerWrapper, Decoder

    layers = Decoder(
        dim=DIM,
        depth=LAYERS,
        heads=HEADS,
        attn_dim_head=DIM // HEADS,
        rotary_pos_emb=True,
        attn_flash=True,
    )
    model = ContinuousTransformerWrapper(
        max_seq_len=2048, attn_layers=layers, use_abs_pos_emb=False
    )
    return model.eval().to(device)


def csm(codebooks: int, depth: dict[str, int], device: str = "cpu") -> Any:
    """transformers' CSM: backbone, and a depth decoder over the codebooks of a frame."""
    from transformers import CsmConfig, CsmForConditionalGeneration

    special = {
        "codebook_pad_token_id": CODEBOOK_SIZE + 2,
        "codebook_eos_token_id": CODEBOOK_SIZE + 1,
    }
    config = CsmConfig(
        num_codebooks=codebooks,
        vocab_size=CODEBOOK_SIZE + 3,
        text_vocab_size=256,
        hidden_size=DIM,
        intermediate_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=DIM // HEADS,
        bos_token_id=1,
        pad_token_id=2,
        eos_token_id=None,
        audio_token_id=3,
        audio_eos_token_id=4,
        **special,
        depth_decoder_config={
            "num_codebooks": codebooks,
            "backbone_hidden_size": DIM,
            "vocab_size": CODEBOOK_SIZE + 3,
            "hidden_size": depth["dim"],
            "intermediate_size": depth["hidden"],
            "num_hidden_layers": depth["blocks"],
            "num_attention_heads": depth["heads"],
            "num_key_value_heads": depth["heads"],
            "head_dim": depth["dim"] // depth["heads"],
        },
    )
    return CsmForConditionalGeneration(config).eval().to(device)


def moshi_lm(codebooks: int, depth: dict[str, int], device: str = "cpu") -> Any:
    """moshi's LMGen; gated feed-forward layers of as many weights."""
    from moshi.models.lm import LMGen, LMModel

    model = LMModel(
        delays=[0] * (codebooks + 1),
        n_q=codebooks,
        dep_q=codebooks,
        card=CODEBOOK_SIZE,
        text_card=256,
        dim=DIM,
        num_heads=HEADS,
        num_layers=LAYERS,
        hidden_scale=HIDDEN / DIM,
        causal=True,
        gating="silu",
        norm="rms_norm_f32",
        positional_embedding="rope",
        context=1000,
        depformer_dim=depth["dim"],
        depformer_dim_feedforward=depth["hidden"],
        depformer_num_heads=depth["heads"],
        depformer_num_layers=depth["blocks"],
        depformer_multi_linear=True,
        depformer_weights_per_step=True,
        depformer_pos_emb="none",
        depformer_context=codebooks,
        device=torch.device(device),
    )
    return LMGen(model.eval())


def mimi(device: str = "cpu") -> Any:
    """moshi's Mimi, 24 kHz, 12.5 frames/s, 8 codebooks."""
    from moshi.models.loaders import get_mimi

    return get_mimi(None, device=device, num_codebooks=8).eval()


def vocos(dim: int = 512, hidden: int = 1536, blocks: int = 8, device: str = "cpu") -> Any:
    """The published mel 24 kHz model of the package `vocos`: mel [B, 100, T] to samples."""
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    backbone = VocosBackbone(100, dim, hidden, blocks)
    return torch.nn.Sequential(backbone, ISTFTHead(dim, 1024, 256, "center")).eval().to(device)


def f5_package() -> Any:
    """`f5_tts.model` without its trainer, which asks for packages that only training needs, and
    without librosa, which only mels of another vocoder need."""
    importlib.import_module("torchdiffeq")
    stub("f5_tts.model.trainer", Trainer=None)
    try:
        importlib.import_module("librosa.filters")
    except ImportError:
        stub("librosa")
        stub("librosa.filters", mel=None)
        try:
            return importlib.import_module("f5_tts.model")
        finally:  # transformers looks whether it is there
            del sys.modules["librosa"], sys.modules["librosa.filters"]
    return importlib.import_module("f5_tts.model")


def f5(vocabulary: int, device: str = "cpu") -> Any:
    """F5-TTS's sampler and DiT: 8 x 512, 4 text blocks, 100 mel bands of 24 kHz, hop 256."""
    package = f5_package()
    network = package.DiT(
        dim=DIM,
        depth=LAYERS,
        heads=HEADS,
        dim_head=DIM // HEADS,
        ff_mult=HIDDEN // DIM,
        mel_dim=100,
        text_num_embeds=vocabulary,
        text_dim=DIM,
        conv_layers=4,
    )
    mel = {
        "target_sample_rate": 24000,
        "n_mel_channels": 100,
        "hop_length": 256,
        "win_length": 1024,
        "n_fft": 1024,
        "mel_spec_type": "vocos",
    }
    return package.CFM(transformer=network, mel_spec_kwargs=mel).eval().to(device)


class _Words:
    """Stands for pocket-tts's tokenizer, whose file is not to be had here: 1.4 tokens a word."""

    def __init__(self, *_: object):
        self.words: dict[int, str] = {}

    def encode(self, text: str) -> list[int]:
        """A token or two for each word; marks at its end are tokens."""
        found = []
        for word in text.split():
            bare = word.rstrip(".,;:!?")
            parts = [bare[:6], bare[6:]] if len(bare) > 6 else [bare]
            for part in [*parts, *word[len(bare) :]]:
                if part:
                    key = sum(ord(c) * 31**i for i, c in enumerate(part)) % 3999
                    self.words[key] = part
                    found.append(key)
        return found

    def decode(self, tokens: list[int]) -> str:
        """Words again."""
        return " ".join(self.words[token] for token in tokens)

    def __call__(self, text: str) -> Tensor:
        return torch.tensor(self.encode(text))[None]


def pocket(config: str = "english_18m_2026-10", quantize: bool = False) -> Any:
    """pocket-tts of a config that comes with the package, its weights and tokenizer left out: they
    are not in the package, so nothing is downloaded. It never ends early: as many frames are made
    as its rule for the longest says."""
    import pocket_tts
    from pocket_tts.models import tts_model
    from pocket_tts.modules import text_conditioner
    from pocket_tts.utils.config import load_config

    logging.getLogger("pocket_tts").setLevel(logging.ERROR)
    text_conditioner.build_tokenizer = _Words
    folder = pocket_tts.__path__[0]
    settings = load_config(f"{folder}/config/{config}.yaml")
    settings.weights_path = settings.weights_path_without_voice_cloning = None
    build = pocket_tts.TTSModel._from_pydantic_config_with_weights
    model = build(settings, 0.3, 1, None, float("inf"))
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all() or "emb_std" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    for value in (model.flow_lm.emb_mean, model.flow_lm.emb_std):
        value.data.fill_(1.0)
    if quantize:
        from pocket_tts.quantization import RECOMMENDED_CONFIG, apply_dynamic_int8

        apply_dynamic_int8(model.flow_lm, RECOMMENDED_CONFIG)
    assert tts_model is not None
    return model.eval()


def stub(name: str, **attributes: object) -> None:
    """An empty module where a package asks for one that the measured work does not need."""
    if name not in sys.modules:
        module = types.ModuleType(name)
        for key, value in attributes.items():
            setattr(module, key, value)
        sys.modules[name] = module


def sampled(logits: Tensor, top_k: int = 50) -> Tensor:
    """A plain draw from logits [..., V] truncated to the top k, [...]."""
    values, index = logits.topk(top_k)
    choice = torch.multinomial(values.softmax(-1).flatten(0, -2), 1).view(*values.shape[:-1], 1)
    return index.gather(-1, choice)[..., 0]
