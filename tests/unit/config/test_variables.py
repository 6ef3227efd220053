from typing import Annotated

from pydantic_settings import BaseSettings

from celery_aws.config.variables import (
    ProcessEnvironment,
    Variable,
    VariablesSource,
    variable_of,
)


class Pair(BaseSettings):
    access_key_id: Annotated[str | None, Variable("AWS_ACCESS_KEY_ID")] = None
    secret_access_key: Annotated[str | None, Variable("AWS_SECRET_ACCESS_KEY")] = None
    session_token: Annotated[str | None, Variable("AWS_SESSION_TOKEN")] = None
    region: Annotated[str | None, Variable("AWS_REGION", "AWS_DEFAULT_REGION")] = None


USUAL = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_a_field_takes_the_stronger_of_its_names() -> None:
    both = {"AWS_DEFAULT_REGION": "eu-west-2", "AWS_REGION": "eu-west-1"}
    assert VariablesSource(Pair, both)() == {"region": "eu-west-1"}
    assert VariablesSource(Pair, both | {"AWS_REGION": ""})() == {"region": "eu-west-2"}


def test_names_are_found_in_any_case_and_others_are_ignored() -> None:
    assert VariablesSource(Pair, {"aws_region": " eu-west-1 ", "DEBUG": "1"})() == {
        "region": "eu-west-1"
    }


def test_what_is_empty_is_not_given() -> None:
    for nothing in ("", "  ", None):
        assert VariablesSource(Pair, {"AWS_REGION": nothing})() == {}


def test_the_usual_pair_of_the_process_hides_weaker_ones() -> None:
    token = {"AWS_SESSION_TOKEN": "token"}
    hidden = {"access_key_id": None, "secret_access_key": None, "session_token": None}
    assert ProcessEnvironment(Pair, USUAL)() == hidden
    assert ProcessEnvironment(Pair, USUAL | token)() == hidden
    assert ProcessEnvironment(Pair, token)() == {"session_token": "token"}
    assert VariablesSource(Pair, USUAL)() == {"access_key_id": "key", "secret_access_key": "secret"}


def test_half_of_the_usual_pair_stays_to_be_complained_of() -> None:
    assert ProcessEnvironment(Pair, {"AWS_ACCESS_KEY_ID": "key"})() == {"access_key_id": "key"}


def test_a_field_tells_its_names() -> None:
    variable = variable_of(Pair.model_fields["region"])
    assert variable.names == ("AWS_REGION", "AWS_DEFAULT_REGION")
    assert variable_of(Pair.model_fields["session_token"]).names == ("AWS_SESSION_TOKEN",)
