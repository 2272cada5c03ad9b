"""Elixir and Erlang: anonymous functions and comprehensions, modules of OTP and of well-known libraries."""

from __future__ import annotations

import re

from checkend.grouping.language import Language, words

# -total/1-fun-0-/1 is the first anonymous function in total/1, -fun.total/1- a reference to total/1; comprehensions
# and the code after a try block have the same form.
_ANONYMOUS = re.compile(r"(?:inlined-|fun\.)?(.{1,200}?/\d{1,3})-")
_LIBRARY_MODULES = words(
    """
    Access Agent Application Atom Base Bitwise Calendar Code Collectable Config Date DateTime Dict
    Duration DynamicSupervisor EEx Enum Enumerable Exception ExUnit File Float Function GenEvent
    GenServer GenStage HashDict IEx IO Inspect Integer JSON Kernel Keyword List Logger Macro Map MapSet
    Mix Module NaiveDateTime Node OptionParser PartitionSupervisor Path Port Process Protocol Range
    Record Regex Registry Set Stream String StringIO Supervisor System Task Time Tuple URI Version
    Absinthe Ash Bandit Broadway Cachex Checkend Cowboy DBConnection Dataloader Ecto Exqlite ExAws Finch
    Floki Gettext Guardian HTTPoison Hackney Jason Joken Mint Mongo MyXQL Nebulex NimbleOptions
    NimblePool Oban Phoenix Plug Poison Postgrex Protobuf Quantum Redix Req Sentry Swoosh Telemetry
    Tesla ThousandIsland Timex Tzdata WebSockAdapter Xandra
    """
)


def _is_library(path: str, function: str) -> bool:
    name = function.removeprefix("anonymous fn/").partition(" in ")[2] or function
    name = name.removeprefix("Elixir.")
    module = name.partition(".")[0]
    if module[:1].islower() or name.startswith(":"):
        # An Erlang module: in the app's src folder, or one of OTP, whose files have no folder.
        return "/src/" not in f"/{path}" or path.startswith(("src/erl", "/usr"))
    return module in _LIBRARY_MODULES


def _clean_name(name: str, minified: bool) -> str:
    if name.startswith(("anonymous fn/", "fn/")):
        name = name.partition(" in ")[2]
    name = name.removeprefix("Elixir.")
    module, dash, rest = name.partition(".-")
    match = _ANONYMOUS.match(rest)
    return f"{module}.{match[1]}" if dash and match else name


LANGUAGE = Language(
    name="elixir",
    aliases=words("elixir erlang"),
    extensions=words("ex exs erl"),
    recognizes=lambda frame: frame.method.startswith("Elixir."),
    is_library=_is_library,
    clean_name=_clean_name,
    package=lambda frame: frame.method.removeprefix("Elixir.").partition(".")[0],
    has_qualified_names=True,
    library_paths="(?:^|/)deps/",
    scheduler_packages="proc_lib|gen_server|gen_statem|gen_event|gen|supervisor|Task|timer|erl_eval|GenServer",
    runtime_errors=words(
        """
        FunctionClauseError MatchError CaseClauseError CondClauseError WithClauseError UndefinedFunctionError
        BadMapError BadArityError BadFunctionError BadBooleanError
        """
    ),
)
