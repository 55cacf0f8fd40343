"""Evaluation: metrics, results per photo, and the report."""
