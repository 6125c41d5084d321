"""What strategies share that draw the whole sequence before any of it is handed on."""

from tts.generators.backbone import Backbone


class NonAutoregressive:
    """Base of Flow, Diffusion and Masked: the backbone sees all latents and knows a noise level."""

    causal = False
    time_conditioned = True
    streamed = False
    supports_pointer = False
    network = Backbone

    def steps_before(self, latents: int, num_codebooks: int) -> int | None:
        """Evaluations of the network until the first `latents` latents are committed, of a head of
        so many codebooks (0: continuous). The whole sentence takes the steps of the sampler."""
        return None
