"""Base of strategies that draw the whole sequence before any latent is handed on."""

from tts.generators.backbone import Backbone


class NonAutoregressive:
    """Base of Flow, Diffusion, Masked and OneShot: the backbone sees all latents, and by default
    also a noise level."""

    causal = False
    time_conditioned = True
    streamed = False
    supports_pointer = False
    inpaint = 0.0
    merge = groups = 1
    network = Backbone

    def steps_before(self, latents: int, num_codebooks: int) -> int | None:
        """Evaluations of the network until the first `latents` latents are committed: None, since
        the whole sentence takes `SamplingOptions.steps`."""
        return None

    def ignored_options(self, num_codebooks: int, pointer: bool) -> tuple[str, ...]:
        """None: the head draws nothing step by step, so its options do not count anyway."""
        return ()
