"""Layers and networks of the codecs.

Encoders and decoders of trainable waveform codecs (tts_codecs.neural):

    waveform.py      their base classes; SEANet and STFT encoders and decoders
    mel_encoders.py  encoders on a log-mel
    attended.py      an encoder with a transformer on top
    freev.py         a decoder of log-mels

Streaming layers with explicit state:

    conv.py          convolutions over time
    convnext.py      ConvNeXt blocks
    causal.py        the causal stack of ConvNeXt blocks
    streamed.py      layers of Mimi: strided convolutions, windowed attention
    framed.py        layers of EnCodec at 24 kHz
    centred.py       streaming of non-causal networks
    hifigan.py       layers of HiFi-GAN, causal or not

Other layers:

    normed.py        layers of EnCodec at 48 kHz
    snake.py         periodic activations
    weight_norm.py   weights from the norms and directions that are stored
    coupling.py      an affine coupling flow

Fast inference on CPUs:

    inference.py     layers with prepared weights
    onednn.py        convolutions and LSTMs of oneDNN
    half.py          matrix products with float16 weights
    derived_cache.py the cache of prepared weights
    signal_stack.py  the stack for signals that arrive during a matrix product
"""
