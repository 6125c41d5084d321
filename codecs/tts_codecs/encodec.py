"""EnCodec as a `Codec`, through the `encodec` package (Défossez et al. 2022, "High Fidelity
Neural Audio Compression").

Licences: the package's code is MIT; the published weights are CC-BY-NC 4.0 (non-commercial).
No weights come with this project and none are downloaded unless `from_url` is called.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tts_codecs.base import (
    Codec,
    CodecInfo,
    Encoded,
    check_batch,
    check_codes,
    check_encoded,
    check_stream,
    check_wav,
)
from tts_codecs.checkpoint import load_state
from tts_codecs.download import fetch
from tts_codecs.errors import CheckpointError, CodecError, MissingDependencyError
from tts_codecs.seanet import LayerState, SEANetStream

if TYPE_CHECKING:
    from encodec import EncodecModel

LICENCE = "code MIT; weights CC-BY-NC 4.0 (non-commercial use only)"
WEIGHTS_URL = "https://dl.fbaipublicfiles.com/encodec/v0/encodec_24khz-d7cc33bc.th"
WEIGHTS_SHA256 = "d7cc33bcf1aad7f2dad9836f36431530744abeace3ca033005e3290ed4fa47bf"
WEIGHTS_MAX_BYTES = 200_000_000
BANDWIDTHS = (1.5, 3.0, 6.0, 12.0, 24.0)


@dataclass(frozen=True)
class EncodecState:
    """What a decoding stream remembers.

    Attributes:
        layers: one state per decoder layer.
        batch: rows of the stream.
        finished: the last piece was decoded.
    """

    layers: tuple[LayerState, ...]
    batch: int
    finished: bool = False


class EncodecCodec(Codec):
    """A causal mono EnCodec model at one bandwidth; inference only.

    Streaming: exact, layer by layer (see `tts_codecs.seanet`). The convolutions are causal but
    pad the start of a sequence by reflection, so the first frames of a stream depend on up to 6
    later ones; this is declared as ``look_ahead``. From the seventh frame on every frame is decoded
    as it comes. The chunks equal ``decode``, which equals the package's own decoding.

    Args:
        model: ``encodec.EncodecModel``, causal, mono, without loudness normalisation or segments
            (the 24 kHz model, or one of its kind).
        bandwidth: kbit/s, one of the model's; decides the number of codebooks.
        name: shown in ``info``.

    Raises:
        CodecError: another kind of model, or an unsupported bandwidth.
    """

    def __init__(
        self, model: EncodecModel, bandwidth: float = 6.0, name: str = "encodec_24khz"
    ) -> None:
        super().__init__()
        if model.channels != 1 or model.normalize or model.segment is not None:
            raise CodecError(
                "EncodecCodec: needs a mono model without normalisation and segments "
                "(the 24 kHz model, not the 48 kHz one)"
            )
        if bandwidth not in model.target_bandwidths:
            known = ", ".join(f"{value:g}" for value in model.target_bandwidths)
            raise CodecError(f"EncodecCodec: bandwidth {bandwidth:g} kbit/s is not one of {known}")
        model.set_target_bandwidth(bandwidth)
        self.model = model.eval()
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        self._stream = SEANetStream(model.decoder)
        books = model.quantizer.get_num_quantizers_for_bandwidth(model.frame_rate, bandwidth)
        hop = int(model.encoder.hop_length)
        self._info = CodecInfo(
            name=name,
            sample_rate=model.sample_rate,
            hop=hop,
            kind="codes",
            num_codebooks=books,
            codebook_size=model.quantizer.bins,
            dim=model.quantizer.dimension,
            bitrate=books * model.bits_per_codebook * model.sample_rate / hop,
            causal=False,
            look_ahead=self._stream.look_ahead,
            licence=LICENCE,
            residual=True,
        )

    @classmethod
    def random(cls, bandwidth: float = 6.0, seed: int = 0) -> EncodecCodec:
        """The 24 kHz architecture with random weights (for tests and timing; it makes noise)."""
        # Layers draw from the global generator when built; its state is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = _build_24khz()
            enliven(model)
        return cls(model, bandwidth, "encodec_24khz_random")

    @classmethod
    def from_file(
        cls, path: str | Path, bandwidth: float = 6.0, sha256: str | None = None
    ) -> EncodecCodec:
        """The 24 kHz model with weights from a local file.

        Args:
            path: a state dict as ``.safetensors`` (see `save`), or the package's pickled ``.th``.
            sha256: 64 hex digits, checked before loading. Needed for a pickled file: even the
                restricted unpickler is not meant for files of unknown origin.

        Raises:
            CheckpointError: missing, unverified, damaged, or of another architecture.
        """
        model = _build_24khz()
        load_state(model, path, sha256)
        return cls(model, bandwidth)

    @classmethod
    def from_url(
        cls,
        folder: str | Path,
        bandwidth: float = 6.0,
        url: str = WEIGHTS_URL,
        sha256: str = WEIGHTS_SHA256,
    ) -> EncodecCodec:
        """The 24 kHz model; weights are downloaded into ``folder`` unless they are there.

        Calling this accepts the licence of the weights (CC-BY-NC 4.0).

        Raises:
            CheckpointError: the download fails, or the file is not the pinned one.
        """
        target = Path(folder) / (url.rsplit("/", 1)[-1] or "encodec_24khz.th")
        fetch(url, target, sha256, max_bytes=WEIGHTS_MAX_BYTES)
        return cls.from_file(target, bandwidth, sha256)

    @property
    def info(self) -> CodecInfo:
        return self._info

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        check_wav(wav)
        frames = self.model.encode(wav.to(self.device, torch.float32))
        codes = frames[0][0].transpose(1, 2).contiguous()
        return Encoded(codes, None, self.info.frame_rate)

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        codes = check_encoded(encoded, self.info).to(self.device)
        if codes.shape[1] == 0:
            return torch.zeros(codes.shape[0], 1, 0, device=self.device)
        wav = self.model.decode([(codes.transpose(1, 2), None)])
        return wav[..., : codes.shape[1] * self.info.hop]

    def init_state(self, batch: int) -> EncodecState:
        """State of a new stream; CodecError if ``batch`` is below 1."""
        like = torch.zeros((), device=self.device)
        return EncodecState(self._stream.init(check_batch(batch), like), batch)

    @torch.no_grad()
    def decode_chunk(
        self, encoded: Tensor, state: EncodecState, last: bool = False
    ) -> tuple[Tensor, EncodecState]:
        codes = check_codes(encoded, self.info.sizes).to(self.device)
        check_stream(codes, state.batch, state.finished)
        latents = self.model.quantizer.decode(codes.permute(2, 0, 1))
        wav, layers = self._stream.step(latents, state.layers, last)
        return wav, EncodecState(layers, state.batch, last)

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors, atomically; `from_file` reads them without pickle.

        Raises:
            CheckpointError: the path cannot be written.
        """
        from safetensors.torch import save_file

        path = Path(path)
        tensors = {k: v.contiguous().cpu() for k, v in self.model.state_dict().items()}
        part = ""
        try:
            handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            os.close(handle)
            save_file(tensors, part, metadata={"format": "pt", "licence": LICENCE})
            os.chmod(part, 0o644)
            os.replace(part, path)
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error}") from error
        finally:
            if part:
                Path(part).unlink(missing_ok=True)


@torch.no_grad()
def enliven(model: EncodecModel, seconds: float = 1.0) -> None:
    """Make an untrained model's output depend on its input, in place.

    As initialised by the package the codebooks are zeros, and each layer shrinks its input while
    the biases stay, so that neither codes nor waveform move. Here gains keep the variance, biases
    are small, and each codebook is drawn from a Gaussian fitted to the residuals of ``seconds`` of
    noise of varying level. Draws from the global generator.
    """
    for name, weight in model.named_parameters():
        if name.endswith("weight_g"):
            weight.mul_(3**0.5)
        elif ".lstm.weight" in name:
            weight.mul_(2.0)
        elif "bias" in name:
            weight.mul_(0.1)
    samples = round(seconds * model.sample_rate)
    level = torch.linspace(-3, 0.5, samples).exp()
    residual = model.encoder(torch.randn(1, 1, samples) * level)[0].t()
    for layer in model.quantizer.vq.layers:
        book = layer._codebook
        mean, std = residual.mean(0), residual.std(0)
        book.embed.copy_(mean + std * torch.randn(book.embed.shape))
        book.inited.fill_(1)
        residual = residual - book.embed[book.quantize(residual)]


def _build_24khz() -> EncodecModel:
    try:
        from encodec import EncodecModel
    except ImportError as error:
        raise MissingDependencyError(
            "EnCodec needs the package encodec: pip install 'tts[encodec]', or "
            "'tts-codecs[encodec]' for the codecs alone"
        ) from error

    with warnings.catch_warnings():
        # The package uses torch's older weight_norm, which its weight files need.
        warnings.filterwarnings("ignore", ".*weight_norm.*", FutureWarning)
        return EncodecModel.encodec_model_24khz(pretrained=False)
