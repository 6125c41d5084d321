"""Base class of heads: the attributes of the contract Head, with their usual values."""

from torch import nn

from tts.generators.protocols import SamplingKeys


class HeadBase(nn.Module):
    """Base of all heads. It draws latents and not distributions, leaves guidance to the backbone,
    and reads no options of sampling; subclasses set what is different, and add the methods of one
    of the contracts of tts.generators.protocols.
    """

    posterior = False
    guides_itself = False
    sampling: SamplingKeys = {}
