"""Scenes: the 365 labels of Places365, the teachers that see them in photographs, and soft labels."""
