"""The tab of codecs: a recording through each of them at every bitrate, with its codes as a
picture."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import gradio as gr

from tts.errors import AudioError, TTSError, UsageError
from tts_demo import page
from tts_demo.fields import VoiceFields, ending_in_status, stopper, told
from tts_demo.limits import CODEC_SECONDS
from tts_demo.picture import codes_image, data_url
from tts_demo.ready import ready_codecs
from tts_demo.studio import Studio, Ticket

if TYPE_CHECKING:
    from torch import Tensor

    from tts.types import Audio
    from tts_codecs import Codec

_HELP = (
    f"Record or upload up to {CODEC_SECONDS:g} s, and hear what is left of it after each codec, at "
    "every bitrate that it has. The picture shows its codes: time runs to the right, each row is a "
    "codebook, each colour an entry."
)


class Shelf:
    """Codecs, each loaded once and used by one request at a time, which chooses the bitrate."""

    def __init__(self, device: str):
        self._device = "cpu" if device == "auto" else device
        self._loaded: dict[str, Codec] = {}
        self.lock = Lock()

    def get(self, name: str) -> "Codec":
        """A codec; errors as tts_codecs.load."""
        if name not in self._loaded:
            import tts_codecs

            self._loaded[name] = tts_codecs.load(name, self._device)
        return self._loaded[name]


def _read(recording: str | None, rate: int) -> "Tensor":
    """A recording as [1, 1, N] at a rate.

    Raises:
        UsageError: none. AudioError: not audio, or too long.
    """
    import torch

    from tts.audio.recording import read_recording

    if not recording:
        raise UsageError("no recording: give one first")
    try:
        with Path(recording).open("rb") as file:
            found = read_recording(file, rate)
    except OSError as error:
        raise AudioError("the recording is not there any more: give it again") from error
    if found.seconds_in > CODEC_SECONDS:
        length = f"{found.seconds_in:.0f} s long; {CODEC_SECONDS:g} s are the most"
        raise AudioError(f"the recording is {length} here")
    return torch.from_numpy(found.samples)[None, None]


def rates(codec: "Codec") -> Sequence[int | None]:
    """Numbers of codebooks that a codec can work with, most first; None for all it has."""
    from tts_codecs.layered import LayeredCodec

    coded = codec.info.kind == "codes"  # latents are the same whatever codebooks are in use
    if coded and isinstance(codec, LayeredCodec) and len(codec.bandwidths()) > 1:
        return sorted(codec.bandwidths(), reverse=True)
    return [None]


def through(
    studio: Studio,
    ticket: Ticket,
    session: str,
    codec: "Codec",
    name: str,
    recording: str | None,
) -> str:
    """HTML of a recording after a codec, at every bitrate; errors as `_read`."""
    import torch

    from tts.types import Audio
    from tts_codecs.layered import LayeredCodec

    wav = _read(recording, codec.info.sample_rate).to(codec.device)
    parts = []
    choices = rates(codec)
    try:
        for count in choices:
            if ticket.stopped:
                break
            if count is not None:
                assert isinstance(codec, LayeredCodec)
                codec.use_codebooks(count)
            with torch.inference_mode():
                begin = time.perf_counter()
                encoded = codec.encode(wav)
                between = time.perf_counter()
                out = codec.decode(encoded)[0, 0, : wav.shape[2]]
                decoded = time.perf_counter()
            audio = Audio(out.float().cpu().numpy(), codec.info.sample_rate)
            spent = (between - begin, decoded - between)
            codes = encoded.data[0].cpu() if codec.info.kind == "codes" else None
            parts.append(_one(studio, session, name, codec, audio, spent, codes))
    finally:
        if isinstance(codec, LayeredCodec) and choices[0] is not None:
            codec.use_codebooks(choices[0])
    return "".join(parts)


def _one(
    studio: Studio,
    session: str,
    name: str,
    codec: "Codec",
    audio: "Audio",
    spent: tuple[float, float],
    codes: "Tensor | None",
) -> str:
    """HTML of one bitrate: figures, player, codes, mel."""
    info = codec.info
    rate = f"{info.bitrate / 1000:.2f} kbit/s" if info.bitrate else "no codes"
    figures = (
        ("Bitrate", rate), ("Frames", f"{info.frame_rate:.4g} /s"),
        ("Encode RTF", f"{spent[0] / audio.seconds:.3f}"),
        ("Decode RTF", f"{spent[1] / audio.seconds:.3f}"),
    )  # fmt: skip
    url = studio.sounds.add(session, f"{name}-{rate.split()[0]}.wav", audio.to_bytes())
    picture = ""
    if codes is not None:
        image = data_url(codes_image(codes.numpy(), info.sizes))
        alt = f"codes of {name}: {codes.shape[1]} codebooks, {codes.shape[0]} frames"
        picture = f"<img class='codes' src='{image}' alt='{alt}'>"
    return (
        f"<section class='speaking bitrate'><h4>{rate}</h4>{page.figures(figures)}"
        f"{page.player(f'{name} at {rate}', url)}{picture}"
        f"{page.speech('', page.figure(audio.samples, audio.sample_rate))}</section>"
    )


def codecs(
    studio: Studio,
    shelf: Shelf,
    session: str,
    recording: str | None,
    chosen: Sequence[str],
    names: Sequence[str],
) -> Generator[tuple[Any, ...], None, None]:
    """A recording through codecs as what changes on the page: status, then HTML of each codec.

    Args:
        names: all codecs of the page, in the order of what changes.

    Raises:
        gr.Error: one line on what is wrong with the request; what is wrong with one codec stands
            in its place.
    """
    with told(), studio.ticket(session) as ticket:
        wanted = [name for name in names if name in chosen]
        if not wanted:
            raise UsageError("no codec: choose at least one")
        _read(recording, 16000)

        def step(state: str, done: int, name: str = "", shown: str = "") -> tuple[Any, ...]:
            share = done / len(wanted) if done < len(wanted) else None
            parts = [shown if name == each else gr.skip() for each in names]
            return page.state(state, share), *parts

        yield page.state("Loading", 0.0), *[""] * len(names)
        for number, name in enumerate(wanted):
            yield step(f"{name}: {number + 1} of {len(wanted)}", number)
            title = f"<h3>{name}</h3>"
            try:
                with shelf.lock:
                    shown = through(studio, ticket, session, shelf.get(name), name, recording)
            except TTSError as error:
                shown = page.state(" ".join(str(error).split()))
            if ticket.stopped:
                yield step("Stopped.", len(wanted))
                return
            yield step(
                f"{name}: {number + 1} of {len(wanted)}",
                number + 1,
                name,
                f"{title}<div class='bitrates'>{shown}</div>",
            )
        yield step("Done.", len(wanted))


def codec_tab(studio: Studio, voices: VoiceFields) -> None:
    """Lay out the tab in the Blocks that are being built."""
    names = ready_codecs()
    shelf = Shelf(studio.device)
    gr.Markdown(_HELP)
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            recording = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                editable=False,
                buttons=[],
                label="Recording",
                elem_id="coded-recording",
            )
        with gr.Column(scale=4, min_width=320):
            chosen = gr.CheckboxGroup(names, value=names, label="Codecs")
            with gr.Row():
                start = gr.Button("Encode and decode", variant="primary", scale=3, min_width=120)
                stop = gr.Button("Stop", variant="stop", scale=1, min_width=80)
            status = gr.HTML(page.state("Ready."), elem_id="codec-status")
    outputs: list[Any] = [status]
    for name in names:
        outputs.append(gr.HTML("", elem_id=f"codec-{name}"))

    def run(
        request: gr.Request, given: str | None, wanted: list[str]
    ) -> Generator[tuple[Any, ...], None, None]:
        with closing(
            codecs(studio, shelf, request.session_hash or "", given, wanted, names)
        ) as steps:
            yield from ending_in_status(steps, len(outputs), page.state)

    event = start.click(
        run,
        [recording, chosen],
        outputs,
        show_progress="hidden",
        concurrency_limit=1,
        concurrency_id="codec",
        api_visibility="private",
    )
    stopper(studio, stop, status, [event], page.state("Stopped."))
