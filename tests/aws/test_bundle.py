"""What may be in a bundle: only what is allowed by name, and names made up for it."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enigap.aws.bundle.archive import BundleError, Packed, packed, unpacked
from enigap.aws.bundle.gate import LeakError, check
from enigap.aws.bundle.kinds import WORDS, texts_in
from enigap.aws.bundle.shapes import OPERATIONS
from enigap.aws.bundle.standins import Kind, Names, StandIns
from enigap.aws.bundle.tape import Call, Player, Recorder
from enigap.aws.bundle.xml import from_xml, to_xml
from enigap.aws.clients import Aws
from enigap.aws.errors import AwsProblem
from enigap.aws.otel import BYTES, INTERFACE, asked_by, counter_query, kubelet_query
from enigap.aws.otel import HOST as HOST_ID
from enigap.aws.pace import Pace
from enigap.aws.promql import OPERATION, PromQL, Series
from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.counting.evidence import DeviceScope
from enigap.core.counting.pods import digits_of
from tests.fakes.promql import PromqlEndpoint, Reply, Stored

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NODE = "i-0a1b2c3d4e5f60718"
OTHER_NODE = "i-0ffffffffffffffff"
HOST = "ip-10-11-12-13.eu-west-1.compute.internal"


def bundle(calls: list[Call], *, cluster: str = "prod-of-acme", seed: int = 1, **more: Any) -> Packed:
    random = Random(seed)  # noqa: S311 - the same bundle each time
    given: dict[str, Any] = {
        "now": NOW,
        "cluster": cluster,
        "is_searched_by_name": True,
        "instance_id": NODE,
        "settings": {},
        "classifier": Classifier(),
    }
    return packed(calls, **given | more, draw=lambda: random.randrange(1_000_000))


def text_of(made: Packed) -> str:
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


def filter_log_events(*messages: Any, stream: str = HOST, cluster: str = "prod-of-acme") -> Call:
    events = [
        {"logStreamName": stream, "timestamp": 1_772_000_000_000, "message": json.dumps(message)}
        for message in messages
    ]
    asked = {"logGroupName": f"/aws/containerinsights/{cluster}/performance", "logStreamNames": [stream]}
    return Call("logs", "FilterLogEvents", asked, 200, json.dumps({"events": events}).encode())


def net(device: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "NodeNet",
        "ClusterName": "prod-of-acme",
        "InstanceId": NODE,
        "NodeName": HOST,
        "Timestamp": "1772000000000",
        "interface": device,
        "node_interface_network_rx_bytes": 5.0,
    } | more


def pod_net(namespace: str, pod: str) -> dict[str, Any]:
    about = {"pod_name": pod, "namespace_name": namespace}
    return net("eth0") | {"Type": "PodNet", "kubernetes": about}


# --- stand-ins ---


def test_the_same_name_has_the_same_stand_in_everywhere_and_stand_ins_sort_as_names_do() -> None:
    names = Names()
    for host in ("b.internal", "a.internal", "c"):
        names(Kind.HOST, host)
    stand_ins = StandIns(names, Classifier(), lambda: 7)
    made = [stand_ins(Kind.HOST, host) for host in ("a.internal", "b.internal", "c")]
    assert made == sorted(made)
    assert len(set(made)) == 3
    assert [name.endswith(".x") for name in made] == [True, True, False]


def test_a_pods_device_has_the_digits_of_the_stand_in_pod() -> None:
    device = "eni" + digits_of("shop", "cart-0")
    made = bundle([filter_log_events(net(device), net("eth0"), pod_net("shop", "cart-0"))])
    namespace, _, pod = made.mapping["shop/cart-0"].partition("/")
    assert made.mapping[device] == "eni" + digits_of(namespace, pod)
    assert made.mapping["eth0"] == "eth0"
    assert digits_of("shop", "cart-0") not in text_of(made)


def test_digits_of_pods_sort_as_the_true_ones_do_even_of_pods_that_nobody_named() -> None:
    devices = sorted("eni" + digits_of("shop", f"cart-{n}") for n in range(40))
    made = bundle([filter_log_events(*map(net, devices), *(pod_net("shop", f"cart-{n}") for n in range(20)))])
    assert [made.mapping[device] for device in devices] == sorted(made.mapping[device] for device in devices)


def test_a_device_that_only_the_settings_know_keeps_its_class_and_not_its_name() -> None:
    classifier = Classifier(physical=r"^(eth\d+|acmenic\d)$", pod=("acmepod.*",))
    made = bundle(
        [filter_log_events(net("acmenic0"), net("acmepod7"), net("acmewhat"))], classifier=classifier
    )
    kinds = unpacked(made.content).devices
    assert kinds[made.mapping["acmenic0"]] is DeviceKind.PHYSICAL
    assert kinds[made.mapping["acmepod7"]] is DeviceKind.POD
    assert kinds[made.mapping["acmewhat"]] is DeviceKind.UNKNOWN
    assert "acme" not in text_of(made)


def test_times_are_moved_by_whole_weeks() -> None:
    made = bundle([filter_log_events(net("eth0"))])
    shift = NOW - unpacked(made.content).now
    assert shift > timedelta(0)
    assert shift % timedelta(weeks=1) == timedelta(0)
    [call] = unpacked(made.content).calls
    [event] = json.loads(call.body)["events"]
    moved = 1_772_000_000_000 - shift // timedelta(milliseconds=1)
    assert event["timestamp"] == moved
    assert json.loads(event["message"])["Timestamp"] == str(moved)


# --- what is left out ---


def test_other_nodes_are_left_out() -> None:
    instance = {"instanceState": {"name": "running"}, "tagSet": []}
    answer = {
        "reservationSet": [
            {
                "ownerId": "123456789012",
                "instancesSet": [instance | {"instanceId": one} for one in (NODE, OTHER_NODE)],
            }
        ]
    }
    made = bundle([Call("ec2", "DescribeInstances", {}, 200, to_xml("DescribeInstances", answer))])
    [call] = unpacked(made.content).calls
    [reservation] = from_xml(call.body)["reservationSet"]
    assert [one["instanceId"] for one in reservation["instancesSet"]] == [made.mapping[NODE]]


def test_of_an_error_only_its_code_is_kept_and_a_sentence_of_ours() -> None:
    body = {
        "__type": "AccessDeniedException",
        "message": "User: arn:aws:iam::123456789012:user/eve is not ...",
    }
    call = Call("cloudwatch", "ListMetrics", {}, 400, json.dumps(body).encode())
    made = bundle([call])
    assert "eve" not in text_of(made)
    [replayed] = unpacked(made.content).calls
    assert json.loads(replayed.body) == {"__type": "AccessDeniedException", "message": "This was an error."}


def test_calls_of_other_services_are_in_no_bundle() -> None:
    made = bundle([Call("sts", "GetCallerIdentity", {}, 200, b"<A>123456789012</A>")])
    assert unpacked(made.content).calls == ()


@pytest.mark.parametrize("cluster", ["node", "eth0", "prod", "interface", "ClusterName", "c-000001-0001"])
def test_a_cluster_may_be_called_like_a_word_of_the_bundle(cluster: str) -> None:
    made = bundle([filter_log_events(net("eth0", ClusterName=cluster), cluster=cluster)], cluster=cluster)
    assert unpacked(made.content).cluster != cluster


def test_the_gate_refuses_text_that_nothing_accounts_for_without_repeating_it() -> None:
    stand_ins = StandIns(Names(), Classifier(), lambda: 7)
    with pytest.raises(LeakError) as refused:
        check([{"schema": "our secret project"}], stand_ins, ())
    assert "secret" not in str(refused.value)


def test_an_xml_document_with_a_type_is_refused() -> None:
    with pytest.raises(ValueError, match="document type"):
        from_xml(b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')


# --- answers by PromQL ---

CUT = "results truncated due to limit"


def promql_at(attach: Callable[[Any], None]) -> PromQL:
    client = Aws(region="us-east-1", attach=attach).client("cloudwatch")
    return PromQL(client, pace=Pace(1e9), sleep=lambda _: None)


def ask(promql: PromQL, query: str, now: datetime) -> list[Series] | AwsProblem:
    try:
        return promql.between(query, now - timedelta(minutes=10), now, timedelta(minutes=1))
    except AwsProblem as problem:
        return problem


def recorded(
    *script: Reply, stored: Iterable[Stored] = ()
) -> tuple[list[Series] | AwsProblem, list[Series] | AwsProblem, Packed]:
    """What a question about two nodes is answered, the same about one from a bundle, and the bundle."""
    recorder, endpoint = Recorder(), PromqlEndpoint(stored)
    endpoint.script.extend(script)

    def attach(client: Any) -> None:
        recorder.attach(client)
        endpoint.attach(client)

    query = counter_query(BYTES.received, "prod-of-acme", [OTHER_NODE, NODE], ("eth",))
    live = ask(promql_at(attach), query, NOW)
    made = bundle(recorder.calls)
    read = unpacked(made.content)
    again = counter_query(BYTES.received, read.cluster, [read.instance_id], ("another", "prefix"))
    return live, ask(promql_at(Player(read.calls).attach), again, read.now), made


def counter_of(device: str, node: str = NODE) -> Stored:
    labels = {
        "__name__": BYTES.received,
        "@resource.k8s.cluster.name": "prod-of-acme",
        HOST_ID: node,
        "@resource.k8s.workload.name": "aws-node",
        INTERFACE: device,
    }
    seconds = [NOW.timestamp() + at for at in range(-600, 1, 30)]
    return Stored(labels, seconds, [1e15 + 0.125 * at for at in range(len(seconds))])


def test_counters_of_the_node_are_replayed_to_the_last_digit_with_names_and_times_made_up() -> None:
    live, replayed, made = recorded(
        stored=[counter_of("ethacme"), counter_of("eth0"), counter_of("eth0", OTHER_NODE)]
    )
    shift = (NOW - unpacked(made.content).now) // timedelta(seconds=1)
    assert isinstance(live, list)
    expected = [
        Series(
            {HOST_ID: made.mapping[NODE], INTERFACE: made.mapping[each.labels[INTERFACE]]},
            {at - shift: value for at, value in each.values.items()},
        )
        for each in live
        if each.labels[HOST_ID] == NODE
    ]
    assert replayed == expected
    assert len(expected) == 2
    for name in ("acme", NODE, OTHER_NODE):
        assert name not in text_of(made)


def test_a_pods_device_has_the_same_stand_in_by_counters_as_in_the_log() -> None:
    device = "eni" + digits_of("shop", "cart-0")
    question = {"path": "query", "query": counter_query(BYTES.received, "prod-of-acme", [NODE])}
    series = {"metric": {HOST_ID: NODE, INTERFACE: device}, "value": [1_772_000_000, "5"]}
    answer = {"status": "success", "data": {"resultType": "vector", "result": [series]}}
    by_counters = Call("cloudwatch", OPERATION, question, 200, json.dumps(answer).encode())
    made = bundle([by_counters, filter_log_events(net("eth0"), pod_net("shop", "cart-0"))])
    namespace, _, pod = made.mapping["shop/cart-0"].partition("/")
    assert made.mapping[device] == "eni" + digits_of(namespace, pod)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, {"message": "slow down"}),
        Reply(403, {"message": "no"}),
        Reply(403, {"message": "no"}, {"x-amzn-ErrorType": "AccessDeniedException:http://a.example/"}),
        Reply(403, {"__type": "com.amazon#ExpiredTokenException", "message": "old"}),
        Reply(422, {"status": "error", "errorType": "execution", "error": "too much"}),
        Reply(400, {"status": "error", "errorType": "bad_data", "error": "near acme"}),
        Reply(404, {"message": "no such path"}),
        Reply(503, b""),
        Reply(200, {"status": "success", "data": {"resultType": "matrix", "result": []}, "warnings": [CUT]}),
        Reply(200, {"status": "success", "data": {"resultType": "scalar", "result": []}}),
        Reply(200, {"status": "success", "data": {"resultType": "matrix", "result": []}, "warnings": "lost"}),
    ],
)
def test_a_question_that_failed_fails_alike_from_a_bundle(reply: Reply) -> None:
    live, replayed, made = recorded(*[reply] * 4)
    assert isinstance(live, AwsProblem)
    assert isinstance(replayed, AwsProblem)
    said = ["slow down", "no such path", "too much", "near acme", "no"]
    told = [each for each in said if f": {each})" in live.what]
    alike = live.what.replace(f": {told[0]})", ": This was an error)") if told else live.what
    assert (replayed.kind, replayed.code, replayed.what) == (live.kind, live.code, alike)
    assert len(unpacked(made.content).calls) == 1  # the last of all attempts


@settings(max_examples=30)
@given(st.text(), st.none() | st.lists(st.text(), min_size=1), st.sampled_from([*BYTES]))
def test_what_an_expression_asks_for_is_read_back(
    cluster: str, prefixes: list[str] | None, metric: str
) -> None:
    asked = asked_by(counter_query(metric, cluster, [OTHER_NODE, NODE], prefixes))
    assert asked is not None
    assert (asked.cluster, asked.metric, asked.instance_ids) == (cluster, metric, [OTHER_NODE, NODE])
    assert asked.scope is (DeviceScope.ALL if prefixes is None else DeviceScope.ENI)


def test_questions_by_promql_are_told_apart_and_of_others_nothing_is_kept() -> None:
    queries = [
        counter_query(BYTES.received, "c", [NODE]),
        counter_query(BYTES.received, "c", [NODE], ("eth",)),
        counter_query(BYTES.received, "c", [NODE], anchors=("aws-node",)),
        counter_query(BYTES.sent, "c", [NODE]),
        kubelet_query("c", [NODE]),
        f'secret_of_{MARK}{{a="b"}}',
    ]
    made = bundle([Call("cloudwatch", OPERATION, {"query": each}, 200, b"{}") for each in queries])
    kept = [json.dumps(call.parameters) for call in unpacked(made.content).calls]
    assert len(set(kept)) == len(queries)
    assert MARK not in text_of(made)


# --- nothing of the user's, whatever AWS answers ---

MARK = "zq7marker"
marked = st.builds(
    lambda n, form: form.format(f"{MARK}{n}"),
    st.integers(0, 10**6),
    st.sampled_from(
        ["{}", "ip-{}", "i-{}", "{}.internal", "arn:aws:iam::1:{}", "{}\u202e", "<{}>", '"{}"', "eni{}"]
    ),
)
keys = st.one_of(marked, st.sampled_from(sorted(WORDS)))
anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(marked, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.just(NODE)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)


@st.composite
def answers(draw: st.DrawFn) -> Call:
    """Any answer of any operation: what is there by name, or anything at all."""
    service, operation = draw(st.sampled_from(sorted(OPERATIONS)))
    document = draw(st.dictionaries(keys, anything, max_size=6))
    for name in ("Metrics", "MetricDataResults", "events", "reservationSet", "tagSet", "addon"):
        if draw(st.booleans()):
            document[name] = draw(anything)
    if operation == "FilterLogEvents":
        message = draw(anything)
        document["events"] = [{"logStreamName": draw(marked), "message": json.dumps(message)}]
    if operation == OPERATION:
        labels = draw(st.dictionaries(keys, marked, max_size=2))
        series = {"metric": labels | {HOST_ID: NODE, INTERFACE: draw(marked)}, "values": draw(anything)}
        document["data"] = {"resultType": draw(keys), "result": [series, draw(anything)]}
        document |= {"warnings": [draw(marked)], "errorType": draw(marked), "error": draw(marked)}
    xml = OPERATIONS[service, operation].is_xml
    try:
        body = to_xml(operation, document) if xml else json.dumps(document).encode()
    except (ValueError, TypeError):
        body = json.dumps(document).encode()
    parameters = draw(st.dictionaries(keys, anything, max_size=4))
    if operation == OPERATION and draw(st.booleans()):
        parameters["query"] = counter_query(BYTES.sent, draw(marked), [NODE, draw(marked)], [draw(marked)])
    return Call(service, operation, parameters, draw(st.sampled_from([200, 200, 200, 403])), body)


def spellings(text: str) -> Iterator[str]:
    yield from (text, text.upper(), text[::-1], text.replace("-", "."), text.encode().hex())


@settings(max_examples=80)
@given(st.lists(answers(), min_size=1, max_size=4), st.integers(0, 999))
def test_no_bundle_holds_anything_of_the_users_in_any_spelling(calls: list[Call], seed: int) -> None:
    cluster = f"{MARK}-cluster"
    try:
        made = bundle([*calls, filter_log_events(net(f"{MARK}0", More=MARK))], cluster=cluster, seed=seed)
    except BundleError:
        return
    written = text_of(made)
    for spelling in spellings(MARK):
        assert spelling not in written
    assert unpacked(made.content).cluster == made.mapping[cluster]


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_whatever_bytes_are_given_as_a_bundle_come_to_one_sentence(content: bytes) -> None:
    with pytest.raises(BundleError):
        unpacked(content)


def test_every_word_is_the_products_own() -> None:
    assert not {word for word in WORDS if MARK in word}
    assert {"NodeNet", "node_network_total_bytes", "running"} <= WORDS
    assert set(texts_in({"a": ["b", {"c": 1}]})) == {"a", "b", "c"}


def instance_of_type(instance_type: str) -> Call:
    instance = {"instanceId": NODE, "instanceType": instance_type, "instanceState": {"name": "running"}}
    answer = {"reservationSet": [{"ownerId": "123456789012", "instancesSet": [instance]}]}
    return Call("ec2", "DescribeInstances", {}, 200, to_xml("DescribeInstances", answer))


@pytest.mark.parametrize(
    "instance_type", ["m5.4xlarge", "c7gn.metal", "u-6tb1.112xlarge", "t4g.nano", "i4i.metal-24xl"]
)
def test_an_instance_type_is_kept(instance_type: str) -> None:
    assert instance_type in text_of(bundle([instance_of_type(instance_type)]))


@pytest.mark.parametrize("told", ["acme.internal", "secret-host.example", "prod.large-project"])
def test_text_that_is_no_instance_type_is_not_kept_in_its_place(told: str) -> None:
    made = bundle([instance_of_type(told), filter_log_events(net("eth0", InstanceType=told))])
    assert told not in text_of(made)


def test_what_is_no_devices_or_pods_name_is_replaced_by_none() -> None:
    sentence = "see www.acme.example"
    made = bundle([filter_log_events(net(sentence), net(""), pod_net("Shop Floor", sentence))])
    assert "acme" not in text_of(made)
    assert "Shop" not in text_of(made)
