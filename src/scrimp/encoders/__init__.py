"""Tokenizers behind the Encoder port."""

from scrimp.encoders.tiktoken_encoder import TiktokenEncoder

__all__ = ["TiktokenEncoder"]
