"""What can be known of token counts without a tokenizer at hand. Pure: the counter is passed in."""

from scrimp.tokens.encodings import EncodingChoice, encoding_for, scale
from scrimp.tokens.request import count_request

__all__ = ["EncodingChoice", "count_request", "encoding_for", "scale"]
