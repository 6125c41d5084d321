"""Training data.

From recordings to a packed corpus (`tts data prepare`):

    layouts.py      folder layouts of public corpora, and manifests
    tables.py, texts.py
                    reading of tables and of text files
    prepare.py      analysis of recordings and transcripts
    unfinished.py   a corpus that is being prepared, to resume a run
    finished.py     a corpus that exists already
    corpus.py       the packed corpus
    pack.py         a corpus in one small file

Data that are added to a corpus:

    features.py     source-filter features, speaker embeddings of warped copies
    vtlp.py         vocal tract length perturbation
    coded.py        codes or latents of a waveform codec
    profile.py      phone profiles
    overlap.py      training of the overlapped-speech detector

Training examples:

    batch.py        the type of a batch
    segments.py     aligned segments with voice prompts
    distillation.py speech of a teacher
    pseudo.py       recordings with recognized phones
    regenerated.py  recordings with generated features, for vocoders
    wide.py         wideband recordings, for vocoders
    punctuation.py  punctuated text, for phrasing
"""
