"""Runs that live in object storage (``s3://``, ``gs://``), and leases where there are no locks."""
