"""Autoencoder networks of source-filter features (tts_codecs.envelope), the common part of the
spectral codec and the variational latents."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tts_codecs.nn.causal import CachedLinear, CausalStack, steadily

# Later vectors that the encoder sees, so that its receptive field is about symmetric.
_ENCODER_LOOK_AHEAD = 4


class FeatureAutoencoder(nn.Module):
    """Encoder of features [B, T, channels] to vectors [B, U, code_dim], and decoder of vectors
    [B, U, value_dim] to features; U = ceil(T / patch).

    What lies between the two, a quantizer or a variational bottleneck, is up to the subclass. Both
    networks are stacks of causal ConvNeXt blocks. The encoder sees 4 vectors ahead, the decoder
    `look_ahead`.

    Args:
        channels: feature channels of a frame.
        patch: number of feature frames that are coded as one vector.
        dim, blocks: width and number of blocks of both networks.
        look_ahead: later vectors that the decoder sees.
        code_dim: width of the encoder's output.
        value_dim: width of the decoder's input.
    """

    def __init__(
        self,
        channels: int,
        patch: int,
        dim: int,
        blocks: int,
        look_ahead: int,
        code_dim: int,
        value_dim: int,
    ):
        super().__init__()
        self.channels, self.patch, self.look_ahead = channels, patch, look_ahead
        self.encoder = CausalStack(channels * patch, dim, 3 * dim, blocks, 5, _ENCODER_LOOK_AHEAD)
        self.to_code = nn.Linear(dim, code_dim)
        self.decoder = CausalStack(value_dim, dim, 3 * dim, blocks, 7, look_ahead)
        self.to_features = CachedLinear(dim, channels * patch)

    def fold(self, features: Tensor) -> Tensor:
        """Concatenate `patch` neighbouring frames: [B, T, channels] to [B, U, patch * channels].
        The last frame is repeated where T is no multiple of `patch`."""
        missing = -features.shape[1] % self.patch
        if missing:
            features = torch.cat([features, features[:, -1:].expand(-1, missing, -1)], 1)
        return rearrange(features, "b (u p) c -> b u (p c)", p=self.patch)

    def unfold(self, frames: Tensor) -> Tensor:
        """Invert `fold`: [B, U, patch * channels] to [B, U * patch, channels]."""
        return frames.reshape(len(frames), -1, self.channels)

    def latents(self, features: Tensor) -> Tensor:
        """Encode features [B, T, channels] to vectors [B, U, code_dim]."""
        folded = F.pad(self.fold(features), (0, 0, 0, _ENCODER_LOOK_AHEAD))
        state = self.encoder.initial(len(folded), folded, 0.0)
        return self.to_code(self.encoder(folded, state)[0][:, _ENCODER_LOOK_AHEAD:])

    def reconstruct(self, values: Tensor) -> Tensor:
        """Decode vectors [B, U, value_dim] to features [B, U * patch, channels], for training: in
        the dtype of the weights, with gradients."""
        values = F.pad(values, (0, 0, 0, self.look_ahead))
        state = self.decoder.initial(len(values), values, 0.0)
        hidden, _ = self.decoder(values, state)
        return self.unfold(self.to_features(hidden[:, self.look_ahead :]))

    def decode_values(self, values: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Decode the next vectors [B, u, value_dim] of a stream to features [B, u * patch,
        channels], which belong to the vectors `look_ahead` earlier; also return the new state.

        The result does not depend on how the stream is split (`steadily`). Otherwise rounding could
        change whether a frame is voiced, or the pitch, whose errors the phase accumulates.
        """
        hidden, states = steadily(self.decoder, values, states)
        return self.unfold(steadily(self.to_features, hidden)).to(values.dtype), states

    def restore(self, values: Tensor) -> Tensor:
        """Decode vectors [B, U, value_dim] to features [B, U * patch, channels], for inference: the
        same as a stream of `decode_values` yields."""
        values = F.pad(values, (0, 0, 0, self.look_ahead))
        state = self.decoder.initial(len(values), values, 0.0)
        features, _ = self.decode_values(values, state)
        return features[:, self.look_ahead * self.patch :]
