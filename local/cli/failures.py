"""How a command ends without success."""


class Misused(Exception):
    """The command cannot do what it was asked; the message says how to use it rightly (exit code 2)."""


class Failed(Exception):
    """What the command started did not succeed; the message says what to look at (exit code 1)."""


def told(error: Exception) -> str | None:
    """What to say of an error from outside: files of the machine, or AWS; None for a fault of this program."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    family = {
        kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith(("botocore.", "local.cloud."))
    }
    if family & {"NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "ProfileNotFound"}:
        return f"{error}; configure the AWS CLI (`aws configure`), or leave out --stack for the local cloud"
    if "NoRegionError" in family:
        return "no region is set; set AWS_REGION=us-east-1, the region of the stack"
    if family & {"ConnectionError", "HTTPClientError"} and "//127.0.0.1:" in str(error):
        return "the local cloud does not answer any more; `toolsmith demo` or `toolsmith up` goes on where it stopped"
    return str(error) if family & {"BotoCoreError", "ClientError", "CloudError"} else None
