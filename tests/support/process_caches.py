"""Work that is the same for every app of a test process, done once: a suite makes more than a thousand apps.

Production makes one app per process, so none of this would save it anything.
"""

from types import CodeType
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine
from werkzeug.routing.rules import Rule

from checkend.app import CheckendFlask


class _TemplateCode(BytecodeCache):
    """Compiled templates, by name and source."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._codes[bucket.key, bucket.checksum] = bucket.code


class _Statements(dict[Any, Any]):
    """Compiled SQL statements. SQLAlchemy's keys begin with the engine's own dialect object; its name is enough."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), value)


def _share_compiled_templates() -> None:
    """Compile each template once: the first page of an app takes ten times as long otherwise."""
    CheckendFlask.jinja_options = {**CheckendFlask.jinja_options, "bytecode_cache": _TemplateCode()}


def _share_compiled_statements() -> None:
    """Compile each SQL statement once, by the engine option that SQLAlchemy documents for this."""
    statements = _Statements()

    @event.listens_for(Engine, "engine_connect")
    def use_them(connection: Connection) -> None:
        connection.execution_options(compiled_cache=statements)


def _share_url_builders() -> None:
    """Compile each route's URL builder once, which takes half of `create_app`.

    The builder is a plain function of the rule's parts and defaults; Werkzeug binds it to the rule afterwards.
    """
    compile_builder, builders = Rule._compile_builder, dict[Any, Any]()

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    Rule._compile_builder = compile_once  # type: ignore[method-assign,assignment]  # the tests' own shortcut


def share() -> None:
    """Share all of this between the apps of this process."""
    _share_compiled_templates()
    _share_compiled_statements()
    _share_url_builders()
