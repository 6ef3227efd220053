import subprocess
import sys

import pytest
from kombu.transport import TRANSPORT_ALIASES

from celery_aws import _register

#: A process of its own: what is imported in this one proves nothing.
LIGHT = """
import sys
from celery_aws import _register
heavy = sorted({"boto3", "botocore", "celery", "pydantic", "kombu.messaging"} & sys.modules.keys())
print(heavy)
"""


def test_both_spellings_name_our_transport() -> None:
    for alias in ("aws", "aws+sqs"):
        assert TRANSPORT_ALIASES[alias] == "celery_aws.broker:Transport"


def test_the_serializer_is_real_json_under_a_name_of_its_own() -> None:
    encode, decode, content_type, encoding = _register.serializer
    assert decode(encode({"a": [1, None]})) == {"a": [1, None]}
    assert (content_type, encoding) == ("application/x-celery-aws-json", "utf-8")


def test_registering_imports_nothing_heavy() -> None:
    assert run(LIGHT) == "[]"


@pytest.mark.parametrize(
    "imports",
    [
        "import celery_aws; from kombu import Connection",
        "from kombu import Connection; import celery_aws",
        "import kombu.transport, celery_aws; from kombu import Connection",
    ],
)
def test_importing_the_package_is_the_registration(imports: str) -> None:
    program = f"{imports}; print(Connection('aws+sqs://').get_transport_cls().__module__)"
    assert run(program) == "celery_aws.broker.transport"


def test_importing_the_package_imports_no_kombu() -> None:
    program = "import sys, celery_aws; print([name for name in sys.modules if 'kombu' in name])"
    assert run(program) == "[]"


def run(program: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return ran.stdout.strip()
