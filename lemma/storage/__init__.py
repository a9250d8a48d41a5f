"""Runs that live in object storage (``-o s3://bucket/run``), and leases where there are no locks."""
