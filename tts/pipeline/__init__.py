"""Synthesis pipeline: from text and a voice to audio.

ports.py             the interfaces that a model implements, and what joins them: Pipeline
render.py            Renderer, which runs them: sentences to audio, streamed or in batches
assemble.py          from a model's config to its Pipeline
acoustic.py          the networks of this project's models, which fill all ports but the decoder
feature_decoder.py, wave_decoder.py
                     the decoders: by a vocoder, or by a codec of waveforms
voices.py            recordings and voice files to voices
"""
