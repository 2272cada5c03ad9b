"""The names of keys whose values are secret or personal.

Case, accents and punctuation of names are ignored: ``X-Api-Key``, ``apiKey`` and ``API_KEY`` are equal.
"""

import re
import unicodedata
from collections.abc import Iterable

# Secret anywhere in a name.
SECRET_PARTS = frozenset(
    """
    password passwd passphrase passcode passwort kennwort motdepasse contrasena contrasenha wachtwoord salasana losenord
    adgangskode jelszo secret token authorization authkey authheader authcode basicauth httpauth proxyauth cookie
    apikey accesskey privatekey signingkey encryptionkey masterkey licensekey licencekey sshkey storagekey accountkey
    sharedkey sessionkey webhookkey credential creditcard debitcard cardnumber cardno cvv cvc securitycode accountnumber
    routingnumber sortcode socialsecurity sessionid sessid csrf xsrf jwt bearer signature connectionstring connstring
    databaseurl databaseuri redisurl mongourl mongodburi brokerurl amqpurl ingestionkey htpasswd keystore mnemonic
    seedphrase recoverycode backupcode onetimecode verificationcode securityanswer twofactorcode mfacode clientassertion
    samlresponse samlrequest awsaccesskeyid
    """.split()
)
# Secret as a word of a name: too short to be searched for within words.
SECRET_WORDS = frozenset(
    "pwd pwds ssn otp totp hotp iban dsn sid psk pem creds cred csc mdp senha heslo haslo parola lozinka "
    "пароль 密码".split()
)
# Secret as the last word: smtp_pass, cardPin, but not pass_count.
SECRET_ENDINGS = frozenset("pass pw pin".split())
# Secret as the whole name.
SECRET_NAMES = frozenset("auth xauth card pan authentication".split())
# Secret before ``key`` as the last word: api_key, but not primary_key.
KEY_KINDS = frozenset(
    "api access private secret signing signature encryption decryption crypt cipher aes hmac rsa ssh gpg pgp ssl tls "
    "master license licence storage account subscription shared auth client app server service admin webhook session "
    "deploy host publishable restricted".split()
)
# Secret as the whole name of a URL parameter; elsewhere these are ordinary words.
PARAMETER_NAMES = frozenset("key sig code ticket assertion".split())

ADDRESS_NAMES = frozenset(
    """
    ip ips ipaddress ipaddr remoteip remoteaddr remoteaddress remotehost clientip clientaddr clientaddress clienthost
    userip xforwardedfor httpxforwardedfor xoriginalforwardedfor forwarded httpforwarded xforwarded forwardedfor
    xrealip httpxrealip cfconnectingip cfconnectingipv6 httpcfconnectingip trueclientip httptrueclientip httpclientip
    xclientip xclusterclientip httpxclusterclientip fastlyclientip flyclientip xappengineuserip xazureclientip
    xenvoyexternaladdress peeraddress sourceip srcip
    """.split()
)
USER_NAMES = frozenset(
    """
    user users currentuser authuser userinfo userdata userid useremail username userlogin login email emailaddress mail
    phone phonenumber mobile mobilenumber firstname lastname fullname surname birthdate dateofbirth birthday address
    streetaddress postaladdress remoteuser httpremoteuser customer customeremail customername
    """.split()
)


def _one_of(texts: Iterable[str]) -> str:
    """Return a pattern that matches any of ``texts``, none of them empty, and compares each character only once.

    A plain alternation tries all of them at every character, which takes ten times as long for a hundred texts.
    """
    by_first: dict[str, set[str]] = {}
    for text in texts:
        by_first.setdefault(text[0], set()).add(text[1:])
    alternatives = [
        re.escape(first) + ("" if "" in rests else _one_of(rests)) for first, rests in sorted(by_first.items())
    ]
    return f"(?:{'|'.join(alternatives)})" if alternatives else r"(?!)"


_PART = re.compile(_one_of(SECRET_PARTS))
# Every secret name contains one of these. As few other names do, most need not be split into words.
_CANDIDATE = re.compile(_one_of({*SECRET_PARTS, *SECRET_WORDS, *SECRET_ENDINGS, "key"}))
_WORD = re.compile(r"[^\W\d_a-z]+(?![^\W\d_A-Z])|[^\W\d_a-z]?[^\W\d_A-Z]+")
_NOT_WORD = re.compile(r"[\W_]+")
_MAX_LENGTH = 300  # characters of a decomposed name: one character may become 18
_PIECE = 32  # characters that are decomposed at once


class SecretNames:
    """The set of all secret names: use ``in``.

    ``add`` is added to `SECRET_PARTS`, ``remove`` is removed from all lists and never secret as a whole name, and
    ``personal`` contains further whole names.
    """

    def __init__(self, add: Iterable[str], remove: Iterable[str], personal: frozenset[str]) -> None:
        removed = frozenset(map(normalize_key_name, remove)) - {""}
        self._removed = removed
        self._parts = (SECRET_PARTS | (frozenset(map(normalize_key_name, add)) - {""})) - removed
        self._words = SECRET_WORDS - removed
        self._endings = SECRET_ENDINGS - removed
        self._names = (SECRET_NAMES | SECRET_WORDS | SECRET_ENDINGS | personal) - removed
        self._key_kinds = frozenset() if "key" in removed else KEY_KINDS
        self._is_default = self._parts == SECRET_PARTS

    def __contains__(self, name: str) -> bool:
        spelled = _plain(name)
        plain = _letters_and_digits(spelled)
        if plain in self._removed:
            return False
        if plain in self._names:
            return True
        if self._is_default and _CANDIDATE.search(plain) is None:
            return False
        has_part = _PART.search(plain) if self._is_default else any(part in plain for part in self._parts)
        if has_part:
            return True
        words = [word.lower() for word in _WORD.findall(spelled)]
        if not words:
            return False
        return not self._words.isdisjoint(words) or words[-1] in self._endings or self._is_key(name, words)

    def _is_key(self, name: str, words: list[str]) -> bool:
        """Return whether ``name`` is a secret key, such as ``client_key``. In capitals, any ``…_KEY`` is one."""
        if len(words) < 2 or words[-1] not in ("key", "keys") or not self._key_kinds:
            return False
        return words[-2] in self._key_kinds or name.isupper()


def normalize_key_name(name: str) -> str:
    """Return the letters and digits of ``name`` in lower case and without accents."""
    return _letters_and_digits(_plain(name))


def _letters_and_digits(text: str) -> str:
    text = text.lower()
    return text if text.isascii() and text.isalnum() else _NOT_WORD.sub("", text)


def _plain(name: str) -> str:
    """Decompose ``name``; of what is, or becomes, longer than any name keep the beginning and the end."""
    if name.isascii():
        return name
    name = _ends(name)
    pieces = [name[start : start + _PIECE] for start in range(0, len(name), _PIECE)]
    middle = (len(pieces) + 1) // 2
    start, end = _decompose(pieces[:middle]), _decompose(pieces[middle:][::-1])
    between = "" if len(start) + len(end) == len(pieces) else "_"
    return _ends("".join(start) + between + "".join(reversed(end)))


def _decompose(pieces: list[str]) -> list[str]:
    """Decompose ``pieces`` until there are half as many characters as `_ends` keeps."""
    decomposed: list[str] = []
    room = _MAX_LENGTH // 2
    for piece in pieces:
        if room <= 0:
            break
        decomposed.append(unicodedata.normalize("NFKD", piece))
        room -= len(decomposed[-1])
    return decomposed


def _ends(name: str) -> str:
    return name if len(name) <= _MAX_LENGTH else f"{name[: _MAX_LENGTH // 2]}_{name[-_MAX_LENGTH // 2 :]}"
