"""Codec encoders on a log-mel: the mel itself, or a network for each group of its bands."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.mel import MelConfig, basis
from tts_codecs.nn.conv import CausalConv
from tts_codecs.nn.waveform import States, WaveEncoder


class MelEncoder(WaveEncoder):
    """Streaming encoder to normalised log-mels (tts_codecs.mel), without learned weights.

    The windows are centred on their frames and so need later samples, up to `look_ahead` vectors.

    Args:
        hop: samples per vector.
        dim: width of a vector: `patch` times the number of mel bands.
        rate: sample rate in Hz.
        n_fft: window length.
        patch: mel frames per vector, which are concatenated.

    Raises:
        CodecError: sizes that do not fit each other.
    """

    window: Tensor
    bank: Tensor

    def __init__(self, hop: int, dim: int, rate: int = 16000, n_fft: int = 1024, patch: int = 1):
        super().__init__()
        if hop % (2 * patch) or dim % patch or n_fft < hop // patch:
            raise CodecError(
                f"mel of {patch} frames in a vector: hop {hop} has to be even frames, dim {dim} "
                f"whole ones, n_fft {n_fft} at least one"
            )
        self.patch, self.step = patch, hop // patch
        self.mel = MelConfig(rate, n_fft, self.step, dim // patch, f_max=rate / 2)
        later = (
            n_fft - self.step
        ) / 2  # number of samples after the end of a frame that its window contains
        self.look_ahead = max(0, -(-int(later) // hop))
        #: number of samples of the input that are after the window of the last frame
        self.unseen = self.look_ahead * hop - (n_fft - self.step) // 2
        bank, window = basis(self.mel, "cpu")
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", window, persistent=False)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first sample."""
        return [like.new_zeros(batch, self.mel.n_fft - self.step + self.unseen)]

    def forward(self, wav: Tensor, states: States) -> tuple[Tensor, States]:
        """Samples [B, n * hop] and states to vectors [B, n, dim] and new states."""
        seen = torch.cat([states[0], wav], 1)
        count, mel = wav.shape[1] // self.step, self.mel
        used = seen[:, : mel.n_fft + (count - 1) * self.step]
        spectrum = torch.fft.rfft(used.unfold(1, mel.n_fft, self.step) * self.window)
        bands = (spectrum.abs() @ self.bank).clamp_min(mel.floor).log()
        frames = (bands - mel.mean) / mel.std
        return frames.unflatten(1, (-1, self.patch)).flatten(2), [seen[:, wav.shape[1] :]]


class BandsEncoder(WaveEncoder):
    """Encoder with a separate causal network for each group of mel bands (Langman et al. 2024,
    "Spectral Codecs"). With a quantizer of as many groups, each code depends on its bands alone.

    Args:
        hop, rate, n_fft, patch: as for MelEncoder.
        dim: width of the vectors, which concatenate the outputs of all groups.
        bands: number of mel bands.
        groups: number of groups of neighbouring bands.
        width, blocks: width and number of residual blocks of each group's network.

    Raises:
        CodecError: sizes that do not fit each other.
    """

    def __init__(
        self,
        hop: int,
        dim: int,
        rate: int = 16000,
        n_fft: int = 1024,
        patch: int = 1,
        bands: int = 80,
        groups: int = 8,
        width: int = 64,
        blocks: int = 4,
    ):
        super().__init__()
        if groups < 1 or bands % groups or dim % groups:
            raise CodecError(f"{groups} groups must divide {bands} bands and dim, {dim}")
        self.groups = groups
        self.mel = MelEncoder(hop, bands * patch, rate, n_fft, patch)
        self.look_ahead = self.mel.look_ahead
        wide = groups * width
        self.entry = CausalConv(bands * patch, wide, 3, groups)
        self.first = nn.ModuleList(CausalConv(wide, wide, 3, groups) for _ in range(blocks))
        self.second = nn.ModuleList(CausalConv(wide, wide, 1, groups) for _ in range(blocks))
        self.exit = CausalConv(wide, dim, 1, groups)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first sample."""
        convs = [self.entry, *self.first]
        return [*self.mel.initial(batch, like), *(c.initial(batch, like) for c in convs)]  # type: ignore[operator]

    def forward(self, wav: Tensor, states: States) -> tuple[Tensor, States]:
        """Samples [B, n * hop] and states to vectors [B, n, dim] and new states."""
        x, new = self.mel(wav, states[:1])
        # Within each group, the frames of a vector are concatenated.
        shape = (self.mel.patch, self.groups, -1)
        x = x.unflatten(-1, shape).transpose(2, 3).flatten(2)
        x, state = self.entry(x, states[1])
        new.append(state)
        for first, second, state in zip(self.first, self.second, states[2:], strict=True):
            y, state = first(F.elu(x), state)
            new.append(state)
            y = F.elu(y)
            x = x + second(y, y[:, :0])[0]
        return self.exit(x, x[:, :0])[0], new
