"""What docs/adding.md says to do works as it stands: the strategy, its tests and its YAML."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.adding import blocks, reports_of, strategy
from tests.helpers.systems import tiny, tiny_parts
from tts import TTS
from tts.data.corpus import Corpus
from tts.registry import STRATEGIES
from tts.train.config import check_run, load_run
from tts.train.run import train_run
from tts.voice.voice import Voice


def test_the_strategy_passes_the_tests_of_every_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the golden output, whose numbers are found by it."""
    reports = reports_of(monkeypatch, "-k", "one and step and not golden")
    assert not reports.failed, "\n".join(reports.failed)[-3000:]
    assert reports.passed >= 10, "no test was of the family"


def test_the_yaml_trains_and_speaks(
    tiny_home: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_parts(tiny_home)
    kind, made = strategy()
    monkeypatch.setitem(STRATEGIES, kind, made)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.chdir(tmp_path)
    path = tiny_home / "configs" / "systems" / "mystep.yaml"
    path.write_text(blocks("yaml")[0])
    run = load_run(path)  # as it stands: no key is left over
    assert run.out == Path("runs/mystep") and run.options.get("probe") is None
    values = tiny(path, corpus.folder, run.out)
    with torch.random.fork_rng(devices=[]):
        assert train_run(check_run(values, str(path)), print, quiet=True)
    # The tiny home has no profile, phrasing, enhancer or detector of overlaps.
    text = path.read_text().replace("normalised: true", "normalised: false\nprofile: null")
    path.write_text(text + "phrasing: null\noverlap: null\nenhancer: null\n")
    model = TTS.load("mystep", device="cpu")
    assert model.config.generator == "runs/mystep/export"
    prompt = torch.randn(60, 82, generator=torch.Generator().manual_seed(4))
    voice = Voice(torch.nn.functional.normalize(torch.ones(256), dim=0), prompt, "made up")
    samples = model.synthesize("Hi.", voice, seed=1).samples
    assert np.isfinite(samples).all() and np.abs(samples).max() > 0
