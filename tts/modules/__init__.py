"""Layers and inputs that networks of several packages share.

voice_prompt.py   VoicePrompt, the voice as the input of networks
phone_encoder.py  encoder of phone tokens
text_reader.py    attention over text, for generators without durations
transformer.py    attention blocks
adaln.py          MLP with adaptive layer normalization
"""
