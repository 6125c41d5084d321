"""A voice: what is kept of a recording, encoded once and reusable."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

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
    """A voice state. Two objects are one voice where their `sha256` is the same.

    Attributes:
        speaker: [256] speaker embedding of the whole reference.
        features: [P, 82] source-filter features of up to 6 s of it.
        name: for messages and lists.
        meta: source seconds, licence, attribution and the like; strings and numbers.
        recording: [N] samples at 24 kHz, kept by models that continue them (f5-base) only.
        transcript: what the reference says, where it was told.
        tunings: what was fitted to generators for it; other generators go on without.
        warnings: about the recording it was made of, for whoever made it; not saved.
        shifts: by generator, what a model computed of the features; not saved.
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
        """What was fitted to this generator, if anything."""
        return next((each for each in self.tunings if each.generator == generator), None)

    def tuned(self, tuning: Tuning) -> "Voice":
        """The same voice with what was fitted to a generator, in place of an earlier fit to it."""
        rest = tuple(each for each in self.tunings if each.generator != tuning.generator)
        return replace(self, tunings=(*rest, tuning), shifts={})

    def mix(self, other: "Voice", share: float = 0.5) -> "Voice":
        """A voice between two (tts.voice.mixing).

        What was fitted to a generator for them (tts.tuning.adaptation, tts.tuning.calibration) is
        mixed in the same way, and source, licence and attribution of both are kept. A recording,
        which f5-base continues, cannot be mixed and is left out.

        Args:
            share: of the other voice: 0 gives this one, 1 the other.

        Raises:
            UsageError: a share outside of 0 to 1, or that is no number; something that is no
                voice.
        """
        if not isinstance(other, Voice):
            raise UsageError(f"a voice is mixed with a voice, not with {type(other).__name__}")
        try:
            share = float(share)
        except (TypeError, ValueError):
            raise UsageError(f"the share of a mixture is a number, not {share!r}") from None
        if not 0 <= share <= 1:
            raise UsageError(f"the share of a mixture is 0 to 1, not {share:g}")
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
        """What names this voice whatever it is called: a checksum of the recording's features and
        words, and of what was fitted to a generator."""
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
            # The loudest stretch holds the most speech.
            energy = torch.cat([features.new_zeros(1), features[:, :-2].mean(1).cumsum(0)])
            start = int((energy[PROMPT_FRAMES:] - energy[:-PROMPT_FRAMES]).argmax())
            features = features[start : start + PROMPT_FRAMES]
        meta = {"seconds": round(reference.seconds_in, 2)}
        return cls(encoder.embed(samples), features.clone(), name, meta)

    def save(self, path: str | os.PathLike[str] | BinaryIO, *, new: bool = False) -> None:
        """Write a .safetensors voice state in half precision, atomically: under 60 kB of an instant
        voice without a recording, about 1 MB more of one that is adapted to a recording (more of
        one that learned from minutes of speech, or is mixed of several).

        Args:
            path: a file name that ends in .safetensors, which tells voices from recordings, or a
                binary file that is open for writing.
            new: there must be none yet; of several processes that add one, the first wins.

        Raises:
            OutputError: the file cannot be written.
            UsageError: `new`, and there is one; another ending; neither a name nor a file to write
                bytes into.
            VoiceError: values that no voice has, or more than a voice file holds.
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
        """Read a voice state.

        Raises:
            VoiceError: missing, or of another format.
            DamagedVoiceError: not a voice file, cut off, edited, or with values no voice has.
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
    """What a voice is called: as its file tells, or as that is called where nobody named it."""
    return told if told not in ("", UNNAMED) else voice_file.printable(path.stem, 255) or UNNAMED


def collate_voices(voices: list[Voice]) -> VoicePrompt:
    """Batch voices, padded to the longest prompt."""
    features = torch.nn.utils.rnn.pad_sequence([v.features for v in voices], batch_first=True)
    lengths = torch.tensor([len(v.features) for v in voices])
    return VoicePrompt(torch.stack([v.speaker for v in voices]), features, lengths)
