"""The source-filter vocoder.

source_filter.py  the vocoder: log-mel to waveform
decoder.py        the vocoder as a decoder of waveform codecs
feature_parts.py  encoder and decoder of waveform codecs by features of all bands
feature_init.py   shipped weights that these begin with
pitch.py          F0 estimation from the log-mel, and the pulse train
widen.py          initialisation for a higher sample rate
losses.py         spectral losses of its training
"""
