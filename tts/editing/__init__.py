"""Editing of recordings: other words, or words that follow, in the voice of the speaker. The rest
stays as it was recorded, sample for sample.

The modules in the order in which a recording passes them:

    request         edit.py changes words, extend.py continues a recording; both run the steps below
    analysis        recording.py reads it, computes its features and judges it
    alignment       align.py finds the frames of every word of its transcript
    edit plan       plan.py compares the transcript with the wanted text
    synthesis       render.py generates the new words in the context of the others
    splicing        clips.py chooses what is heard of both; splice.py joins it by cross-fades
    result          edited.py: Edited, audio with what was kept and changed
"""
