"""Training task of waveform codecs: any encoder, quantizer and decoder of tts_codecs.neural."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.train.codebooks import RecentCodes
from tts.train.loop import Batch, Logs
from tts.train.tasks.vocoder import speaker_weights
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.neural import build_codec
from tts_codecs.vocoder.discriminators import MultiResolutionDiscriminator
from tts_codecs.vocoder.losses import multi_scale_spectral_loss


class CodecTask:
    """Multi-scale spectral losses and the quantizer's own; spectrogram discriminators with feature
    matching from `adversarial_from` on.

    Args:
        corpus: prepared corpus; its rate has to be the codec's.
        model: arguments of tts_codecs.neural.build_codec.
        batch_size, units: rows and length of a batch.
        adversarial_from: step; adversarial_batch: rows that the discriminators see.
        channels: width of the discriminators.
        commitment: weight of the quantizer's loss; waveform: of the absolute error of samples.
    """

    precision = "fp32"  # phases and spectra need more than the 8 bits of bfloat16

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any],
        batch_size: int = 8,
        units: int = 50,
        adversarial_from: int = 3000,
        adversarial_batch: int = 4,
        channels: int = 16,
        commitment: float = 1.0,
        waveform: float = 1.0,
    ):
        self.corpus, self.batch_size = corpus, batch_size
        self.adversarial_from, self.adversarial_batch = adversarial_from, adversarial_batch
        self.commitment, self.waveform = commitment, waveform
        self.arguments = dict(model)
        self.codec = build_codec(**self.arguments)
        if self.codec.rate != corpus.sample_rate:
            raise ConfigError(
                f"the codec is one of {self.codec.rate} Hz, {corpus.folder} of {corpus.sample_rate}"
            )
        self.samples = units * self.codec.hop
        # Utterances are cut at frames of the corpus; enough of them for the units.
        self.frames = -(-self.samples // corpus.hop)
        self.modules: dict[str, nn.Module] = {
            "codec": self.codec,
            "discriminator": MultiResolutionDiscriminator(channels=channels),
        }
        self.groups = {"codec": ["codec"], "discriminator": ["discriminator"]}
        self.usable, self.weights = speaker_weights(corpus, self.frames)
        self._recent = RecentCodes(self.codec.info.codebook_size)

    def batch(self, rng: np.random.Generator) -> Batch:
        """wav [B, units * hop], each row at a level of its own."""
        rows = []
        for index in rng.choice(self.usable, self.batch_size, p=self.weights):
            start = int(rng.integers(0, self.corpus.frames(int(index)) - self.frames + 1))
            wav = self.corpus.audio(int(index), start, self.frames)[: self.samples]
            rows.append(wav * 10 ** (rng.uniform(-10, 6) / 20))
        return {"wav": torch.from_numpy(np.stack(rows)).float().clamp(-1, 1)}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Losses of the codec, then of the discriminators."""
        discriminator = self.modules["discriminator"]
        assert isinstance(discriminator, MultiResolutionDiscriminator)
        real = batch["wav"]
        fake, out = self.modules["codec"](real)
        mel, magnitude = multi_scale_spectral_loss(fake, real, self.codec.rate)
        absolute = (fake - real).abs().mean()
        loss = 15 * mel + 5 * magnitude + self.waveform * absolute + self.commitment * out.loss
        logs: dict[str, float | Tensor] = {
            "mel": mel.detach(), "mag": magnitude.detach(), "l1": absolute.detach(),
            "commit": out.loss.detach(), **self._recent.add(out.codes),
        }  # fmt: skip
        adversarial = step >= self.adversarial_from
        part = slice(0, self.adversarial_batch)
        if adversarial:
            discriminator.requires_grad_(False)
            fool, matching = discriminator.generator_loss(real[part], fake[part])
            discriminator.requires_grad_(True)
            fade = min(1.0, (step - self.adversarial_from) / 500)
            loss = loss + fade * (fool + 2 * matching)
            logs |= {"fool": fool.detach(), "match": matching.detach()}
        yield "codec", loss, logs
        if adversarial:
            spot = discriminator.discriminator_loss(real[part], fake[part])
            yield "discriminator", spot, {"spot": spot.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights of the codec, as `tts_codecs.load` reads them."""
        # Codebooks are kept in full: rounded entries would give other codes.
        save_checkpoint(folder, self.codec, "neural", self.arguments, half=False, step=step)

    @torch.no_grad()
    def sample(self, writer: Any, step: int) -> None:
        """One utterance, coded and decoded, as audio and as spectrograms of both."""
        from tts_codecs.mel import log_mel

        codec = self.codec
        real = torch.from_numpy(self.corpus.audio(int(self.usable[0]))).to(codec.device)
        codec.eval()
        made = codec.decode(codec.encode(real[None, None]))[0, :, : len(real)]
        codec.train()
        writer.add_audio("coded", made[0].cpu(), step, codec.rate)
        both = torch.cat([log_mel(real[None]), log_mel(made)], 2)[0].t().flip(0)
        low, high = both.min(), both.max()
        writer.add_image("mel", ((both - low) / (high - low))[None].cpu(), step)
