"""OpenAPI (3.0, 3.1 and Swagger 2) and JSON Schema: which streams a document tells of."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.model.path import nearest
from strandline.pipeline.draft.draft import SourceDraft, StreamDraft
from strandline.pipeline.draft.schema import Schemas
from strandline.pipeline.draft.shape import Field, Shape
from strandline.source.offer import attribute_name
from strandline.source.profile import keys, naming, paging, place
from strandline.source.profile.fetch import is_address
from strandline.source.profile.finding import Finding
from strandline.source.profile.paging import Answer, Paging
from strandline.source.profile.place import Place
from strandline.source.profile.sample import Received
from strandline.source.profile.tree import grow

SINCE: Final = re.compile(
    r"(?i)(?:(?:updated|modified|changed|lastmodified|last_modified|last_updated|dateupdated|date_updated)"
    r"_?(?:since|after|from|at_min|gte|min|start)?|since|min_updated_at|modifiedsince|if_modified_since)"
)
PARAMETER: Final = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True)
class Operation:
    """A way to list something."""

    path: str
    get: Mapping[str, Any]
    schema: Any
    body: Any
    """An answer, made up."""
    place: Place
    parameters: Sequence[Mapping[str, Any]]
    servers: Any

    @property
    def in_path(self) -> list[str]:
        """What has to be known to ask."""
        return PARAMETER.findall(self.path)

    @property
    def last(self) -> str:
        """The last word of the path that is no parameter."""
        steps = [it for it in self.path.split("/") if it and "{" not in it] or ["records"]
        return steps[-1].partition(".")[0]


def load(received: Received) -> Mapping[str, Any] | None:
    """The document, in JSON or YAML; None where it is none, but a sample."""
    start = received.content[:4096].lstrip()
    is_yaml = bool(
        re.match(rb"(?:[#].*\n|---\s*\n|\s)*[ ]*['\"]?(?:openapi|swagger|\$schema)['\"]?\s*:", start)
    )
    if start.startswith(b"{") and not is_yaml:
        try:
            found = json.loads(received.content)
        except (ValueError, RecursionError):
            return None
    elif is_yaml or received.name.endswith((".yaml", ".yml")):
        found = _yaml(received)
    else:
        return None
    return found if isinstance(found, dict) and _is_document(found) else None


def _yaml(received: Received) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(received.content, Loader=loader)
    except yaml.YAMLError as error:
        raise UnexpectedResponse(
            f"{received.where}: cannot be read as YAML: {error}", hint="It may be cut short: fetch it anew."
        ) from error


def _is_document(found: Mapping[str, Any]) -> bool:
    is_schema = isinstance(found.get("properties"), dict) and found.get("type") in (
        "object",
        None,
        ["object"],
    )
    return bool({"openapi", "swagger", "$schema"} & found.keys()) or is_schema or "$defs" in found


def read(content: Mapping[str, Any], *, name: str, streams: Sequence[str], where: str) -> SourceDraft:
    """The source of a document. Raises DeclarationError where it lists nothing, or not what was asked for."""
    if not {"openapi", "swagger"} & content.keys():
        return _of_schema(content, name=name, streams=streams, where=where)
    schemas = Schemas(content)
    untold: list[str] = []
    found = _named(list(_operations(content, schemas, untold)))
    if not found:
        raise DeclarationError(
            f"{where}: no GET of it answers with a list of objects",
            hint="Save an answer of the API, and generate from that.",
        )
    chosen, left_out = _chosen(found, streams, where, untold)
    doc = _line(content.get("info", {}).get("title"))
    made = SourceDraft(name, [], doc=doc, left_out=left_out, untold=untold)
    made.base_url = _server(content, next(iter(chosen.values())), where=where)
    made.auth, made.auth_note = _auth(content, schemas)
    for called, it in chosen.items():
        made.streams.append(_stream(called, it, schemas, made))
    return made


def _of_schema(content: Mapping[str, Any], *, name: str, streams: Sequence[str], where: str) -> SourceDraft:
    schemas = Schemas(content)
    body = schemas.example(content)
    found = place.find(body) if isinstance(body, dict | list) else None
    if found is None:
        raise DeclarationError(f"{where}: its schema has no object with fields", hint="Name another schema.")
    if isinstance(body, dict) and not {it.lower() for it in found.way} & place.USUAL:
        found = Place((), [body], Finding("the body itself", "unsure", "a schema tells of one record"))
    called = attribute_name(streams[0] if streams else str(content.get("title") or "records"))
    made = SourceDraft(
        name,
        [],
        auth_note="a schema tells of no credentials; where the API wants some, return them from auth()",
    )
    operation = Operation(f"/{called}", {}, content, body, found, (), None)
    made.streams.append(_stream(called, operation, schemas, made))
    made.streams[0].path_note = "the path is a guess"
    return made


def _operations(content: Mapping[str, Any], schemas: Schemas, untold: list[str]) -> Iterator[Operation]:
    """The ways to list something; `untold` gets the names of those whose records have no fields."""
    for path, item in (content.get("paths") or {}).items():
        item = schemas.resolve(item)[0]
        get = item.get("get")
        if not isinstance(get, dict) or get.get("deprecated"):
            continue
        schema = _answer(get, schemas)
        body = schemas.example(schema) if schema is not None else None
        if not isinstance(body, dict | list):
            continue
        last = [it for it in path.split("/") if it and "{" not in it][-1:] or [""]
        found = place.find(body, asked=last[0].partition(".")[0])
        if found is not None and not found.is_single and not found.records[0]:
            untold.append(attribute_name(last[0].partition(".")[0]))
        if found is None or not any(isinstance(it, str | int) for it in found.records[0].values()):
            continue
        if found.is_single or "*" in found.way or "{" in path.rpartition("/")[2]:
            continue
        parameters = [
            schemas.resolve(it)[0] for it in [*(item.get("parameters") or ()), *(get.get("parameters") or ())]
        ]
        yield Operation(path, get, schema, body, found, parameters, get.get("servers") or item.get("servers"))


def _answer(get: Mapping[str, Any], schemas: Schemas) -> Any:
    """The schema of what comes when all is well."""
    answers = get.get("responses") or {}
    for code in ("200", 200, "2XX", "2xx", "206", "default"):
        answer = schemas.resolve(answers.get(code))[0]
        if answer.get("schema"):
            return answer["schema"]
        media = answer.get("content") or {}
        for kind in sorted(media, key=lambda it: ("json" not in it, it)):
            if media[kind].get("schema") and ("json" in kind or kind == "*/*"):
                return media[kind]["schema"]
    return None


def _named(found: Sequence[Operation]) -> dict[str, Operation]:
    """Each with a name of its own: the last word of its path, with those before it where it takes them."""
    counted = Counter(attribute_name(it.last) for it in found)
    made: dict[str, Operation] = {}
    for it in found:
        steps = [
            attribute_name(step.partition(".")[0]) for step in it.path.split("/") if step and "{" not in step
        ]
        name, more = attribute_name(it.last), steps[:-1]
        if counted[name] > 1 and it.in_path and more:
            name = f"{naming.singular(more.pop())}_{name}"
        while name in made and more:
            name = f"{naming.singular(more.pop())}_{name}"
        made.setdefault(name, it)
    return made


def _chosen(
    found: Mapping[str, Operation], streams: Sequence[str], where: str, untold: Sequence[str]
) -> tuple[dict[str, Operation], list[str]]:
    """Those that were asked for; else those that hang on nothing but what all of them need."""
    for name in streams:
        if name not in found and name in untold:
            raise DeclarationError(
                f"{where}: tells nothing of the fields of {name!r}",
                hint="Generate from an answer: its address or its file in --from.",
            )
        if name not in found:
            raise DeclarationError(f"{where}: has no stream {name!r}", hint=nearest(name, set(found)))
    if streams:
        return {name: found[name] for name in streams}, []
    counted = Counter(name for it in found.values() for name in it.in_path)
    common = {name for name, count in counted.items() if count * 2 > len(found)}
    chosen = {name: it for name, it in found.items() if set(it.in_path) <= common}
    chosen = chosen or dict([min(found.items(), key=lambda it: len(it[1].in_path))])
    return chosen, [name for name in found if name not in chosen]


def _stream(called: str, operation: Operation, schemas: Schemas, source: SourceDraft) -> StreamDraft:
    shape = _record(operation, schemas)
    record = dict(operation.place.records[0])
    filtered = _filtered_by(operation, record)
    if filtered is not None:
        shape.fields[filtered] = Field(Shape("text"), is_required=True)
        record[filtered] = "1"
    root = grow([record])
    found = keys.candidates(root, [record], stream=called)
    key = next((it for it in found if _may_be(it, shape)), None)
    if filtered is not None:
        key = Finding(filtered, "unsure", "the document has it as a filter only, and not among the fields")
    name = key.what if key else _first(shape, source)
    cursor = next((it for it in keys.cursors(root) if it.rank < 2 and it.what in shape.fields), None)
    made = StreamDraft(
        called,
        shape,
        [name],
        key or Finding(name, "unsure", "the document tells of no identifier"),
        None,
        cursor,
        [record],
    )
    made.doc = _line(operation.get.get("summary") or operation.get.get("description"))
    made.records = operation.place.path
    made.records_note = operation.place.finding.why if operation.place.finding.rank == 2 else ""
    shape.fields[name].is_required = True
    _ask(made, operation, cursor, source)
    return made


def _filtered_by(operation: Operation, record: Mapping[str, Any]) -> str | None:
    """An identifier that records can be filtered by, where none is told among their fields."""
    if any(naming.is_identifier(it) or naming.is_code(it) for it in record):
        return None
    query = [str(it.get("name")) for it in operation.parameters if it.get("in") == "query"]
    return next((it for it in query if naming.is_identifier(it)), None)


def _may_be(finding: Finding, shape: Shape) -> bool:
    it = shape.fields.get(finding.what)
    return it is not None and it.shape.kind in ("text", "integer", "url") and finding.rank < 2


def _first(shape: Shape, source: SourceDraft) -> str:
    plain = [name for name, it in shape.fields.items() if it.shape.kind in ("text", "integer", "url")]
    if not plain:
        raise DeclarationError(
            f"{source.name}: a record of the document has no text and no number that could be its key",
            hint="Name the streams that you want with --stream.",
        )
    secret = [name for name in plain if {"password", "secret", "token"} & set(naming.words(name))]
    return next((name for name in plain if name not in secret), plain[0])


def _record(operation: Operation, schemas: Schemas) -> Shape:
    """The shape of a record, down the way that leads to it; what is deep in it is counted from there."""
    way = operation.place.way
    shape = schemas.shape(operation.schema, depth=-len(way) - 1)
    for step in way:
        shape = shape.fields[step.removesuffix("[]")].shape
        shape = shape.items if shape.kind == "list" and shape.items is not None else shape
    return shape.items if shape.kind == "list" and shape.items is not None else shape


def _ask(made: StreamDraft, operation: Operation, cursor: Finding | None, source: SourceDraft) -> None:
    """Path, parameters and pages."""
    query = {str(it.get("name")): it for it in operation.parameters if it.get("in") == "query"}
    made.path = PARAMETER.sub(lambda it: f"{{self.settings.{_setting(it[1], source)}}}", operation.path)
    since = next((it for it in query if SINCE.fullmatch(it.strip("[]<>_"))), None)
    if cursor is not None and since is not None:
        made.cursor, made.since_param = cursor.what, since
        made.shape.fields[cursor.what].is_required = True
        made.since_note = f"that {since!r} asks for changes by {cursor.what}"
    elif cursor is not None:
        why = "called as the time of the last change, but no parameter of the document asks for changes by it"
        made.cursor_finding = Finding(cursor.what, "unsure", why)
    found = _paging(operation, query)
    if found.name != "SinglePage":
        made.paginator, made.paginator_name = found.code, found.name
    made.paginator_note = found.finding.why if found.finding.rank == 2 and found.name != "SinglePage" else ""
    for name, it in query.items():
        if it.get("required") and name not in found.params and name != since:
            made.params[name] = f"self.settings.{_setting(name, source)}"


def _paging(operation: Operation, query: Mapping[str, Any]) -> Paging:
    sizes = {name: _size(it) for name, it in query.items() if not _is_token(name, it)}
    body = operation.place
    beside = dict(paging.beside(operation.body, body.way))
    if any("".join(naming.words(it)) in paging.OFFSETS for it in sizes):
        beside = {way: it for way, it in beside.items() if not paging.is_total(way)}  # it may stay away
    answer = Answer(beside, {}, sizes, 1, body.records[-1])
    return paging.find(answer)


def _is_token(name: str, parameter: Mapping[str, Any]) -> bool:
    """Whether what is called as a number of pages or records is a text: then it is a token."""
    is_text = (parameter.get("schema") or parameter).get("type") == "string"
    return is_text and "".join(naming.words(name)) in paging.PAGES | paging.OFFSETS


def _size(parameter: Mapping[str, Any]) -> str:
    """The most records that may be asked for at once, where the document says so."""
    schema = parameter.get("schema") or parameter
    most = schema.get("maximum") or schema.get("default")
    return str(most) if isinstance(most, int) and most > 1 else ""


def _setting(name: str, source: SourceDraft) -> str:
    made = attribute_name(name)
    source.settings.setdefault(
        made, f"{name} is of whom the streams tell; where there are several, see Partitions"
    )
    return made


def _server(content: Mapping[str, Any], operation: Operation, *, where: str) -> str | None:
    """Its address; where the document names none, or a part of one, that of the document counts."""
    servers: Sequence[Mapping[str, Any]] = operation.servers or content.get("servers") or [{}]
    for it in servers:
        url = str(it.get("url") or "")
        for name, told in (it.get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(told.get("default", "")))
        if is_address(where) and not content.get("host"):
            is_host = bool(re.match(r"[\w.-]+:\d+(?:/|$)", url))
            url = urljoin(where, f"//{url}" if is_host else url or "/")
        if url.startswith("http"):
            return url.rstrip("/")
    if content.get("host"):
        scheme = "https" if "https" in (content.get("schemes") or ["https"]) else "http"
        return f"{scheme}://{content['host']}{str(content.get('basePath') or '').rstrip('/')}"
    return None


def _auth(content: Mapping[str, Any], schemas: Schemas) -> tuple[str, str]:
    """The credentials that the document asks for first, and what is unsure about them."""
    declared = (
        (content.get("components") or {}).get("securitySchemes") or content.get("securityDefinitions") or {}
    )
    wanted = [name for it in content.get("security") or () for name in it]
    ordered = [declared[it] for it in wanted if it in declared] + list(declared.values())
    for it in (schemas.resolve(each)[0] for each in ordered):
        kind, scheme = it.get("type"), str(it.get("scheme") or "").lower()
        if kind == "apiKey" and it.get("in") in ("header", "query"):
            return f"{it['in']}:{it['name']}", ""
        if kind == "basic" or scheme == "basic":
            return "basic", ""
        if scheme == "bearer":
            return "bearer", ""
        if kind in ("oauth2", "openIdConnect"):
            return (
                "bearer",
                "the API wants OAuth 2; a token that expires is fetched by ClientCredentials or RefreshToken",
            )
    return "", "the document tells of no credentials; where the API wants some, return them from auth()"


def _line(text: Any) -> str:
    return " ".join(str(text or "").split())
