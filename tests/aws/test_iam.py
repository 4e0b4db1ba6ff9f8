import json

from enigap.aws import device_events, discovery, metrics
from enigap.aws.iam import Statement, policy_document

EVERYTHING_READ = (*discovery.ACTIONS, *metrics.ACTIONS, *device_events.ACTIONS)


def test_looking_needs_six_actions_and_none_of_them_writes() -> None:
    document = policy_document(EVERYTHING_READ, region="eu-west-1", account="123456789012")
    assert document == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "cloudwatch:GetMetricData",
                    "cloudwatch:ListMetrics",
                    "ec2:DescribeInstanceTypes",
                    "ec2:DescribeInstances",
                    "ec2:DescribeTags",
                ],
                "Resource": ["*"],
            },
            {
                "Effect": "Allow",
                "Action": ["logs:FilterLogEvents"],
                # IAM wants the form with the star; emulators may know only the one without.
                "Resource": [
                    "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/containerinsights/*/performance",
                    "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/containerinsights/*/performance:*",
                ],
            },
        ],
    }


def test_a_condition_stays_with_its_action() -> None:
    ours = {"StringEquals": {"cloudwatch:namespace": "EniGap"}}
    statements = [
        Statement(("cloudwatch:PutMetricData",), condition=ours),
        Statement(("cloudwatch:GetMetricData",)),
        Statement(("cloudwatch:PutMetricData",), condition=ours),
    ]
    put, get = policy_document(statements)["Statement"]
    assert put["Action"] == ["cloudwatch:PutMetricData"]
    assert put["Condition"] == ours
    assert get["Action"] == ["cloudwatch:GetMetricData"]
    assert "Condition" not in get


def test_a_policy_for_any_account_is_valid_json_with_wildcards() -> None:
    document = json.loads(json.dumps(policy_document(device_events.ACTIONS, partition="aws-cn")))
    assert document["Statement"][0]["Resource"] == [
        "arn:aws-cn:logs:*:*:log-group:/aws/containerinsights/*/performance",
        "arn:aws-cn:logs:*:*:log-group:/aws/containerinsights/*/performance:*",
    ]
