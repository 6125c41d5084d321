"""What the page offers and accepts, spelled out: the modules that define it import PyTorch, which
takes longer than the page may. tests/demo/test_studio.py holds them equal."""

#: smallest and largest values of tts.types.RANGES that have a slider
SPEED = (0.5, 2.0)
PITCH = (0.5, 2.0)
#: as the server: tts.serve.schema.MAX_CHARACTERS, tts.serve.decode.MAX_BYTES and MAX_SECONDS
MAX_CHARACTERS = 4096
MAX_BYTES = 10_000_000
MAX_SECONDS = 60.0
#: kinds of checkpoints that are codecs: tts_codecs.registry.KINDS
CODECS = ("spectral", "latent", "source_filter_vocoder", "neural", "vocos")

#: seconds of a recording that goes through codecs
CODEC_SECONDS = 20.0
#: rows of a batch
MAX_ROWS = 200
#: requests that wait or are spoken at a time
QUEUE = 16
SPOKEN = 2
#: seconds after which files of the page are deleted, and between looking
KEPT = 900
SWEEP = 300
