"""Read the settings: from the environment, from ``config.py``, else the defaults."""

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
    """A setting's value and where it comes from: ``environment``, ``config.py`` or ``default``."""

    setting: Setting
    value: Any
    source: str


def load(instance_path: Path, environ: Mapping[str, str] | None = None) -> dict[str, Value]:
    """Read every setting, by name, for the instance folder at ``instance_path``.

    Raises `SettingError` for a value that is not allowed and for a name in ``config.py`` that is no setting.
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
    """Put ``changes`` (by setting name) over ``values``, as a test or a command line option does.

    Raises `SettingError` for a name that is no setting, or a value that is not allowed.
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
        shown = "(a secret)" if setting.secret else repr(text)
        raise SettingError(f"{setting.variable} is {shown}, but must be {setting.kind.allowed}.") from None


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    namespace: dict[str, Any] = {}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    except Exception as error:
        raise SettingError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    found = {name: value for name, value in namespace.items() if name.isupper()}
    for name in found:
        if name not in BY_NAME:
            raise SettingError(_unknown_setting_message(name, str(path)))
    return found


def _unknown_setting_message(name: str, where: str) -> str:
    close = get_close_matches(name, BY_NAME, n=1)
    return f"{where} sets {name}, which is no setting" + (f"; did you mean {close[0]}?" if close else ".")


def instance_path(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the SQLite file and the secret key.

    ``CHECKEND_INSTANCE_PATH`` if set; else ``instance/`` beside ``wsgi.py`` when run from a checkout (the one the
    package, the loaded ``wsgi`` module, the working directory or the virtual environment lies in); else the
    platform's data folder for the user.
    """
    environ = os.environ if environ is None else environ
    if named := environ.get(PREFIX + "INSTANCE_PATH"):
        return Path(named).expanduser().resolve()
    for folder in _checkout_candidates():
        if _is_checkout(folder):
            return folder / "instance"
    import platformdirs

    return Path(platformdirs.user_data_dir("checkend", appauthor=False))


def _checkout_candidates() -> list[Path]:
    places = [Path(__file__).resolve().parents[2]]
    wsgi = sys.modules.get("wsgi")
    if wsgi is not None and getattr(wsgi, "__file__", None):
        places.append(Path(str(wsgi.__file__)).resolve().parent)
    for start in (Path.cwd(), Path(sys.prefix).resolve()):
        places += [start, *start.parents]
    return places


def _is_checkout(folder: Path) -> bool:
    return (folder / "wsgi.py").is_file() and (folder / "checkend" / "app.py").is_file()
