"""Evaluation of synthesis and of codecs (`tts eval`).

command.py    several models in one run
run.py        one model: synthesizes and scores every case
cases.py      case lists: which voice speaks which sentence
score.py      scores of one item
metrics.py    word error rate, speaker similarity, predicted quality
normalize.py  normalisation of texts for word errors
ecapa.py      the speaker encoder of the similarity
report.py     totals with confidence intervals, tables, files
paired.py     comparison of models on the same items
done.py       finished items, to resume a run
kept.py       published scores
codecs.py     codecs by name, for resynthesis
"""
