"""Codebook patterns: exact inverses, order of draws, frontiers and latencies."""

from __future__ import annotations

import pytest
import torch

from tts.errors import ConfigError, UsageError
from tts.generators.named_patterns import PATTERNS, make_pattern
from tts.generators.patterns import Pattern

EMPTY = -7


def every() -> list[Pattern]:
    """Every pattern with every number of codebooks up to 5 and some options."""
    made = [
        make_pattern(name, k)
        for name in PATTERNS
        for k in range(1, 6)
        if name not in ("group_parallel",)
    ]
    made += [make_pattern("group_parallel", k, groups=g) for k in range(1, 7) for g in range(1, k)]
    made += [make_pattern("group_parallel", k, groups=k) for k in (1, 4)]
    made += [make_pattern("stack_delay", 3, spacing=s) for s in (1, 2, 7)]
    made += [make_pattern("coarse_first", 5, streams=s) for s in (2, 5)]
    made += [make_pattern("delay", 4, delays=d) for d in ([0, 2, 2, 9], [3, 0, 1, 3])]
    return made


ALL = pytest.mark.parametrize("pattern", every(), ids=str)
FRAMES = (0, 1, 2, 3, 7, 16, 23)


def test_names() -> None:
    assert {p.name for p in every()} == set(PATTERNS)


@ALL
def test_inverse(pattern: Pattern) -> None:
    for frames in FRAMES:
        rng = torch.Generator().manual_seed(frames)
        codes = torch.randint(0, 1000, (2, frames, pattern.codebooks), generator=rng)
        steps = pattern.to_steps(codes, EMPTY)
        assert steps.shape == (2, pattern.steps(frames), pattern.positions(frames))
        assert torch.equal(pattern.from_steps(steps, frames), codes)
        if len(pattern.order) == 1:
            assert torch.equal(pattern.from_steps(steps), codes)
        # Each token once, all else empty.
        valid = pattern.valid(frames)
        assert torch.equal(valid, (steps[0] != EMPTY)) and valid.sum() == codes[0].numel()
        table = pattern.layout(frames)
        at, slot = valid.nonzero(as_tuple=True)
        assert torch.equal(
            steps[0, at, slot], codes[0, table.time[at, slot], table.codebook[at, slot]]
        )
        assert frames == 0 or valid[-1].any()


@ALL
def test_what_was_drawn_agrees_with_what_is_emitted(pattern: Pattern) -> None:
    for frames in FRAMES:
        said: list[list[int]] = [[] for _ in pattern.offsets]
        for step in range(pattern.steps(frames) - pattern.levels * (frames > 0)):
            emitted = pattern.emits(step, frames)
            for _, codebook in emitted:
                for count in (0, 1, 3):
                    found = pattern.drawn(step, codebook, count)
                    inside = [t for t in found if t < frames]
                    assert inside[-count:] == said[codebook][-count:]
            for t, codebook in emitted:
                said[codebook].append(t)


@ALL
def test_emits_and_frontier_agree_with_the_table(pattern: Pattern) -> None:
    for frames in FRAMES:
        table = pattern.layout(frames)
        done = table.step.amax(1)
        assert pattern.frontier(-1, frames) == 0
        for step in range(pattern.steps(frames)):
            there = {
                (int(t), int(k))
                for t, k in zip(table.time[step], table.codebook[step], strict=True)
                if t >= 0
            }
            emitted = pattern.emits(step, frames)
            assert set(emitted) == there and len(emitted) == len(there)
            complete = int((done <= step).long().cumprod(0).sum())
            assert pattern.frontier(step, frames) == complete
        assert pattern.frontier(pattern.steps(frames), frames) == frames
        assert pattern.emits(pattern.steps(frames), frames) == []


@ALL
def test_order_is_causal(pattern: Pattern) -> None:
    """A code may see all codes of earlier steps; those it is drawn with must not need it."""
    step = pattern.layout(23).step
    late = step[:, 1:] - step[:, :-1]
    if pattern.levels:
        assert (late[:, len(pattern.offsets) - 1 :] > 0).all()
    if pattern.name in ("flat", "stack_delay") or pattern == make_pattern("delay", 5):
        assert (late > 0).all()
    if pattern.name not in ("delay", "group_parallel"):
        assert (late >= 0).all()  # finer codes never before coarser ones
    if pattern.name != "stack_delay":
        # Each codebook from left to right, one frame a step (whole levels at once).
        along = step[1:] - step[:-1]
        streamed = len(pattern.offsets)
        assert (along[:, :streamed] == pattern.stride).all() and (along[:, streamed:] == 0).all()
    if pattern.levels:
        assert step[:, len(pattern.offsets) :].min() > step[:, : len(pattern.offsets)].max()


def test_tables_by_hand() -> None:
    def rows(name: str, num_codebooks: int, frames: int, **options: object) -> list[list[int]]:
        """Steps of codes 10 t + k."""
        codes = 10 * torch.arange(frames)[:, None] + torch.arange(num_codebooks)
        return make_pattern(name, num_codebooks, **options).to_steps(codes[None], -1)[0].tolist()

    assert rows("parallel", 2, 2) == [[0, 1], [10, 11]] == rows("depth", 2, 2)
    assert rows("flat", 2, 2) == [[0], [1], [10], [11]]
    assert rows("delay", 3, 2) == [[0, -1, -1], [10, 1, -1], [-1, 11, 2], [-1, -1, 12]]
    assert rows("delay", 2, 2, delays=[0, 2]) == [[0, -1], [10, -1], [-1, 1], [-1, 11]]
    assert rows("coarse_first", 3, 2) == [[0, -1], [10, -1], [1, 11], [2, 12]]
    assert rows("group_parallel", 4, 2, groups=2) == [
        [0, -1, 2, -1],
        [10, 1, 12, 3],
        [-1, 11, -1, 13],
    ]
    # Windows of 4 frames, visited as 2, 0, 3, 1.
    assert rows("stack_delay", 2, 4, spacing=2) == [[20, -1], [0, 21], [30, 1], [10, 31], [-1, 11]]


def test_latency_by_hand() -> None:
    assert make_pattern("parallel", 8).latency == 0
    assert make_pattern("depth", 8).latency == 0
    assert make_pattern("flat", 8).latency == 0
    assert make_pattern("delay", 8).latency == 7
    assert make_pattern("delay", 4, delays=[0, 1, 1, 1]).latency == 1
    assert make_pattern("group_parallel", 16, groups=4).latency == 3
    assert make_pattern("group_parallel", 5, groups=2).latency == 2
    assert make_pattern("stack_delay", 2, spacing=2).latency == 3
    assert make_pattern("coarse_first", 8).latency is None
    assert make_pattern("coarse_first", 1).latency == 0
    assert [make_pattern("delay", 4).steps(t) for t in (0, 1, 10)] == [0, 4, 13]
    assert make_pattern("stack_delay", 4).steps(16) == 19 == make_pattern("delay", 4).steps(16)
    assert make_pattern("coarse_first", 8).steps(100) == 107


@pytest.mark.parametrize("pattern", [p for p in every() if p.streamable], ids=str)
def test_stream(pattern: Pattern) -> None:
    """A loop that does not know when it ends: same draws, complete frames, counted latency."""
    frames = 4 * len(pattern.order) + 12
    codes = torch.arange(frames * pattern.codebooks).view(1, frames, -1)
    steps = pattern.to_steps(codes, EMPTY)
    short = frames - max(pattern.offsets) - len(pattern.order)
    ready, begun, latest = 0, set[int](), 0
    for step in range(pattern.steps(short)):
        drawn = pattern.emits(step)
        # Nothing ever depends on the number of frames.
        assert [x for x in drawn if x[0] < frames] == pattern.emits(step, frames)
        for t, k in drawn:
            if t < frames:
                assert steps[0, step, pattern.slots[k]] == codes[0, t, k]
        begun |= {t for t, _ in drawn}
        frontier = pattern.frontier(step)
        assert frontier >= ready
        for t in range(ready, frontier):
            latest = max(latest, sum(1 for other in begun if other > t))
        ready = frontier
        if ready <= frames:
            got = pattern.from_steps(steps, ready)
            assert torch.equal(got, codes[:, :ready])
    assert ready >= short and latest == pattern.latency


@pytest.mark.parametrize("num_codebooks", [2, 3, 4, 8])
@pytest.mark.parametrize("spacing", [1, 4, 9])
def test_stack_delay_spreads_a_step(num_codebooks: int, spacing: int) -> None:
    pattern = make_pattern("stack_delay", num_codebooks, spacing=spacing)
    table = pattern.layout(5 * num_codebooks * spacing + 3)
    for row in table.time:
        times = row[row >= 0].sort().values
        assert (times.diff() >= spacing).all()


def test_groups_lie_between_delay_and_parallel() -> None:
    assert make_pattern("group_parallel", 6, groups=1).offsets == make_pattern("delay", 6).offsets
    six = make_pattern("group_parallel", 6, groups=6)
    assert six.offsets == make_pattern("parallel", 6).offsets
    assert make_pattern("group_parallel", 7, groups=3).offsets == (0, 1, 2, 0, 1, 0, 1)


def test_data() -> None:
    """Patterns are plain values; tables are shared."""
    one, two = make_pattern("delay", 4), make_pattern("delay", 4, delays=[0, 1, 2, 3])
    assert one == two and hash(one) == hash(two) and one.layout(9) is two.layout(9)
    assert make_pattern("depth", 4).sequential and not make_pattern("parallel", 4).sequential


@pytest.mark.parametrize(
    "name, num_codebooks, options, message",
    [
        ("dealy", 4, {}, "did you mean 'delay'"),
        ("delay", 4, {"delay": [0] * 4}, "did you mean 'delays'"),
        ("delay", 4, {"delays": [0, 1]}, "2 delays for 4"),
        ("delay", 2, {"delays": [1, 2]}, "start at 0"),
        ("group_parallel", 4, {}, "groups must be given"),
        ("group_parallel", 4, {"groups": 5}, "from 1 to 4"),
        ("coarse_first", 4, {"streams": 0}, "from 1 to 4"),
        ("stack_delay", 4, {"spacing": 0}, "at least 1"),
        ("flat", 0, {}, "at least one codebook"),
        ("delay", 3, {"delays": 3}, "delays is a list of whole numbers, not 3"),
        ("delay", 3, {"delays": "012"}, "delays is a list"),
        ("delay", 3, {"delays": [0, 1.5, 2]}, "delays is a list of whole numbers"),
        ("delay", 3, {"delays": ["a", 0, 0]}, "delays is a list of whole numbers"),
        ("group_parallel", 4, {"groups": "two"}, "groups is a whole number, not 'two'"),
        ("group_parallel", 4, {"groups": 2.5}, "groups is a whole number"),
        ("group_parallel", 4, {"groups": None}, "groups is a whole number"),
        ("stack_delay", 4, {"spacing": 1.5}, "spacing is a whole number"),
        ("coarse_first", 4, {"streams": True}, "streams is a whole number"),
    ],
)
def test_wrong_options(
    name: str, num_codebooks: int, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_pattern(name, num_codebooks, **options)


def test_wrong_use() -> None:
    with pytest.raises(ConfigError, match="share a slot"):
        Pattern("x", (0, 2), (0, 0), stride=2)
    with pytest.raises(ConfigError, match="permutation"):
        Pattern("x", (0,), (0,), order=(0, 2))
    delay = make_pattern("delay", 3)
    with pytest.raises(UsageError, match="takes codes"):
        delay.to_steps(torch.zeros(1, 5, 2, dtype=torch.long), EMPTY)
    with pytest.raises(UsageError, match="not complete"):
        delay.from_steps(torch.zeros(1, 5, 3, dtype=torch.long), 4)
    with pytest.raises(UsageError, match="takes steps"):
        delay.from_steps(torch.zeros(1, 5, 2, dtype=torch.long), 2)
    with pytest.raises(UsageError, match="must be given"):
        make_pattern("stack_delay", 3).from_steps(torch.zeros(1, 5, 3, dtype=torch.long))
    for ask in (make_pattern("coarse_first", 3).emits, make_pattern("coarse_first", 3).frontier):
        with pytest.raises(UsageError, match="must be given"):
            ask(1)
