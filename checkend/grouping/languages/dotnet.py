""".NET: async bodies, lambdas and local functions, generic arity, frames with and without symbols."""

from __future__ import annotations

import re

from checkend.grouping.language import Language, words
from checkend.grouping.stacktrace import Frame

_NAMESPACE = re.compile(r"lambda_method|[^.+(]+")  # the dynamic lambda_method123 counts without its number
_LIBRARY_NAMESPACES = words(
    """
    System Microsoft Newtonsoft Npgsql Dapper AutoMapper MediatR FluentValidation Serilog Polly Hangfire
    MassTransit StackExchange MySql MySqlConnector MongoDB RestSharp Refit Swashbuckle NSwag Quartz
    Castle Grpc Google Amazon Azure Oracle NHibernate Autofac Duende IdentityServer4 RabbitMQ Confluent
    Elasticsearch Elastic Nest NLog log4net xunit Xunit NUnit Moq Interop Internal Orleans Akka Stripe
    Twilio SixLabors CsvHelper HotChocolate GraphQL Ocelot Yarp OpenTelemetry Checkend lambda_method
    DynamicClass
    """
)
_ARITY = re.compile(r"`\d{1,3}")
# Also matches a bracket that is never closed, but without the group, so that no character is scanned twice.
_TYPE_ARGUMENTS = re.compile(r"\[[^\]]*+(\]++)?")
# <Pay>d__7.MoveNext is the body of async Pay, <>c.<Pay>b__4_0 a lambda in it, <Pay>g__Inner|1_0 a local function.
_ENCLOSING_METHOD = re.compile(r"<(\w{1,200})>")


def _is_library(path: str, function: str) -> bool:
    namespace = _NAMESPACE.match(function)
    return namespace is not None and namespace[0] in _LIBRARY_NAMESPACES


def _clean_name(name: str, minified: bool) -> str:
    name = _ARITY.sub("", name)
    name = _TYPE_ARGUMENTS.sub(lambda match: match[0] if match[1] is None else "", name)
    match = _ENCLOSING_METHOD.search(name)
    if not match:
        return name
    owner = name[: match.start()]
    owner = owner.partition("+<")[0].rstrip("+.<")
    owner = owner.partition(".<")[0]
    return f"{owner}.{match[1]}"


def _package(frame: Frame) -> str:
    name = frame.method.rpartition("/")[2]
    return ".".join(name.split("+")[0].split(".")[:-1][:2])


LANGUAGE = Language(
    name="dotnet",
    aliases=words("csharp dotnet fsharp"),
    extensions=words("cs fs vb"),
    is_library=_is_library,
    clean_name=_clean_name,
    package=_package,
    has_qualified_names=True,
    has_classes_for_files=True,
    scheduler_packages=r"System\.Threading | System\.Runtime",
    runtime_errors=words(
        """
        NullReferenceException IndexOutOfRangeException InvalidCastException DivideByZeroException KeyNotFoundException
        OverflowException FormatException ArgumentNullException ArgumentOutOfRangeException
        """
    ),
    overflow_errors=words("StackOverflowException"),
)
