"""Every AWS limit that the package relies on: value, unit, page and date read.

Pages are of the AWS documentation; all were read on 2026-11-22 from the API models of
botocore 1.43.106 and from the pages named. Nothing else in the package writes such a number.
"""

# SQS: "Amazon SQS message quotas" and the API reference of the operation named.

#: Entries in one SendMessageBatch, DeleteMessageBatch or ChangeMessageVisibilityBatch,
#: and messages in one ReceiveMessage.
SQS_BATCH_ENTRIES = 10

#: Bytes of one message, and of all entries of one SendMessageBatch together, body and
#: attributes (SendMessage; since August 2025).
SQS_MESSAGE_BYTES = 1_048_576

#: What SQS took until August 2025, and what the MaximumMessageSize of a queue that was made
#: before may still say; a queue that takes less was given that attribute by somebody.
SQS_OLD_QUEUE_MESSAGE_BYTES = 262_144

#: Bytes of payload that are billed as one request, begun ones as whole ones ("Amazon SQS
#: pricing", "How are requests billed").
SQS_BILLED_CHUNK_BYTES = 65_536

#: Seconds of a long poll (ReceiveMessage, WaitTimeSeconds).
SQS_WAIT_TIME_SECONDS_MAX = 20

#: Seconds of a visibility timeout, counted from the receive (ChangeMessageVisibility).
SQS_VISIBILITY_TIMEOUT_SECONDS_MAX = 43_200

#: Seconds that a message can be delayed; not per message on FIFO (SendMessage, DelaySeconds).
SQS_DELAY_SECONDS_MAX = 900

#: Characters of a queue name, ``.fifo`` included; letters, digits, ``-`` and ``_`` (CreateQueue).
SQS_QUEUE_NAME_CHARACTERS = 80

#: Characters of a MessageGroupId and of a MessageDeduplicationId (SendMessage).
SQS_GROUP_ID_CHARACTERS = 128

#: Seconds for which the name of a deleted queue cannot be used again (CreateQueue,
#: QueueDeletedRecently).
SQS_NAME_REUSE_SECONDS = 60

#: Seconds between two PurgeQueue calls (PurgeQueue, PurgeQueueInProgress).
SQS_PURGE_INTERVAL_SECONDS = 60

#: Seconds for which a FIFO queue drops a message with a MessageDeduplicationId that it has seen
#: (SendMessage).
SQS_DEDUPLICATION_SECONDS = 300

#: Message attributes of one message (SendMessage, MessageAttributes).
SQS_MESSAGE_ATTRIBUTES = 10

#: Bytes that the attribute MaximumMessageSize of a queue takes at least (CreateQueue).
SQS_MAXIMUM_MESSAGE_SIZE_BYTES_MIN = 1_024

#: Seconds that a queue keeps a message: at least, at most, and unless told (CreateQueue,
#: MessageRetentionPeriod).
SQS_RETENTION_SECONDS_MIN = 60
SQS_RETENTION_SECONDS_MAX = 1_209_600
SQS_RETENTION_SECONDS_DEFAULT = 345_600

#: Receives of a message before SQS moves it to the dead-letter queue: at least and at most
#: ("Using dead-letter queues in Amazon SQS", maxReceiveCount).
SQS_MAX_RECEIVE_COUNT_MIN = 1
SQS_MAX_RECEIVE_COUNT_MAX = 1_000

#: Seconds of the visibility timeout of a queue that names none (CreateQueue).
SQS_VISIBILITY_TIMEOUT_SECONDS_DEFAULT = 30

#: Messages of one queue that can be in flight ("Amazon SQS message quotas").
SQS_IN_FLIGHT_COUNT = 120_000

#: Queues that the RedriveAllowPolicy of a dead-letter queue can name (SetQueueAttributes,
#: sourceQueueArns).
SQS_REDRIVE_SOURCE_COUNT = 10

#: Queues that one ListQueues or ListDeadLetterSourceQueues names at most (MaxResults).
SQS_LISTED_QUEUE_COUNT = 1_000

#: Tasks that one ListMessageMoveTasks tells of at most (MaxResults); one a queue can be active
#: (StartMessageMoveTask).
SQS_MOVE_TASK_LIST_COUNT = 10

# STS: AssumeRole.

#: Seconds of a role session, at least and at most (AssumeRole, DurationSeconds).
STS_DURATION_SECONDS_MIN = 900
STS_DURATION_SECONDS_MAX = 43_200

# S3: "Creating object key names" and the API reference of the operation named.

#: Bytes of an object's key, in UTF-8.
S3_KEY_BYTES = 1_024

#: Keys in one DeleteObjects.
S3_DELETE_KEYS = 1_000

#: Characters of the id of a lifecycle rule (PutBucketLifecycleConfiguration, ID).
S3_RULE_ID_CHARACTERS = 255

# DynamoDB: "Quotas in Amazon DynamoDB".

#: Bytes of one item, attribute names included.
DYNAMODB_ITEM_BYTES = 409_600

#: Keys in one BatchGetItem.
DYNAMODB_BATCH_GET_KEYS = 100

#: Puts and deletes in one BatchWriteItem.
DYNAMODB_BATCH_WRITE_ENTRIES = 25

#: Bytes of one BatchWriteItem on the wire, where binaries are base64. So many items do not reach
#: it unless they are near their own limit and full of what JSON has to escape.
DYNAMODB_BATCH_WRITE_BYTES = 16_777_216

#: Bytes of items that one Query reads; more are on the next page (Query).
DYNAMODB_QUERY_BYTES = 1_048_576

#: Bytes of an item that one write unit and one read unit pay for, begun ones as whole ones
#: ("DynamoDB read and write operations").
DYNAMODB_WRITE_UNIT_BYTES = 1_024
DYNAMODB_READ_UNIT_BYTES = 4_096

#: Characters of a table name: letters, digits, ``-``, ``_`` and ``.`` (CreateTable).
DYNAMODB_TABLE_NAME_CHARACTERS_MIN = 3
DYNAMODB_TABLE_NAME_CHARACTERS_MAX = 255

# CloudWatch: "Specification: Embedded metric format" in the user guide, read on 2026-11-23.

#: Metrics that one directive names.
EMF_METRIC_COUNT = 100

#: Dimensions of one metric.
EMF_DIMENSION_COUNT = 30

#: Seconds between CloudWatch's metrics of SQS ("Available CloudWatch metrics for Amazon SQS").
CLOUDWATCH_SQS_SECONDS = 60

# IAM: "IAM and AWS STS quotas", read on 2026-11-23.

#: Characters of a managed policy, white space aside.
IAM_MANAGED_POLICY_CHARACTERS = 6_144

#: Characters of all inline policies of one role, white space aside.
IAM_ROLE_INLINE_CHARACTERS = 10_240

#: Managed policies that may be attached to one role, unless the quota was raised.
IAM_ROLE_POLICIES_COUNT = 10
