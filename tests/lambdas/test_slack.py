"""Delivery to Slack: late if need be, twice at worst, and never "done" when it is not."""

import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
import urllib3

from enigap.aws.errors import AwsProblem
from enigap.core.documents import Document
from enigap.lambdas import environment, runtime
from enigap.lambdas import slack as function
from enigap.slack_webhook import Answer, Channel, NotDeliveredError, address_in, deliver_all, post
from tests.fakes.slack_receiver import Behaviour, HangUp, Say, SayNothing, SlackReceiver

LOOPBACK_AWS = "http://127.0.0.1:4566"

TROUBLE: dict[str, Behaviour] = {
    "an error of Slack's": Say(500, "rollup_error"),
    "Slack being down": Say(503, "<html>Service unavailable</html>"),
    "a reset connection": HangUp(),
    "silence": SayNothing(),
    "a page that is not Slack's": Say(200, "<html>Welcome to our wireless network</html>"),
    "an empty answer": Say(200, ""),
    "a redirect": Say(302, "ok", {"Location": "https://example.com/"}),
    "a refused message": Say(400, "invalid_payload"),
    "a forbidden post": Say(403, "action_prohibited"),
    "a webhook that is gone": Say(404, "no_service"),
    "an archived channel": Say(410, "channel_is_archived"),
    "a request to wait too long": Say(429, "rate_limited", {"Retry-After": "3600"}),
}


def record(body: str, message_id: str = "m-1") -> Document:
    """A record as SQS hands it to a function, as far as it matters."""
    return {"messageId": message_id, "receiptHandle": "r", "body": body, "eventSource": "aws:sqs"}


@dataclass
class Secrets:
    """Holds the addresses in turn: one is handed out until a fresh one is asked for."""

    addresses: list[str]
    fetched: int = 0

    def __call__(self, *, fresh: bool) -> str:
        if fresh:
            self.fetched += 1
            if len(self.addresses) > 1:
                self.addresses.pop(0)
        return self.addresses[0]


@dataclass
class Way:
    """A channel to a receiver, with a clock of its own that only sleeping moves."""

    receiver: SlackReceiver
    pool: urllib3.PoolManager
    secrets: Secrets
    seconds: float = 60.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds -= seconds

    def deliver(self, *bodies: str) -> list[str]:
        """Hands over one batch; which of its messages, by number, failed."""
        channel = Channel(
            address=self.secrets,
            send=partial(post, self.pool, connect_seconds=1.0, read_seconds=0.1),
            sleep=self.sleep,
            remaining_seconds=lambda: self.seconds,
        )
        self.failures = deliver_all([record(body, str(n)) for n, body in enumerate(bodies)], channel)
        return [failure.message_id for failure in self.failures]


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    manager = urllib3.PoolManager()
    yield manager
    manager.clear()


def way(receiver: SlackReceiver, pool: urllib3.PoolManager) -> Way:
    return Way(receiver, pool, Secrets([receiver.url]))


def shown(message: Document) -> str:
    return json.dumps(message)


def test_a_message_that_slack_takes_is_done(pool: urllib3.PoolManager) -> None:
    with SlackReceiver() as slack:
        assert way(slack, pool).deliver("hello") == []
    assert [path for path, _ in slack.posts] == ["/services/T000/B000/first"]
    assert "hello" in shown(slack.taken[0])


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_whatever_goes_wrong_the_message_is_not_done_and_arrives_when_it_comes_again(
    trouble: Behaviour, pool: urllib3.PoolManager
) -> None:
    with SlackReceiver(trouble) as slack:
        assert way(slack, pool).deliver("hello") == ["0"]
        assert slack.taken == []
        assert way(slack, pool).deliver("hello") == []
        assert len(slack.taken) == 1


def test_a_message_whose_blocks_slack_refuses_goes_again_as_plain_text(pool: urllib3.PoolManager) -> None:
    alarm = json.dumps(
        {"AlarmName": "enigap-planErrors", "NewStateValue": "ALARM", "NewStateReason": "<!here>"}
    )
    with SlackReceiver(Say(400, "invalid_blocks")) as slack:
        assert way(slack, pool).deliver(alarm) == []
    [plain] = slack.taken
    assert set(plain) == {"text", "mrkdwn"}
    assert plain["text"].splitlines()[1] == "&lt;!here&gt;"
    assert "enigap-planErrors" in plain["text"]


def test_plain_text_that_slack_refuses_too_is_not_sent_for_ever(pool: urllib3.PoolManager) -> None:
    with SlackReceiver(Say(400, "invalid_blocks"), Say(400, "invalid_blocks")) as slack:
        assert way(slack, pool).deliver("hello") == ["0"]
    assert len(slack.posts) == 2


@pytest.mark.parametrize(
    ("old", "new", "posts"),
    [
        ("OK", "ALARM", 1),
        ("INSUFFICIENT_DATA", "ALARM", 1),
        ("ALARM", "OK", 1),
        ("ALARM", "INSUFFICIENT_DATA", 1),
        ("INSUFFICIENT_DATA", "OK", 0),
        ("OK", "INSUFFICIENT_DATA", 0),
        (None, "OK", 1),
    ],
)
def test_an_alarm_is_posted_when_it_goes_off_and_when_it_is_over(
    old: str | None, new: str, posts: int, pool: urllib3.PoolManager
) -> None:
    alarm = {"AlarmName": "enigap-planErrors", "OldStateValue": old, "NewStateValue": new}
    with SlackReceiver() as slack:
        assert way(slack, pool).deliver(json.dumps(alarm)) == []
    assert len(slack.posts) == posts


def test_a_message_outlives_an_outage(pool: urllib3.PoolManager) -> None:
    with SlackReceiver(Say(500), HangUp(), SayNothing(), Say(500), Say(502)) as slack:
        attempts = 1
        while way(slack, pool).deliver("hello"):
            attempts += 1
    assert attempts == 6
    assert len(slack.taken) == 1


def test_only_the_message_that_failed_comes_again(pool: urllib3.PoolManager) -> None:
    with SlackReceiver(Say(), Say(500), Say()) as slack:
        assert way(slack, pool).deliver("one", "two", "three") == ["1"]
    assert ["one" in shown(slack.taken[0]), "three" in shown(slack.taken[1])] == [True, True]


def test_slack_is_given_the_time_it_asks_for(pool: urllib3.PoolManager) -> None:
    with SlackReceiver(Say(429, "rate_limited", {"Retry-After": "7"}), Say(429)) as slack:
        patient = way(slack, pool)
        assert patient.deliver("hello") == []
    assert patient.slept == [7.0, 1.0]
    assert len(slack.taken) == 1


@pytest.mark.parametrize("after", ["0", "-5", "", "soon", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "²"])
def test_a_wait_that_makes_no_sense_is_a_second(after: str, pool: urllib3.PoolManager) -> None:
    with SlackReceiver(Say(429, "rate_limited", {"Retry-After": after.encode().decode("latin-1")})) as slack:
        patient = way(slack, pool)
        assert patient.deliver("hello") == []
    assert patient.slept == [1.0]


def test_slack_is_not_waited_for_longer_than_the_function_may_run(pool: urllib3.PoolManager) -> None:
    with SlackReceiver(*[Say(429, "rate_limited", {"Retry-After": "20"})] * 9) as slack:
        impatient = way(slack, pool)
        assert impatient.deliver("hello") == ["0"]
    assert impatient.slept == [20.0, 20.0]
    assert "asks to wait 20 s" in impatient.failures[0].why


def test_slack_is_not_waited_for_when_no_time_would_be_left_to_post(pool: urllib3.PoolManager) -> None:
    with SlackReceiver(*[Say(429, "rate_limited", {"Retry-After": "15"})] * 9) as slack:
        impatient = way(slack, pool)
        assert impatient.deliver("hello") == ["0"]
    assert impatient.slept == [15.0, 15.0]
    assert "asks to wait 15 s" in impatient.failures[0].why


def test_nothing_is_posted_that_might_not_be_finished_in_time(pool: urllib3.PoolManager) -> None:
    with SlackReceiver() as slack:
        late = way(slack, pool)
        late.seconds = 10.0
        assert late.deliver("one", "two") == ["0", "1"]
    assert slack.posts == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_replaced_webhook_is_picked_up_at_once(status: int, pool: urllib3.PoolManager) -> None:
    with SlackReceiver(Say(status, "no_service")) as slack:
        rotated = way(slack, pool)
        rotated.secrets = Secrets([slack.url, slack.url_of("T000/B000/second")])
        assert rotated.deliver("one", "two") == []
    assert [path.rpartition("/")[2] for path, _ in slack.posts] == ["first", "second", "second"]
    assert rotated.secrets.fetched == 1


def test_a_webhook_that_is_gone_is_said_to_be_and_asked_for_once_a_message(pool: urllib3.PoolManager) -> None:
    with SlackReceiver(Say(404, "no_service")) as slack:
        revoked = way(slack, pool)
        assert revoked.deliver("hello") == ["0"]
    assert revoked.failures[0].why == (
        "Slack no longer takes messages by this webhook (HTTP 404, no_service): make a new one and store its "
        "address in the secret."
    )
    assert (len(slack.posts), revoked.secrets.fetched) == (1, 1)


def test_a_record_that_cannot_be_read_is_kept_and_the_others_arrive(pool: urllib3.PoolManager) -> None:
    with SlackReceiver() as slack:
        channel = Channel(Secrets([slack.url]), partial(post, pool), lambda _: None, lambda: 60.0)
        broken: list[Document] = [{"messageId": "a"}, {"messageId": "b", "body": 7}]
        failures = deliver_all([*broken, record("hello", "c")], channel)
    assert [failure.message_id for failure in failures] == ["a", "b"]
    assert "KeyError in deliver_all" in failures[0].why
    assert len(slack.taken) == 1


@pytest.mark.parametrize("body", ["", "not JSON", "{", '{"schema": "enigap.notification/1"}', "[" * 100_000])
def test_a_poisoned_message_is_shown_and_not_lost(body: str, pool: urllib3.PoolManager) -> None:
    with SlackReceiver() as slack:
        assert way(slack, pool).deliver(body) == []
    assert slack.taken[0]["text"] == "A message enigap does not know"


# --- the address

ADDRESS = "https://hooks.slack.com/services/T0/B0/verysecret"


@pytest.mark.parametrize(
    "secret",
    [
        ADDRESS,
        f"  {ADDRESS}\n",
        json.dumps({"url": ADDRESS}),
        json.dumps({"webhook_url": ADDRESS, "channel": "#alerts"}),
    ],
)
def test_the_address_may_be_stored_as_it_is_or_in_an_object(secret: str) -> None:
    assert address_in(secret, None) == ADDRESS


def test_slack_for_government_is_slack() -> None:
    assert address_in("https://hooks.slack-gov.com/services/T0/B0/x", None)


NOT_SLACKS = [
    "",
    "null",
    "[]",
    "{}",
    '{"url": 7}',
    '{"password": "verysecret"}',
    "http://hooks.slack.com/services/T0/B0/verysecret",
    "https://hooks.slack.com/",
    "https://hooks.slack.com.evil.example/services/verysecret",
    "https://evil.example/services/verysecret",
    "https://hooks.slack.com@evil.example/services/verysecret",
    "https://hooks.slack.com\\@evil.example/services/verysecret",
    "https://hooks.slack.com:8443/services/verysecret",
    "https://hooks.slack.com/services/verysecret?to=evil",
    "https://hooks.slack.com/services/verysecret\r\nHost: evil",
    "https://169.254.169.254/services/verysecret",
    "http://169.254.169.254/services/verysecret",
    "http://127.0.0.1.evil.example/services/verysecret",
    "file:///etc/passwd",
    "[" * 100_000,
]


@pytest.mark.parametrize("secret", NOT_SLACKS)
@pytest.mark.parametrize(
    "aws", [None, "", LOOPBACK_AWS, "https://vpce-1.secretsmanager.eu-west-1.vpce.amazonaws.com"]
)
def test_nothing_is_posted_to_anybody_but_slack(secret: str, aws: str | None) -> None:
    with pytest.raises(NotDeliveredError) as refused:
        address_in(secret, aws)
    assert "verysecret" not in str(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080/services/demo", "http://localhost/x", "http://[::1]:9/"]
)
@pytest.mark.parametrize(
    ("aws", "is_allowed"),
    [
        ("http://127.0.0.1:4566", True),
        ("https://localhost:4566", True),
        ("http://[::1]:4566", True),
        (None, False),
        ("", False),
        ("https://aws.example.com", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_only_beside_an_aws_on_this_machine_may_slack_be_on_it(
    address: str, aws: str | None, *, is_allowed: bool
) -> None:
    if is_allowed:
        assert address_in(address, aws) == address
    else:
        with pytest.raises(NotDeliveredError):
            address_in(address, aws)


# --- the function as it is deployed


class SecretsManager:
    """Secrets Manager on loopback, with one secret."""

    def __init__(self, secret: str | None) -> None:
        self.secret = secret
        self.refusal = "ResourceNotFoundException"
        """What it says where there is no secret."""
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(asked["SecretId"])
                if fake.secret is None:
                    status, answer = 400, {"__type": fake.refusal, "message": "none"}
                else:
                    status, answer = 200, {"Name": asked["SecretId"], "SecretString": fake.secret}
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Not on the tests' output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


class Context:
    """What Lambda tells a function about its call."""

    function_name = "slack"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:slack"
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@contextmanager
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    """The function's surroundings, wired anew."""
    fake = SecretsManager(None)
    fake.thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake.url)
    monkeypatch.setenv(environment.SLACK_SECRET, "enigap/slack")
    function.secret.cache_clear()
    runtime.aws.cache_clear()
    yield fake
    client: Any = runtime.aws().client("secretsmanager")
    client.close()
    runtime.aws.cache_clear()
    function.pool().clear()
    fake.server.shutdown()
    fake.server.server_close()
    fake.thread.join()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    with surroundings(monkeypatch) as fake:
        yield fake


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that was logged: by the function's own logger, and by every other one at its most talkative."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(function.logger.registered_formatter)
    logger: Any = function.logger
    logger.addHandler(handler)
    with caplog.at_level(logging.DEBUG):
        yield lambda: written.getvalue() + caplog.text
    logger.removeHandler(handler)


def call(*bodies: str) -> list[str]:
    """Invokes the function with these messages; which of them SQS is to keep."""
    return handle([record(body, str(number)) for number, body in enumerate(bodies)])


def handle(records: Sequence[Document]) -> list[str]:
    """Invokes the function with these records; which of them SQS is to keep."""
    context: Any = Context()
    answer = function.handler({"Records": records}, context)
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_the_deployed_function_posts_to_the_webhook_in_the_secret(secrets: SecretsManager) -> None:
    with SlackReceiver() as slack:
        secrets.secret = json.dumps({"url": slack.url})
        assert call("one", "two") == []
        assert call("three") == []
    assert len(slack.taken) == 3
    assert secrets.asked == ["enigap/slack"], "the secret is remembered for some minutes"


def test_the_deployed_function_picks_up_a_rotated_secret(secrets: SecretsManager) -> None:
    with SlackReceiver(Say(), Say(404, "no_service")) as slack:
        secrets.secret = slack.url
        assert call("one") == []
        secrets.secret = slack.url_of("T000/B000/second")
        assert call("two") == []
    assert [path.rpartition("/")[2] for path, _ in slack.posts] == ["first", "first", "second"]


def test_the_deployed_function_tells_sqs_which_messages_to_keep(secrets: SecretsManager) -> None:
    with SlackReceiver(Say(), Say(500), Say()) as slack:
        secrets.secret = slack.url
        assert call("one", "two", "three") == ["1"]


@pytest.mark.parametrize("secret", [None, "https://evil.example/verysecret"])
def test_without_a_usable_secret_nothing_is_lost_and_the_log_says_what_to_do(
    secret: str | None, secrets: SecretsManager, log: Callable[[], str]
) -> None:
    secrets.secret = secret
    assert call("one", "two") == ["0", "1"]
    lines = [json.loads(line) for line in log().splitlines() if line.startswith("{")]
    lines = [line for line in lines if line["message"] == "not delivered"]
    assert [line["message_id"] for line in lines] == ["0", "1"]
    assert all("secret" in line["why"] for line in lines)


@pytest.mark.parametrize("secret", [None, "https://evil.example/verysecret"])
def test_the_self_test_of_a_deployment_fails_without_a_usable_secret(
    secret: str | None, secrets: SecretsManager
) -> None:
    secrets.secret = secret
    with pytest.raises((AwsProblem, NotDeliveredError), match="secret"):
        call()


def test_the_self_test_of_a_deployment_posts_nothing(secrets: SecretsManager) -> None:
    with SlackReceiver() as slack:
        secrets.secret = slack.url
        assert call() == []
    assert slack.posts == []


@pytest.mark.parametrize(
    "trouble", [t for t in TROUBLE.values() if not isinstance(t, SayNothing)], ids=lambda t: str(t)[:40]
)
def test_no_log_line_ever_holds_the_address(
    trouble: Behaviour, secrets: SecretsManager, log: Callable[[], str]
) -> None:
    with SlackReceiver(
        trouble, Say(404, "The requested URL /services/T000/B000/first was not found")
    ) as slack:
        secrets.secret = slack.url
        call("one", "two")
    assert "not delivered" in log()
    assert "B000" not in log()


def test_no_error_holds_the_address(pool: urllib3.PoolManager) -> None:
    with SlackReceiver() as slack:
        address = slack.url
    with pytest.raises(NotDeliveredError, match=r"Slack did not answer \(\w+\)\.$") as refused:
        post(pool, address, {})
    assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize(
    ("told", "pauses"), [(None, [1, 2]), (1.0, [1, 1]), (5.0, [5, 5]), (20.0, [20, 20]), (50.0, [])]
)
def test_a_batch_that_is_always_answered_by_429_is_a_few_posts_and_then_waits_in_the_queue(
    told: float | None, pauses: list[float]
) -> None:
    slept: list[float] = []
    posts: list[Document] = []

    def refuse(_: str, message: Document) -> Answer:
        posts.append(message)
        return Answer(429, "rate_limited", told)

    channel = Channel(
        address=lambda *, fresh: "https://hooks.slack.com/services/T",  # noqa: ARG005
        send=refuse,
        sleep=slept.append,
        remaining_seconds=lambda: 60.0 - sum(slept),
    )
    failures = deliver_all([record("hello", str(number)) for number in range(10)], channel)
    assert [failure.message_id for failure in failures] == [str(number) for number in range(10)]
    assert slept == pauses
    assert len(posts) == len(pauses) + 1


# --- copies


class Notes:
    """Which messages were posted; says so of none while `is_lost`."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.is_lost = False

    def has(self, message_id: str) -> bool:
        return message_id in self.ids and not self.is_lost

    def add(self, message_id: str) -> None:
        self.ids.append(message_id)


def test_copies_of_a_message_are_posted_once_and_messages_without_an_id_each_time() -> None:
    posts: list[Document] = []
    notes = Notes()
    answers = [Answer(500, ""), *[Answer(200, "ok")] * 9]
    channel = Channel(
        address=lambda *, fresh: "https://hooks.slack.com/services/T",  # noqa: ARG005
        send=lambda _, message: (posts.append(message), answers.pop(0))[1],  # type: ignore[func-returns-value]
        sleep=lambda _: None,
        remaining_seconds=lambda: 60.0,
    )
    told = json.dumps({"schema": "enigap.notification/1", "id": "a"})

    def deliver(*bodies: str) -> int:
        before = len(posts)
        failed = deliver_all([record(body, str(n)) for n, body in enumerate(bodies)], channel, notes)
        return len(posts) - before - len(failed)

    assert deliver(told) == 0, "one that Slack did not take is not noted"
    assert deliver(told, told, json.dumps({"schema": "enigap.notification/1", "id": "b"})) == 2
    assert deliver(told) == 0
    assert deliver("plain", "plain") == 2
    notes.is_lost = True
    assert deliver(told) == 1, "twice rather than never"


def test_an_answer_that_drips_ends_in_time(pool: urllib3.PoolManager) -> None:
    over = Event()

    class Drip(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            with suppress(OSError):
                while not over.wait(0.05):
                    self.wfile.write(b"o")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    try:
        with pytest.raises(NotDeliveredError, match="Slack did not answer"):
            post(pool, address, {"text": "hello"}, connect_seconds=0.2, read_seconds=0.3)
    finally:
        over.set()
        server.shutdown()
        server.server_close()
