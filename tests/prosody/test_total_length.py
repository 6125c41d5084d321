"""The total length of sentences whose generator aligns by attention."""

import torch
from torch import Tensor

from tts.modules.voice_prompt import VoicePrompt
from tts.prosody.total_length import frames_per_phone, total_frames
from tts.text.lengths import FRAMES, PAUSE_FRAMES
from tts.text.pauses import COMMA
from tts.text.symbols import N_SYMBOLS, SIL, SYMBOLS
from tts.text.tokens import collate_tokens


def prompt(lengths: list[int]) -> VoicePrompt:
    count = len(lengths)
    return VoicePrompt(
        torch.zeros(count, 256), torch.zeros(count, max(lengths), 82), torch.tensor(lengths)
    )


def test_pace_is_frames_per_phone_that_is_read() -> None:
    """20 phones of 5 frames with silence around; the second row holds too few to tell."""
    labels = [SIL] * 10 + [20 + n % 7 for n in range(20) for _ in range(5)] + [SIL] * 10

    def probe(features: Tensor, mask: Tensor) -> Tensor:
        scores = torch.zeros(*features.shape[:2], N_SYMBOLS)
        scores[:, torch.arange(len(labels)), torch.tensor(labels)] = 1.0
        return scores

    found = frames_per_phone(probe, prompt([len(labels), 30]))
    assert found.tolist() == [5.0, torch.tensor(FRAMES).item()]
    assert (frames_per_phone(None, prompt([50])) == FRAMES).all()


def test_total_frames() -> None:
    m, n = SYMBOLS.index("m"), SYMBOLS.index("n")
    tokens = collate_tokens([([SIL, m, n, COMMA, n, SIL], [0] * 6), ([SIL, m, SIL], [0] * 3)])
    paces, speed = torch.tensor([4.0, 4.0]), torch.tensor([1.0, 2.0])
    found = total_frames(tokens, paces, speed, 4)
    first = 3 * 4 + PAUSE_FRAMES[COMMA] + 2 * PAUSE_FRAMES[SIL]
    second = 4 / 2 + 2 * PAUSE_FRAMES[SIL]
    assert found.tolist() == [-(-first // 4) * 4, -(-second // 4) * 4]
    # Never fewer than tokens, which would be lost.
    many = collate_tokens([([20] * 60, [0] * 60)])
    assert total_frames(many, torch.tensor([0.5]), torch.ones(1), 2).tolist() == [60]
