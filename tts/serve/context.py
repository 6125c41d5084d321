"""The state that the endpoints of a server share: models, voices, queue and metrics."""

import asyncio
from collections.abc import Sequence

from tts.facade import TTS
from tts.resources import nearest
from tts.serve.aliases import Aliases
from tts.serve.errors import HTTPError
from tts.serve.job import Job
from tts.serve.metrics import Metrics
from tts.serve.scheduler import Scheduler
from tts.serve.settings import ServeSettings
from tts.serve.voices import VoiceLibrary
from tts.voice.voice import Voice

#: texts that are converted to phones at a time, each in a thread of its own
_FRONT_ENDS = 4


class ServerContext:
    """The shared state of a server.

    Args:
        models: loaded models; the first is the default.
        settings: settings of the server.

    Attributes:
        default_model: the first model.
        models: models by name.
        aliases: other names of models and voices.
        voices: voices by id.
        scheduler: the queue of requests and the thread that computes for them.
        metrics: counters and histograms.
        decoding: limits how many recordings are decoded at a time.
    """

    def __init__(self, models: Sequence[TTS], settings: ServeSettings):
        self.settings = settings
        self.default_model = models[0]
        self.models = {model.config.name: model for model in models}
        self.aliases = Aliases(self.models, settings.aliases)
        self.voices = VoiceLibrary(settings.voices)
        self.scheduler = Scheduler(settings.max_batch, settings.max_queue)
        self.metrics = Metrics(lambda: (*self.scheduler.load, self.scheduler.parked_count))
        self.decoding = asyncio.Semaphore(settings.uploads)
        self._preparing = asyncio.Semaphore(_FRONT_ENDS)

    def model(self, name: str) -> TTS:
        """Return a model by its name or an alias.

        Raises:
            HTTPError: 404, there is no such model.
        """
        target = self.aliases.model(name.strip(), self.models)
        if target not in self.models:
            known = [*self.models, *self.aliases.models]
            raise HTTPError(404, f"unknown model {name!r}{nearest(name, known)}")
        return self.models[target]

    def voice(self, name: str) -> Voice:
        """Return a voice by its id or an alias. This reads files: call it in a thread.

        Raises:
            VoiceError: there is no such voice.
        """
        return self.voices.get(self.aliases.voice(name, self.voices.names()))

    async def prepare(self, job: Job) -> None:
        """Convert the text of a request to phones in a thread. A place in the queue is reserved
        meanwhile, so that of a crowd of requests only those that fit are converted.

        Raises:
            QueueFull, ServerStopping: there is no place.
            TextError, UsageError: see `Job.prepare`.
        """
        with self.scheduler.reserve():
            async with self._preparing:
                await asyncio.to_thread(job.prepare)
