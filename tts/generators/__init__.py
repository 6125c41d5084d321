"""Generators: text and a voice to latents, by any family.

To enter, read in this order:

    base.py              what goes in and comes out: Request, SamplingOptions, Infill, Losses
    protocols.py         the contracts of the two parts that are exchanged, heads and strategies
    generator.py         Generator, which joins conditioner, backbone, head and strategy
    strategies/flow.py   a whole sequence at once; heads/linear.py is its head
    strategies/autoregressive.py with stepwise.py, one latent after another; heads/categorical.py

The other modules by topic:

    text and voice       conditioner.py, content.py, pointer_content.py and voice_encoders.py, which
                         make the Condition of conditioning.py
    alignment            alignment.py, pointer.py
    network              backbone.py, grouped.py, growth.py, cuda_graph.py
    latents              latent_space.py, wave_space.py, folding.py, soft_codes.py
    order of latents     patterns.py, named_patterns.py, rearrangement.py, schedules.py
    sampling             options.py, sampling.py, guidance.py, integration.py, step_types.py,
                         external.py, speculative.py
    base classes         heads/base.py, strategies/non_autoregressive.py

Shapes are written with these letters, here and in all modules of the package:

    B, S, T, U           rows of a batch; phone tokens of a sentence, or steps of a decoder; frames
                         of features, 50 a second; latents, most often one for 2 frames (the patch)
    C, D                 channels of a frame of features (82); dimensions of a continuous latent
    K, V                 codebooks of a latent; codes of a codebook, where the code V means unknown
    M, G                 positions of the encoded voice prompt; dimensions of the voice vector
    *                    D or K: code that serves both continuous latents and codes
"""
