"""The module `source`: contracts, settings, and the source with a method for each stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from strandline.pipeline.draft import code
from strandline.pipeline.draft import contract as contracts
from strandline.pipeline.draft.code import Names
from strandline.pipeline.draft.contract import Contract, Contracts
from strandline.pipeline.draft.draft import SourceDraft, StreamDraft
from strandline.source.offer import class_name

SINCE: Final = {
    "timestamp": "datetime",
    "naive": "datetime",
    "date": "date",
    "epoch": "int",
    "integer": "int",
}
SECRETS: Final = {"bearer": "token", "basic": "password", "header": "api_key", "query": "api_key"}


class SourceModule:
    """Writes the module."""

    def __init__(self, draft: SourceDraft) -> None:
        self.draft = draft
        self.class_name = class_name(draft.name)
        self.names = Names()
        made = Contracts(self.class_name)
        self.contracts = {it.name: made.of_stream(it) for it in draft.streams}
        self._all = made.made

    def text(self) -> str:
        """The whole module."""
        parts = [list(contracts.render(it, self.names)) for it in self._all]
        queries = [it for it in self.draft.streams if it.query]
        parts += [[f'{_constant(it)} = """{it.query}"""'] for it in queries]
        parts += [list(self._settings()), list(self._source())]
        body = "\n\n\n".join("\n".join(it) for it in parts)
        doc = code.docstring(f"The source system layer: what {self.draft.name} sends, and how it is asked")
        return "\n".join([doc, "", *self.names.lines(), "", "", body]) + "\n"

    def _settings(self) -> Iterator[str]:
        draft, prefix = self.draft, f"STRANDLINE_{self.draft.name.upper()}__"
        self.names.add("strandline", "SourceSettings")
        fields = {"root": "str"} if draft.is_file else {"base_url": _with_default(draft.base_url)}
        kind = draft.auth.partition(":")[0]
        if kind == "basic":
            fields["user"] = "str"
        if kind:
            self.names.add("pydantic", "SecretStr")
            fields[SECRETS[kind]] = "SecretStr"
        needed = [f"{prefix}{name.upper()}" for name in [*fields, *draft.settings]]
        yield f"class {self.class_name}Settings(SourceSettings):"
        told = " and ".join(filter(None, [", ".join(needed[:-1]), needed[-1]]))
        told = told if len(told) <= code.WIDTH - 12 else f"Variables that begin with {prefix}"
        yield code.docstring(told, indent=1)
        yield ""
        for name, kind in fields.items():
            yield f"    {name}: {kind}"
        for name, note in draft.settings.items():
            yield from code.unsure(note, indent=1)
            yield f"    {name}: str"

    def _source(self) -> Iterator[str]:
        draft = self.draft
        base = "FileSource" if draft.is_file else "HttpSource"
        self.names.add("strandline.source" if draft.is_file else "strandline", base)
        self.names.add("strandline", "Pages", "stream")
        yield f"class {self.class_name}({base}):"
        yield code.docstring(draft.doc or f"The source {draft.name}", indent=1)
        yield ""
        if _snake(self.class_name) != draft.name:
            yield f'    name = "{draft.name}"'
        yield f"    settings: {self.class_name}Settings"
        yield from self._auth()
        for it in draft.streams:
            yield ""
            yield from self._stream(it, self.contracts[it.name])

    def _auth(self) -> Iterator[str]:
        kind, _, detail = self.draft.auth.partition(":")
        if self.draft.auth_note:
            yield ""
            yield from code.unsure(self.draft.auth_note, indent=1)
        if not kind:
            return
        made, arguments = {
            "bearer": ("Bearer", ["self.settings.token"]),
            "basic": ("Basic", ["self.settings.user", "self.settings.password"]),
            "header": ("ApiKey", ["self.settings.api_key", f"header={code.quoted(detail)}"]),
            "query": ("ApiKey", ["self.settings.api_key", f"query={code.quoted(detail)}"]),
        }[kind]
        self.names.add("strandline", made)
        yield from [] if self.draft.auth_note else [""]
        yield f"    def auth(self) -> {made}:"
        yield '        """What it wants to see before it answers."""'
        yield from code.call(f"return {made}(", arguments, indent=2)

    def _stream(self, draft: StreamDraft, contract: Contract) -> Iterator[str]:
        yield from self._notes(draft)
        since = self._since(draft, contract)
        yield from code.call("@stream(", self._declared(draft, contract, since), indent=1)
        told = f", since: {since} | None" if since else ""
        yield f"    def {draft.name}(self{told}) -> Pages:"
        yield code.docstring(draft.doc or f"The {draft.name.replace('_', ' ')}", indent=2)
        if self.draft.is_file:
            self.names.add("strandline.source", draft.file_format.partition("(")[0])
            arguments = [code.quoted(draft.path), f"format={draft.file_format}", "since=since"]
            yield from code.call("return self.files(", arguments, indent=2)
            return
        if draft.query:
            arguments = [_constant(draft), f"records={_spelled(draft.records or '')}"]
            arguments += [f"path={_path(draft.path)}"] if draft.path != "/graphql" else []
            yield from code.call("return self.graphql(", arguments, indent=2)
            return
        if draft.is_single:
            yield from code.comment("The whole answer is the one record.", indent=2)
        yield from code.call("return self.pages(", self._asked(draft, since), indent=2)

    def _notes(self, draft: StreamDraft) -> Iterator[str]:
        key, cursor = draft.key_finding, draft.cursor_finding
        if draft.path_note:
            yield from code.unsure(draft.path_note, indent=1)
        if key is not None and key.rank == 2:
            yield from code.unsure(f"key {key.what}: {key.why}", indent=1)
        if cursor is not None and cursor.rank > 0 and (draft.cursor or cursor.rank == 2):
            left_out = "" if draft.cursor else ", and so it is no cursor here"
            yield from code.unsure(f"cursor {cursor.what}: {cursor.why}{left_out}", indent=1)
        if draft.since_note:
            yield from code.unsure(draft.since_note, indent=1)
        if draft.records_note:
            yield from code.unsure(f"records: {draft.records_note}", indent=1)
        if draft.paginator_note:
            yield from code.unsure(f"paginator: {draft.paginator_note}", indent=1)

    def _since(self, draft: StreamDraft, contract: Contract) -> str:
        """The type of what the method is told; empty where it is told nothing."""
        if self.draft.is_file:
            return "str"
        if draft.cursor is None:
            return ""
        kind = SINCE[contract.member(draft.cursor).kind]
        if kind != "int":
            self.names.add("datetime", kind)
        return kind

    def _declared(self, draft: StreamDraft, contract: Contract, since: str) -> list[str]:
        key = [f'"{contract.member(it).name}"' for it in draft.key]
        declared = [contract.name, f"key={key[0]}" if len(key) == 1 else f"key=({', '.join(key)})"]
        if draft.cursor is None:
            return declared
        member = contract.member(draft.cursor)
        if self.draft.is_file:
            is_time = member.kind in ("timestamp", "naive")
            return [*declared, f'effective_at="{member.name}"'] if is_time else declared
        self.names.add("strandline", "Cursor")
        precision = ""
        if since == "date":
            self.names.add("strandline", "Precision")
            precision = ", precision=Precision.DAY"
        return [*declared, f'cursor=Cursor("{member.name}"{precision})']

    def _asked(self, draft: StreamDraft, since: str) -> list[str]:
        arguments = [_path(draft.path)]
        params = [f"{code.quoted(name)}: {value}" for name, value in draft.params.items()]
        if since and draft.since_param:
            params = [f"{code.quoted(draft.since_param)}: since", *params]
        if params:
            arguments.append(code.mapping("params", params, indent=3))
        if draft.paginator:
            self.names.add("strandline.source", draft.paginator_name)
            arguments.append(f"paginator={draft.paginator}")
        if draft.is_single:
            arguments.append("records=lambda body: [body]")
        elif draft.records is not None:
            arguments.append(f"records={_spelled(draft.records)}")
        return arguments


def _constant(draft: StreamDraft) -> str:
    """What the query of a stream is called."""
    return f"{draft.name.upper()}_QUERY"


def _path(path: str) -> str:
    return f"f{code.quoted(path)}" if "{" in path else code.quoted(path)


def _spelled(path: str | Sequence[str]) -> str:
    if isinstance(path, str):
        return code.quoted(path)
    inner = ", ".join(map(code.quoted, path))
    return f"({inner},)" if len(path) == 1 else f"({inner})"


def _with_default(base_url: str | None) -> str:
    return "str" if base_url is None else f"str = {code.quoted(base_url)}"


def _snake(name: str) -> str:
    from strandline.model.base import snake_case

    return snake_case(name)
