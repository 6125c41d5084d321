"""Where a model computes: names of devices to what PyTorch calls them, or an error that helps."""

import torch

from tts.errors import UsageError
from tts.quantize import check_int8
from tts.resources import nearest

#: what is taken besides "cuda:N"; "mps" is the GPU of an Apple computer
KINDS = ("auto", "cpu", "cuda", "mps")


def choose_device(device: str | torch.device, int8: bool = False) -> str:
    """The device for a name.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps", a torch.device, or "auto" for cuda where there is
            one and the weights can be there.
        int8: whether the weights are of 8 bits, which only a CPU computes with.

    Raises:
        UsageError: a name that is not known, or a device that this machine does not have.
    """
    name = str(device) if isinstance(device, (str, torch.device)) else ""
    kind, _, number = name.partition(":")
    if kind not in KINDS or (":" in name and not (kind == "cuda" and number.isdecimal())):
        hint = (
            ": did you mean 'cuda'?" if kind.lower() in ("gpu", "nvidia") else nearest(kind, KINDS)
        ).partition("; there is")[0]
        raise UsageError(f"unknown device {device!r}{hint}; there is: cpu, cuda, cuda:N, mps, auto")
    if int8:
        check_int8("cpu" if kind == "auto" else name)  # one that cannot have it need not be there
    if kind == "auto":
        return "cuda" if torch.cuda.is_available() and not int8 else "cpu"
    if kind == "cuda":
        _check_cuda(int(number or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no MPS device on this machine: use device 'cpu'")
    return name


def _check_cuda(number: int) -> None:
    """UsageError, telling why, where CUDA cannot be used."""
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None
        why = "no driver or no GPU is found" if built else "this PyTorch is built without CUDA"
        raise UsageError(f"no CUDA device on this machine ({why}): use device 'cpu'")
    count = torch.cuda.device_count()
    if number >= count:
        raise UsageError(f"no device 'cuda:{number}': this machine has {count} CUDA device(s)")
