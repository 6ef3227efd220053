"""AWS credentials as a value that never shows its secret."""

from dataclasses import dataclass, field

from celery_aws.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A long-lived key pair, or a temporary one with its session token.

    Only what the user wrote down becomes one of these; boto3's default chain (environment,
    profile, container role, instance role) is expressed by having none.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def credentials_or_none(
    access_key_id: str | None,
    secret_access_key: str | None,
    session_token: str | None = None,
    *,
    where: str,
) -> Credentials | None:
    """Return the pair, or None when neither half is given (the default chain).

    Args:
        access_key_id: the key, or None.
        secret_access_key: its secret, or None.
        session_token: of a temporary pair, or None.
        where: the setting's name, for the error.

    Raises:
        ConfigurationError: only one half was given.
    """
    if not access_key_id and not secret_access_key:
        return None
    if not access_key_id or not secret_access_key:
        given, missing = ("an access key", "its secret")
        if secret_access_key:
            given, missing = ("a secret", "its access key")
        raise ConfigurationError(
            f"{where}: {given} is given without {missing}. Give both, or neither to use "
            "boto3's default chain (environment, profile, container or instance role)",
            where=where,
        )
    return Credentials(
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
        session_token=session_token or None,
    )
