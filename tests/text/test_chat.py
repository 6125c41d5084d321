"""Marks of chat programs: what is read of them, and where the words stay."""

import time

import pytest

from tts.text.chat import without_chat_marks
from tts.text.frontend import Frontend
from tts.text.markup import without_tags
from tts.text.tracked import Tracked

CASES = [
    ("# Heading", "Heading."),
    ("## Heading ##\n\nText.", "Heading.\n\nText."),
    ("Title\n=====\nBody.", "Title\n\nBody."),
    ("> quote", "quote"),
    ("3 > 2 and 100 < 200", "3 > 2 and 100 < 200"),
    ("> 100", "> 100"),
    ("see [the page](https://x.org/a_(b)) now", "see the page now"),
    ("![a cat](cat.png)", "a cat"),
    ("see [this][1]\n\n[1]: https://x.org", "see this\n\n"),
    ("a fact[^1].", "a fact."),
    ("<https://x.org>", "https://x.org"),
    ("- milk\n- eggs\n- 5 apples", "milk.\neggs.\n5 apples."),
    ("* One\n* Two!", "One.\nTwo!"),
    ("• a cat\n• a dog", "a cat.\na dog."),
    ("- [ ] wash\n- [x] dry", "wash.\ndry."),
    ("1. Buy milk\n2) Drink it", "1, Buy milk.\n2, Drink it."),
    ("3. Oktober ist Feiertag.", "3. Oktober ist Feiertag."),
    ("1. FC Köln gewinnt.", "1. FC Köln gewinnt."),
    ("2. piętro", "2. piętro"),
    ("1. Mai\n2. Juni", "1. Mai,\n2. Juni"),
    ("1. Frage stellen\n2. Antwort", "1, Frage stellen.\n2, Antwort."),
    ("1. Äpfel schälen", "1, Äpfel schälen."),
    ("- $5.50 is the balance", "- $5.50 is the balance"),
    ("| Name | Age |\n|------|:---:|\n| Bob | 5 |", "Name, Age.\nBob, 5."),
    ("a | b\n--- | ---\nc | d", "a, b,\nc, d"),
    ("run `make` now", "run make now"),
    ("```python\nprint(1)\n```\nDone.", "\nprint(1)\n\nDone."),
    ("**bold**, *it*, __b__, _i_, ~~s~~, ***both***", "bold, it, b, i, s, both"),
    ("2*3*4 and snake_case_name", "2*3*4 and snake_case_name"),
    ("5 * 3 * 2", "5 * 3 * 2"),
    ("\\*not bold\\*", "*not bold*"),
    ("<b>x</b> &amp; y", "x & y"),
    ("&lt;3 &#233; &nbsp;", "<3 é \xa0"),
    ("<p>One.</p><p>Two.</p>", "\nOne.\n\nTwo.\n"),
    ("a < b and c > d", "a < b and c > d"),
    ("good :thumbs_up: at 10:30", "good  at 10:30"),
    ("inter-\nnational", "international"),
    ("well-\nknown", "well-known"),
    ("Milk\nEggs\nBread", "Milk,\nEggs,\nBread"),
    ("milk\neggs\nbread", "milk,\neggs,\nbread"),
    ("First\nline. Second.", "First\nline. Second."),
    (
        "A line of prose that was wrapped where the page ended, as mail programs do\nBob says.",
        "A line of prose that was wrapped where the page ended, as mail programs do\nBob says.",
    ),
]


def _read(text: str) -> str:
    tracked = Tracked(text)
    without_chat_marks(tracked)
    assert len(tracked.text) == len(tracked.starts) == len(tracked.ends)
    return tracked.text


@pytest.mark.parametrize(("written", "read"), CASES, ids=[case[0][:20] for case in CASES])
def test_marks_go_and_words_stay(written: str, read: str) -> None:
    assert _read(written) == read


def test_words_stay_where_they_were_written() -> None:
    text = "# The **big** day\n\n- buy [milk](http://x.org)\n| a cat | 5 |"
    english = Frontend("en-us")
    spans = [text[a:b] for phones in english(text) for a, b in phones.spans]
    assert spans == ["The", "big", "day", "buy", "milk", "a", "cat", "5"]
    shown = without_tags(text, "none").replace("\0", " ")
    assert len(shown) == len(text)
    assert shown.split() == ["The", "big", "day", "buy", "milk", "a", "cat", "5"]


def test_plain_reads_everything() -> None:
    english = Frontend("en-us")
    marked = "**x** [a](page.org)"
    plain = [word for p in english.sentences(marked, plain=True) for word, _, _ in p.words]
    assert "org" in plain and "dot" in plain
    assert [word for p in english.sentences(marked) for word, _, _ in p.words] == ["x", "a"]
    assert without_tags(marked, "plain") == marked


def test_items_get_a_pause() -> None:
    english = Frontend("en-us")
    said = english("Buy\n\n- milk\n- eggs")
    assert sum(str(p).count(".") for p in said) >= 1 and len(said) >= 2
    assert "," in str(english("Milk\nEggs")[0])


@pytest.mark.parametrize(
    "unit",
    ["[", "(", "*", "_", "`", "<", "&", "|", "- ", "\n", "# ", "> ", "1. ", "*a ", "[a](", "<b ",
     "&a", "**a", "-\n", "|-", "| a ", "<!--", "```", "[^", "~~ ", ":a", "a-\n"],
)  # fmt: skip
def test_linear(unit: str) -> None:
    start = time.process_time()
    _read((unit * 4096)[:4096])
    # At most 0.1 s where this was written; the bound leaves room for a busy machine.
    assert time.process_time() - start < 2
