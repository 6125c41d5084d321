"""`tts synthesize`: text to speech."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from tts.cli.common import (
    ADAPT_HELP,
    ENHANCE_HELP,
    INT8_HELP,
    STRENGTH_HELP,
    TextFile,
    check_strength,
    chosen_markup,
    load_model,
    making_voice,
    quick_start,
    read_text,
    say,
    set_threads,
    show,
    tell_of_texts,
    warn,
    warn_language,
    warnings_of_voice,
)
from tts.cli.complete import (
    Device,
    Emoji,
    Markup,
    Plain,
    Ssml,
    formats_for,
    model_names_for,
    voice_names_for,
)
from tts.cli.voice_arguments import check_recordings, load_recordings, voice_path
from tts.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tts.facade import TTS
    from tts.provenance import Marker
    from tts.types import Options, Span
    from tts.voice.voice import Voice

DEFAULT_VOICE = "default"


@dataclass
class Clock:
    """Measurements and word times of a request, which are filled while it streams."""

    first_audio: float = 0.0
    elapsed: float = 0.0
    words: "list[Span]" = field(default_factory=list)
    phones: "list[Span]" = field(default_factory=list)


def _timed(
    model: "TTS",
    text: str,
    voice: "Voice",
    options: "Options",
    clock: Clock,
    mark: "Marker",
    rate: int,
) -> Iterator["NDArray"]:
    """Chunks of samples [n] at `rate` Hz; counts the seconds of computing, not those of a slow
    reader."""
    from tts.audio.resample import StreamResampler

    resampler = StreamResampler(model.sample_rate, rate)
    with closing(model.stream(text, voice, options)) as stream:
        while True:
            begin = time.perf_counter()
            chunk = next(stream, None)
            clock.elapsed += time.perf_counter() - begin
            if chunk is None:
                if len(owed := resampler.finish()):
                    yield mark(owed)
                return
            clock.first_audio = clock.first_audio or clock.elapsed
            clock.words += chunk.words
            clock.phones += chunk.phones
            yield mark(resampler.push(chunk.samples))


def _timestamp_format(path: str) -> str:
    """ "srt", "vtt" or "json", by the extension; UsageError where it cannot be written."""
    from tts.audio.files import check_parent
    from tts.captions import FORMATS

    kind = path.rpartition(".")[2].lower()
    if kind not in FORMATS:
        raise UsageError(f"timestamps go to a .srt, .vtt or .json file, not {path!r}")
    check_parent(path)
    return kind


def parse_take(text: str) -> tuple[int, int]:
    """The number of a sentence and its seed, of "2=77"; UsageError for anything else."""
    number, sign, seed = text.partition("=")
    try:
        return int(number), int(seed if sign else "?")
    except ValueError:
        raise UsageError(f"a take is N=SEED, such as 2=77, not {text[:40]!r}") from None


def synthesize(
    context: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(help="What to say; - or a pipe: from stdin.", show_default=False),
    ] = None,
    text_file: TextFile = None,
    ref: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|-",
            help="Speak in the voice of this recording (1 to 60 s); may be repeated.",
        ),
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A voice of `tts voices`, or a voice file.",
            autocompletion=voice_names_for,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|YAML",
            help="A model of `tts models`, or a config.",
            autocompletion=model_names_for,
        ),
    ] = "default",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="PATH|-", help="Audio file, or stdout.")
    ] = "out.wav",
    format: Annotated[
        str | None,
        typer.Option(
            help="wav, flac, ogg, opus or mp3; else by the extension.", autocompletion=formats_for
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(metavar="HZ", help="Sample rate of the audio; the model's own by default."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same audio.")] = 0,
    speed: Annotated[float, typer.Option(help="0.5 (slow) to 2 (fast).")] = 1.0,
    pitch: Annotated[float, typer.Option(help="0.5 (an octave down) to 2 (up).")] = 1.0,
    steps: Annotated[
        int | None, typer.Option(help="Sampling steps: more is better and slower.")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Pull towards text and voice; 1 is none.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Variety: 0 is the plainest reading.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="espeak code of the text: en-us, de, fr-fr, ...")
    ] = None,
    take: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N=SEED", help="Another seed for sentence N (from 1); may be repeated."
        ),
    ] = None,
    markup: Markup = "none",
    ssml: Ssml = False,
    plain: Plain = False,
    emoji: Emoji = False,
    ref_text: Annotated[
        str | None,
        typer.Option(help="What --ref says, word for word; only some models need it."),
    ] = None,
    adapt: Annotated[bool, typer.Option("--adapt", help=ADAPT_HELP)] = False,
    strength: Annotated[float, typer.Option(help=STRENGTH_HELP)] = 1.0,
    enhance: Annotated[bool, typer.Option(help=ENHANCE_HELP)] = True,
    timestamps: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="When words are said: .srt, .vtt or .json; may be repeated."
        ),
    ] = None,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Write OUTPUT.provenance.json: what made it.")
    ] = False,
    watermark: Annotated[
        str, typer.Option(metavar="MODULE:FUNCTION", help="Mark the audio: see docs/api.md.")
    ] = "",
    device: Device = "auto",
    int8: Annotated[bool, typer.Option("--int8", help=INT8_HELP)] = False,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    json_line: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON line.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Say a text in a built-in voice or in the voice of a recording.

    Audio is written while it is computed, in every format, so `-o - | aplay` plays at once; the
    header of a FLAC file in a pipe has no length then. Audio alone goes to stdout, all messages to
    stderr.
    """
    tell_of_texts(context, quiet)
    with quick_start():
        from tts.audio.files import check_apart, check_distinct
        from tts.audio.resample import check_output_rate
        from tts.audio.writer import check_writable, write_audio
        from tts.config import check_weights_of, load_model_config
        from tts.published import published_model
        from tts.resources import model_config

        refs = list(ref or ())
        if refs and voice is not None:
            raise UsageError("give --ref or --voice, not both")
        if "-" in refs and (text_file == "-" or text == "-" or (text is None and not text_file)):
            raise UsageError("text and recording cannot both come from standard input")
        if ref_text is not None and not refs:
            raise UsageError("--ref-text is the text of --ref: give that too")
        check_strength(strength, adapt)
        if not enhance and not refs:
            raise UsageError("--no-enhance is for --ref: give that too")
        if provenance and output == "-":
            raise UsageError("--provenance goes beside a file: give one with -o")
        # Everything that can fail early does, before seconds go into loading weights.
        if rate is not None:
            check_output_rate(rate)
        check_writable(output, rate, format=format)
        check_recordings(refs, "use --voice {}", "use --voice {}")
        path = None
        if not refs:
            path = voice_path(DEFAULT_VOICE if voice is None else voice, "use --ref {}")
        beside = [*(timestamps or ()), *([f"{output}.provenance.json"] if provenance else [])]
        check_apart([output, *beside], [*refs, path, text_file])
        kinds = [_timestamp_format(each) for each in timestamps or ()]
        check_distinct([output, *beside])
        words = read_text(text, text_file, quiet)
        config = load_model_config(model_config(model))
        if config.published is not None:
            published_model(config.published).check_fetched()
        check_weights_of(config)
        hook = None
        if watermark:
            from tts.provenance import load_watermark

            hook = load_watermark(watermark, rate)
        if refs:
            config.check_transcript(ref_text)
        references = load_recordings(refs, config.sample_rate, quiet)

        from tts.provenance import marker
        from tts.text.markup import without_tags
        from tts.types import Options

        markup = chosen_markup(markup, ssml, plain)
        takes = tuple(parse_take(each) for each in take or ())
        options = Options(
            seed,
            speed,
            pitch,
            steps,
            guidance,
            temperature,
            language,
            markup,
            emoji,
            takes,
        )
        options.check()
        # Its mistakes are told before seconds go into loading weights.
        shown = without_tags(words, markup, language or config.language)
        if not quiet:
            warn_language(config, [language])
        set_threads(threads)
        synthesizer, loading = load_model(model, device, language, int8)
        rate = rate or synthesizer.sample_rate
        check_writable(output, rate, format=format)
        mark = marker(hook, rate)
    if kinds and not synthesizer.capabilities.word_times:
        raise UsageError(f"{config.name} does not know when its words are said: no --timestamps")
    source = references or str(path)
    making = making_voice(references, adapt, quiet)
    with making as progress, warnings_of_voice(references, quiet):
        chosen = synthesizer.voice(
            source, ref_text, adapt=adapt, strength=strength, progress=progress, enhance=enhance
        )
    if not quiet and (line := synthesizer.untuned(chosen)):
        warn(line)
    from tts.captions import captions, write_text
    from tts.provenance import provenance as provenance_of
    from tts.provenance import provenance_json

    clock = Clock()
    chunks = _timed(synthesizer, words, chosen, options, clock, mark, rate)
    samples = write_audio(output, chunks, rate, format)
    for each, kind in zip(timestamps or (), kinds, strict=True):
        write_text(each, captions(kind, clock.words, clock.phones, shown))
    if provenance:
        record = provenance_of(synthesizer, chosen, words, options)
        write_text(f"{output}.provenance.json", provenance_json(record))

    seconds = samples / rate
    rtf = clock.elapsed / seconds
    name = "standard output" if output == "-" else output
    if json_line:
        result = {
            "path": output, "seconds": round(seconds, 3), "rtf": round(rtf, 4),
            "sample_rate": rate, "first_audio": round(clock.first_audio, 3),
            "elapsed": round(clock.elapsed, 3), "load": round(loading, 3),
            "model": synthesizer.config.name, "weights": synthesizer.config.weights,
            "voice": (refs[0] if len(refs) == 1 else refs) or voice or DEFAULT_VOICE,
            "options": asdict(options),
        }  # fmt: skip
        (say if output == "-" else show)(json.dumps(result, ensure_ascii=False))
    elif not quiet:
        say(
            f"{name}: {seconds:.2f} s of audio, RTF {rtf:.3f}, "
            f"first audio after {clock.first_audio:.2f} s (model loaded in {loading:.1f} s)"
        )
