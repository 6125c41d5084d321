"""Residual vector quantisation: 750 frames, 8 codebooks of 1024 entries of 128."""

import torch

from benchmarks.harness.row import Context, Row, faster
from tts_codecs.quantizers.rvq import ResidualVQ

FRAMES, NUM_CODEBOOKS, CODEBOOK_SIZE, DIM = 750, 8, 1024, 128


def prepare(context: Context) -> Row:
    """Ours, vector-quantize-pytorch and encodec with the same codebooks."""
    device = context.device
    torch.manual_seed(0)
    ours = ResidualVQ(DIM, NUM_CODEBOOKS, CODEBOOK_SIZE).eval().to(device)
    with torch.no_grad():
        for level, book in enumerate(ours.codebooks):
            book.copy_(torch.randn_like(book) * 0.8**level)
    frames = torch.randn(1, FRAMES, DIM, device=device)

    @torch.inference_mode()
    def run_ours() -> torch.Tensor:
        return ours.encode(frames)

    found = {}
    package = context.peer("vector-quantize-pytorch", lambda: _package(ours))
    if package is not None:
        package = package.eval().to(device)

        @torch.inference_mode()
        def run_package() -> torch.Tensor:
            return package(frames)[1]

        found["vector-quantize-pytorch"] = run_package
    encodec = context.peer("encodec", lambda: _encodec(ours))
    if encodec is not None:
        encodec = encodec.eval().to(device)

        @torch.inference_mode()
        def run_encodec() -> torch.Tensor:
            return encodec.encode(frames.transpose(1, 2)).permute(1, 2, 0)

        found["encodec"] = run_encodec

    def check() -> None:
        wanted = _oracle(frames, ours.codebooks)
        for name, run in {"ours": run_ours, **found}.items():
            # Float32 ties may fall either way; what follows one is another search.
            agree = (run()[0] == wanted).all(1).float().mean().item()
            assert agree > 0.995, f"{name} agrees with the exhaustive search in {agree:.3f}"

    everyone = {"ours": run_ours, **found}
    runs = {name: (lambda run=run: float(run().shape[0])) for name, run in everyone.items()}
    return Row(
        "RVQ 8 x 1024 encode, 750 frames of 128",
        "call",
        runs,
        check,
        [faster("ours", ["vector-quantize-pytorch", "encodec"], 2.0)],
        "The same codebooks for all, codes equal to an exhaustive search in float64.",
    )


def _package(ours: ResidualVQ) -> torch.nn.Module:
    from vector_quantize_pytorch import ResidualVQ as Package

    model = Package(dim=DIM, num_quantizers=NUM_CODEBOOKS, codebook_size=CODEBOOK_SIZE)
    for layer, book in zip(model.layers, ours.codebooks, strict=True):
        layer._codebook.embed.data.copy_(book[None])
    return model


def _encodec(ours: ResidualVQ) -> torch.nn.Module:
    from encodec.quantization.core_vq import ResidualVectorQuantization

    model = ResidualVectorQuantization(
        num_quantizers=NUM_CODEBOOKS, dim=DIM, codebook_size=CODEBOOK_SIZE, kmeans_init=False
    )
    for layer, book in zip(model.layers, ours.codebooks, strict=True):
        layer._codebook.embed.data.copy_(book)
    return model


def _oracle(frames: torch.Tensor, books: list[torch.Tensor]) -> torch.Tensor:
    """Codes [T, K] by an exhaustive search in float64."""
    left = frames[0].double()
    codes = []
    for book in books:
        index = torch.cdist(left, book.double()).argmin(1)
        left = left - book.double()[index]
        codes.append(index)
    return torch.stack(codes, 1)
