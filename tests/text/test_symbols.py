"""Phone symbols: tables, ids, and marks of stress and length."""

import hashlib
import random

from tts.text.symbols import (
    MODS,
    N_MODS,
    N_SYMBOLS,
    SYMBOLS,
    UNK,
    VOWELS,
    decode_phones,
    encode_phones,
    ids_to_phones,
    make_mod,
    phones_to_ids,
    split_mod,
)


def test_tables_are_frozen() -> None:
    # Trained weights index these tables: a change breaks every checkpoint.
    digest = hashlib.sha256(repr((SYMBOLS, MODS)).encode()).hexdigest()
    assert digest.startswith("ec92ab0370501860")
    assert (N_SYMBOLS, N_MODS) == (179, 144) == (len(set(SYMBOLS)), len(set(MODS)))
    assert SYMBOLS[:4] == ("<pad>", "<unk>", "<sil>", "<null>")


def test_flat_ids_round_trip() -> None:
    assert ids_to_phones(phones_to_ids("həlˈoʊ wˈɜːld, n̩!")) == "həlˈoʊ wˈɜːld, n̩!"
    assert phones_to_ids(["ʃ", "漢"]) == [SYMBOLS.index("ʃ"), UNK]


def test_mods_round_trip() -> None:
    assert [make_mod(*split_mod(m)) for m in range(N_MODS)] == list(range(N_MODS))
    assert (make_mod(1), make_mod(2), make_mod(long=True)) == (1, 2, 3)


def test_encode_of_decode_is_identity_for_random_tokens() -> None:
    draw = random.Random(0)
    vowels = [SYMBOLS.index(v) for v in sorted(VOWELS)]
    for _ in range(200):
        # Consonants between, so that a stress or tone has one vowel to go to.
        ids = [i for _ in range(5) for i in (phones_to_ids("t")[0], draw.choice(vowels))]
        mods = [m for _ in range(5) for m in (draw.choice([0, 3, 24]), draw.randrange(N_MODS))]
        assert encode_phones(decode_phones(ids, mods)) == (ids, mods)


def test_stress_moves_to_the_vowel_and_marks_merge() -> None:
    assert decode_phones(*encode_phones("ˈstɹɛŋθ")) == "stɹˈɛŋθ"
    assert decode_phones(*encode_phones("bˈʌʔn̩")) == "bˈʌʔn̩"
    assert encode_phones("ɜː") == ([SYMBOLS.index("ɜ")], [3])
    assert decode_phones(*encode_phones("xˈɑu˨˩˦")) == decode_phones(*encode_phones("xˈɑu3"))
    assert encode_phones("ɔ̃")[1] == encode_phones("õ")[1] == [12]
    assert len(encode_phones("t͡ʃ")[0]) == 2


def test_unknown_symbols_are_recorded_not_fatal() -> None:
    dropped: list[str] = []
    assert len(encode_phones("h漢ə", dropped)[0]) == 2
    assert dropped == ["漢"]
