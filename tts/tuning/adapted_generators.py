"""Cache of adapted generators, made of the generator of a model and the factors of a voice."""

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from torch import nn

from tts.generators.generator import Generator
from tts.quantize import prepare_weights
from tts.registry import load_module
from tts.tuning.low_rank import add_factors
from tts.voice.tuning import Tuning
from tts.voice.voice import Voice


class AdaptedGenerators:
    """The adapted generators of a model, one for each voice. Threads may share it.

    Args:
        checkpoint: folder of the generator.
        weights: precision of the weights (tts.quantize.prepare_weights).
        device: PyTorch device.
        watch: called with each new generator.
        max_generators: how many are kept, each as large as the generator of the model.
    """

    def __init__(
        self,
        checkpoint: str,
        weights: str,
        device: str,
        watch: Callable[[nn.Module], None],
        max_generators: int = 2,
    ):
        self.checkpoint, self.weights, self.device = checkpoint, weights, device
        self.watch, self.max_generators = watch, max_generators
        self._base: Generator | None = None
        self._adapted: OrderedDict[str, Generator] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, voice: Voice, tuning: Tuning) -> Generator:
        """Return the generator of a voice.

        Args:
            voice: the voice.
            tuning: its adaptation to the generator.

        Raises:
            VoiceError: the factors do not fit the generator.
        """
        key = voice.sha256
        with self._lock:
            if key in self._adapted:
                self._adapted.move_to_end(key)
                return self._adapted[key]
            generator = copy.deepcopy(self._load_base()).float()
            add_factors(generator, tuning.factors, tuning.strength)
            prepare_weights(generator, self.weights, self.device)
            self.watch(generator)
            self._adapted[key] = generator
            while len(self._adapted) > self.max_generators:
                self._adapted.popitem(last=False)
            return generator

    def _load_base(self) -> Generator:
        """Return the generator without adaptation, in half precision as on disk."""
        if self._base is None:
            loaded = load_module(self.checkpoint, self.device, "generator")
            self._base = cast(Generator, loaded).half()
        return self._base
