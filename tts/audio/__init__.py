"""Audio: recordings to samples, and samples to files and streams.

Recordings that are read, in the order of the data:

    sniff.py        guesses the type of a file from its first bytes, for error messages
    sandbox.py      decodes the recordings of strangers in another process with limits;
                    sandboxed.py is that process
    decode.py       decodes the part that is used, by libsndfile or, in containers.py, FFmpeg
    headers.py      mends headers without a length
    channels.py     mixes channels to mono
    resample.py     changes the sample rate
    level.py        finds speech and sets its level
    reference.py    all of this for voice references; recording.py for whole recordings

Speech that is written:

    loudness.py     brings it to one loudness
    formats.py      formats and their sample values
    writer.py       files and standard output
    encoder.py      streams of bytes
    files.py        files that are written atomically
    display.py, plots.py    players and pictures for notebooks
"""
