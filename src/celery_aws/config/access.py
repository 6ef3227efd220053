"""The options that say where AWS is and who asks: the same for broker and results."""

from dataclasses import field

from pydantic.dataclasses import dataclass

from celery_aws.config.fields import AnyMap, Flag, HttpUrl, RoleArn, StsDuration, Text, whole_number
from celery_aws.config.parsing import FORBID_EXTRA


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class AccessOptions:
    """Where AWS is and who asks.

    Attributes:
        region: AWS region; default: the URL's, then ``AWS_REGION``, then boto3's chain.
        endpoint_url: answers instead of AWS's own endpoint; default: the URL's host.
        is_secure: https or http for the URL's host; default: by the host.
        client_config: keywords of botocore's ``Config``.
        sts_role_arn: role to assume; its session is renewed by itself.
        sts_token_timeout: seconds of one session of that role.
        sts_token_buffer_time: seconds before its end at which a session is renewed.
        session_token: of temporary credentials in the URL.
        direct_requests: send the most frequent requests without most of boto3, for a third of its
            CPU. Tools that trace or record boto3's calls and are found to do so see all requests
            in any case; false is for those that are not found.
    """

    region: Text | None = None
    endpoint_url: HttpUrl | None = None
    is_secure: Flag | None = None
    client_config: AnyMap = field(default_factory=dict, metadata={"spelling": "client-config"})
    sts_role_arn: RoleArn | None = None
    sts_token_timeout: StsDuration = 900
    sts_token_buffer_time: whole_number(0, None, "seconds") = 0  # type: ignore[valid-type]
    session_token: str | None = field(default=None, repr=False)
    direct_requests: Flag = True
