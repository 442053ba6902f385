"""Queries that are compiled once, and asked often.

Django builds a query and compiles its SQL anew, in Python, each time it is asked: for one row by an index that takes
several times as long as the database does. Where a request waits for it, it is written once, with `Given` in the place
of what differs. The libraries that did this are of Django 1 and 2, and left alone. What is used here of Django's inside
is how `QuerySet` itself reads models.
"""

from collections.abc import Callable
from copy import copy
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import ModelIterable

M = TypeVar("M", bound=Model)


class Given(Expression):
    """A value that is told when the query is asked, and is never None: nothing equals NULL.

    `field`: one of its type, where the database has not Python's, as for an UUID or a moment.
    """

    def __init__(self, name: str, field: "Field[Any, Any] | None" = None) -> None:
        super().__init__(output_field=field)
        self.name, self.type = name, field

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (self,)

    def bind(self, values: dict[str, Any], connection: Any) -> Any:
        value = values[self.name]
        return self.type.get_db_prep_value(value, connection) if self.type else value


class Prepared(Generic[M]):
    """`build` makes the query when it is first asked; it must not depend on anything that changes later.

    Called with a value for each `Given`, by name, it returns the models; KeyError where one is missing.
    """

    def __init__(self, build: Callable[[], "QuerySet[M]"]) -> None:
        self._build = build
        self._compiled: tuple[str, Any, str, tuple[Any, ...]] | None = None

    def __call__(self, **values: Any) -> list[M]:
        if self._compiled is None:
            self._compiled = self._compile()
        alias, compiler, sql, places = self._compiled
        bound = copy(compiler)  # what was found out while compiling is read only, and may be shared by threads
        bound.connection = connections[alias]
        params = tuple(place.bind(values, bound.connection) if isinstance(place, Given) else place for place in places)
        bound.as_sql = lambda: (sql, params)
        query = SimpleNamespace(get_compiler=lambda using: bound)
        rows: Any = SimpleNamespace(query=query, db=alias, _known_related_objects={})
        return list(ModelIterable(rows))

    def first(self, **values: Any) -> M | None:
        """The first of those that the query finds: it should ask for one only."""
        return next(iter(self(**values)), None)

    def _compile(self) -> tuple[str, Any, str, tuple[Any, ...]]:
        queryset = self._build()
        compiler = queryset.query.get_compiler(using=queryset.db)
        sql, params = compiler.as_sql()
        return queryset.db, compiler, sql, tuple(params)
