"""The three names of an SQS queue and what else must never share a parameter.

A queue URL, a queue ARN and a queue name are all text, and AWS takes one of them in each
place. mypy keeps them apart here; nothing is checked at run time.
"""

from typing import NewType

#: ``https://sqs.eu-west-1.amazonaws.com/123456789012/hoge-celery``
QueueUrl = NewType("QueueUrl", str)

#: ``hoge-celery``: the name on AWS, prefix included.
QueueName = NewType("QueueName", str)

#: ``arn:aws:sqs:eu-west-1:123456789012:hoge-celery``
QueueArn = NewType("QueueArn", str)

#: ``123456789012``: whose queue it is.
AccountId = NewType("AccountId", str)

#: ``celery``: the name in Celery's and AMQP's sense, before the prefix.
AmqpQueue = NewType("AmqpQueue", str)

#: What one receive of one message is settled by; a later receive makes it stale.
ReceiptHandle = NewType("ReceiptHandle", str)

#: The name of an S3 bucket.
BucketName = NewType("BucketName", str)

#: The key of an object in a bucket.
ObjectKey = NewType("ObjectKey", str)

#: The name of a DynamoDB table.
TableName = NewType("TableName", str)

#: Which process's inbox: the one SQS queue that it owns for its transient queues.
InboxId = NewType("InboxId", str)
