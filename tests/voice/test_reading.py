"""Reading a recording, with its words and without them."""

import torch

from tts.losses.phone import PhoneProbe
from tts.text.frontend import Frontend
from tts.text.symbols import N_MODS, N_SYMBOLS, SIL, phones_to_ids
from tts.voice.reading import align_transcript, read_phones

PHONES = phones_to_ids("aeioupt")


class Reader(torch.nn.Module):
    """Takes its features for the scores."""

    def __init__(self, modifiers: torch.nn.Module | None = None) -> None:
        super().__init__()
        self.head, self.modifiers = torch.nn.Identity(), modifiers

    def hidden(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return features


def test_phones_of_a_recording_are_read_and_short_errors_bridged() -> None:
    a, b = PHONES[0], PHONES[5]
    features = torch.zeros(30, N_SYMBOLS)
    for at in range(30):
        features[at, a if at < 12 else b] = 3.0
    features[5] = 0
    features[5, b] = 3.0
    probe: PhoneProbe = Reader()  # type: ignore[assignment]
    assert read_phones(probe, features, PHONES, penalty=4.0) == ([a, b], [0, 0], [12, 18])
    assert read_phones(probe, features, PHONES, penalty=0.5)[2] == [5, 1, 6, 18]
    # A modifier is that of most of a phone's frames.
    stressed = torch.zeros(N_SYMBOLS, N_MODS)
    stressed[a, 2] = stressed[b, 1] = 1.0
    heard = torch.nn.Linear(N_SYMBOLS, N_MODS, bias=False)
    heard.weight.data = stressed.T
    probe = Reader(heard)  # type: ignore[assignment]
    assert read_phones(probe, features, PHONES, penalty=4.0) == ([a, b], [2, 1], [12, 18])
    features[:] = 0
    features[:, SIL] = 3.0
    assert read_phones(probe, features, PHONES, penalty=4.0) == ([SIL], [0], [30])


def test_words_are_used_where_they_fit() -> None:
    text = "a bee"
    phones = Frontend("en-us", pauses="none").one(text)
    spoken = [i for i in phones.ids if i != SIL]

    probe: PhoneProbe = Reader()  # type: ignore[assignment]
    features = torch.zeros(10 * (len(spoken) + 2), N_SYMBOLS)
    for at, phone in enumerate([SIL, *spoken, SIL]):
        features[10 * at : 10 * at + 10, phone] = 8.0
    known = sorted(set(spoken))
    found = align_transcript(probe, features, known, text, "en-us")
    assert found is not None
    assert [i for i in found.tokens.ids if i != SIL] == spoken
    assert all(abs(frames - 10) <= 1 for frames in found.tokens.durations)
    assert sum(found.tokens.durations) == len(features)
    assert any(found.tokens.mods)  # stress, which only words tell
    for wrong in ("Something else entirely, at great length.", "...", "oh my oh my"):
        assert align_transcript(probe, features, known, wrong, "en-us") is None
