"""Tables of rows: which are read, and what is told of the others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tts import TTS, Options
from tts.batch.rows import Row, make_rows, read_rows
from tts.errors import UsageError


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def test_rows_of_files(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "\ufeffid,text,ref,voice,speed,seed\n"
        'a,"Hello, you.",x.wav,,1.5,3\n'
        "b,Second,,anna,,\n"
        "c,Third,,v/me.safetensors,fast,\n"
        "d,,,,,\n"
        "e,Both,x.wav,anna,,\n"
        "f,Slow,,,0.1,\n"
    )
    rows = read_rows(tmp_path / "rows.csv")
    assert rows[0] == Row("a", "Hello, you.", tmp_path / "x.wav", "", Options(seed=3, speed=1.5))
    assert rows[1] == Row("b", "Second", "anna")
    assert rows[2].voice == tmp_path / "v" / "me.safetensors"
    problems = [row.problem for row in rows]
    assert problems[:2] == ["", ""]
    for problem, word in zip(problems[2:], ("'fast'", "empty", "both", "0.5 to 2"), strict=True):
        assert word in problem
    (tmp_path / "rows.jsonl").write_text('{"text": "One", "seed": 3}\n\n{"text": "Two"}\n')
    assert read_rows(tmp_path / "rows.jsonl") == [
        Row("000001", "One", options=Options(seed=3)),
        Row("000002", "Two"),
    ]
    known, lost = make_rows(
        [
            {"text": "One", "ref": "x.wav", "ref_text": "So."},
            {"text": "One", "ref_text": "So."},
        ]
    )
    assert known == Row("000001", "One", Path("x.wav"), ref_text="So.")
    assert known.key({}) != replace(known, ref_text="").key({})
    assert "ref_text" in lost.problem


def test_numbers_and_texts_of_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"text": "One.", "seed": 3.0, "steps": 8.0}\n{"text": "One.", "seed": 3.5}\n'
        '{"text": 5}\n{"text": null}\n{"text": " "}\n{"text": "One.", "seed": Infinity}\n'
    )
    whole, part, number, *empty, endless = read_rows(path)
    assert whole == Row("000001", "One.", options=Options(seed=3, steps=8))
    assert type(whole.options.seed) is int and "seed" in part.problem and "seed" in endless.problem
    assert number.problem == "the text is not a string but int"
    (long,) = make_rows([("a", "a" * 1_000_001)])
    assert "longer than 1,000,000" in long.problem and long.text == ""
    assert [row.problem for row in empty] == ["the text is empty"] * 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "id,txet\n1,x\n", "'txet'; did you mean 'text'"),
        ("a.csv", "id,voice\n1,x\n", "no column 'text'"),
        ("a.csv", "id,text\n1,x,y\n", "line 2"),
        ("a.csv", "id;text\n1;x;y\n", "separator ';'"),
        ("a.csv", "Nr;Satz\n1;x\n", "no column 'text' with the separator ';'"),
        ("a.tsv", "Nr\tSatz\n1\tx\n", "separator tab"),
        ("a.csv", "id,text,Text\n1,x,y\n", "'text' comes 2 times"),
        ("a.csv", "id,text,sped\n1,x,1\n", "'sped'; did you mean 'speed'"),
        ("a.xlsx", "PK", "CSV UTF-8"),
        ("a.csv", 'id,text\n1,"x\n', "CSV"),
        ("a.csv", "id,text\n", "no rows"),
        ("a.csv", "id,text\n../x,y\n", "file name"),
        ("a.csv", "id,text\nx,y\nX,z\n", "rows 1 and 2"),
        ("a.csv", "id,text\n1,\xff\n", "UTF-8"),
        ("a.jsonl", "{\n", "line 1"),
        ("a.jsonl", "[1]\n", "line 1"),
        ("a.jsonl", '{"text": "x", "sped": 1}\n', "'speed'"),
        ("a.txt", "x", "no column 'text' in its first line, which names the columns; there is: x"),
        ("a.wav", "x", ".csv"),
        ("none.csv", None, "none.csv"),
    ],
)
def test_unusable_files(name: str, content: str | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=words.replace("(", "\\(").replace(".", "\\.")):
        read_rows(tmp_path / name)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_spreadsheets(mark: str, told: bool, encoding: str, tmp_path: Path) -> None:
    lines = [
        ["ID", " Text ", "Ref Text", "Speed", "Seed", "Chapter No", ""],
        ["a", f'"Well{mark} ""you""\nthere."', "", "1.5", "7", "One, two" if mark != "," else "1"],
        ["", "", "", "", "", "", ""],
        ["b", "Zweitens: äöü", "", '"1,5"', "9007199254740993", "", ""],
    ]
    told_line = [f"sep={mark}"] if told else []
    table = "\r\n".join([*told_line, *(mark.join(line) for line in lines)]) + "\r\n"
    path = tmp_path / "rows.csv"
    path.write_bytes(table.encode(encoding))
    first, second = read_rows(path)
    assert (first.id, first.text) == ("a", f'Well{mark} "you"\nthere.')
    assert first.options == Options(speed=1.5, seed=7) and first.problem == ""
    assert first.meta == {"Chapter No": lines[1][5]} and second.meta == {}
    assert (second.id, second.text) == ("b", "Zweitens: äöü")
    assert second.options == Options(speed=1.5, seed=9007199254740993)


def test_one_column_is_text_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("TEXT\nOne, two; three.\n\nFour.\n")
    assert [row.text for row in read_rows(path)] == ["One, two; three.", "Four."]


def test_rows_of_python(tts: TTS) -> None:
    voice = tts.voice("default")
    rows = make_rows([
        ("a", "Hello."), ("b", "Hello.", voice), ("c", "Hello.", None, {"speed": 2}),
        {"text": "Hello.", "speed": 2}, Row("e", "Hello."), ("f", "Hello.", "x.wav", {"sped": 1}),
    ])  # fmt: skip
    assert [row.id for row in rows] == ["a", "b", "c", "000004", "e", "f"]
    assert rows[1].voice is voice and rows[2].options == rows[3].options == Options(speed=2)
    assert "'speed'" in rows[5].problem
    # a and e say the same, and so do c and the mapping.
    assert len({row.key({}) for row in rows}) == 4


DEFAULTS = ("id", "voice", "ref", "ref_text", "adapt", "model", "language", "speed", "seed",
            "steps", "markup", "emoji")  # fmt: skip


@pytest.mark.parametrize("column", DEFAULTS)
def test_nothing_is_the_default(column: str, tmp_path: Path) -> None:
    plain = Row("000001", "Hi.")
    assert make_rows([{"text": "Hi.", column: None}]) == make_rows([(None, "Hi.")]) == [plain]
    for nothing in (None, "", "  "):
        path = tmp_path / "rows.jsonl"
        path.write_text(json.dumps({"text": "Hi.", column: nothing}) + "\n")
        assert read_rows(path) == [plain]


@pytest.mark.parametrize("model, path", [
    ("https://h.example/m.zip#sha256=0", False), ("hf://a/b.yaml", False), ("small", False),
    ("m/x.yaml", True), ("x.yaml", True), ("../m", True),
])  # fmt: skip
def test_models_of_rows_are_names_paths_or_addresses(
    model: str, path: bool, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(f"text,model\nHi.,{model}\n")
    found = read_rows(tmp_path / "rows.csv")[0].model
    assert found == (str(tmp_path / model) if path else model)
