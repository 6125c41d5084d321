"""Voices: from a recording of a person to what generators imitate.

A recording becomes a voice in this order:

    recording     sources.py, in whatever form it is given; enhancer.py takes noise and echo away
    judgement     judge.py tells what would make a poor voice, with overlap.py for people who speak
                  at once
    encoding      voice.py: Voice, with the embedding of speaker.py
    adaptation    reading.py, recognition of its phones; profile.py, their deviations from the
                  average speaker; tuning.py, what was fitted to one generator
    mixing        mixing.py, a voice between two
    keeping       file.py, the format of voice files; store.py, voices by name
"""
