"""Batches: many texts are spoken into the files of a folder, in a run that can stop and go on.

The modules in the order in which a batch passes them:

    rows            table.py reads CSV or JSON Lines; rows.py makes a Row of each line, or of values
                    in Python
    run             run.py is the entry: which rows are done already, and the steps below for the
                    others; progress_bar.py shows how far it is
    groups          grouping.py: rows of similar lengths that are computed together
    computation     engines.py: in this process, in several, or on a Ray cluster; worker.py
                    synthesizes the groups and writes the files
    state           journal.py: which rows are done, on disk
"""
