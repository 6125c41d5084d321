"""Conditioner of a generator: turns the text and voice of a request into network inputs."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from tts.errors import ConfigError
from tts.generators.backbone import Backbone
from tts.generators.base import Request
from tts.generators.conditioning import Condition, PointerText
from tts.generators.content import ContentEncoder
from tts.generators.pointer_content import PointerContent
from tts.generators.voice_encoders import VectorConditioner, VoiceConditioner
from tts.modules.text_reader import Unaligned
from tts.text.lengths import spread_by_length, spread_evenly
from tts.text.places import said_at, usual_lengths
from tts.text.symbols import PAUSES, SYMBOLS
from tts.text.tokens import TokenBatch, one_frame_each

#: ids of phones: letters, without marks and names in brackets
PHONES = [
    at for at, s in enumerate(SYMBOLS) if len(s) == 1 and unicodedata.category(s) in ("Ll", "Lo")
]
#: layouts of text without durations: tokens and frames [B] to the frames of each token [B, S]
UNTIMED: dict[str, Callable[[TokenBatch, Tensor], Tensor]] = {
    "padded": lambda tokens, frames: one_frame_each(tokens),
    "spread": spread_evenly,
    "proportional": spread_by_length,
}
TEXT_LAYOUTS = ("expanded", *UNTIMED, "pointer")


class Conditioner(nn.Module):
    """The text encoder and the voice encoder of a generator.

    Args:
        channels: C of the features; patch: frames per latent.
        dim: of the backbone; voice_dim: of the encoded prompt; global_dim: of the voice vector.
        phone_dim, phone_blocks, content_blocks: sizes of the text encoder.
        text: how phones are laid out in time. "expanded" repeats each by its duration. Without
            durations attention has to align: "padded" puts one phone after the other and then
            filler (E2 TTS, F5-TTS), "spread" stretches the text evenly (ZipVoice), "proportional"
            by usual phone lengths (tts.text.lengths). "pointer" finds the durations during
            generation (tts.generators.alignment; autoregression only).
        voice: what the network gets of the voice: "prompt", the recording and its speaker
            embedding, or "vector", the embedding alone (SV2TTS).
        longest: frames after which a pointer leaves a phone, for requests without durations.

    Attributes:
        size: of a latent of features, channels * patch; the other sizes are as given.
        has_readers: whether the network has text readers (tts.modules.text_reader), which look for
            text without durations; set by the Generator.

    Raises:
        ConfigError: an unknown `text` or `voice`.
    """

    content: ContentEncoder | PointerContent
    voice: VoiceConditioner | VectorConditioner

    def __init__(
        self,
        channels: int = 82,
        patch: int = 2,
        dim: int = 256,
        voice_dim: int = 192,
        global_dim: int = 192,
        phone_dim: int = 192,
        phone_blocks: int = 3,
        content_blocks: int = 4,
        text: str = "expanded",
        dropout: float = 0.0,
        longest: int = 50,
        voice: str = "prompt",
    ):
        super().__init__()
        if voice not in ("prompt", "vector"):
            raise ConfigError(f"voice is prompt or vector, not {voice!r}")
        if text not in TEXT_LAYOUTS:
            raise ConfigError(f"text is one of {', '.join(TEXT_LAYOUTS)}, not {text!r}")
        self.channels, self.patch, self.text, self.longest = channels, patch, text, longest
        self.size, self.voice_dim, self.global_dim = channels * patch, voice_dim, global_dim
        make_voice = VectorConditioner if voice == "vector" else VoiceConditioner
        self.voice = make_voice(channels, voice_dim, global_dim, patch)
        make = PointerContent if text == "pointer" else ContentEncoder
        self.content = make(
            channels, dim, global_dim, patch, phone_dim, phone_blocks, content_blocks, dropout
        )
        self.null_content = nn.Parameter(torch.zeros(dim))
        self.mean_in = nn.Linear(self.size, dim, bias=False)
        self.has_readers = False

    @property
    def untimed(self) -> bool:
        """Whether the time of each phone is never known, since attention alone aligns."""
        return self.text in UNTIMED

    def _latent_mask(self, request: Request) -> Tensor:
        count = -(-request.frames // self.patch)
        longest = request.longest
        most = int(count.max()) if longest is None else -(-longest // self.patch)
        index = torch.arange(most, device=count.device)
        return (index < count.unsqueeze(1)).unsqueeze(-1).float()

    def _encode_text(
        self, request: Request, text: PointerText | None, global_cond: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Content [B, U, dim] and prior mean [B, U, size] of all latents; a pointer's `text` is
        aligned by the durations of the request."""
        frames = mask.shape[1] * self.patch
        if isinstance(self.content, PointerContent):
            assert text is not None
            phone_index, elapsed = self.content.teacher_forced(text, frames)
            return self.content.encode_frames(
                self.content.phones_at(text.phones, phone_index, elapsed), mask, global_cond
            )
        out: tuple[Tensor, Tensor] = self.content(
            request.tokens,
            self._frames_per_token(request),
            global_cond,
            frames,
            mask,
            fill=self.text == "padded",
        )
        return out

    def _frames_per_token(self, request: Request) -> Tensor:
        """How many frames [B, S] of the sequence each token fills in the layout `text`."""
        if not self.untimed:
            assert request.durations is not None
            return request.durations
        laid = UNTIMED[self.text](request.tokens, request.frames)
        # Readers have to tell phones apart: each gets a latent of its own, not a frame.
        return laid * self.patch if self.text == "padded" and self.has_readers else laid

    def _pointer_text(
        self, request: Request, global_cond: Tensor, drop_text: Tensor | None
    ) -> PointerText | None:
        """The encoded phones for a pointer; None for every other layout."""
        if isinstance(self.content, PointerContent):
            return self.content.read(request.tokens, request.durations, global_cond, drop_text)
        return None

    def with_prior(
        self, content: Tensor, mean: Tensor, drop_text: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`Condition.frames` and `Condition.prior_mean` from encoded text and its regressed mean.

        Args:
            content: [B, U, dim]; mean: [B, U, size].
            drop_text: [B] bool, rows to generate without text; None for no such row.
        """
        # The network sees the mean, but only the regression loss trains it.
        frames = content + self.mean_in(mean.detach())
        if drop_text is not None:
            frames = torch.where(drop_text[:, None, None], self.null_content, frames)
            mean = mean * (~drop_text).float()[:, None, None]
        return frames, mean

    def forward(
        self, request: Request, backbone: Backbone, drop: tuple[Tensor, Tensor] | None = None
    ) -> Condition:
        """The condition of a request.

        Args:
            backbone: projects the voice memory for its blocks.
            drop: in training, [B] bool each: rows that lose text and voice, and rows that lose the
                voice alone. Without it a pointer fills in the frames during generation.
        """
        voiced = self.voice(request.prompt, drop[0] | drop[1] if drop else None)
        drop_text = drop[0] if drop else None
        text = self._pointer_text(request, voiced.global_cond, drop_text)
        if text is not None and drop is None:
            sizes = (1, len(self.null_content), self.size)
            mask, frames, mean = (
                voiced.global_cond.new_zeros(len(voiced.global_cond), 0, n) for n in sizes
            )
        else:
            mask = self._latent_mask(request)
            content, mean = self._encode_text(request, text, voiced.global_cond, mask)
            frames, mean = self.with_prior(content, mean, drop_text)
        memory = backbone.project(voiced.memory)
        made = Condition(frames, mean, voiced.global_cond, memory, voiced.mask, mask, text)
        return self._with_unaligned(request, made, backbone, drop_text)

    def _with_unaligned(
        self, request: Request, made: Condition, backbone: Backbone, drop_text: Tensor | None
    ) -> Condition:
        """The condition `made`, with the text that the readers of the network attend to; itself if
        the network has none. In training (`drop_text` given) it also holds where each phone is
        said, which supervises the attention."""
        if backbone.beside is None:
            return made
        layout, count = self._frames_per_token(request), made.mask.shape[1] * self.patch
        usual = usual_lengths(request.tokens, layout, request.frames, count)
        usual = usual.unflatten(1, (-1, self.patch)).sum(2) / self.patch
        index = torch.arange(made.mask.shape[1], device=layout.device) * self.patch
        has_text = (index < layout.sum(1, keepdim=True)) & (made.mask[..., 0] > 0)
        target = None
        if request.durations is not None and drop_text is not None:
            target = said_at(layout, request.durations, count, self.patch)
            target = target & (has_text & ~drop_text.unsqueeze(1)).unsqueeze(1)
        unaligned = Unaligned(made.frames, has_text, usual * has_text, target)
        none = torch.zeros_like(made.prior_mean)
        return replace(
            made, frames=backbone.beside(made.frames), prior_mean=none, unaligned=unaligned
        )

    def unconditional(
        self,
        request: Request,
        given: Condition,
        backbone: Backbone,
        uncond: str,
        rngs: Sequence[torch.Generator],
    ) -> Condition:
        """The condition of the unconditional branch of guidance.

        Args:
            given: the conditional one.
            uncond: "all" drops text and voice, "voice" the voice, "phones" puts random phones in
                place of the text and keeps the voice.
            rngs: one per row, for the random phones.
        """
        global_cond, memory_mask = given.global_cond, given.memory_mask
        if uncond == "phones":
            request = replace(request, tokens=random_phones(request.tokens, rngs))
        else:
            global_cond = self.voice.null_global_cond.expand_as(global_cond)
            memory_mask = torch.zeros_like(memory_mask)
            memory_mask[:, 0] = True
        drop_text = torch.full_like(request.tokens.lengths, uncond == "all", dtype=torch.bool)
        text = self._pointer_text(request, global_cond, drop_text)
        if uncond == "all":
            frames = self.null_content.expand_as(given.frames)
            mean = torch.zeros_like(given.prior_mean)
        elif text is not None:
            frames, mean = given.frames, given.prior_mean
        else:
            content, mean = self._encode_text(request, None, global_cond, given.mask)
            frames, mean = self.with_prior(content, mean, None)
        made = Condition(frames, mean, global_cond, given.memory, memory_mask, given.mask, text)
        return self._with_unaligned(request, made, backbone, None)


def random_phones(tokens: TokenBatch, rngs: Sequence[torch.Generator]) -> TokenBatch:
    """Random phones in place of all but the pauses (SSR-Speech: an unconditional branch without
    training for it)."""
    ids = tokens.ids.clone()
    pauses = torch.isin(ids, torch.tensor(sorted(PAUSES), device=ids.device))
    for row, (rng, length) in enumerate(zip(rngs, tokens.lengths.tolist(), strict=True)):
        drawn = torch.randint(len(PHONES), (length,), generator=rng)
        ids[row, :length] = torch.tensor(PHONES)[drawn].to(ids.device)
    return replace(tokens, ids=torch.where(pauses, tokens.ids, ids))
