"""Photographs: where they come from, which are fit for training, how they are stored and loaded."""
