"""Mutants of every file and request that comes from others: a typed error or a right result.

A mutant is a valid file of which bytes were changed, cut, repeated or replaced by numbers at the
edge of their range, or a valid document of which values were replaced. A small share of them is
tried with the unit tests, always the same; 2,000 of new ones by `pytest -m fuzz`.
"""

from __future__ import annotations

import copy
import io
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml

hypothesis = pytest.importorskip("hypothesis", reason="needs the dev extra")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests.helpers.audio import RATE, decoded_here, talk  # noqa: E402
from tts import TTS  # noqa: E402
from tts.audio.reference import load_reference  # noqa: E402
from tts.config import load_model_config  # noqa: E402
from tts.errors import AudioError, TTSError, VoiceError  # noqa: E402
from tts.registry import load_module  # noqa: E402
from tts.voice.voice import Voice  # noqa: E402
from tts_codecs.checkpoint import CONFIG, WEIGHTS  # noqa: E402
from tts_codecs.download import file_sha256  # noqa: E402

# Of a mutant: none is legitimately slow, and a machine may be busy.
LONGEST = 30
EVERY_TIER = [pytest.param(8, id="some"), pytest.param(400, id="many", marks=pytest.mark.fuzz)]
EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]


@contextmanager
def bounded() -> Iterator[None]:
    """An error for what takes longer than a mutant may."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"a mutant took more than {LONGEST} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(many: int, values: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Check so many values; few are always the same, many are new ones each time."""

    @settings(
        max_examples=many,
        deadline=None,
        derandomize=many < 100,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def each(value: Any) -> None:
        with bounded():
            check(value)

    each()


@st.composite
def mutants(draw: st.DrawFn, data: bytes, head: int = 200) -> bytes:
    """Of bytes; half of the changes are in the first `head`, where the header is."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        if not out:
            break
        limit = len(out) - 1
        at = draw(st.one_of(st.integers(0, min(head, limit)), st.integers(0, limit)))
        kind = draw(st.sampled_from(["byte", "edge", "cut", "repeat", "drop", "noise"]))
        if kind == "byte":
            out[at] = draw(st.integers(0, 255))
        elif kind == "edge":
            size = draw(st.sampled_from([2, 4, 8]))
            order = draw(st.sampled_from(["little", "big"]))
            number = draw(st.sampled_from(EDGES)) % 256**size
            out[at : at + size] = number.to_bytes(size, order)
        elif kind == "cut":
            del out[at:]
        elif kind == "repeat":
            out[at:at] = out[at : at + draw(st.integers(1, 64))] * draw(st.integers(1, 20))
        elif kind == "drop":
            del out[at : at + draw(st.integers(1, 64))]
        else:
            out[at : at + 16] = draw(st.binary(max_size=32))
    return bytes(out)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([-1, 0, 10**9, 2**63, 1e308, float("nan"), "", "\x00", "../..", "default"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers()),
    st.integers(10, 2000).map(lambda depth: _nested(depth)),
)


def _nested(depth: int) -> Any:
    out: Any = []
    for _ in range(min(depth, 300)):
        out = [out]
    return out


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values inside of a document."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in inside:
        yield (*path, key)
        yield from _places(each, (*path, key))


@st.composite
def documents(draw: st.DrawFn, value: Any) -> Any:
    """Of a document of dictionaries, lists and values."""
    out = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(out))
        if not places:
            return draw(JUNK)
        *way, key = draw(st.sampled_from(places))
        inside = out
        for step in way:
            inside = inside[step]
        kind = draw(st.sampled_from(["value", "value", "value", "remove", "add"]))
        if kind == "value":
            inside[key] = draw(JUNK)
        elif kind == "remove":
            del inside[key]
        elif isinstance(inside, dict):
            inside[draw(st.text(max_size=8))] = draw(JUNK)
    return out


@pytest.mark.parametrize("many", EVERY_TIER)
def test_voices(many: int, tiny_home: Path, tmp_path: Path) -> None:
    data = (tiny_home / "checkpoints/voices/default.safetensors").read_bytes()
    path = tmp_path / "mutant.safetensors"

    def check(mutant: bytes) -> None:
        path.write_bytes(mutant)
        try:
            voice = Voice.load(path)
        except VoiceError as error:
            assert "\n" not in str(error)
        else:
            assert voice.features.isfinite().all() and voice.speaker.isfinite().all()

    tried(many, mutants(data, 1200), check)


@pytest.mark.parametrize("many", EVERY_TIER)
def test_weights(many: int, tiny_home: Path) -> None:
    """Also those whose checksum somebody has made right."""
    folder = tiny_home / "checkpoints" / "durations"
    weights, config = folder / WEIGHTS, folder / CONFIG
    data, told = weights.read_bytes(), yaml.safe_load(config.read_text())
    right = file_sha256(weights)
    assert right in config.read_text()

    def check(mutant: bytes) -> None:
        weights.write_bytes(mutant)
        config.write_text(yaml.safe_dump(told).replace(right, file_sha256(weights)))
        try:
            module = load_module(folder)
        except TTSError as error:
            assert "\n" not in str(error)
        else:
            assert all(bool(torch.isfinite(each).all()) for each in module.state_dict().values())

    tried(many, mutants(data, 3000), check)


@pytest.mark.parametrize("many", EVERY_TIER)
def test_configs(many: int, tiny_home: Path) -> None:
    """Of a checkpoint, and of the model that names it."""
    flow = tiny_home / "checkpoints" / "flow"
    model = tiny_home / "configs" / "models" / "default.yaml"
    files = [flow / CONFIG, model]
    texts = [path.read_text() for path in files]
    values = st.integers(0, 1).flatmap(
        lambda at: st.tuples(
            st.just(at),
            st.one_of(
                documents(yaml.safe_load(texts[at])).map(lambda d: yaml.safe_dump(d).encode()),
                mutants(texts[at].encode(), 10**6),
            ),
        )
    )

    def check(made: tuple[int, bytes]) -> None:
        for path, text in zip(files, texts, strict=True):
            path.write_text(text)
        files[made[0]].write_bytes(made[1])
        try:
            load_model_config(model)
            load_module(flow)
        except TTSError as error:
            assert "\n" not in str(error)

    tried(many, values, check)


@pytest.mark.parametrize("many", EVERY_TIER)
def test_recordings(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded_here(monkeypatch)
    files = []
    for kind, subtype in (
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("AIFF", "PCM_24"),
        ("AU", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", None),
    ):
        buffer = io.BytesIO()
        sf.write(buffer, talk(1.2), RATE, format=kind, subtype=subtype)
        files.append(buffer.getvalue())

    def check(mutant: bytes) -> None:
        try:
            found = load_reference(io.BytesIO(mutant))
        except AudioError as error:
            assert "\n" not in str(error)
        else:
            assert np.isfinite(found.samples).all()

    tried(many, st.sampled_from(files).flatmap(lambda data: mutants(data, 64)), check)


@pytest.mark.parametrize("many", EVERY_TIER)
def test_requests(many: int, tiny_home: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx2")
    from fastapi.testclient import TestClient

    from tts.serve.app import ServeSettings, create_app

    body = {
        "model": "default",
        "input": "Hi.",
        "voice": "default",
        "response_format": "pcm",
        "speed": 1.5,
        "seed": 3,
        "steps": 1,
    }
    whole = json.dumps(body).encode()
    values = st.one_of(
        documents(body).map(lambda document: json.dumps(document).encode("utf-8", "replace")),
        mutants(whole, 10**6),
    )
    app = create_app([TTS.load("default", "cpu")], ServeSettings(voices=tmp_path / "voices"))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:

        def check(mutant: bytes) -> None:
            answer = client.post(
                "/v1/audio/speech", content=mutant, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text
            if answer.status_code != 200:
                assert answer.json()["error"]["message"]

        check(whole)
        tried(many, values, check)
