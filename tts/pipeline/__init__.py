"""Synthesis pipeline: from text and a voice to audio.

ports.py             the interfaces that a model implements, and what joins them: Pipeline
render.py            Renderer, which runs them: sentences to audio, streamed or in batches
assemble.py          from a model's config to its Pipeline: one line for each port
voices.py            recordings and voice files to voices

The ports of this project's models, each given the networks that it needs:

networks.py          Networks, loaded from the config
phone_frontend.py    TextFrontend: text to phones, with pauses
prompt_encoder.py    VoiceEncoder: a recording to a speaker embedding and features
lengths.py           LengthModel: how long each phone or sentence is
voiced_generator.py  LatentGenerator: a generator of any family, with weights of adapted voices
feature_decoder.py, wave_decoder.py
                     Decoder: by a vocoder, or by a codec of waveforms
acoustic.py          AcousticModel, the Tuner, and all of the above for code below the pipeline
"""
