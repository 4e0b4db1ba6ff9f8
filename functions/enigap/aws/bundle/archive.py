"""The file of a bundle: a manifest and the calls, in a zip of two members.

`packed` makes one of recorded calls, and refuses to where anything might be in it that is the user's.
`unpacked` reads one, bounded in size, and trusts nothing in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from enigap.aws.bundle.gate import LeakError, check
from enigap.aws.bundle.kinds import DROPPED, OTHER, WORDS, Rewriting, as_it_was, texts_in
from enigap.aws.bundle.shapes import OPERATIONS, Operation, asked
from enigap.aws.bundle.standins import REGION, Kind, Names, StandIns
from enigap.aws.bundle.tape import Call
from enigap.aws.bundle.xml import from_xml, to_xml
from enigap.aws.errors import KNOWN_CODES, MAKES_NO_SENSE
from enigap.core.counting.devices import Classifier, DeviceKind
from enigap.core.instants import instant, timestamp

SCHEMA: Final = "enigap.bundle/1"
MANIFEST, CALLS = "manifest.json", "calls.jsonl"
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of a bundle's file, and of each member unpacked."""
_MOST_RATIO: Final = 200
_DRAWS: Final = 5
"""How often stand-ins are drawn, for one may hold six digits of the user's by chance."""
_IS_ENCRYPTED: Final = 1
_COMPRESSIONS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_HTTP_ERROR: Final = 300

ERROR_CODES: Final = KNOWN_CODES | {
    "bad_data",
    "canceled",
    "execution",
    "internal",
    "timeout",
    "unavailable",
    "InternalError",
    "InternalFailure",
    "InternalServiceError",
    "ServiceUnavailable",
    "InvalidParameterCombination",
    "InvalidParameterException",
    "InvalidParameterValue",
    "ValidationError",
    "ValidationException",
}
SENTENCE: Final = "This was an error."
STREAM_SENTENCE: Final = "The specified log stream does not exist."
WORDS.update(
    {"service", "operation", "parameters", "status", "body", "error", "sentence", SENTENCE, STREAM_SENTENCE}
)
WORDS.update(ERROR_CODES)


class BundleError(Exception):
    """A bundle cannot be made or read: one sentence."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle holds."""

    now: datetime
    """When it was recorded, moved as all its times are."""
    cluster: str
    is_searched_by_name: bool
    """Whether only this cluster was asked about; a name with a `*`, say, is no name to AWS."""
    instance_id: str
    settings: Mapping[str, Any]
    """Those that are numbers or one of few words."""
    devices: Mapping[str, DeviceKind]
    """The class of each device whose name does not tell it."""
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished bundle, and what was replaced in it."""

    content: bytes
    replaced: Mapping[Kind, int]
    mapping: Mapping[str, str]
    """The stand-in of each name. It stays on the machine that recorded."""


def packed(
    calls: Sequence[Call],
    *,
    now: datetime,
    cluster: str,
    is_searched_by_name: bool,
    instance_id: str,
    settings: Mapping[str, Any],
    classifier: Classifier,
    draw: Callable[[], int],
) -> Packed:
    """The bundle of these calls. Raises BundleError where a string is in it that nothing accounts for."""
    names = Names()
    names(Kind.CLUSTER, cluster)
    names(Kind.INSTANCE, instance_id)
    calls = [call for call in calls if (call.service, call.operation) in OPERATIONS]
    raw = [(call, _document(call)) for call in calls]
    for call, document in raw:
        _kept(call, document, Rewriting(names, instance_id=instance_id))
    about = {"is_searched_by_name": is_searched_by_name, "settings": dict(settings)}

    def drawn() -> Packed:
        return _drawn(
            raw,
            StandIns(names, classifier, draw),
            now=now,
            cluster=cluster,
            instance_id=instance_id,
            about=about,
        )

    for _ in range(_DRAWS - 1):
        with suppress(LeakError):
            return drawn()
    try:
        return drawn()
    except LeakError as error:
        raise BundleError(str(error)) from None


def _drawn(
    raw: Sequence[tuple[Call, Any]],
    stand_ins: StandIns,
    *,
    now: datetime,
    cluster: str,
    instance_id: str,
    about: Mapping[str, Any],
) -> Packed:
    """The bundle with these stand-ins. Raises LeakError."""
    to = Rewriting(stand_ins, stand_ins.shift, instance_id)
    # Calls were made side by side; the same calls make the same bundle.
    lines = sorted((_kept(call, document, to) for call, document in raw), key=_question)
    calls_text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    manifest = {
        "schema": SCHEMA,
        "region": REGION,
        "now": timestamp(now - stand_ins.shift),
        "cluster": stand_ins(Kind.CLUSTER, cluster),
        "instance_id": stand_ins(Kind.INSTANCE, instance_id),
        **about,
        "devices": {device: kind.value for device, kind in stand_ins.devices.items()},
        "sha256": {CALLS: hashlib.sha256(calls_text.encode()).hexdigest()},
    }
    check([manifest, *lines], stand_ins, _texts(raw))
    return Packed(
        _zipped({MANIFEST: json.dumps(manifest, indent=1) + "\n", CALLS: calls_text}),
        {kind: found for kind in Kind if (found := stand_ins.count(kind))},
        stand_ins.mapping,
    )


WORDS.update(
    {
        SCHEMA,
        REGION,
        MANIFEST,
        CALLS,
        "schema",
        "region",
        "now",
        "cluster",
        "is_searched_by_name",
        "instance_id",
        "settings",
    }
)
WORDS.update({"devices", "sha256", *(kind.value for kind in DeviceKind)})


def _question(line: Mapping[str, Any]) -> str:
    return json.dumps([line["service"], line["operation"], line["parameters"]], sort_keys=True)


def _texts(raw: Iterable[tuple[Call, Any]]) -> Iterator[str]:
    for call, document in raw:
        yield from texts_in(json.loads(json.dumps(call.parameters, default=str)))
        yield from texts_in(document)


def _document(call: Call) -> Any:
    """The answer as JSON; of one that cannot be read nothing is kept."""
    try:
        if OPERATIONS[call.service, call.operation].is_xml:
            return from_xml(call.body)
        return json.loads(call.body)
    except (ValueError, RecursionError):
        return {}


def _kept(call: Call, document: Any, to: Rewriting) -> dict[str, Any]:
    """A call's line in the bundle."""
    operation = OPERATIONS[call.service, call.operation]
    line = {
        "service": call.service,
        "operation": call.operation,
        "parameters": asked(call.service, call.operation, call.parameters, to),
        "status": call.status,
    }
    if call.status >= _HTTP_ERROR:
        code, says_stream = _error(call, document)
        return line | {"error": code, "sentence": STREAM_SENTENCE if says_stream else SENTENCE}
    body = operation.answer(document, to)
    return line | {"body": {} if body is DROPPED else body}


def _error(call: Call, document: Any) -> tuple[str, bool]:
    """The code, empty where JSON has none, and whether a log stream is what is missing."""
    texts = [call.error, *texts_in(document)]
    codes = (text.rpartition("#")[2].partition(":")[0] for text in texts)
    code = next((code for code in codes if code in ERROR_CODES), OTHER)
    is_json = isinstance(document, Mapping) and not OPERATIONS[call.service, call.operation].is_xml
    if code == OTHER and is_json and not (call.error or _CODE_MEMBERS & document.keys()):
        code = ""
    return code, any("log stream" in text for text in texts)


_CODE_MEMBERS: Final = frozenset({"__type", "errorType", "code", "Code"})


def _zipped(members: Mapping[str, str]) -> bytes:
    """The same members make the same file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return file.getvalue()


# --- reading ---


def unpacked(content: bytes) -> Bundle:
    """Raises BundleError for what is no bundle, is too large, or was changed."""
    try:
        members = _members(content)
        manifest = json.loads(members[MANIFEST])
        if manifest["schema"] != SCHEMA:
            raise BundleError(f"This bundle is of another version ({str(manifest['schema'])[:40]}).")
        if hashlib.sha256(members[CALLS]).hexdigest() != manifest["sha256"][CALLS]:
            raise BundleError("This bundle was changed after it was recorded: record it again.")
        return Bundle(
            instant(manifest["now"]),
            str(manifest["cluster"]),
            bool(manifest["is_searched_by_name"]),
            str(manifest["instance_id"]),
            dict(manifest["settings"]),
            {str(device): DeviceKind(kind) for device, kind in manifest["devices"].items()},
            tuple(_call(json.loads(line)) for line in members[CALLS].splitlines()),
        )
    except (*MAKES_NO_SENSE, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"This is no bundle of enigap record ({type(error).__name__}).") from None


def _members(content: bytes) -> dict[str, bytes]:
    if len(content) > MOST_BYTES:
        raise BundleError("This bundle is too large to be read.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = {info.filename: info for info in archive.infolist()}
        if sorted(found) != sorted((MANIFEST, CALLS)) or len(archive.infolist()) != len(found):
            raise BundleError("This is no bundle of enigap record: it has other members.")
        members = {}
        for name, info in found.items():
            if info.flag_bits & _IS_ENCRYPTED or info.compress_type not in _COMPRESSIONS:
                raise BundleError("This is no bundle of enigap record: it is packed otherwise.")
            if info.file_size > min(MOST_BYTES, _MOST_RATIO * max(info.compress_size, 1)):
                raise BundleError("This bundle is too large to be read.")
            with archive.open(info) as member:
                members[name] = member.read(MOST_BYTES + 1)
            if len(members[name]) > info.file_size:
                raise BundleError("This bundle is too large to be read.")
        return members


def _call(line: Mapping[str, Any]) -> Call:
    operation: Operation = OPERATIONS[line["service"], line["operation"]]
    if "error" in line:
        return Call(*_of(line), _error_body(line, is_xml=operation.is_xml))
    answer = as_it_was(line["body"])
    body = to_xml(line["operation"], answer) if operation.is_xml else json.dumps(answer).encode()
    return Call(*_of(line), body)


def _of(line: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any], int]:
    return line["service"], line["operation"], line["parameters"], int(line["status"])


def _error_body(line: Mapping[str, Any], *, is_xml: bool) -> bytes:
    code, sentence = str(line["error"]), str(line["sentence"])
    if is_xml:
        errors = {"Errors": {"Error": {"Code": code, "Message": sentence}}}
        return to_xml("", errors)
    return json.dumps({"__type": code, "message": sentence}).encode()
