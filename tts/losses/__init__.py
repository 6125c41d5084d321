"""Networks and losses that training uses to judge generated features.

perceptual.py  the perceptual losses of generators
speaker.py     speaker probe: predicts the speaker embedding
identity.py    speaker classifier, for identity and style losses
phone.py       phone probe: a frame-wise phone classifier
"""
