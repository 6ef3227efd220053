"""Where settings come from: variables by name, in the environment, a ``.env`` or a secret.

A source gives the values of a settings class by *field*, so that whichever of a field's
variables a stronger source uses, it beats every variable of a weaker one. A variable that is
set but empty counts as not given.

Nothing here knows AWS: a secret arrives as the mapping that somebody else has read.
Facts: botocore/credentials.py (``EnvProvider``), "Customise settings sources" of the
pydantic-settings documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

#: The pair that boto3 itself reads from the process environment, by field, and its token.
USUAL_PAIR = ("access_key_id", "secret_access_key")
SESSION_TOKEN = "session_token"  # noqa: S105 - the name of a field


@dataclass(frozen=True)
class Variable:
    """The names under which a setting is given, the stronger one first."""

    name: str
    other_name: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, the stronger one first."""
        return (self.name,) if self.other_name is None else (self.name, self.other_name)


def variable_of(field: FieldInfo) -> Variable:
    """Return the variable that is noted on a settings field."""
    return next(note for note in field.metadata if isinstance(note, Variable))


class VariablesSource(PydanticBaseSettingsSource):
    """Settings from a mapping of variables; letter case does not matter."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self._variables = {name.lower(): _given(value) for name, value in variables.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of one field or None, its name, and that it is not JSON."""
        for name in variable_of(field).names:
            value = self._variables.get(name.lower())
            if value is not None:
                return value, field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values that are given, by field."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


class ProcessEnvironment(VariablesSource):
    """The environment of this process, whose usual credentials are left to boto3.

    boto3 reads ``AWS_ACCESS_KEY_ID`` and its companions there by itself, and whoever put them
    there may renew them: copied into a URL they would be shown more often and grow old.
    """

    def __call__(self) -> dict[str, Any]:
        """Return the values that are given, by field; None hides those of weaker sources."""
        values = super().__call__()
        if values.keys() >= set(USUAL_PAIR):
            values |= dict.fromkeys((*USUAL_PAIR, SESSION_TOKEN))
        return values


def _given(value: Any) -> Any:
    stripped = value.strip() if isinstance(value, str) else value
    return None if stripped == "" else stripped
