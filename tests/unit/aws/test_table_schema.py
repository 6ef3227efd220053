from celery_aws.aws.table_schema import KeyAttribute, TableSpec, creation_parameters, described

HASH = KeyAttribute(name="pk")
RANGE = KeyAttribute(name="sk", kind="N")


def test_a_table_is_on_demand_unless_both_capacities_are_given() -> None:
    assert creation_parameters(TableSpec(hash_key=HASH, read_capacity=1)) == {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }


def test_capacity_and_a_range_key() -> None:
    spec = TableSpec(hash_key=HASH, range_key=RANGE, read_capacity=1, write_capacity=2)
    parameters = creation_parameters(spec)
    assert parameters["KeySchema"][1] == {"AttributeName": "sk", "KeyType": "RANGE"}
    assert parameters["BillingMode"] == "PROVISIONED"
    assert parameters["ProvisionedThroughput"] == {
        "ReadCapacityUnits": 1,
        "WriteCapacityUnits": 2,
    }


def test_what_protects_a_table_is_said_only_where_it_is_wanted() -> None:
    spec = TableSpec(
        hash_key=HASH, kms_key="alias/celery", tags={"team": "web"}, deletion_protection=True
    )
    bare = creation_parameters(TableSpec(hash_key=HASH))
    assert creation_parameters(spec) == {
        **bare,
        "SSESpecification": {
            "Enabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": "alias/celery",
        },
        "Tags": [{"Key": "team", "Value": "web"}],
        "DeletionProtectionEnabled": True,
    }
    # UpdateContinuousBackups does it.
    recovery = TableSpec(hash_key=HASH, point_in_time_recovery=True)
    assert creation_parameters(recovery) == bare


def test_the_managed_key_is_asked_for_by_naming_none() -> None:
    parameters = creation_parameters(TableSpec(hash_key=HASH, kms_key="alias/aws/dynamodb"))
    assert parameters["SSESpecification"] == {"Enabled": True, "SSEType": "KMS"}


def test_a_description_without_a_billing_mode_is_provisioned() -> None:
    # AWS leaves the summary out for a table that was never on demand.
    found = described(
        {
            "TableStatus": "ACTIVE",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        }
    )
    assert (found.status, found.key, found.on_demand) == ("ACTIVE", (HASH,), False)
