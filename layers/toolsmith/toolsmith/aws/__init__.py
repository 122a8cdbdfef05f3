"""Adapters: the only modules that import boto3. Clients are made on first use, never at import time."""
