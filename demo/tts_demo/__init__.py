"""The demo page of `tts demo`: speak, compare models, say a table of rows.

Importing it is quick: PyTorch and the weights are loaded when the page is first opened.
"""
