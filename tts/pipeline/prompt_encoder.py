"""Voice encoder of this project's models: a recording to a speaker embedding and a prompt of
features."""

from dataclasses import replace

import torch

from tts.audio.reference import Reference
from tts.losses.phone import PhoneProbe
from tts.voice.enhancer import SpeechEnhancer
from tts.voice.judge import overlaps, speaks, warnings_about
from tts.voice.overlap import OverlapDetector
from tts.voice.speaker import SpeakerEncoder
from tts.voice.voice import Voice
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


class PromptEncoder:
    """A `VoiceEncoder` whose voices have a speaker embedding and features; the model can speak in
    any of them.

    Args:
        speaker: makes the embedding; vocoder: analyses the recording to features.
        phone_probe: tells speech from other sounds; None takes all for speech.
        overlap: tells whether several people speak at once, by what the probe hears.
        enhancer: takes out noise and reverberation; None leaves them in.
        device: of the probe, the detector and the enhancer.
    """

    def __init__(
        self,
        speaker: SpeakerEncoder,
        vocoder: SourceFilterVocoder,
        phone_probe: PhoneProbe | None = None,
        overlap: OverlapDetector | None = None,
        enhancer: SpeechEnhancer | None = None,
        device: str = "cpu",
    ):
        self.speaker, self.vocoder, self.device = speaker, vocoder, device
        self.phone_probe, self.overlap, self.enhancer = phone_probe, overlap, enhancer

    def encode(self, reference: Reference, name: str) -> Voice:
        """The voice of a recording at `Capabilities.recording_rate`."""
        return Voice.from_reference(reference, self.speaker, self.vocoder, name)

    def warnings(self, reference: Reference, voice: Voice) -> list[str]:
        """Faults of a recording that would make a poor voice, each with what helps against it
        (tts.voice.judge)."""
        speech, overlap = True, False
        if self.phone_probe is not None:
            features = voice.features.to(self.device)[None]
            mask = features.new_ones(1, features.shape[1], 1)
            with torch.inference_mode():
                hidden = self.phone_probe.hidden(features, mask)
            speech = speaks(self.phone_probe, hidden, reference.seconds)
            if self.overlap is not None:
                overlap = overlaps(self.overlap, features, hidden)
        return warnings_about(reference, self.speaker, speech, overlap)

    @torch.inference_mode()
    def enhanced(self, reference: Reference) -> Reference:
        """The recording without its noise and room, where the model has an enhancer."""
        if self.enhancer is None:
            return reference
        samples = torch.from_numpy(reference.samples.copy()).to(self.device)
        return replace(reference, samples=self.enhancer(samples[None])[0].cpu().numpy())

    def check(self, voice: Voice) -> None:
        """Accept the voice: the model can speak in any."""
