"""The services behind the flows: PostgreSQL, S3, MLflow, Prefect and a worker, on one machine or in containers."""
