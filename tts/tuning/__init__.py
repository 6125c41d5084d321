"""Tuning: a generator is fitted to a voice, whose file carries what was learned.

The modules in the order in which a voice passes them:

    adaptation      adaptation.py: fine-tuning in some seconds; low_rank.py compresses what was
                    learned; adapted_generators.py makes generators of it when the voice speaks
    calibration     calibration.py: the error that is left of each phone is measured and corrected
                    without training
"""
