"""Where in an object store an image lies, and the URL that shows whose it is: `s3://bucket/key` (AWS Signature V4)."""

import base64
import binascii
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote, urlsplit

from hypersdk.errors import ConfigError, Terminal
from hypersdk.model.core import Secret

if TYPE_CHECKING:
    from obstore.store import S3Credential

DEFAULT_REGION = "us-east-1"
VALID_FOR = timedelta(hours=1)
"""Of a signed URL; each attempt to fetch has its own."""
_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9]([a-z0-9-]|\.(?=[a-z0-9])){1,61}[a-z0-9]")
_WORD = re.compile(r"[\x21-\x7e]*")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "access_key_id": ("accessKeyId", "accessKeyID", "AWS_ACCESS_KEY_ID"),
    "secret_access_key": ("secretAccessKey", "AWS_SECRET_ACCESS_KEY"),
    "session_token": ("sessionToken", "AWS_SESSION_TOKEN"),
    "endpoint": ("endpoint", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("region", "AWS_REGION", "AWS_DEFAULT_REGION"),
}
"""How the fields are called in a Secret or a file: our names, and those of the AWS tools."""


@dataclass(frozen=True)
class Keys:
    """An object store and an account of it; without an account, what it gives to everybody."""

    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """Another one for each account and store: what one may read is not for all."""
        return hashlib.sha256("\0".join(getattr(self, each.name) for each in fields(self)).encode()).hexdigest()


def keys_of_secret(secret: Secret) -> Keys:
    """The account that a Secret tells of; Terminal for one that does not tell of one."""
    name = secret.metadata.name
    try:
        told = {key: base64.b64decode(value, validate=True).decode() for key, value in (secret.data or {}).items()}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Terminal("InvalidSecret", f"Secret {name} holds no text: {error}") from error
    return _keys(told, f"Secret {name}")


def read_keys(path: Path | None) -> Keys | None:
    """The account of the node itself, from the table `[s3]` of a TOML file; None without a file."""
    if path is None:
        return None
    try:
        table = tomllib.loads(path.read_text()).get("s3", {})
        return _keys({str(key): str(value) for key, value in table.items()}, str(path))
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"the object store's settings {path} cannot be read: {error}") from error


def _keys(told: Mapping[str, str], where: str) -> Keys:
    found = {
        field_name: next((told[name].strip() for name in names if told.get(name)), "")
        for field_name, names in _NAMES.items()
    }
    if bool(found["access_key_id"]) != bool(found["secret_access_key"]):
        raise Terminal("InvalidSecret", f"{where} needs both accessKeyId and secretAccessKey, or neither")
    if wrong := [name for name, value in found.items() if not _WORD.fullmatch(value)]:
        raise Terminal("InvalidSecret", f"{where}: {', '.join(wrong)} may hold printable ASCII without spaces only")
    if found["endpoint"] and not re.match(r"https?://[^/?#@]+/?$", found["endpoint"]):
        words = f"{where}: endpoint {found['endpoint']!r} must be like https://minio.example:9000"
        raise Terminal("InvalidSecret", words)
    return Keys(**found)


def checked_object(url: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` URL; Terminal when there cannot be such an object."""
    parts = urlsplit(url)
    bucket, key = parts.netloc, unquote(parts.path.removeprefix("/"))
    if not _BUCKET.fullmatch(bucket):
        words = "3 to 63 lower-case letters, digits, '-' and '.'"
        raise Terminal("ImageSourceUnsupported", f"image {url!r}: {bucket!r} cannot be the name of a bucket ({words})")
    if parts.query or parts.fragment or not key:
        raise Terminal("ImageSourceUnsupported", f"image {url!r}: write s3://BUCKET/KEY, with %3F for '?', %23 for '#'")
    if any(part in {"", ".", ".."} for part in key.split("/")) or not key.isprintable():
        raise Terminal("ImageSourceUnsupported", f"image {url!r}: the key has an empty part, '.', '..' or no text")
    return bucket, key


def signed_url(url: str, keys: Keys, method: Literal["GET", "PUT", "DELETE"] = "GET") -> str:
    """An HTTP URL to do that to the object, signed where there is an account to sign with. Asks nobody."""
    bucket, key = checked_object(url)
    region = keys.region or DEFAULT_REGION
    endpoint = (keys.endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/")
    if not keys.access_key_id:
        return f"{endpoint}/{bucket}/{quote(key)}"
    # Here, for it takes a while and not every node has images in an object store.
    from obstore import sign
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    def account() -> "S3Credential":
        # Given like this nothing comes from AWS_* variables, nor from a cloud's metadata service.
        told: S3Credential = {
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
            "token": keys.session_token or None,
            "expires_at": None,
        }
        return told

    try:
        store = S3Store(
            bucket,
            endpoint=endpoint,
            region=region,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
            credential_provider=account,
        )
        return sign(store, method, key, VALID_FOR)
    except (BaseError, ValueError) as error:
        raise Terminal("ImageSourceUnsupported", f"image {url!r} cannot be asked for: {error}") from error
