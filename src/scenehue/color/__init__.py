"""Colour as pure functions: CIE Lab, the 313 bins, soft encoding and decoding, the prior of rare colours."""
