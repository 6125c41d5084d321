"""int8 weights: Linear layers of a generator's blocks with weights of 8 bits (on a CPU).

Weights get a scale per output channel; activations are rounded to 8 bits too, with one scale for
all rows of a batch, found as they come (dynamic quantization). A step of autoregression is bound by
the reading of weights, of which there is a quarter. So a row no longer is the same, to the last
bit, alone and in a batch.

Only layers inside of blocks are changed: they hold nearly all weights that are read at every step.
Text and voice are encoded once a request, and what remains of heads is small.
"""

import warnings

import torch
from torch import nn
from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

from tts.errors import UsageError
from tts_codecs.nn.inference import pack

#: engines of torch whose int8 products are those of this module, the preferred first
ENGINES = ("x86", "fbgemm", "onednn")
_ONCE = {"memory", "conditioner", "text"}  # run once a request


def check_int8(device: str | torch.device) -> str:
    """The engine of torch that int8 runs on.

    Raises:
        UsageError: not a CPU, or a build of torch without such an engine.
    """
    kind = torch.device(device).type
    if kind != "cpu":
        raise UsageError(f"int8 weights are for the CPU, not for {kind}: use --device cpu")
    for engine in ENGINES:
        if engine in torch.backends.quantized.supported_engines:
            return engine
    raise UsageError(
        "this build of torch has no engine for int8 weights; it would need one of "
        + ", ".join(ENGINES)
    )


def quantize(network: nn.Module, device: str | torch.device = "cpu") -> int:
    """Give the Linear layers of blocks int8 weights, in place; what watches the blocks stays.

    Args:
        network: a generator, whose backbone and head have their blocks in lists named `blocks`.

    Returns:
        how many layers are int8 now.

    Raises:
        UsageError: see `check_int8`; or a network that has no such layer.
    """
    engine = check_int8(device)
    if torch.backends.quantized.engine not in ENGINES:
        torch.backends.quantized.engine = engine
    count = 0
    for name, module in network.named_modules():
        path = name.split(".")
        if path[-1] != "blocks" or _ONCE & set(path) or not isinstance(module, nn.ModuleList):
            continue
        chosen = {
            layer: per_channel_dynamic_qconfig
            for layer, part in module.named_modules()
            if isinstance(part, nn.Linear) and not _ONCE & set(layer.split("."))
        }
        if not chosen:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its move to another package
            quantize_dynamic(module, chosen, dtype=torch.qint8, inplace=True)
        count += len(chosen)
    if not count:
        raise UsageError("this model has no layers that int8 weights are for")
    return count


def prepare_weights(network: nn.Module, weights: str, device: str | torch.device = "cpu") -> None:
    """Weights of a generator as a model's config says, "float32" or "int8", as they are computed
    with fastest: int8, or packed where the processor can (tts_codecs.nn.inference.pack).

    Raises:
        UsageError: see `quantize`.
    """
    if weights == "int8":
        quantize(network, device)
    else:
        pack(network)


def is_int8(network: nn.Module) -> bool:
    """Whether `quantize` changed it."""
    return any(isinstance(m, torch.ao.nn.quantized.dynamic.Linear) for m in network.modules())
