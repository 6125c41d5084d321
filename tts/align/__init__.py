"""Alignment of phones and audio, which is learned without labels.

aligner.py  network with a Gaussian of mel frames for each phone
mas.py      monotonic alignment search: the best path through its log-likelihoods
"""
