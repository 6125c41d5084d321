"""Metrics: word error rate, speaker similarity and predicted listening quality.

Every metric is optional. A metric whose package or weights are missing is None in `Metrics`, with
the reason, so that a report shows "-" and the reason instead of a figure.
"""

import contextlib
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from tts.audio.resample import resample
from tts.errors import AudioError, CheckpointError, MissingDependencyError, TTSError, UsageError
from tts.eval.normalize import normalize

__all__ = [
    "SAMPLE_RATE", "Metrics", "Quality", "Similarity", "WordCount", "WordError", "load_metrics",
    "read_audio", "to_16k", "versions",
]  # fmt: skip

SAMPLE_RATE = 16_000


def _require(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{package} is not installed; run: pip install tts[eval]"
        ) from error


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """(float32 samples [N], sample rate) of an audio file, channels averaged.

    Raises:
        AudioError: missing, not audio, or empty.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise AudioError(f"cannot read {path} as audio") from error
    if not len(samples):
        raise AudioError(f"{path} holds no audio")
    return samples.mean(axis=1), int(rate)


def to_16k(samples: np.ndarray, rate: int) -> np.ndarray:
    """Float32 samples [N] at `rate` Hz to 16 kHz."""
    return resample(np.asarray(samples, dtype=np.float32).reshape(-1), rate, SAMPLE_RATE)


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class WordCount:
    """Word errors of one text. The error `rate` exceeds 1 if many words are inserted."""

    errors: int
    words: int
    hypothesis: str

    @property
    def rate(self) -> float:
        return self.errors / self.words


class _Named(Protocol):
    """A metric whose `name` identifies its model and settings, in the cache and in the report."""

    @property
    def name(self) -> str: ...


class Transcriber(_Named, Protocol):
    """A speech recognizer: transcribes samples [N] at 16 kHz, and counts word errors."""

    def transcribe(self, samples: np.ndarray) -> str: ...

    def count(self, text: str, hypothesis: str) -> WordCount: ...


class Embedder(_Named, Protocol):
    """A speaker encoder: embeds samples [N] at 16 kHz, and compares two embeddings."""

    def embed(self, samples: np.ndarray) -> np.ndarray: ...

    def compare(self, a: np.ndarray, b: np.ndarray) -> float: ...


class Rater(_Named, Protocol):
    """A predictor of the listening quality, 1 to 5, of samples [N] at 16 kHz."""

    def score(self, samples: np.ndarray) -> float: ...


class WordError:
    """Word errors of Whisper transcripts (Radford et al. 2022, arXiv:2212.04356).

    Decoding uses temperature 0, no conditioning on earlier text and no silence threshold. The same
    audio therefore always gives the same words, and unclear audio is transcribed instead of being
    skipped.

    Args:
        model: folder of a CTranslate2 Whisper, or a name that faster-whisper knows ("base"); a
            name may be downloaded by faster-whisper.
        beam: beam width.
        compute_type: "float32", or "int8" for speed.
        threads: CPU threads.
    """

    def __init__(
        self, model: str | Path, *, beam: int = 5, compute_type: str = "float32", threads: int = 1
    ) -> None:
        weights = Path(model) / "model.bin"
        if not weights.is_file() and ("/" in str(model) or "\\" in str(model)):
            raise CheckpointError(f"no Whisper model (model.bin) in {model}")
        whisper = _require("faster_whisper", "faster-whisper")
        self._jiwer = _require("jiwer", "jiwer")
        self.beam, self._weights = beam, weights
        self._label = f"{Path(model).name} beam {beam} {compute_type}"
        try:
            self._model = whisper.WhisperModel(
                str(model), device="cpu", compute_type=compute_type, cpu_threads=threads
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"cannot load the Whisper model {model}: {reason}") from error

    @cached_property
    def name(self) -> str:
        checksum = f" {_checksum(self._weights)}" if self._weights.is_file() else ""
        return f"whisper {self._label}{checksum}"

    def transcribe(self, samples: np.ndarray) -> str:
        """Transcribe mono float samples [N] at 16 kHz; the text is not normalised."""
        segments, _ = self._model.transcribe(
            np.ascontiguousarray(samples, dtype=np.float32),
            language="en",
            beam_size=self.beam,
            temperature=0.0,
            condition_on_previous_text=False,
            no_speech_threshold=None,
        )
        return " ".join(segment.text.strip() for segment in segments)

    def count(self, text: str, hypothesis: str) -> WordCount:
        """Word errors of `hypothesis` against `text`, both normalised. Raises TTSError if `text`
        has no words."""
        wanted, heard = normalize(text), normalize(hypothesis)
        if not wanted:
            raise TTSError(f"no words to count in {text!r}")
        measured = self._jiwer.process_words(wanted, heard)
        errors = measured.substitutions + measured.deletions + measured.insertions
        return WordCount(errors, len(wanted.split()), hypothesis)


class Similarity:
    """Speaker similarity: cosine similarity of ECAPA-TDNN embeddings, see `tts.eval.ecapa`."""

    def __init__(self, path: str | Path) -> None:
        from tts.eval.ecapa import SpeakerEncoder

        self._path = Path(path)
        self._encoder = SpeakerEncoder(path)

    @cached_property
    def name(self) -> str:
        return f"ecapa {_checksum(self._path)}"

    def embed(self, samples: np.ndarray) -> np.ndarray:
        """Mono float samples [N] at 16 kHz to an embedding [192]."""
        return self._encoder.embed(samples)

    def compare(self, a: np.ndarray, b: np.ndarray) -> float:
        return self._encoder.similarity(a, b)


class Quality:
    """DistillMOS, a predicted mean opinion score of 1 to 5 (Stahl and Gamper 2025,
    arXiv:2502.05356)."""

    def __init__(self) -> None:
        import torch

        package = _require("distillmos", "distillmos")
        self._torch = torch
        with contextlib.redirect_stdout(
            io.StringIO()
        ):  # the package prints the path of its weights
            self._model = package.ConvTransformerSQAModel().eval()

    @property
    def name(self) -> str:
        return f"distillmos {metadata.version('distillmos')}"

    def score(self, samples: np.ndarray) -> float:
        """Mono float samples [N] at 16 kHz to 1 (bad) .. 5 (excellent)."""
        wave = self._torch.as_tensor(samples, dtype=self._torch.float32)
        if wave.numel() == 0 or not bool(self._torch.isfinite(wave).all()):
            raise AudioError("DistillMOS needs finite, non-empty samples")
        with self._torch.inference_mode():
            return float(self._model(wave[None])[0])


@dataclass
class Metrics:
    """The available metrics; `missing` has the reason for each that is None, by name."""

    words: Transcriber | None = None
    similarity: Embedder | None = None
    quality: Rater | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, str]:
        """Model and settings of every available metric."""
        found: dict[str, _Named | None] = {
            "wer": self.words,
            "similarity": self.similarity,
            "quality": self.quality,
        }
        return {key: metric.name for key, metric in found.items() if metric is not None}


T = TypeVar("T")


def load_metrics(
    folder: str | Path | None = None,
    *,
    whisper: str | Path | None = None,
    ecapa: str | Path | None = None,
    beam: int = 5,
    compute_type: str = "float32",
    threads: int = 1,
    needed: bool = False,
) -> Metrics:
    """Load all metrics that are available, with the reason for each that is not.

    Args:
        folder: contains `whisper-base/` and `ecapa/embedding_model.ckpt`; the next two arguments
            override these.
        whisper: folder or name of the Whisper model.
        ecapa: path of the ECAPA weights.
        beam, compute_type, threads: of WordError.
        needed: whether missing weights are an error, if one of these arguments names them. Missing
            packages are not.

    Raises:
        UsageError: weights are `needed` but missing or damaged.
    """
    metrics = Metrics()
    named = {"wer": "--whisper" if whisper else "--metrics"}
    named["similarity"] = "--ecapa" if ecapa else "--metrics"
    if folder is not None:
        whisper = whisper or Path(folder) / "whisper-base"
        ecapa = ecapa or Path(folder) / "ecapa" / "embedding_model.ckpt"

    def attempt(key: str, given: object, make: Callable[[], T]) -> T | None:
        if given is None:
            metrics.missing[key] = "no model given"
            return None
        try:
            return make()
        except (MissingDependencyError, CheckpointError) as error:
            if needed and key in named and isinstance(error, CheckpointError):
                raise UsageError(f"{named[key]}: {error}") from error
            metrics.missing[key] = str(error)
            return None

    metrics.words = attempt(
        "wer",
        whisper,
        lambda: WordError(str(whisper), beam=beam, compute_type=compute_type, threads=threads),
    )
    metrics.similarity = attempt("similarity", ecapa, lambda: Similarity(str(ecapa)))
    metrics.quality = attempt("quality", True, Quality)
    return metrics


def versions(
    packages: Sequence[str] = (
        "torch",
        "torchaudio",
        "numpy",
        "faster-whisper",
        "ctranslate2",
        "jiwer",
        "distillmos",
    ),
) -> dict[str, str]:
    """Installed versions by package; "-" for packages that are not installed."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "-"
    return found
