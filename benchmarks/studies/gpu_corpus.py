"""A corpus that is made up, to try training where there is none: noise with phones to it."""

import json
from pathlib import Path

import numpy as np

from tts.data.corpus import Corpus, Item
from tts.data.pack import write_pack
from tts.data.vtlp import VTLP_FACTORS


def write_made_up(folder: Path, utterances: int = 12, seed: int = 0) -> Path:
    """A corpus of three speakers in `folder`; returns the pack of it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    lines, durations, offset = [], {}, 0
    for n in range(utterances):
        phones = [2, *rng.integers(20, 60, 18).tolist(), 2]
        frames = rng.integers(4, 10, len(phones) + 2)
        frames[1 + 6] = 0  # no pause before the second word
        samples = int(frames.sum()) * 320
        item = Item(f"u{n}", f"s{n % 3}", "", offset, samples, 0, phones, [0] * 20, [1, 7, 13])
        lines.append(json.dumps({k: v for k, v in vars(item).items() if k != "frame_offset"}))
        durations[item.id] = frames.tolist()
        offset += samples
    total = offset // 320
    features = np.sin(np.arange(total)[:, None] / rng.uniform(3, 30, 82)) - 0.5
    features[:, 81] = np.sign(features[:, 81])
    voices = np.abs(rng.normal(size=(utterances, 1 + len(VTLP_FACTORS), 256)))
    voices /= np.linalg.norm(voices, axis=-1, keepdims=True)
    arrays = {
        "features.f16": features.astype("<f2"),
        "audio.i16": rng.normal(0, 1000, offset).astype("<i2"),
        "f0.f32": np.full(total + utterances, 150, "<f4"),
        "speaker.f32": voices[:, 0].astype("<f4"),
        "speaker_warped.f32": voices[:, 1:].astype("<f4"),
    }
    for name, array in arrays.items():
        (folder / name).write_bytes(array.tobytes())
    (folder / "items.jsonl").write_text("\n".join(lines))
    (folder / "durations.json").write_text(json.dumps(durations))
    (folder / "cache.json").write_text(json.dumps({"sample_rate": 16000, "hop": 320}))
    path = folder / "corpus.pack"
    write_pack(Corpus(folder), path)
    return path
