"""Streaming source-filter vocoder: log-mel to waveform, at the sample rate of the mel or a higher
one.

A harmonic-plus-noise synthesiser with predicted filters. A pulse train at the pitch estimated from
the mel passes a complex filter, and noise passes a magnitude filter, both in the short-time Fourier
domain. A ConvNeXt trunk predicts the filters, and an inverse STFT makes the waveform, as in Vocos
(Siuzdak 2023); the source is as in NSF (Wang et al. 2019). Since the phase of voiced speech comes
from the source, a small network suffices.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import resample

from tts_codecs.envelope import contrasted, mel_envelope, pack_pitch
from tts_codecs.errors import CodecError
from tts_codecs.mel import MelConfig, log_mel
from tts_codecs.nn.causal import CachedLinear, CausalStack
from tts_codecs.nn.inference import overlapped
from tts_codecs.vocoder.pitch import F0_MIN, PitchNet, pulse_train

_NOISE_PERIOD = 1 << 16


@dataclass
class VocoderState:
    """State of a stream between chunks.

    Attributes:
        pitch: state of the pitch network.
        trunk: state of the trunk.
        f0: [B] Hz at the end of the last frame, without `f0_scale`, float64.
        given: [B, look_ahead] given F0 of the frames that the delayed trunk has not reached yet.
        phase: [B] phase of the last pulse-train sample in cycles, float64.
        excitation: [B, 2, n_fft - step] last samples of pulses and noise.
        pieces: [B, n_fft / step - 1, n_fft] last synthesis windows, which overlap with later ones.
        position: number of samples of excitation so far.
        pending: leading samples of the output that are still to be dropped: they come from the
            delay of look-ahead and windows.
    """

    pitch: list[Tensor]
    trunk: list[Tensor]
    f0: Tensor
    given: Tensor
    phase: Tensor
    excitation: Tensor
    pieces: Tensor
    position: int = 0
    pending: int = 0


class SourceFilterVocoder(nn.Module):
    """Vocoder of normalised log-mels [B, T, n_mels] (tts_codecs.mel) to waveforms [B, T * hop].

    The `sample_rate` of the waveform may be above that of the mel. The content above the band of
    the mel is then predicted from the content within it. `hop` is in samples of the waveform.

    The vocoder is causal except for `look_ahead` mel frames that trunk and pitch network see, and
    the overlap of the synthesis windows. `total_look_ahead` is the sum of both in frames.

    Args:
        dim, hidden, blocks: width, inner width and number of the trunk's ConvNeXt blocks.
        pitch_dim, pitch_blocks: width and number of the pitch network's blocks.
        look_ahead: later mel frames that the networks see.
        n_fft: window length of source and filters in samples of the waveform.
        upsample: number of filters, and so synthesis windows, per mel frame.
        mel: analysis settings of the mel.
        contrast: factor on the spectral contrast of the mel outside of training
            (tts_codecs.envelope.contrasted); 1 changes nothing. Networks trained for an average
            error fill the valleys between formants; values above 1 deepen them again, as the
            postfilters of speech coders do (Chen and Gersho 1995).
        sample_rate: Hz of the waveform; by default that of the mel.

    Raises:
        CodecError: a frame is not a whole number of samples, or `n_fft` is too short.
    """

    window: Tensor
    synthesis: Tensor
    noise: Tensor

    def __init__(
        self,
        dim: int = 320,
        hidden: int = 960,
        blocks: int = 8,
        pitch_dim: int = 160,
        pitch_blocks: int = 4,
        look_ahead: int = 2,
        n_fft: int = 640,
        upsample: int = 2,
        mel: MelConfig | None = None,
        contrast: float = 1.0,
        sample_rate: int | None = None,
    ):
        super().__init__()
        self.contrast = contrast
        self.mel = mel or MelConfig()
        self.sample_rate = sample_rate or self.mel.sample_rate
        self.hop, rest = divmod(self.mel.hop * self.sample_rate, self.mel.sample_rate)
        if rest or self.hop % upsample:
            raise CodecError(
                f"a vocoder of {self.sample_rate} Hz needs whole samples in {upsample} parts of a "
                f"frame of {self.mel.hop / self.mel.sample_rate:g} s"
            )
        self.look_ahead = look_ahead
        self.n_fft = n_fft
        self.step = self.hop // upsample
        if n_fft < self.step:
            raise CodecError(f"n_fft is at least {self.step}, not {n_fft}")
        self.upsample = upsample
        self.bins = n_fft // 2 + 1
        self.pitch = PitchNet(self.mel.n_mels, pitch_dim, pitch_blocks, look_ahead)
        self.pitch_in = nn.Linear(2, dim)
        self.trunk = CausalStack(self.mel.n_mels, dim, hidden, blocks, 7, look_ahead)
        self.head = CachedLinear(dim, upsample * 3 * self.bins)
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            bias = self.head.bias.view(upsample, 3, self.bins)
            bias.zero_()
            bias[:, 0] = -3.0
            bias[:, 2] = -4.0
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window, persistent=False)
        # The products of analysis and synthesis windows overlap-add to 1.
        self.register_buffer(
            "synthesis", window / (window.square().sum() / self.step), persistent=False
        )
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(_NOISE_PERIOD, generator=generator)
        # With a fixed table of noise, indexed by the position in the stream, streaming gives the
        # same output as offline decoding.
        self.register_buffer("noise", noise, persistent=False)
        floor = torch.tensor(self.mel.floor, device="cpu")  # not the one that only has shapes
        self.silence = (floor.log().item() - self.mel.mean) / self.mel.std

    @property
    def total_look_ahead(self) -> int:
        """Number of later mel frames that are needed to complete the samples of a frame."""
        tail = self.n_fft - self.step
        return self.look_ahead + -(-tail // self.hop)

    def initial(self, batch: int, like: Tensor) -> VocoderState:
        """State before the first frame."""
        tail = self.n_fft - self.step
        return VocoderState(
            pitch=self.pitch.stack.initial(batch, like, self.silence),
            trunk=self.trunk.initial(batch, like, self.silence),
            f0=like.new_zeros(batch, dtype=torch.float64),
            given=like.new_zeros(batch, self.look_ahead, dtype=torch.float64),
            phase=torch.zeros(batch, dtype=torch.float64, device=like.device),
            excitation=like.new_zeros(batch, 2, tail),
            pieces=like.new_zeros(batch, tail // self.step, self.n_fft),
            position=0,
            pending=self.look_ahead * self.hop + tail,
        )

    def _noise(self, batch: int, position: int, count: int) -> Tensor:
        """The noise [B, count] from sample `position` of a stream on."""
        start = position % _NOISE_PERIOD
        noise = self.noise[start : start + count]
        if len(noise) < count:
            turns, rest = divmod(count - len(noise), _NOISE_PERIOD)
            noise = torch.cat([noise, *[self.noise] * turns, self.noise[:rest]])
        return noise.expand(batch, -1)

    def _spectra(self, signal: Tensor) -> Tensor:
        """Short-time spectra [B, 2, F, bins] of the excitation [B, 2, N]."""
        return torch.fft.rfft(signal.unfold(-1, self.n_fft, self.step) * self.window)

    def chunk(
        self,
        mel: Tensor,
        state: VocoderState,
        f0: Tensor | None = None,
        f0_scale: float = 1.0,
        upper: Tensor | None = None,
    ) -> tuple[Tensor, VocoderState, Tensor]:
        """Decode the next frames of a stream.

        Args:
            mel: [B, t, n_mels]; t may be 0.
            state: from `initial` or the previous chunk.
            f0: [B, t] Hz at frame ends, which replaces the predicted F0. It has to be given for all
                chunks of a stream or for none.
            f0_scale: factor on F0.
            upper: [B, t, upsample, 2, n] log-magnitudes of the filters of pulses and noise in the
                highest n bins, which take the place of those that the network makes. They are of
                the frames `look_ahead` before those of the mel.

        Returns:
            waveform [B, n], state, pitch logits [B, t, bins + 1]. With a given `f0` outside of
            training the pitch network does not run, and the logits are [B, 0, bins + 1].
        """
        batch, frames, _ = mel.shape
        logits = mel.new_empty(batch, 0, self.pitch.head.out_features)
        if frames == 0:
            return mel.new_zeros(batch, 0), state, logits
        given, pitch_state = state.given, state.pitch
        if f0 is None or self.training:
            logits, pitch_state = self.pitch(mel, state.pitch)
        if f0 is None:
            plain = self.pitch.decode(logits.detach())
        else:
            # The output of the trunk is delayed by look_ahead frames, so F0 has to be as well.
            late = torch.cat([given, f0], 1).double()
            plain, given = late[:, :frames], late[:, frames:]
        f0 = plain * f0_scale
        pitch = (f0.clamp_min(F0_MIN) / 200).log2()
        features = torch.stack([pitch, (f0 > 0).double()], -1).to(mel.dtype)
        if self.contrast != 1 and not self.training:
            mel = contrasted(mel, self.contrast)
        hidden, trunk_state = self.trunk(mel, state.trunk, self.pitch_in(features))
        pulses, phase = pulse_train(
            f0, state.f0 * f0_scale, state.phase, self.hop, self.sample_rate
        )
        pulses = pulses.to(mel.dtype)
        noise = self._noise(batch, state.position, pulses.shape[1])
        source = torch.cat([state.excitation, torch.stack([pulses, noise], 1)], dim=2)
        spectra = self._spectra(source)  # [B, 2, t * upsample, bins]
        filters = self.head(hidden).view(batch, frames * self.upsample, 3, self.bins)
        loud = filters[:, :, ::2]
        if upper is not None:
            known = self.bins - upper.shape[-1]
            loud = torch.cat([loud[..., :known], upper.flatten(1, 2)], -1)
        loud = loud.clamp(max=6).exp_()
        response = torch.polar(loud[:, :, 0], filters[:, :, 1])
        spectrum = spectra[:, 0] * response + spectra[:, 1] * loud[:, :, 1]
        made = torch.fft.irfft(spectrum, self.n_fft).mul_(self.synthesis)
        pieces = torch.cat([state.pieces, made], 1)
        ready = overlapped(pieces, self.step)
        drop = min(state.pending, ready.shape[1])
        tail = self.n_fft - self.step
        new = VocoderState(
            pitch=pitch_state,
            trunk=trunk_state,
            f0=plain[:, -1],
            given=given,
            phase=phase,
            excitation=source[:, :, source.shape[2] - tail :],
            pieces=pieces[:, pieces.shape[1] - state.pieces.shape[1] :],
            position=state.position + pulses.shape[1],
            pending=state.pending - drop,
        )
        return ready[:, drop:], new, logits

    def flush(
        self, batch: int, state: VocoderState, f0_scale: float = 1.0, given: bool = False
    ) -> Tensor:
        """The remaining samples [B, n] at the end of a stream, delayed by the look-ahead. `given`
        says whether the stream was given its F0."""
        mel = self.noise.new_zeros(batch, 0, self.mel.n_mels)
        return self.finish(mel, state, mel[..., 0] if given else None, f0_scale)[0]

    def finish(
        self, mel: Tensor, state: VocoderState, f0: Tensor | None = None, f0_scale: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Decode the last frames of a stream, with arguments as for `chunk`, and return all
        remaining samples: (waveform [B, n], pitch logits [B, t + total_look_ahead, bins + 1])."""
        extra = self.total_look_ahead
        padded = F.pad(mel, (0, 0, 0, extra), value=self.silence)
        if f0 is not None:
            f0 = F.pad(f0, (0, extra))
        wav, _, logits = self.chunk(padded, state, f0, f0_scale)
        delay = self.look_ahead * self.hop + self.n_fft - self.step
        return wav[:, : mel.shape[1] * self.hop + delay - state.pending], logits

    def at_mel_rate(self, wav: Tensor) -> Tensor:
        """Resample a waveform [B, T * hop] to the sample rate of the mel, [B, T * mel.hop]."""
        if self.sample_rate == self.mel.sample_rate:
            return wav
        found = resample(wav, self.sample_rate, self.mel.sample_rate, lowpass_filter_width=64)
        return found[:, : wav.shape[1] // self.hop * self.mel.hop]

    @torch.no_grad()
    def analyse(self, wav: Tensor) -> tuple[Tensor, Tensor]:
        """Analyse a waveform [B, N] at the mel's sample rate to source-filter features; N is a
        multiple of the mel's hop.

        Returns:
            features [B, T, n_mels + 2] (see tts_codecs.envelope), mel [B, T, n_mels].
        """
        mel = log_mel(wav, self.mel)
        extra = self.look_ahead
        padded = F.pad(mel, (0, 0, 0, extra), value=self.silence)
        states = self.pitch.stack.initial(len(wav), mel, self.silence)
        logits, _ = self.pitch(padded, states)
        f0 = self.pitch.decode(logits[:, extra:]).to(mel.dtype)
        envelope = mel_envelope(wav, f0, self.mel)
        return torch.cat([envelope, pack_pitch(f0)], -1), mel

    def forward(
        self, mel: Tensor, f0: Tensor | None = None, f0_scale: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Decode a whole mel offline.

        Args:
            mel: [B, T, n_mels].
            f0: [B, T] Hz at frame ends, which replaces the predicted F0 (in training, or to control
                the pitch).
            f0_scale: factor on F0.

        Returns:
            waveform [B, T * hop], and the logits [B, T, bins + 1] of the pitch network.
        """
        batch, frames, _ = mel.shape
        wav, logits = self.finish(mel, self.initial(batch, mel), f0, f0_scale)
        return wav, logits[:, self.look_ahead : self.look_ahead + frames]
