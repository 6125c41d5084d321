"""Where the weights of published codecs come from, and their licences; PyTorch is not imported."""

#: of codecs whose checkpoint has no key `licence`
UNDECLARED = "code MIT; the weights declare no licence"
ENCODEC_LICENCE = "code MIT; weights CC-BY-NC 4.0 (non-commercial use only)"
ENCODEC_URL = "https://dl.fbaipublicfiles.com/encodec/v0/encodec_24khz-d7cc33bc.th"
ENCODEC_SHA256 = "d7cc33bcf1aad7f2dad9836f36431530744abeace3ca033005e3290ed4fa47bf"
MIMI_LICENCE = "code MIT; weights by Kyutai, CC BY 4.0"
DAC_LICENCE = "code MIT; weights by Descript, MIT"
SNAC_LICENCE = "code MIT; weights by H. Siuzdak, MIT"
NANOCODEC_LICENCE = "code MIT; weights by NVIDIA, NVIDIA Open Model License"
#: suffix of NeMo's archives, of which only that of NanoCodec is read
ARCHIVE = ".nemo"
