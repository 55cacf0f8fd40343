"""Colour for natural-scene photographs."""
