"""Whether an answer is one of AWS at all.

A proxy or a sign-in page between here and AWS answers with status 200 too, and botocore reads
its page as an answer without members.
"""

from collections.abc import Mapping
from typing import Any

from botocore.parsers import ResponseParserError

#: What an error says of an answer that is not AWS's.
NOT_AWS = "something between here and AWS gave it, such as a proxy or a sign-in page"


def member_of(answer: Mapping[str, Any], name: str) -> Any:
    """Return a member that AWS's answer always has.

    Raises:
        ResponseParserError: it is not there; :func:`celery_aws.aws.errors.translated` makes it a
            :class:`~celery_aws.errors.ServiceFaultError`.
    """
    if name not in answer:
        raise ResponseParserError(f"the answer has no {name}: {NOT_AWS}")
    return answer[name]
