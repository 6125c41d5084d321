"""Command line `tts`: one module for each command, and what the commands share.

    main.py         the command and its error handling; version.py prints its version
    common.py       messages, texts and models for all commands; voice_arguments.py
    complete.py     completion in the shell; manual.py makes the manual page

Speech:

    synthesize.py, edit.py, batch.py    text to speech, editing, tables
    voices.py, lexicon.py, phonemize.py voices, pronunciations, what will be said
    serve.py, demo.py                   HTTP server, page in the browser

Models:

    models.py, doctor.py, bench.py      weights, state of the installation, speed
    data.py, train.py, evaluate.py      corpora, training, evaluation
    codec.py                            codecs
"""
