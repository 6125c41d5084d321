"""The least time in which one thread could encode a second of audio with EnCodec of 24 kHz.

python -m benchmarks.studies.encodec_floor

Printed are how fast this processor multiplies, reads the recurrent weights and takes exponentials,
what a product with a vector reaches, and the time that the encoder would take at these speeds.
"""

from collections.abc import Callable

import torch

from benchmarks.harness.timing import paired
from tts_codecs.encodec import EncodecCodec
from tts_codecs.nn.framed import FramedBlock, FramedConv, FramedLSTM
from tts_codecs.nn.inference import onednn


def least(run: Callable[[], object], times: int = 50) -> float:
    """Wall seconds of the quickest of some runs."""
    return min(cost.wall for cost in paired({"": lambda: float(run() is not None)}, times)[""])


@torch.inference_mode()
def main() -> None:
    """Speeds, amounts of work for a second of audio, and the resulting times."""
    torch.set_num_threads(1)
    codec = EncodecCodec()
    rate, products, gates, exponentials = codec.config.sample_rate, 0.0, 0.0, 0.0
    for layer in codec.encoder:
        if isinstance(layer, FramedConv):
            rate //= layer.stride
            # Three products do the work of four where the layer is wide and has two taps.
            taps, inner, _ = layer.weight.shape
            part = 0.75 if taps == 2 and inner >= 512 else 1
            products += 2 * part * rate * layer.weight.numel()
            exponentials += rate * layer.weight.shape[2]
        elif isinstance(layer, FramedBlock):
            convs = (layer.shortcut, layer.narrow, layer.wide)
            products += 2 * rate * sum(conv.weight.numel() for conv in convs)
            exponentials += rate * (layer.narrow.weight.shape[2] + layer.wide.weight.shape[2])
        elif isinstance(layer, FramedLSTM):
            width = layer.lstm.hidden_size
            gates = layer.lstm.num_layers * 4.0 * width**2
            products += 2 * rate * gates
    products += 2 * rate * codec.num_codebooks * codec.quantizer.books[0].numel()

    square, weights = torch.randn(1024, 1024), torch.randn(512, 2048)
    packed = torch.ops.mkldnn._reorder_linear_weight(square, 1024)
    values, bias, vector = torch.randn(100_000), torch.randn(2048), torch.randn(1, 512)
    speed = 2 * 1024**3 / least(lambda: onednn(square, packed))
    reading = weights.nbytes / least(weights.sum, 500)
    vectors = weights.nbytes / least(lambda: torch.addmm(bias, vector, weights), 500)
    taking = least(lambda: torch.exp2(values, out=values)) / len(values)
    times = (products / speed, 4 * gates * rate / reading, exponentials * taking)
    print(f"products: {products / 1e9:.2f} GFLOP at {speed / 1e9:.0f}/s, {1e3 * times[0]:.1f} ms")
    print(
        f"recurrent weights: {4 * gates * rate / 1e9:.2f} GB at {reading / 1e9:.0f}/s, "
        f"{1e3 * times[1]:.1f} ms; a product with a vector reads {vectors / 1e9:.0f} GB/s"
    )
    print(f"exponentials: {exponentials / 1e6:.1f} million, {1e3 * times[2]:.1f} ms")
    print(f"in all: {1e3 * sum(times):.1f} ms for a second of audio")


if __name__ == "__main__":
    main()
