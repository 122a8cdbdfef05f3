"""Moves folders between S3 and the disk for training jobs and model imports."""

import io
import tarfile
from pathlib import Path


def split(uri: str) -> tuple[str, str]:
    """("bucket", "key or prefix") of an s3:// address. Raises ValueError."""
    if not uri.startswith("s3://") or len(uri) < 6:
        raise ValueError(f"{uri!r} is not an s3:// address")
    bucket, _, key = uri[5:].partition("/")
    return bucket, key


def keys(client, uri: str) -> list[str]:
    """All object keys that start with the address, in order."""
    bucket, prefix = split(uri)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def download(client, uri: str, folder: Path) -> int:
    """Fetch every object under the address (one object or a prefix) and return how many there were."""
    bucket, prefix = split(uri)
    count = 0
    for key in keys(client, uri):
        if key.endswith("/"):
            continue
        path = (folder / _relative(key, prefix)).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError(f"the key {key!r} points outside its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, key, str(path))
        count += 1
    return count


def _relative(key: str, prefix: str) -> str:
    """Where an object lands: below the prefix when that is a folder, else by its name."""
    rest = key[len(prefix) :]
    if rest and (prefix.endswith("/") or not prefix or rest.startswith("/")):
        return rest.lstrip("/")
    return key[prefix.rfind("/") + 1 :]


def upload(client, folder: Path, uri: str) -> int:
    """Put every file below `folder` under the address; returns the count."""
    bucket, prefix = split(uri.rstrip("/"))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        client.upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder).as_posix()}")
    return len(files)


def archive(folder: Path, extra: dict[str, bytes] | None = None) -> bytes:
    """A gzipped tar of what lies in the folder, with extra members by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as packed:
        for path in sorted(folder.iterdir()):
            packed.add(path, path.name)
        for name, data in (extra or {}).items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
