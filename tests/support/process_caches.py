"""Work that is the same for every app of a test process, done once: a suite makes more than a thousand apps.

Production makes one app per process, so none of this would save it anything.
"""

from functools import cache
from types import CodeType
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Connection, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, Engine
from werkzeug.routing.rules import Rule

from checkend.app import CheckendFlask
from checkend.db import schema


class _TemplateCode(BytecodeCache):
    """Compiled templates, by name and source."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._codes[bucket.key, bucket.checksum] = bucket.code


def _share_compiled_templates() -> None:
    """Compile each template once: the first page of an app takes ten times as long otherwise."""
    CheckendFlask.jinja_options = {**CheckendFlask.jinja_options, "bytecode_cache": _TemplateCode()}


def _share_compiled_statements() -> None:
    """Compile each SQL statement once, by the engine option that SQLAlchemy documents for this.

    SQLAlchemy also keeps statements with its mappers, and finds them by the engine's dialect object. All engines here
    are alike, so their dialects may be equal.
    """
    statements = dict[Any, Any]()

    @event.listens_for(Engine, "engine_connect")
    def use_them(connection: Connection) -> None:
        connection.execution_options(compiled_cache=statements)

    def equal(dialect: Dialect, other: object) -> bool:
        return type(dialect) is type(other)

    SQLiteDialect_pysqlite.__eq__ = equal  # type: ignore[method-assign,assignment]
    SQLiteDialect_pysqlite.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign,assignment]


COMPILED = ("_parts", "_trace", "_converters", "arguments", "_build", "_build_unknown")


def _share_compiled_routes() -> None:
    """Compile each route once, which takes most of `create_app`.

    What is compiled does not refer to the app: it depends on what the key below holds.
    """
    compile_route, compiled = Rule.compile, dict[Any, list[Any]]()

    def compile_once(rule: Rule) -> None:
        route_map = rule.map
        assert route_map is not None
        settings = (route_map.host_matching, rule.merge_slashes, *route_map.converters.items())
        key = (rule.rule, rule.host, rule.subdomain, repr(rule.defaults), settings)
        if key in compiled:
            for name, value in zip(COMPILED, compiled[key], strict=True):
                setattr(rule, name, value.__get__(rule) if callable(value) else value)
            return
        compile_route(rule)
        compiled[key] = [getattr(getattr(rule, name), "__func__", getattr(rule, name)) for name in COMPILED]

    Rule.compile = compile_once  # type: ignore[method-assign]  # the tests' own shortcut


def _share_schema_statements() -> None:
    """Generate the statements that create a database once."""
    generate = schema.schema_statements
    schema.schema_statements = cache(lambda: tuple(generate()))  # type: ignore[assignment]


def share() -> None:
    """Share all of this between the apps of this process."""
    _share_compiled_templates()
    _share_compiled_statements()
    _share_compiled_routes()
    _share_schema_statements()
