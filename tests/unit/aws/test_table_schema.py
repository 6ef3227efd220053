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
