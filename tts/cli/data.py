"""`tts data`: preparation of recordings and other data for training."""

from typing import Annotated, Any, cast

import typer

from tts.cli.common import logged_warnings, say, set_threads, working
from tts.cli.complete import model_names_for
from tts_codecs.ranges import MOST_SEED

PreparedCorpus = Annotated[
    str, typer.Argument(help="A folder made by `tts data prepare`, or a pack of one.")
]

app = typer.Typer(help="Prepare and align training data.", rich_markup_mode=None)


@app.callback()
def data(context: typer.Context) -> None:
    """Prepare and align training data."""
    context.with_resource(logged_warnings())


@app.command()
def prepare(
    sources: Annotated[list[str], typer.Argument(help="Corpus folders, or TSV or CSV tables.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the corpus to make.")],
    layout: Annotated[
        str, typer.Option(help="auto, librispeech, libritts, ljspeech, vctk or table.")
    ] = "auto",
    language: Annotated[str, typer.Option(help="espeak code of the transcripts.")] = "en-us",
    workers: Annotated[int | None, typer.Option(help="Processes; default all cores.")] = None,
    source: Annotated[str, typer.Option(help="Attribution to keep with the data.")] = "",
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Replace a corpus that is in OUT, and remove what was made from it."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Make a manifest and a corpus from recordings with their texts.

    Damaged or empty files, and recordings that are named twice, are told and left out. The same
    command goes on where it was stopped, and has nothing to do where it was done. A corpus of
    other recordings that is in OUT is an error and stays as it is, without --again.
    """
    from tts.data.prepare import prepare_corpus

    with working("prepare", "file", quiet) as (progress, report):
        summary = prepare_corpus(
            sources,
            out,
            cast(Any, layout),
            language,
            workers,
            report,
            progress,
            source,
            tell=report,
            again=again,
        )
    say(
        f"{out}: {summary.utterances} utterances, {summary.hours:.2f} h, "
        f"{summary.speakers} speakers, {len(summary.skipped)} left out"
    )


@app.command()
def align(
    folder: Annotated[str, typer.Argument(help="A folder made by `tts data prepare`.")],
    aligner: Annotated[
        str, typer.Option(help="Checkpoint folder, such as runs/aligner/export, or its name.")
    ] = "aligner",
    phone_probe: Annotated[
        str, typer.Option(help="Checkpoint of a phone probe, to move what is there already.")
    ] = "",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
) -> None:
    """Write durations.json into a corpus, which training of durations and generators reads.

    With a phone probe that learned from it, durations.json is refined instead.
    """
    set_threads(threads)
    from tts.train.durations import write_durations

    for line in write_durations(folder, aligner, phone_probe):
        say(line)


@app.command()
def features(
    folder: Annotated[str, typer.Argument(help="A folder made by `tts data prepare`.")],
    vocoder: Annotated[
        str, typer.Option(help="Checkpoint folder, such as runs/vocoder/export, or its name.")
    ] = "vocoder",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write features.f16 into a corpus, which training of all but vocoder and aligner reads.

    The vocoder's pitch network makes them, so it must not be trained any further.
    """
    set_threads(threads)
    from tts.data.corpus import Corpus
    from tts.data.features import write_features
    from tts.registry import load_module
    from tts_codecs.vocoder.source_filter import SourceFilterVocoder

    corpus = Corpus(folder)
    module = cast(SourceFilterVocoder, load_module(vocoder, kind="source_filter_vocoder"))
    with working("features", "file", quiet) as (progress, _):
        write_features(corpus, module, progress)
    say(f"{corpus.folder / 'features.f16'}: {len(corpus)} utterances")


@app.command()
def profile(
    folder: PreparedCorpus,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the checkpoint to make.")],
    phone_probe: Annotated[
        str, typer.Option(help="Checkpoint of the phone probe that reads the corpus.")
    ] = "phone_probe",
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEAKER", help="A speaker not to hear; may be repeated."),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write a phone profile: how the average speaker says each phone, which voices are told from
    and generators are trained relative to (options.profile)."""
    set_threads(threads)
    from tts.data.pack import open_corpus
    from tts.data.profile import write_profile
    from tts.losses.phone import PhoneProbe
    from tts.registry import load_module

    corpus, probe = (
        open_corpus(folder),
        cast(PhoneProbe, load_module(phone_probe, kind="phone_probe")),
    )
    with working("profile", "file", quiet) as (progress, _):
        made = write_profile(corpus, probe, out, progress, leave_out or ())
    say(f"{out}: {len(made.phones)} phones of {len(corpus)} utterances")


@app.command()
def overlap(
    folder: PreparedCorpus,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the checkpoint to make.")],
    vocoder: Annotated[str, typer.Option(help="Checkpoint that analyses recordings.")] = "vocoder",
    phone_probe: Annotated[
        str, typer.Option(help="Checkpoint of the phone probe.")
    ] = "phone_probe",
    clips: Annotated[
        int, typer.Option(min=16, help="Clips to make, of one and two people.")
    ] = 1600,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED)] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write a detector of two people who speak at once, by which references are judged."""
    set_threads(threads)
    from tts.data.overlap import write_overlap
    from tts.data.pack import open_corpus
    from tts.losses.phone import PhoneProbe
    from tts.registry import load_module
    from tts_codecs.vocoder.source_filter import SourceFilterVocoder

    corpus = open_corpus(folder)
    analysis = cast(SourceFilterVocoder, load_module(vocoder, kind="source_filter_vocoder"))
    probe = cast(PhoneProbe, load_module(phone_probe, kind="phone_probe"))
    with working("overlap", "clip", quiet) as (progress, _):
        fit = write_overlap(corpus, analysis, probe, out, clips, seed=seed, progress=progress)
    say(
        f"{out}: of {clips} clips; on held-out speakers {fit.detection_rate:.0%} of overlaps are "
        f"told, and {fit.false_alarm_rate:.1%} of single speakers doubted"
    )


@app.command()
def vtlp(
    folder: Annotated[str, typer.Argument(help="A folder made by `tts data prepare`.")],
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write speaker_warped.f32 into a corpus: voices of other vocal tract lengths (VTLP), which
    generators then learn too."""
    set_threads(threads)
    from tts.data.corpus import Corpus
    from tts.data.features import write_vtlp_speakers
    from tts.registry import load_module
    from tts.voice.speaker import SpeakerEncoder

    corpus = Corpus(folder)
    with working("vtlp", "file", quiet) as (progress, _):
        write_vtlp_speakers(
            corpus, cast(SpeakerEncoder, load_module("speaker", kind="speaker")), progress
        )
    say(f"{corpus.folder / 'speaker_warped.f32'}: {len(corpus)} utterances")


@app.command()
def pack(
    folder: Annotated[str, typer.Argument(help="A folder made by `tts data prepare`.")],
    out: Annotated[str, typer.Option("--out", "-o", help="File to write.")],
    audio: Annotated[
        bool, typer.Option("--audio", help="Opus streams, for the vocoder, in place of features.")
    ] = False,
    hours: Annotated[
        float | None, typer.Option(min=0.001, help="About so much, all speakers alike.")
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEAKER", help="A speaker not to pack; may be repeated."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write a corpus into one small file that training reads in place of the folder (`data:` of a
    run): features to some 4 MB an hour, or audio to 13."""
    from tts.data.corpus import Corpus
    from tts.data.pack import write_pack

    corpus = Corpus(folder)
    with working("pack", "file", quiet) as (progress, _):
        size = write_pack(
            corpus, out, hours=hours, leave_out=leave_out or (), audio=audio, progress=progress
        )
    say(f"{out}: {size / 2**20:.1f} MiB")


@app.command()
def distill(
    folder: PreparedCorpus,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to make.")],
    teacher: Annotated[str, typer.Option(help="Model whose speech is to be learnt.")] = "default",
    text: Annotated[
        str, typer.Option(help="Folder of .txt files to say in place of the corpus' texts.")
    ] = "",
    rows: Annotated[int, typer.Option(min=1, help="Segments to say.")] = 10000,
    seconds: Annotated[
        float, typer.Option(min=1, max=20, help="Of the recording of a segment, at most.")
    ] = 3.6,
    phone_probe: Annotated[
        str, typer.Option(help="Checkpoint that reads phones, to choose what was said clearly.")
    ] = "",
    keep: Annotated[
        float, typer.Option(min=0.05, max=1.0, help="Share that is kept, the clearest.")
    ] = 0.75,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEAKER", help="A speaker not to use; may be repeated."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Another one says other segments.")
    ] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Have a trained model say the corpus' texts in other voices of it, for others to learn from
    (options.distill_data of generators)."""
    set_threads(threads)
    from tts.data.distillation import write_distillation
    from tts.data.pack import open_corpus
    from tts.facade import TTS
    from tts.losses.phone import PhoneProbe
    from tts.registry import load_module

    corpus, model = open_corpus(folder), TTS.load(teacher)
    judge = cast(PhoneProbe, load_module(phone_probe, kind="phone_probe")) if phone_probe else None
    with working("distillation", "segment", quiet) as (progress, _):
        write_distillation(
            corpus,
            model,
            out,
            rows,
            seed,
            max_frames=round(seconds * corpus.sample_rate / corpus.hop),
            texts=text or None,
            judge=judge,
            keep=keep if judge else 1.0,
            progress=progress,
            leave_out=leave_out or (),
        )
    say(f"{out}: {rows} segments said by {teacher}")


@app.command()
def regenerate(
    folder: PreparedCorpus,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to make.")],
    model: Annotated[
        str, typer.Option(help="A flow model, which makes them.", autocompletion=model_names_for)
    ] = "default",
    count: Annotated[int, typer.Option(min=1, help="Pieces of up to 8 s.")] = 500,
    begin: Annotated[
        float, typer.Option(min=0.0, max=0.95, help="How much of the recording is kept.")
    ] = 0.35,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Another one takes other pieces.")
    ] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Have a model make features of recordings again, for the vocoder to learn what it hears when
    the model speaks (options.regenerated of vocoders)."""
    set_threads(threads)
    from tts.data.pack import open_corpus
    from tts.data.regenerated import write_regenerated
    from tts.facade import TTS

    with working("regenerated", "piece", quiet) as (progress, _):
        write_regenerated(
            open_corpus(folder), TTS.load(model), out, count, begin, seed=seed, progress=progress
        )
    say(f"{out}: {count} pieces made by {model}")


#: names these commands had before, which go on working
app.command("warps", hidden=True)(vtlp)
app.command("lessons", hidden=True)(distill)
