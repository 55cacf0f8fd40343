"""Model versions in MLflow's registry: registering, the packaged model, the promotion rule, and what loads a version.

Nothing is imported here, so that the command line stays quick; MLflow is imported in this room's modules and in
`scenehue.tracking` only.
"""
