"""Quantizers: exact round trips, the public package as oracle, training behaviour."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from quantizer_helpers import make, noise
from tts_codecs.errors import CodecError
from tts_codecs.quantizers import (
    ResidualVQ,
    VectorQuantizer,
)


@pytest.mark.peer
def test_vq_equals_public_package() -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.VectorQuantize(dim=8, codebook_size=64).eval()
    q = VectorQuantizer(8, 64).eval()
    q.codebook.copy_(peer.codebook)
    z = noise(3, 50, 8)
    values, index, _ = peer(z)
    out = q(z)
    assert torch.equal(out.codes[..., 0], index)
    torch.testing.assert_close(out.quantized, values)


@pytest.mark.peer
def test_vq_training_step_equals_public_package() -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.VectorQuantize(
        dim=8, codebook_size=16, decay=0.9, eps=1e-5, threshold_ema_dead_code=0
    ).train()
    q = VectorQuantizer(8, 16, decay=0.9, dead_below=0).train()
    q.codebook.copy_(peer.codebook)
    q.sums.copy_(peer.codebook)
    for step in range(5):
        z = noise(2, 40, 8, seed=step)
        _, index, loss = peer(z)
        out = q(z)
        assert torch.equal(out.codes[..., 0], index)
        torch.testing.assert_close(out.loss, loss.reshape(()))
        torch.testing.assert_close(q.codebook, peer.codebook)


@pytest.mark.peer
def test_rvq_equals_public_package() -> None:
    peer_module = pytest.importorskip("vector_quantize_pytorch")
    peer = peer_module.ResidualVQ(dim=8, num_quantizers=5, codebook_size=32).eval()
    q = ResidualVQ(8, 5, 32).eval()
    for mine, theirs in zip(q.codebooks, peer.codebooks, strict=True):
        mine.copy_(theirs)
    z = noise(2, 70, 8)
    values, index, _ = peer(z)
    out = q(z)
    assert torch.equal(out.codes, index)
    torch.testing.assert_close(out.quantized, values)
    torch.testing.assert_close(q.decode(index), peer.get_output_from_indices(index))


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_vq_round_trip_over_the_whole_codebook(update: str) -> None:
    q = VectorQuantizer(5, 100, update=update).eval()  # type: ignore[arg-type]
    codes = torch.arange(100)[None, :, None]
    assert torch.equal(q.encode(q.decode(codes)), codes)


def test_rvq_prefix_and_partial_decode() -> None:
    q = make("rvq")
    assert isinstance(q, ResidualVQ)
    z = noise(2, 30, 6, scale=1.0)
    codes = q.encode(z)
    assert torch.equal(q.encode(z, 2), codes[..., :2])
    expected = sum(book[codes[..., k]] for k, book in enumerate(q.codebooks[:3]))
    torch.testing.assert_close(q.decode(codes[..., :3]), expected)
    for count in (0, 5):
        with pytest.raises(CodecError):
            q.encode(z, count)
    with pytest.raises(CodecError):
        q.decode(torch.cat([codes, codes], 2))


def test_ema_update_equals_reference() -> None:
    torch.manual_seed(0)
    q = VectorQuantizer(3, 7, decay=0.8, epsilon=1e-3, dead_below=0).train()
    book, usage, sums = q.codebook.clone(), q.usage.clone(), q.sums.clone()
    z = noise(2, 9, 3)
    mask = torch.rand(2, 9, generator=torch.Generator().manual_seed(2)) > 0.3
    q(z, mask)
    for k in range(7):
        members = [v for v in z[mask] if int(((v - book) ** 2).sum(1).argmin()) == k]
        usage[k] = 0.8 * usage[k] + 0.2 * len(members)
        sums[k] = 0.8 * sums[k] + 0.2 * sum(members, torch.zeros(3))
    smooth = (usage + 1e-3) / (usage.sum() + 7e-3) * usage.sum()
    torch.testing.assert_close(q.codebook, sums / smooth[:, None])
    q.eval()
    before = q.codebook.clone()
    q(z)
    assert torch.equal(q.codebook, before)


def test_mask_keeps_padding_out() -> None:
    for build in (
        lambda: VectorQuantizer(6, 32, dead_below=0),
        lambda: ResidualVQ(6, 4, 16, dead_below=0),
    ):
        torch.manual_seed(1)
        a = build().train()
        torch.manual_seed(1)
        b = build().train()
        z = noise(2, 10, 6)
        mask = torch.arange(10)[None] < torch.tensor([[10], [4]])
        padded = torch.where(mask[..., None], z, 50.0)
        loss_a, loss_b = a(z, mask).loss, b(padded, mask).loss
        torch.testing.assert_close(loss_a, loss_b)
        for x, y in zip(a.buffers(), b.buffers(), strict=True):
            torch.testing.assert_close(x, y)


def test_gradient_codebook_learns_and_commitment_pulls() -> None:
    torch.manual_seed(0)
    q = VectorQuantizer(4, 8, update="gradient", commitment=0.25, dead_below=0).train()
    z = noise(1, 64, 4).requires_grad_()
    optimiser = torch.optim.SGD(q.parameters(), lr=0.5)
    first = q(z).loss
    first.backward()
    assert z.grad is not None
    codes = q.encode(z.detach())[0, :, 0]
    expected = 0.25 * 2 * (z.detach()[0] - q.codebook.detach()[codes]) / (64 * 4)
    torch.testing.assert_close(z.grad[0], expected)
    for _ in range(50):
        optimiser.zero_grad()
        loss = q(z.detach()).loss
        loss.backward()
        optimiser.step()
    assert loss < 0.9 * first


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_kmeans_start_and_dead_entries(update: str) -> None:
    torch.manual_seed(0)
    centres = noise(8, 4, scale=10)
    z = (centres[torch.arange(400) % 8] + 0.05 * noise(400, 4, seed=1))[None]
    q = VectorQuantizer(4, 64, update=update, kmeans_init=True).train()  # type: ignore[arg-type]
    assert not q.initialised
    q(z).loss.backward() if update == "gradient" else q(z)
    assert q.initialised and torch.isfinite(q.codebook).all()
    assert (q.decode(q.encode(z)) - z).square().mean() < 0.1
    # One far entry that no frame ever chooses comes back to the data.
    with torch.no_grad():
        q.codebook[5] = 1000.0
        q.sums[5] = 1000.0 * q.usage[5]
    for _ in range(600):
        q(z)
    assert q.codebook.abs().max() < 100
    state = VectorQuantizer(4, 64, update=update, kmeans_init=True)  # type: ignore[arg-type]
    state.load_state_dict(q.state_dict())
    assert state.initialised and torch.equal(state.encode(z), q.encode(z))


def test_rvq_dropout() -> None:
    torch.manual_seed(0)
    q = ResidualVQ(6, 4, 16, dropout=0.5, dropout_min=2, dead_below=0).train()
    books = [book.clone() for book in q.codebooks]
    z = noise(400, 3, 6)
    out = q(z, generator=torch.Generator().manual_seed(3))
    assert out.used is not None and out.codes.shape == (400, 3, 4)
    counts = torch.bincount(out.used, minlength=5) / 400
    assert counts[:2].sum() == 0 and 0.1 < counts[2] < 0.25 and 0.55 < counts[4] < 0.8
    steps = torch.stack([book[out.codes[..., k]] for k, book in enumerate(books)])
    keep = out.used[None] > torch.arange(4)[:, None]
    expected = (steps * keep[..., None, None]).sum(0)
    torch.testing.assert_close(out.quantized, expected)
    assert q.eval()(z).used is None
    with pytest.raises(CodecError):
        ResidualVQ(6, 4, 16, dropout_min=5)


def test_rvq_training_lowers_the_error() -> None:
    torch.manual_seed(0)
    q = ResidualVQ(4, 3, 16, decay=0.8).train()
    z = noise(4, 100, 4)
    errors = []
    for _ in range(30):
        errors.append(float((q(z).quantized - z).square().mean()))
    q.eval()
    by_count = [float((q.decode(q.encode(z, n)) - z).square().mean()) for n in (1, 2, 3)]
    assert errors[-1] < 0.8 * errors[0] and by_count[0] > by_count[1] > by_count[2]


class FakeGroup:
    """A process group of two threads, with just the calls that the quantizers make."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2, timeout=20)
        self.slots: dict[int, Tensor] = {}
        self.rank = threading.local()

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return hasattr(self.rank, "value")

    def get_world_size(self) -> int:
        return 2

    def _gather(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        self.slots[self.rank.value] = tensor.clone()
        self.barrier.wait()
        both = self.slots[0], self.slots[1]
        self.barrier.wait()
        return both

    def all_reduce(self, tensor: Tensor) -> None:
        first, second = self._gather(tensor)
        tensor.copy_(first + second)

    def broadcast(self, tensor: Tensor, source: int) -> None:
        tensor.copy_(self._gather(tensor)[source])


def test_processes_share_one_codebook(monkeypatch: pytest.MonkeyPatch) -> None:
    from tts_codecs.quantizers import vq

    group = FakeGroup()
    monkeypatch.setattr(vq, "dist", group)
    torch.manual_seed(0)
    start = VectorQuantizer(4, 16, decay=0.5, dead_below=0.2, kmeans_init=True)
    copies = [VectorQuantizer(4, 16, decay=0.5, dead_below=0.2, kmeans_init=True) for _ in "ab"]
    batches = [noise(1, 80, 4, seed=1), noise(1, 0, 4)], [noise(1, 60, 4, seed=2), noise(1, 5, 4)]
    ended = []

    def work(rank: int) -> None:
        group.rank.value = rank
        copies[rank].load_state_dict(start.state_dict())
        copies[rank].train()
        for z in batches[rank]:
            for _ in range(6):
                copies[rank](z)
        ended.append(rank)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [0, 1]
    for x, y in zip(copies[0].buffers(), copies[1].buffers(), strict=True):
        assert torch.equal(x, y)
    assert copies[0].initialised

    # Without replacement, two halves of a batch count as the whole batch does alone.
    halves = noise(2, 40, 4, seed=7)
    whole = VectorQuantizer(4, 16, dead_below=0)
    copies[:] = [VectorQuantizer(4, 16, dead_below=0) for _ in "ab"]
    start = VectorQuantizer(4, 16, dead_below=0)
    start.load_state_dict(whole.state_dict())
    batches[0][:], batches[1][:] = [halves[:1]], [halves[1:]]
    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(6):
        whole(halves)
    torch.testing.assert_close(copies[0].codebook, whole.codebook)
