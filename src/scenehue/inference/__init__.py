"""Colouring photographs: files in and out, prediction at any size, and the public Colorizer."""
