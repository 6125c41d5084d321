"""A voice: what is kept of a recording, encoded once and reusable."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tts.audio.files import atomic_output
from tts.audio.reference import Reference
from tts.errors import DamagedVoiceError, UsageError, VoiceError
from tts.voice.prompt import VoicePrompt
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.envelope import CHANNELS
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

FORMAT = "tts-voice-2"
RECORDING_RATE = 24000  # Hz
PROMPT_FRAMES = 300  # 6 s: more adds time to each request and little likeness


def _digest(
    speaker: Tensor, features: Tensor, recording: Tensor | None = None, transcript: str = ""
) -> str:
    """SHA-256 of the tensors' bytes as they are stored, and of the words of the recording."""
    digest = hashlib.sha256()
    for tensor in (speaker, features):
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    if recording is not None:
        digest.update(recording.contiguous().view(torch.uint8).numpy().tobytes())
        digest.update(transcript.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


@dataclass
class Voice:
    """A voice state.

    Attributes:
        speaker: [256] speaker embedding of the whole reference.
        features: [P, 82] source-filter features of up to 6 s of it.
        name: for messages and lists.
        meta: source seconds, licence, attribution and the like; strings and numbers.
        recording: [N] samples at 24 kHz, kept by models that continue them (f5-base) only.
        transcript: what the reference says, where it was told.
    """

    speaker: Tensor
    features: Tensor
    name: str = "voice"
    meta: dict[str, Any] = field(default_factory=dict)
    recording: Tensor | None = None
    transcript: str = ""

    @property
    def sha256(self) -> str:
        """What names this voice whatever it is called: the checksum that `save` writes."""
        return _digest(**self._stored(), transcript=self.transcript)

    def _stored(self) -> dict[str, Tensor]:
        tensors = {"speaker": self.speaker, "features": self.features}
        if self.recording is not None:
            tensors["recording"] = self.recording
        return {name: value.half().contiguous() for name, value in tensors.items()}

    @classmethod
    def from_reference(
        cls,
        reference: Reference,
        encoder: SpeakerEncoder,
        vocoder: SourceFilterVocoder,
        name: str = "voice",
    ) -> "Voice":
        """Encode a loaded reference (mono at 16 kHz, level-normalised)."""
        samples = torch.from_numpy(np.ascontiguousarray(reference.samples))
        hop = vocoder.mel.hop
        whole = samples[: len(samples) // hop * hop]
        features = vocoder.analyse(whole[None].to(vocoder.window.device))[0][0].cpu()
        if len(features) > PROMPT_FRAMES:
            # The loudest stretch holds the most speech.
            energy = torch.cat([features.new_zeros(1), features[:, :-2].mean(1).cumsum(0)])
            start = int((energy[PROMPT_FRAMES:] - energy[:-PROMPT_FRAMES]).argmax())
            features = features[start : start + PROMPT_FRAMES]
        meta = {"seconds": round(reference.seconds_in, 2)}
        return cls(encoder.embed(samples), features.clone(), name, meta)

    def save(self, path: str | os.PathLike[str], *, new: bool = False) -> None:
        """Write a .safetensors voice state (fp16, under 60 kB without a recording), atomically.

        Args:
            new: only where there is no file yet, also when others write it at the same time.

        Raises:
            OutputError: the file cannot be written.
            UsageError: `new`, and there is one.
        """
        metadata = {
            "format": FORMAT, "name": self.name, "meta": json.dumps(self.meta),
            "transcript": self.transcript, "sha256": self.sha256,
        }  # fmt: skip
        try:
            with atomic_output(path, new=new) as file:
                file.write(save(self._stored(), metadata))
        except FileExistsError as error:
            stem = Path(path).stem
            raise UsageError(f"there is a voice {stem!r} already, added meanwhile") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Voice":
        """Read a voice state.

        Raises:
            VoiceError: missing, or of another format.
            DamagedVoiceError: not a voice file, cut off or edited.
        """
        name = os.fspath(path)
        try:
            with safe_open(name, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise VoiceError(f"{name} is not a voice file of this version ({FORMAT})")
                speaker, features = file.get_tensor("speaker"), file.get_tensor("features")
                kept = "recording" in file.keys()  # noqa: SIM118
                recording = file.get_tensor("recording") if kept else None
        except FileNotFoundError as error:
            raise VoiceError(f"no voice file {name}") from error
        except (SafetensorError, OSError) as error:
            raise DamagedVoiceError(f"{name} is not a voice file, or damaged: {error}") from error
        odd = recording is not None and recording.dim() != 1
        if speaker.shape != (256,) or features.dim() != 2 or features.shape[1] != CHANNELS or odd:
            raise DamagedVoiceError(f"{name} is damaged: unexpected shapes")
        # The first voices were saved without a checksum.
        transcript = metadata.get("transcript", "")
        digest = _digest(speaker, features, recording, transcript)
        if metadata.get("sha256", digest) != digest:
            raise DamagedVoiceError(f"{name} is damaged: its values differ from its checksum")
        speaker, features = speaker.float(), features.float()
        recording = None if recording is None else recording.float()
        given = [each for each in (speaker, features, recording) if each is not None]
        if not all(bool(torch.isfinite(each).all()) for each in given):
            raise DamagedVoiceError(f"{name} is damaged: values that are not finite")
        try:
            meta = json.loads(metadata.get("meta", "{}"))
        except ValueError as error:
            raise DamagedVoiceError(f"{name} is damaged: its notes are not JSON") from error
        stem = metadata.get("name") or Path(name).stem
        return cls(speaker, features, stem, meta, recording, transcript)


def collate_voices(voices: list[Voice]) -> VoicePrompt:
    """Batch voices, padded to the longest prompt."""
    features = torch.nn.utils.rnn.pad_sequence([v.features for v in voices], batch_first=True)
    lengths = torch.tensor([len(v.features) for v in voices])
    return VoicePrompt(torch.stack([v.speaker for v in voices]), features, lengths)
