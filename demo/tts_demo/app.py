"""The page: its tabs, and the limits under which it is served."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tts.serve.access import LOCAL, Access
from tts_demo import page
from tts_demo.batch import batch_tab
from tts_demo.codec import codec_tab
from tts_demo.compare import compare_tab
from tts_demo.editing import edit_tab
from tts_demo.fields import VoiceFields
from tts_demo.library import library_tab
from tts_demo.limits import KEPT, MAX_BYTES, QUEUE, SPOKEN, SWEEP
from tts_demo.sounds import PREFIX
from tts_demo.speak_tab import speak_tab
from tts_demo.studio import Studio

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "form-action 'self'; frame-ancestors 'none'"
)


TABS: dict[str, Callable[[Studio, VoiceFields], None]] = {
    "Speak": speak_tab,
    "Voices": library_tab,
    "Edit": edit_tab,
    "Compare": compare_tab,
    "Codec": codec_tab,
    "Batch": batch_tab,
}


class Private:
    """Tells browsers to load nothing from elsewhere and to tell nobody, whatever Gradio's pages
    ask for; refuses other names of this machine, behind which a foreign site may hide, and requests
    of other sites, as the server does (tts.serve.access).

    Args:
        hosts: names by which the page may be asked for; empty allows all.
        sounds: what answers for addresses below PREFIX of tts_demo.sounds.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = (), sounds: ASGIApp | None = None):
        self.app, self.access, self.sounds = app, Access(hosts), sounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refused = self.access.refusal(scope)
        if scope["type"] != "http":
            if not refused:
                await self.app(scope, receive, send)
            return
        if refused:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": refused.encode()})
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", _POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        own = self.sounds is not None and scope["path"].startswith(PREFIX)
        answering = self.sounds if own and self.sounds else self.app
        await answering(scope, receive, marked)


def build(studio: Studio) -> gr.Blocks:
    """The page for the models of a studio; nothing is loaded before it is opened."""
    with gr.Blocks(title=page.TITLE, analytics_enabled=False, delete_cache=(SWEEP, KEPT)) as blocks:
        gr.Markdown(page.INTRO)
        voices = VoiceFields()
        with gr.Tabs():
            for name, lay_out in TABS.items():
                with gr.Tab(name, id=name.lower()):
                    lay_out(studio, voices)
        voices.connect(blocks)
        blocks.load(studio.warm_up, queue=False, api_visibility="private")

        def left(request: gr.Request) -> None:
            studio.forget(request.session_hash or "")

        blocks.unload(left)
    blocks.queue(max_size=QUEUE, default_concurrency_limit=SPOKEN, api_open=False)
    return blocks


def theme() -> gr.themes.Base:
    """Fonts of the visitor's own machine."""
    return gr.themes.Soft(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"),
        font_mono=("ui-monospace", "Consolas", "monospace"),
    ).set(
        # Text and what it stands on differ by 4.5 to 1 at least, as WCAG 2 has it.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_background_fill_dark="transparent",
        color_accent="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        # Fields and boxes stand out from what they lie on by 3 to 1.
        checkbox_border_width="1px",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        link_text_color="*primary_700",
        link_text_color_hover="*primary_800",
        link_text_color_visited="*primary_700",
        link_text_color_active="*primary_800",
        link_text_color_dark="*primary_300",
        link_text_color_hover_dark="*primary_200",
        link_text_color_visited_dark="*primary_300",
        link_text_color_active_dark="*primary_200",
        # `set` forgets this one of the theme.
        background_fill_primary="*neutral_50",
        block_title_background_fill="transparent",
        block_title_padding="0",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_label_background_fill="transparent",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
    )


def launch(
    blocks: gr.Blocks,
    studio: Studio,
    host: str = "127.0.0.1",
    port: int | None = None,
    *,
    open_page: bool = False,
    hosts: Sequence[str] = LOCAL,
) -> str:
    """Serve the page from a thread and return its address.

    Args:
        port: None takes the first free one from 7860.
        hosts: names it answers to, () for all.

    Raises:
        OSError: the port is taken.
    """
    options: dict[str, Any] = {
        "middleware": [Middleware(Private, hosts=hosts, sounds=studio.sounds)]
    }
    _, url, _ = blocks.launch(
        server_name=host,
        server_port=port,
        share=False,
        inbrowser=open_page,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        max_file_size=MAX_BYTES,
        max_threads=16,
        state_session_capacity=64,
        allowed_paths=[],
        app_kwargs=options,
        theme=theme(),
        css_paths=page.CSS,
        js=page.script(),
    )
    return url


def close(blocks: gr.Blocks, studio: Studio) -> None:
    """Stop what is being made and the page, without waiting for those who look at it."""
    studio.close()
    server = getattr(blocks, "server", None)
    if server is not None:
        server.should_exit = True
        for connection in list(server.server_state.connections):  # an open page holds one for ever
            connection.loop.call_soon_threadsafe(connection.transport.abort)
    blocks.close(verbose=False)
