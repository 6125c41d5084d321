"""`tts codec`: encode and decode recordings, describe and time codecs."""

import json
import math
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import check_device, say, set_threads, show, warn
from tts.cli.complete import Device
from tts.errors import CodecError, UsageError

if TYPE_CHECKING:
    from tts_codecs import Codec

app = typer.Typer(help="Encode recordings to codes and decode them.", rich_markup_mode=None)

Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads.")]
Bitrate = Annotated[
    float | None, typer.Option("--bitrate", help="kbit/s, of a codec that has several.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No line about the result.")]

_PIECE = 1.0  # seconds that are decoded at a time


@app.command()
def encode(
    recording: Annotated[str, typer.Argument(help='An audio file; "-": standard input.')],
    output: Annotated[str, typer.Option("-o", "--output", help='A .safetensors file, or "-".')],
    codec: Annotated[
        str,
        typer.Option("--codec", help="A name, NAME@KBITS, a folder, or a file of weights."),
    ] = "spectral",
    bitrate: Bitrate = None,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Encode a recording to a file of codes."""
    from tts.audio.files import (
        atomic_output,
        check_apart,
        check_kind,
        check_parent,
        is_device,
        standard_output,
        write_all,
    )

    piped = output == "-"
    if piped and standard_output().isatty():
        raise UsageError("refusing to write codes to a terminal: redirect them or use -o FILE")
    if not piped and not is_device(output):
        check_apart([output], [recording])
        check_kind(output, "codes are", "codes.safetensors")
        check_parent(output)
    check_device(device)
    set_threads(threads)
    _check_bitrate(bitrate)

    import torch

    import tts_codecs
    from tts.audio.recording import read_recording
    from tts.audio.resample import resample
    from tts_codecs.bandwidth import split_bandwidth
    from tts_codecs.files import pack_encoded
    from tts_codecs.registry import weights_of

    # What cannot be read is told before seconds go into loading weights.
    found = read_recording(recording, None)
    made = tts_codecs.load(codec, device, bandwidth=bitrate)
    for line in found.warnings:
        warn(line)
    samples = resample(found.samples, found.sample_rate, made.info.sample_rate)
    try:
        with torch.inference_mode():
            encoded = made.encode(torch.from_numpy(samples)[None, None])
    except CodecError as error:
        raise CodecError(f"{_told(recording, 'input')}: {error}") from error
    # How many codes there are says the bandwidth.
    name, _ = split_bandwidth(codec)
    data = pack_encoded(encoded, made.info, len(samples), name, weights_of(name))
    if piped:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    elif is_device(output):
        with open(output, "wb", buffering=0) as file:
            write_all(file, data)
    else:
        with atomic_output(output) as file:
            write_all(file, data)
    if not quiet:
        seconds = len(samples) / made.info.sample_rate
        rate = f", {made.info.bitrate / 1000:.2f} kbit/s" if made.info.bitrate else ""
        count = encoded.data.shape[1]
        frames = "1 frame" if count == 1 else f"{count} frames"
        say(f"{_told(output)}: {seconds:.2f} s in {frames}{rate}, {len(data)} bytes")


@app.command()
def decode(
    codes: Annotated[str, typer.Argument(help='What `tts codec encode` wrote; "-": a pipe.')],
    output: Annotated[str, typer.Option("-o", "--output", help='An audio file, or "-".')],
    codec: Annotated[
        str | None,
        typer.Option("--codec", help="By default that of the file; NAME@KBITS: at fewer kbit/s."),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Decode a file of codes to audio, piece by piece."""
    from tts.audio.files import check_apart
    from tts.audio.writer import check_writable, write_audio

    check_writable(output)
    check_apart([output], [codes])
    check_device(device)
    set_threads(threads)

    import tts_codecs
    from tts_codecs.bandwidth import split_bandwidth
    from tts_codecs.base import check_encoded
    from tts_codecs.files import unpack_encoded
    from tts_codecs.registry import check_name, weights_of

    told = _told(codes, "input")
    found = unpack_encoded(_bytes(codes), told)
    name = found.codec if codec is None else codec
    if codec is None:
        try:
            check_name(name)
        except UsageError as error:
            raise UsageError(
                f"{told} was coded by {name!r}, which is not found here: give it as --codec"
            ) from error
    made = tts_codecs.load(name, device)
    info = made.info
    # Not the sample rate: frames of features are the same whatever rate the vocoder speaks at.
    paced = info.sample_rate * found.hop == found.sample_rate * info.hop
    if info.kind != found.kind or not paced:
        raise CodecError(f"{told} was not coded by {name!r}: other rate or kind of frames")
    if found.weights and weights_of(name) != found.weights:
        raise CodecError(f"{told} was coded with other weights than those of {name!r}")
    # Without a checksum, as of codecs that have no weights, the name alone says what codes are.
    if not found.weights and split_bandwidth(name)[0] != split_bandwidth(found.codec)[0]:
        raise CodecError(f"{told} was coded by {found.codec!r}, not {name!r}")
    made, frames = _matched(made, name, device, found.encoded, told)
    # All frames before any is decoded: a pipe would have got the first ones already.
    check_encoded(frames, made.info, told)
    samples = round(found.samples * info.sample_rate / found.sample_rate)
    written = write_audio(output, _decoded(made, frames, samples), info.sample_rate)
    if not quiet:
        say(f"{_told(output)}: {written / info.sample_rate:.2f} s of audio")


def _told(name: str, way: str = "output") -> str:
    """A file in messages: its name, or which standard stream "-" is. What is read is quoted, as in
    all errors."""
    if name == "-":
        return f"standard {way}"
    return name if way == "output" else repr(name)


def _matched(codec: "Codec", name: str, device: str, frames: Any, told: str) -> tuple["Codec", Any]:
    """A codec and the frames [1, T, *] of a file with equal numbers of codebooks.

    The file decides, unless `name` names a bandwidth: then that many of its leading codes are
    decoded, and CodecError is raised if it has fewer.
    """
    from tts_codecs.bandwidth import split_bandwidth

    info, count = codec.info, frames.shape[2]
    if info.kind == "latents" or count == info.num_codebooks:
        return codec, frames
    if split_bandwidth(name)[1] is None or not info.residual:
        try:
            return _at(codec, name, device, count), frames
        except CodecError as error:
            raise CodecError(f"{told}: {error}") from error
    if count < info.num_codebooks:
        raise CodecError(
            f"{told} has {count} codes a frame, and {name!r} needs {info.num_codebooks}"
        )
    return codec, frames[..., : info.num_codebooks]


def _at(codec: "Codec", name: str, device: str, count: int) -> "Codec":
    """A codec at the bandwidth of files with `count` codes a frame, whichever it is loaded at;
    unchanged where it has one only."""
    import tts_codecs
    from tts_codecs.bandwidth import split_bandwidth
    from tts_codecs.layered import LayeredCodec

    if isinstance(codec, LayeredCodec):
        codec.use_codebooks(count)
        return codec
    info = codec.info  # others choose it when they are loaded
    kbits = count * math.log2(info.codebook_size) * info.frame_rate / 1000
    try:
        return tts_codecs.load(split_bandwidth(name)[0], device, bandwidth=kbits)
    except UsageError:
        return codec


def _decoded(codec: "Codec", encoded: Any, samples: int) -> Iterator[Any]:
    """Decode frames [1, T, *] to chunks [n] of a waveform of `samples` in all."""
    import torch

    state = codec.init_state(1)
    pieces = encoded.split(max(1, round(_PIECE * codec.info.frame_rate)), 1)
    for number, piece in enumerate(pieces, 1):
        with torch.inference_mode():
            wav, state = codec.decode_chunk(piece, state, last=number == len(pieces))
        wav = wav[0, 0, :samples]
        samples -= len(wav)
        if len(wav):
            yield wav.cpu().numpy()


@app.command()
def info(
    name: Annotated[
        str | None, typer.Argument(help="A codec, NAME@KBITS, or a file of codes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the codecs, or describe one or a file of codes."""
    import tts_codecs
    from tts_codecs.base import learned
    from tts_codecs.layered import LayeredCodec
    from tts_codecs.registry import file_of

    if name is None:
        from tts_codecs.fetched import BUILT, CODECS

        there = [each.name for each in CODECS.values() if each.fetched]
        for each in [*tts_codecs.names(), *BUILT, *there]:
            show(json.dumps(each) if as_json else each)
        if absent := [each for each in CODECS if each not in there]:
            say(f"published by others, `tts models fetch NAME`: {', '.join(absent)}")
        return
    found = _describe_file(name) if file_of(name) else None
    if found is None:
        codec = tts_codecs.load(name, "cpu")
        described = codec.info
        found = {field: getattr(described, field) for field in described.__dataclass_fields__} | {
            "frame_rate": described.frame_rate,
            "parameters": sum(each.numel() for each in learned(codec)),
        }
        found.pop("codebook_sizes")
        if isinstance(codec, LayeredCodec) and described.kind == "codes":
            found["bitrates"] = list(codec.bandwidths().values())
    if as_json:
        show(json.dumps(found))
    else:
        for key, value in found.items():
            listed = value if isinstance(value, list | tuple) else [value]
            shown = [f"{each:.6g}" if isinstance(each, float) else str(each) for each in listed]
            show(f"{key}: {'-' if value is None else ', '.join(shown) or '-'}")


def _describe_file(name: str) -> dict[str, Any] | None:
    """Describe a file of codes; None for published weights."""
    from tts_codecs.files import unpack_encoded
    from tts_codecs.published import is_weights

    if is_weights(name):
        return None
    data = _bytes(name)
    found = unpack_encoded(data, repr(name))
    return {
        "codec": found.codec, "kind": found.kind, "units": found.encoded.shape[1],
        "width": found.encoded.shape[2], "sample_rate": found.sample_rate, "hop": found.hop,
        "seconds": found.samples / found.sample_rate, "bytes": len(data),
    }  # fmt: skip


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="A codec, or NAME@KBITS.")] = "spectral",
    bitrate: Bitrate = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Of audio, 1 to 60.")] = 10.0,
    repeats: Annotated[int, typer.Option("--repeats", help="The median of so many.")] = 3,
    piece: Annotated[float, typer.Option("--piece", help="Seconds of a piece of a stream.")] = 0.08,
    device: Device = "cpu",
    threads: Threads = 1,
) -> None:
    """Time a codec, as one line of JSON.

    *_rtf: seconds it takes for a second of audio, to encode, to decode, and to decode as a stream.
    stream_to_decode: CPU time of the stream in multiples of decoding at once. first_piece_ms: time
    until the stream returns sound. latency_ms: duration of the frames that this waits for.
    """
    if not 1 <= seconds <= 60 or not 1 <= repeats <= 100:
        raise UsageError("--seconds is 1 to 60 and --repeats 1 to 100")
    if not 0.001 <= piece <= 60:
        raise UsageError("--piece is 0.001 to 60")
    check_device(device)
    set_threads(threads)
    _check_bitrate(bitrate)

    import statistics

    import torch

    import tts_codecs
    from tts_codecs.base import learned

    codec = tts_codecs.load(name, device, bandwidth=bitrate)
    described = codec.info
    count = round(seconds * described.sample_rate)
    wav = 0.1 * torch.randn(1, 1, count, generator=torch.Generator().manual_seed(0))
    wav = wav.to(codec.device)
    units = max(1, round(piece * described.frame_rate))

    def stream() -> float:
        state, first = codec.init_state(1), 0.0
        begin = time.perf_counter()
        pieces = encoded.data.split(units, 1)
        for number, each in enumerate(pieces, 1):
            out, state = codec.decode_chunk(each, state, last=number == len(pieces))
            if out.shape[2] and not first:
                first = time.perf_counter() - begin
        return first

    taken: dict[str, list[float]] = {"encode": [], "decode": [], "stream": [], "first": []}
    ratios: list[float] = []
    with torch.inference_mode():
        for turn in range(repeats + 1):
            begin = time.perf_counter()
            encoded = codec.encode(wav)
            between, busy = time.perf_counter(), [time.process_time()]
            codec.decode(encoded)
            decoded = time.perf_counter()
            busy.append(time.process_time())
            first = stream()
            streamed = time.perf_counter()
            busy.append(time.process_time())
            if turn:  # the first prepares weights
                taken["encode"].append(between - begin)
                taken["decode"].append(decoded - between)
                taken["stream"].append(streamed - decoded)
                taken["first"].append(first)
                # Of the processor, which other work on the machine changes least.
                ratios.append((busy[2] - busy[1]) / max(busy[1] - busy[0], 1e-9))
    median = {key: statistics.median(values) for key, values in taken.items()}
    weights = sum(each.numel() * each.element_size() for each in learned(codec))
    show(json.dumps({
        "codec": described.name, "kbit_s": described.bitrate and described.bitrate / 1000,
        "device": device, "threads": threads, "seconds": seconds,
        "encode_rtf": round(median["encode"] / seconds, 5),
        "decode_rtf": round(median["decode"] / seconds, 5),
        "stream_rtf": round(median["stream"] / seconds, 5),
        "stream_to_decode": round(statistics.median(ratios), 2),
        "piece_ms": round(1000 * units / described.frame_rate, 1),
        "first_piece_ms": round(1000 * median["first"], 2),
        "latency_ms": round(1000 * (units + described.look_ahead) / described.frame_rate, 1),
        "weights_mb": round(weights / 1e6, 1),
    }))  # fmt: skip


def _check_bitrate(bitrate: float | None) -> None:
    if bitrate is not None and not 0 < bitrate <= 1000:
        raise UsageError(f"--bitrate {bitrate:g} is out of range: kbit/s, above 0 to 1000")


def _bytes(name: str) -> bytes:
    """Read a file of codes, or standard input."""
    try:
        if name == "-":
            if sys.stdin is None or sys.stdin.isatty():
                raise UsageError("no codes on standard input: pipe them in or give a file name")
            return sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"cannot read {name!r}: {reason}") from error
