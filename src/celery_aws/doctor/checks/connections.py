"""Whether AWS can be asked at all, where, and at what time.

Facts: "Signature Version 4": AWS refuses a request that is signed more than five minutes from its
own time.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from celery_aws.aws.access import reaches_aws, region_of_host
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, error, notice, warning
from celery_aws.errors import UnreachableError

#: Seconds by which the clocks may differ: beyond the first, etas and delays are visibly late or
#: early; beyond the second, AWS takes no signature.
SKEW_WARNING_SECONDS = 60
SKEW_ERROR_SECONDS = 300

UNREACHABLE = error(
    "aws-unreachable",
    "There was no answer: no name, no connection, no TLS, or none in time. Nothing else could be "
    "asked there.",
    "Check endpoint_url and region, the network path and its security groups, proxies (HTTPS_PROXY)"
    " and, in a private subnet, the VPC endpoint of the service",
)
OTHER_REGION = error(
    "endpoint-of-another-region",
    "The endpoint is that of a region, and requests are signed for another one: AWS refuses them.",
    "Name the same region in broker_transport_options['region'] (for results, in the host of "
    "result_backend) and in the endpoint, or leave the endpoint out",
)
PLAIN = warning(
    "endpoint-without-tls",
    "Requests go to AWS over http: whoever is on the way reads the tasks and may change them.",
    "Write https:// in endpoint_url, or leave it and is_secure out",
)
FAR_OFF = error(
    "clock-far-off",
    "This machine's clock differs from AWS's by more than five minutes: AWS takes no signature, "
    "and says that credentials have expired.",
    "Set the clock by NTP: on EC2 and ECS chrony with 169.254.169.123",
)
SKEWED = warning(
    "clock-skewed",
    "This machine's clock differs from AWS's by more than a minute: tasks with an eta that are "
    "sent or received here start that much too early or too late.",
    "Set the clock by NTP: on EC2 and ECS chrony with 169.254.169.123",
)
REGIONS_DIFFER = notice(
    "regions-differ",
    "Results are kept in another region than the queues: each costs a way there and back.",
    "Keep both in one region, unless that is what is wanted",
)

KINDS = (UNREACHABLE, OTHER_REGION, PLAIN, FAR_OFF, SKEWED, REGIONS_DIFFER)


def reachability(facts: Facts) -> Iterator[Finding]:
    """Tell which services do not answer."""
    for each in facts.connections:
        failure = each.reached.error
        what = f"{each.service} of {each.purpose}"
        if isinstance(failure, UnreachableError):
            yield UNREACHABLE.found(what, failure.reason)
    for bucket in facts.buckets:
        failure = bucket.region.error
        if isinstance(failure, UnreachableError):
            yield UNREACHABLE.found(f"s3 of {bucket.what}", failure.reason)


def endpoints(facts: Facts) -> Iterator[Finding]:
    """Look at what the settings say of endpoints."""
    for each in facts.connections:
        url = each.access.endpoint_url
        if url is None or not reaches_aws(each.access, each.service):
            continue
        what = f"endpoint of {each.purpose}"
        region = region_of_host(url)
        if region not in (None, each.access.region):
            evidence = f"the endpoint {url} is in {region}, the region is {each.access.region}"
            yield OTHER_REGION.found(what, evidence)
        if urlsplit(url).scheme == "http":
            yield PLAIN.found(what, url)


def clocks(facts: Facts) -> Iterator[Finding]:
    """Compare this machine's clock with AWS's."""
    skews = [each.reached.answer for each in facts.connections if each.reached.answer is not None]
    skew = max(skews, key=abs, default=0.0)
    if abs(skew) <= SKEW_WARNING_SECONDS:
        return
    kind = FAR_OFF if abs(skew) > SKEW_ERROR_SECONDS else SKEWED
    yield kind.found(
        "clock of this machine", f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS's"
    )


def regions(facts: Facts) -> Iterator[Finding]:
    """Compare the region of the results with that of the queues."""
    broker, results = facts.deployment.broker, facts.deployment.table("results")
    if broker is None or results is None or broker.region == results.access.region:
        return
    evidence = f"queues are in {broker.region}, results in {results.access.region}"
    yield REGIONS_DIFFER.found(f"results table {results.name}", evidence)


CHECKS = (reachability, endpoints, clocks, regions)
