"""Tuning: a generator is fitted to a voice, in the order of these modules.

adaptation      adaptation.py: fine-tuning in some seconds, whose result low_rank.py compresses to
                factors that the voice carries; adapted_generators.py makes generators of them
calibration     calibration.py: the error that is left for each phone, measured and corrected
                without training
"""
