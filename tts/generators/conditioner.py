"""Conditioner of a generator: the text and the voice of a request to what its network sees."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from tts.errors import ConfigError
from tts.generators.backbone import Backbone
from tts.generators.base import Request
from tts.generators.conditioning import Condition, Text
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
#: how text without durations is laid: tokens and frames [B] to durations [B, S]
UNTIMED: dict[str, Callable[[TokenBatch, Tensor], Tensor]] = {
    "padded": lambda tokens, frames: one_frame_each(tokens),
    "spread": spread_evenly,
    "proportional": spread_by_length,
}
TEXT_LAYOUTS = ("expanded", *UNTIMED, "pointer")


class Conditioner(nn.Module):
    """Text and voice of a request to what the network sees of them.

    Args:
        channels: C of the features; patch: frames per latent.
        dim: of the backbone; voice_dim: of the encoded prompt; global_dim: of the voice vector.
        phone_dim, phone_blocks, content_blocks: sizes of the text encoder.
        text: "expanded" by durations; "padded" with filler to the length of the sequence (E2,
            F5-TTS), "spread" evenly over it (ZipVoice) or "proportional", by usual lengths
            (tts.text.lengths), where attention has to align; or "pointer", which finds the
            durations on the way (tts.generators.alignment; autoregression only).
        voice: what is known of it: "prompt", the recording itself beside its speaker vector, or
            "vector", that alone (SV2TTS).
        longest: frames after which a pointer leaves a phone where durations are not even estimated.
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
        self.size = channels * patch
        make_voice = VectorConditioner if voice == "vector" else VoiceConditioner
        self.voice = make_voice(channels, voice_dim, global_dim, patch)
        make = PointerContent if text == "pointer" else ContentEncoder
        self.content = make(
            channels, dim, global_dim, patch, phone_dim, phone_blocks, content_blocks, dropout
        )
        self.null_content = nn.Parameter(torch.zeros(dim))
        self.mean_in = nn.Linear(self.size, dim, bias=False)
        #: whether the network has readers, which find untimed text (tts.modules.text_reader); text
        #: that is padded then has a latent for each phone, so that they are told apart
        self.read = False

    @property
    def untimed(self) -> bool:
        """Whether of the time of each phone nothing is known, before or after: attention aligns."""
        return self.text in UNTIMED

    def _mask(self, request: Request) -> Tensor:
        count = -(-request.frames // self.patch)
        longest = request.longest
        most = int(count.max()) if longest is None else -(-longest // self.patch)
        index = torch.arange(most, device=count.device)
        return (index < count.unsqueeze(1)).unsqueeze(-1).float()

    def _content(
        self, request: Request, text: Text | None, global_cond: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        frames = mask.shape[1] * self.patch
        if isinstance(self.content, PointerContent):
            assert text is not None
            phone_index, elapsed = self.content.teacher_forced(text, frames)
            return self.content.encode_frames(
                self.content.phones_at(text.phones, phone_index, elapsed), mask, global_cond
            )
        out: tuple[Tensor, Tensor] = self.content(
            request.tokens,
            self._layout(request),
            global_cond,
            frames,
            mask,
            fill=self.text == "padded",
        )
        return out

    def _layout(self, request: Request) -> Tensor:
        """How many frames [B, S] of the sequence each phone is given."""
        if not self.untimed:
            assert request.durations is not None
            return request.durations
        laid = UNTIMED[self.text](request.tokens, request.frames)
        return laid * self.patch if self.text == "padded" and self.read else laid

    def _read(self, request: Request, global_cond: Tensor, drop_text: Tensor | None) -> Text | None:
        if isinstance(self.content, PointerContent):
            return self.content.read(request.tokens, request.durations, global_cond, drop_text)
        return None

    def seen(
        self, content: Tensor, mean: Tensor, drop_text: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """frames and prior_mean of a Condition; `drop_text` [B] bool are rows to hear no text."""
        # What regression finds is given as it is; only the regression loss moves it.
        frames = content + self.mean_in(mean.detach())
        if drop_text is not None:
            frames = torch.where(drop_text[:, None, None], self.null_content, frames)
            mean = mean * (~drop_text).float()[:, None, None]
        return frames, mean

    def forward(
        self, request: Request, backbone: Backbone, drop: tuple[Tensor, Tensor] | None = None
    ) -> Condition:
        """The condition; `drop` are rows [B] bool to lose text and voice, and the voice alone, in
        training. Without it a pointer is left to find the frames."""
        voiced = self.voice(request.prompt, drop[0] | drop[1] if drop else None)
        drop_text = drop[0] if drop else None
        text = self._read(request, voiced.global_cond, drop_text)
        if text is not None and drop is None:
            sizes = (1, len(self.null_content), self.size)
            mask, frames, mean = (
                voiced.global_cond.new_zeros(len(voiced.global_cond), 0, n) for n in sizes
            )
        else:
            mask = self._mask(request)
            frames, mean = self.seen(
                *self._content(request, text, voiced.global_cond, mask), drop_text
            )
        memory = backbone.project(voiced.memory)
        made = Condition(frames, mean, voiced.global_cond, memory, voiced.mask, mask, text)
        return self._unaligned(request, made, backbone, drop_text)

    def _unaligned(
        self, request: Request, made: Condition, backbone: Backbone, drop_text: Tensor | None
    ) -> Condition:
        """A condition with the text for the readers of a network that has some."""
        if backbone.beside is None:
            return made
        laid, count = self._layout(request), made.mask.shape[1] * self.patch
        usual = usual_lengths(request.tokens, laid, request.frames, count)
        usual = usual.unflatten(1, (-1, self.patch)).sum(2) / self.patch
        index = torch.arange(made.mask.shape[1], device=laid.device) * self.patch
        held = (index < laid.sum(1, keepdim=True)) & (made.mask[..., 0] > 0)
        said = None
        if request.durations is not None and drop_text is not None:
            said = said_at(laid, request.durations, count, self.patch)
            said = said & (held & ~drop_text.unsqueeze(1)).unsqueeze(1)
        unaligned = Unaligned(made.frames, held, usual * held, said)
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
        """What guidance pushes away from.

        Args:
            guide: "all", neither text nor voice; "voice", the text in no voice; "phones", other
                phones in the same voice.
            rngs: one per row, for other phones.
        """
        global_cond, memory_mask = given.global_cond, given.memory_mask
        if uncond == "phones":
            request = replace(request, tokens=random_phones(request.tokens, rngs))
        else:
            global_cond = self.voice.null_global_cond.expand_as(global_cond)
            memory_mask = torch.zeros_like(memory_mask)
            memory_mask[:, 0] = True
        drop_text = torch.full_like(request.tokens.lengths, uncond == "all", dtype=torch.bool)
        text = self._read(request, global_cond, drop_text)
        if uncond == "all":
            frames, mean = (
                self.null_content.expand_as(given.frames),
                torch.zeros_like(given.prior_mean),
            )
        elif text is not None:
            frames, mean = given.frames, given.prior_mean
        else:
            frames, mean = self.seen(*self._content(request, None, global_cond, given.mask), None)
        made = Condition(frames, mean, global_cond, given.memory, memory_mask, given.mask, text)
        return self._unaligned(request, made, backbone, None)


def random_phones(tokens: TokenBatch, rngs: Sequence[torch.Generator]) -> TokenBatch:
    """Random phones, pauses where they were (SSR-Speech: guidance without training for it)."""
    ids = tokens.ids.clone()
    pauses = torch.isin(ids, torch.tensor(sorted(PAUSES), device=ids.device))
    for row, (rng, length) in enumerate(zip(rngs, tokens.lengths.tolist(), strict=True)):
        drawn = torch.randint(len(PHONES), (length,), generator=rng)
        ids[row, :length] = torch.tensor(PHONES)[drawn].to(ids.device)
    return replace(tokens, ids=torch.where(pauses, tokens.ids, ids))
