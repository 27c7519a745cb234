"""How does a template's image get into an object store? As one object, by one PUT: whole there, or not at all.

So no death can leave half of one behind. What came there is then checked as any other image: it is fetched, and held
to the digest that was taken here.
"""

import asyncio
import hashlib
import mmap
from pathlib import Path
from urllib.parse import urlsplit

from controller.node.backups.objects import ObjectStore
from controller.node.images.addresses import AddressRules
from controller.node.images.s3 import Keys, checked_object
from hypersdk.errors import Terminal
from hypersdk.model.quantity import human_bytes

MOST_BYTES = 5 << 30
"""Of one PUT, as the protocol has it."""


async def upload(path: Path, url: str, keys: Keys, rules: AddressRules) -> str:
    """Put the file there; its SHA-256. Terminal when the store refuses, Transient when it does not answer."""
    bucket, _ = checked_object(url)
    size = (await asyncio.to_thread(path.stat)).st_size
    if size > MOST_BYTES:
        words = f"the image takes {human_bytes(size)}, and one object at most {human_bytes(MOST_BYTES)}"
        raise Terminal("ImageTooLarge", f"{url}: {words}; leave image.uploadTo out")
    store = ObjectStore(bucket, keys, rules)
    try:
        content, digest = await asyncio.to_thread(_read, path)
        await store.put(urlsplit(url).path.removeprefix("/"), memoryview(content))
    finally:
        await store.close()
    return digest


def _read(path: Path) -> tuple[mmap.mmap, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), digest
