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
    network              backbone.py, grouped.py, cuda_graph.py
    latents              latent_space.py, wave_space.py, folding.py
    order of latents     patterns.py, named_patterns.py, rearrangement.py, schedules.py
    sampling             sampling.py, guidance.py, integration.py, external.py, speculative.py
"""
