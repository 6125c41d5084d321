"""Source-filter features to vectors and back: what the codecs of features share."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tts_codecs.nn.causal import CausalStack, KeptLinear, steadily


class FeatureAutoencoder(nn.Module):
    """Features [B, T, channels] to hidden vectors [B, T / patch, coded], and values
    [B, T / patch, values] back.

    The encoder sees the whole utterance; the decoder is causal but for `look_ahead` frames.

    Args:
        channels, patch: of the features; dim, blocks: of both networks.
        coded, values: see above.
    """

    def __init__(
        self,
        channels: int,
        patch: int,
        dim: int,
        blocks: int,
        look_ahead: int,
        coded: int,
        values: int,
    ):
        super().__init__()
        self.channels, self.patch, self.look_ahead = channels, patch, look_ahead
        # The same block serves both sides; a wide look-ahead makes the encoder's view symmetric.
        self.encoder = CausalStack(channels * patch, dim, 3 * dim, blocks, 5, 4)
        self.to_code = nn.Linear(dim, coded)
        self.decoder = CausalStack(values, dim, 3 * dim, blocks, 7, look_ahead)
        self.to_features = KeptLinear(dim, channels * patch)

    def fold(self, features: Tensor) -> Tensor:
        """[B, T, channels] to [B, ceil(T / patch), patch * channels], the last frame repeated."""
        short = -features.shape[1] % self.patch
        if short:
            features = torch.cat([features, features[:, -1:].expand(-1, short, -1)], 1)
        return rearrange(features, "b (u p) c -> b u (p c)", p=self.patch)

    def unfold(self, frames: Tensor) -> Tensor:
        """[B, U, patch * channels] to [B, U * patch, channels]."""
        return frames.reshape(len(frames), -1, self.channels)

    def latents(self, features: Tensor) -> Tensor:
        """[B, T, channels] to [B, U, coded]."""
        encoded = F.pad(self.fold(features), (0, 0, 0, 4))
        state = self.encoder.initial(len(encoded), encoded, 0.0)
        return self.to_code(self.encoder(encoded, state)[0][:, 4:])

    def reconstruct(self, values: Tensor) -> Tensor:
        """Values [B, U, values] to features [B, U * patch, channels]."""
        values = F.pad(values, (0, 0, 0, self.look_ahead))
        state = self.decoder.initial(len(values), values, 0.0)
        hidden, _ = self.decoder(values, state)
        return self.unfold(self.to_features(hidden[:, self.look_ahead :]))

    def decode_values(self, values: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Advance a stream: values [B, u, values] to features [B, u * patch, channels] of the
        frames `look_ahead` earlier.

        Computed steadily (tts_codecs.nn.causal): whether a frame is voiced must not depend on how a
        stream is cut, nor may the pitch, which the phase sums up.
        """
        hidden, states = steadily(self.decoder, values, states)
        return self.unfold(steadily(self.to_features, hidden)).to(values.dtype), states

    def restore(self, values: Tensor) -> Tensor:
        """All values [B, U, values] to features [B, U * patch, channels], as a stream gives
        them."""
        values = F.pad(values, (0, 0, 0, self.look_ahead))
        state = self.decoder.initial(len(values), values, 0.0)
        features, _ = self.decode_values(values, state)
        return features[:, self.look_ahead * self.patch :]
