"""Prosody: where to pause, and how long sounds are.

The modules in the order in which a sentence passes them:

    phrasing.py      phrase-break model: pauses in text without punctuation
    durations.py     duration model: frames of each phone
    total_length.py  total length, for generators without phone durations
    style.py         markup of speed, pauses, pitch and volume, applied to durations and audio
"""
