"""Credentials of roles, and SDK clients that act as a role.

Every Lambda sandbox, state machine, rule target, training job and model import works under a session of
its own role; the emulator verifies the signatures and evaluates the role's policies.
"""

import json
import secrets
import threading
from functools import cache

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud import emulator
from local.cloud.errors import ApiError
from local.cloud.settings import ACCOUNT, REGION

CONFIG = Config(
    inject_host_prefix=False,
    retries={"total_max_attempts": 1},
    read_timeout=960,
    max_pool_connections=64,
    s3={"addressing_style": "path"},
)


class Identities:
    """Sessions and clients of one cloud."""

    def __init__(self, endpoint: str, root: dict[str, str]) -> None:
        self._endpoint = endpoint
        self._root = root
        arn = f"arn:aws:iam::{ACCOUNT}:root"
        emulator.register_session(root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"], None, arn)
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], dict[str, str]] = {}
        self._clients: dict[tuple[str, str | None, str], object] = {}

    def session(self, role_arn: str, name: str) -> dict[str, str]:
        """Environment variables of temporary credentials of `role_arn` under the session name `name`."""
        with self._lock:
            found = self._sessions.get((role_arn, name))
            if found is None:
                found = self._sessions[role_arn, name] = _issue(role_arn, name)
            return found

    def environment(self, role_arn: str, name: str) -> dict[str, str]:
        """All AWS variables of a process that runs as `role_arn`."""
        return {
            **self.session(role_arn, name),
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str, role_arn: str | None = None, name: str = "local"):
        """A cached boto3 client; without a role it acts as the account's root."""
        key = (service, role_arn, name if role_arn else "")
        with self._lock:
            found = self._clients.get(key)
        if found is None:
            made = self._make(service, role_arn, name)
            with self._lock:
                found = self._clients.setdefault(key, made)
        return found

    def _make(self, service: str, role_arn: str | None, name: str):
        variables = self.session(role_arn, name) if role_arn else self._root
        keys = {key.lower(): value for key, value in variables.items()}
        with _making:
            return _session().client(service, endpoint_url=self._endpoint, config=CONFIG, **keys)

    def may(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether the role may do what a service does for it without a request of its own."""
        return emulator.key_may(self.session(role_arn, "check")["AWS_ACCESS_KEY_ID"], action, resource, {})

    def require_trust(self, role_arn: str, principal: str) -> None:
        """Check that the role exists and lets `principal` (an AWS service) assume it.

        Raises ApiError("ValidationException") as the services do.
        """
        try:
            role = self.client("iam").get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]
        except ClientError:
            role = None
        if role is None or not _trusts(role["AssumeRolePolicyDocument"], principal):
            raise ApiError(
                "ValidationException",
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
                f"'{principal}' to assume the role.",
            )


_making = threading.Lock()


@cache
def _session() -> boto3.session.Session:
    """One session for all clients: each session holds its own copy of every service model it has read."""
    return boto3.session.Session(region_name=REGION)


def _issue(role_arn: str, name: str) -> dict[str, str]:
    key, secret, token = "ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_hex(32)
    role = role_arn.rsplit("/", 1)[-1]
    emulator.register_session(key, secret, token, f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name[:64]}")
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def _trusts(document: dict | str, principal: str) -> bool:
    statements = (json.loads(document) if isinstance(document, str) else document).get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        services = statement.get("Principal", {})
        services = services.get("Service", []) if isinstance(services, dict) else []
        if statement.get("Effect") == "Allow" and principal in ([services] if isinstance(services, str) else services):
            return True
    return False
