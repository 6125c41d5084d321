"""Training tasks: networks with their batches and losses, for the loop of `tts.train`.

Each class implements `tts.train.task.Task`, and `tts.train.config.KINDS` has its name in YAML. The
modules in the order in which the parts of a system are trained:

    vocoder.py         the source-filter vocoder with its pitch network
    feature_codec.py   codecs of source-filter features: "spectral" (codes) and "latent"
    waveform_codec.py  codecs of waveforms
    aligner.py         the aligner, and the alignment of a corpus
    durations.py       the duration model
    probes.py          the speaker probe and the phone probe
    identity.py        the speaker classifier for identity and style losses
    phrasing.py        the phrase-break model; phrasing_scores.py measures it
    enhancer.py        the speech enhancer
    generator.py       any generator
"""
