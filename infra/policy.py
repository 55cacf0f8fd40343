"""The rights that the services and their clients need on the bucket, and no more."""

from __future__ import annotations

from typing import Any

DVC = "dvc"
MLFLOW = "mlflow"


def least_privilege(bucket: str) -> dict[str, Any]:
    """An IAM policy for the keys that DVC and the MLflow server use: objects under their two prefixes, nothing else.

    Setting the bucket up needs more, and is done with other keys.

    Example:
        >>> [statement["Sid"] for statement in least_privilege("photos")["Statement"]]
        ['ListOwnPrefixes', 'ReadAndWriteObjects', 'OnlyEncryptedConnections']
    """
    arn = f"arn:aws:s3:::{bucket}"
    objects = [f"{arn}/{DVC}/*", f"{arn}/{MLFLOW}/*"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ListOwnPrefixes",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
                "Resource": arn,
                "Condition": {"StringLike": {"s3:prefix": [DVC, f"{DVC}/*", MLFLOW, f"{MLFLOW}/*"]}},
            },
            {
                "Sid": "ReadAndWriteObjects",
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                "Resource": objects,
            },
            {
                "Sid": "OnlyEncryptedConnections",
                "Effect": "Deny",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }
