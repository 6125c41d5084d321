"""Voice: a recording encoded as a prompt, which can be saved and reused."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from tts.arguments import check_number
from tts.audio.files import atomic_output, write_all, write_to
from tts.audio.reference import Reference
from tts.errors import UsageError
from tts.modules.voice_prompt import VoicePrompt
from tts.voice import file as voice_file
from tts.voice.mixing import mixed_credits, mixed_prompt, mixed_speaker, mixed_tunings
from tts.voice.speaker import SpeakerEncoder
from tts.voice.tuning import Tuning
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

SUFFIX = ".safetensors"
UNNAMED = "voice"  # the name of a voice that nobody named
RECORDING_RATE = 24000  # Hz
PROMPT_FRAMES = 300  # 6 s: more adds time to each request and little likeness


@dataclass(eq=False, repr=False)
class Voice:
    """An encoded voice. Two objects are the same voice if their `sha256` is equal.

    Attributes:
        speaker: [256] speaker embedding of the whole recording.
        features: [P, 82] source-filter features of up to 6 s of it.
        name: for messages and lists.
        meta: source seconds, licence, attribution and the like; strings and numbers.
        recording: [N] samples at 24 kHz, for models that continue a recording (f5-base); else None.
        transcript: the words of the recording, if they are known.
        tunings: adaptation and calibration for certain generators; others do not use them.
        warnings: faults of the recording, for the user who made the voice; not saved.
        shifts: cache of VoiceShifts (tts.voice.profile), by generator; not saved.
    """

    speaker: Tensor
    features: Tensor
    name: str = UNNAMED
    meta: dict[str, Any] = field(default_factory=dict)
    recording: Tensor | None = None
    transcript: str = ""
    tunings: tuple[Tuning, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)
    shifts: dict[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        seconds = self.meta.get("seconds")
        of = f" of {seconds:.1f} s" if isinstance(seconds, (int, float)) else ""
        return f"<Voice {self.name!r}{of}>"

    def tuning_for(self, generator: str) -> Tuning | None:
        """Return the adaptation and calibration for a generator, None without any."""
        return next((each for each in self.tunings if each.generator == generator), None)

    def tuned(self, tuning: Tuning) -> "Voice":
        """Return the voice with a tuning, which replaces an earlier one for the same generator."""
        rest = tuple(each for each in self.tunings if each.generator != tuning.generator)
        return replace(self, tunings=(*rest, tuning), shifts={})

    def mix(self, other: "Voice", share: float = 0.5) -> "Voice":
        """Return a voice between two (tts.voice.mixing).

        Their adaptation and calibration are mixed too, and source, licence and attribution of both
        are kept. Recordings, which f5-base continues, cannot be mixed and are left out.

        Args:
            share: of the other voice: 0 gives this one, 1 the other.

        Raises:
            UsageError: `share` is not a number from 0 to 1, or `other` is not a voice.
        """
        if not isinstance(other, Voice):
            raise UsageError(f"a voice is mixed with a voice, not with {type(other).__name__}")
        share = check_number("the share of a mixture", share, 0, 1)
        if share in (0.0, 1.0):
            return replace(other if share else self)
        parts = [[each.name, round(part, 4)] for each, part in ((self, 1 - share), (other, share))]
        return Voice(
            mixed_speaker(self.speaker, other.speaker, share),
            mixed_prompt(self.features, other.features, share),
            f"{self.name}+{other.name}",
            {
                "mixed": " + ".join(f"{part:g} {name}" for name, part in parts),
                **mixed_credits(self.meta, other.meta),
            },
            tunings=mixed_tunings(self.tunings, other.tunings, share),
        )

    @property
    def sha256(self) -> str:
        """Checksum of the voice: of its features, transcript and tunings, not of name and notes."""
        tensors: voice_file.Tensors = {
            name: value.astype(np.float16) for name, value in self._tensors().items()
        }
        if not self.tunings:
            return voice_file.older_digest(tensors, self.transcript)
        return voice_file.digest(tensors, self._tuning_notes() | {"transcript": self.transcript})

    def _tensors(self) -> voice_file.Tensors:
        tensors = {"speaker": self.speaker, "features": self.features}
        if self.recording is not None:
            tensors["recording"] = self.recording
        for at, tuning in enumerate(self.tunings):
            if tuning.shift is not None:
                tensors[f"{at}.shift"] = tuning.shift
            for name, value in tuning.factors.items():
                tensors[f"{at}.factors.{name}"] = value
        return {name: value.detach().cpu().numpy() for name, value in tensors.items()}

    def _tuning_notes(self) -> dict[str, str]:
        fitted = [[each.generator, each.strength] for each in self.tunings]
        return {"tunings": json.dumps(fitted)} if fitted else {}

    @classmethod
    def from_reference(
        cls,
        reference: Reference,
        encoder: SpeakerEncoder,
        vocoder: SourceFilterVocoder,
        name: str = UNNAMED,
    ) -> "Voice":
        """Encode a loaded reference (mono at 16 kHz, level-normalised)."""
        samples = torch.from_numpy(np.ascontiguousarray(reference.samples))
        hop = vocoder.mel.hop
        whole = samples[: len(samples) // hop * hop]
        features = vocoder.analyse(whole[None].to(vocoder.window.device))[0][0].cpu()
        if len(features) > PROMPT_FRAMES:
            # The loudest span has the most speech.
            energy = torch.cat([features.new_zeros(1), features[:, :-2].mean(1).cumsum(0)])
            start = int((energy[PROMPT_FRAMES:] - energy[:-PROMPT_FRAMES]).argmax())
            features = features[start : start + PROMPT_FRAMES]
        meta = {"seconds": round(reference.seconds_in, 2)}
        return cls(encoder.embed(samples), features.clone(), name, meta)

    def save(self, path: str | os.PathLike[str] | BinaryIO, *, new: bool = False) -> None:
        """Write a voice file (.safetensors) in half precision, atomically. It has under 60 kB
        without a recording and adaptation; an adaptation adds about 1 MB (more if it was learned
        from minutes of speech, or mixed from several).

        Args:
            path: a file name that ends in .safetensors, which tells voices from recordings, or a
                binary file that is open for writing.
            new: fail if the file exists; if several processes create it, the first one wins.

        Raises:
            OutputError: the file cannot be written.
            UsageError: `new` and the file exists, another ending, or `path` is neither a path nor a
                binary file.
            VoiceError: invalid values, or more than a voice file can hold.
        """
        if isinstance(path, (str, os.PathLike)) and Path(path).suffix != SUFFIX:
            # Under another name it would be read as a recording.
            raise UsageError(f"a voice file ends in {SUFFIX}, not {os.fspath(path)!r}")
        notes = {
            "name": voice_file.printable(self.name, 255), "meta": json.dumps(self.meta),
            "transcript": self.transcript, **self._tuning_notes(),
        }  # fmt: skip
        data = voice_file.encode(self._tensors(), notes)
        if not isinstance(path, (str, os.PathLike)):
            write_to(path, data, "the voice")
            return
        try:
            with atomic_output(path, new=new) as file:
                write_all(file, data)
        except FileExistsError as error:
            stem = Path(path).stem
            raise UsageError(f"there is a voice {stem!r} already, added meanwhile") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Voice":
        """Read a voice file.

        Raises:
            VoiceError: the file is missing or of another format.
            DamagedVoiceError: it is not a voice file, was cut off or edited, or has invalid values.
        """
        arrays, notes = voice_file.decode(path)
        tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
        shown = os.fspath(path)
        meta = voice_file.notes_of(notes.get("meta", "{}"), shown)
        tunings = []
        for at, (generator, strength) in enumerate(voice_file.tunings_of(notes, shown)):
            start = f"{at}.factors."
            factors = {
                name.removeprefix(start): value.half()
                for name, value in tensors.items()
                if name.startswith(start)
            }
            tunings.append(Tuning(generator, tensors.get(f"{at}.shift"), factors, strength))
        return cls(
            tensors["speaker"],
            tensors["features"],
            _name(notes.get("name", ""), Path(path)),
            meta,
            tensors.get("recording"),
            notes.get("transcript", ""),
            tuple(tunings),
        )


def _name(told: str, path: Path) -> str:
    """Return the name of a voice: that in its file, or else that of the file."""
    return told if told not in ("", UNNAMED) else voice_file.printable(path.stem, 255) or UNNAMED


def collate_voices(voices: list[Voice]) -> VoicePrompt:
    """Return a batch of the prompts of voices, padded to the longest one."""
    features = torch.nn.utils.rnn.pad_sequence([v.features for v in voices], batch_first=True)
    lengths = torch.tensor([len(v.features) for v in voices])
    return VoicePrompt(torch.stack([v.speaker for v in voices]), features, lengths)
