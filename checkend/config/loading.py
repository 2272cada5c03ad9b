"""Read the settings from the environment, ``config.py`` and the defaults."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from checkend.config.settings import BY_NAME, PREFIX, SETTINGS, Setting
from checkend.exceptions import SettingError


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a setting and its source: ``environment``, ``config.py``, ``default`` or ``override``."""

    setting: Setting
    value: Any
    source: str


def load(instance_path: Path, environ: Mapping[str, str] | None = None) -> dict[str, Value]:
    """Return the values of all settings, by name, for the instance folder at ``instance_path``.

    Raises `SettingError` for an invalid value and for an unknown name in ``config.py``.
    """
    environ = os.environ if environ is None else environ
    from_file = _read_file(instance_path / "config.py")
    values = {}
    for setting in SETTINGS:
        if setting.variable in environ:
            values[setting.name] = Value(setting, _parse(setting, environ[setting.variable]), "environment")
        elif setting.name in from_file:
            values[setting.name] = Value(setting, _parse(setting, from_file[setting.name]), "config.py")
        else:
            values[setting.name] = Value(setting, setting.default, "default")
    return values


def override(values: dict[str, Value], changes: Mapping[str, Any]) -> None:
    """Override ``values`` with ``changes``, by setting name, as tests and command line options do.

    Raises `SettingError` for an unknown name or an invalid value.
    """
    for name, raw in changes.items():
        if name not in BY_NAME:
            raise SettingError(_unknown_setting_message(name, "an override"))
        values[name] = Value(BY_NAME[name], _parse(BY_NAME[name], raw), "override")


def _parse(setting: Setting, raw: Any) -> Any:
    text = ",".join(map(str, raw)) if isinstance(raw, list | tuple) else str(raw)
    try:
        return setting.kind.parse(text)
    except ValueError:
        displayed = "(a secret)" if setting.secret else repr(text)
        raise SettingError(f"{setting.variable} is {displayed}, but must be {setting.kind.allowed}.") from None


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    namespace: dict[str, Any] = {}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    except Exception as error:
        raise SettingError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    values = {name: value for name, value in namespace.items() if name.isupper()}
    for name in values:
        if name not in BY_NAME:
            raise SettingError(_unknown_setting_message(name, str(path)))
    return values


def _unknown_setting_message(name: str, where: str) -> str:
    close = get_close_matches(name, BY_NAME, n=1)
    return f"{where} sets {name}, which is not a setting" + (f"; did you mean {close[0]}?" if close else ".")


def instance_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return the instance folder, which contains the database and the secret key.

    This is ``CHECKEND_INSTANCE_PATH`` if set; else ``instance/`` next to ``wsgi.py`` when run from a checkout, which
    may contain the package, the loaded ``wsgi`` module, the working directory or the virtual environment; else the
    data folder that the platform has for the user.
    """
    environ = os.environ if environ is None else environ
    if configured := environ.get(PREFIX + "INSTANCE_PATH"):
        return Path(configured).expanduser().resolve()
    for folder in _checkout_candidates():
        if (folder / "wsgi.py").is_file() and (folder / "checkend" / "app.py").is_file():
            return folder / "instance"
    import platformdirs

    return Path(platformdirs.user_data_dir("checkend", appauthor=False))


def _checkout_candidates() -> list[Path]:
    candidates = [Path(__file__).resolve().parents[2]]
    wsgi = sys.modules.get("wsgi")
    if wsgi is not None and getattr(wsgi, "__file__", None):
        candidates.append(Path(str(wsgi.__file__)).resolve().parent)
    for start in (Path.cwd(), Path(sys.prefix).resolve()):
        candidates += [start, *start.parents]
    return candidates
