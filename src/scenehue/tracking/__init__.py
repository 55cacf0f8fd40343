"""MLflow as a place where runs are recorded; nothing else depends on it."""
