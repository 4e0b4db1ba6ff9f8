"""Finds the deployed enigap and opens its state table: for the commands status, silence and notify."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from enigap.aws import deployment
from enigap.aws.clients import Aws
from enigap.aws.deployment import Deployment, Subscription
from enigap.aws.state_table import StateTable
from enigap.settings import Settings


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed enigap with its state table at one moment."""

    aws: Aws
    stack: Deployment
    states: StateTable

    def settings(self) -> Settings:
        """The settings that it was deployed with."""
        return Settings.from_env(deployment.environment(self.aws.client("lambda"), self.stack))

    def subscriptions(self) -> tuple[Subscription, ...]:
        """The subscriptions to either topic. Raises AwsProblem."""
        return deployment.subscriptions(self.aws.client("sns"), self.stack)


def deployed(aws: Aws, now: datetime, stack: str | None = None) -> Deployed:
    """The enigap deployed in a region. Raises AwsProblem."""
    aws.sign_in()
    found = deployment.find(aws.client("cloudformation"), aws.region, stack or deployment.STACK)
    return Deployed(aws, found, StateTable(aws.client("dynamodb"), found.state_table, now=now))
