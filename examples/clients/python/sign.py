"""Sends a photo to a service of Imageplane, signed, and writes the answer to standard output. Standard library only.

usage: IMAGEPLANE_SERVICE_URL=… IMAGEPLANE_KEY_ID=… IMAGEPLANE_SECRET=… python3 sign.py [--simple] FILE >ANSWER
CONTENT_TYPE is image/jpeg unless it is set.
"""

import base64
import hashlib
import hmac
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit


def native_headers(key: str, secret: str, method: str, url: str, body: bytes) -> dict[str, str]:
    """Binds method, path, query, time, nonce and body."""
    parts = urlsplit(url)
    timestamp = str(int(time.time()))
    nonce = secrets.token_urlsafe(16)
    body_hash = hashlib.sha256(body).hexdigest()
    # Path and query byte for byte as they are sent.
    lines = ["IMGW1-HMAC-SHA256", timestamp, nonce, method, parts.path, parts.query, body_hash]
    mac = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    return {
        "Authorization": f"HMAC-SHA256 Credential={key}, Signature={signature}",
        "X-Timestamp": timestamp,
        "X-Nonce": nonce,
        "X-Content-SHA256": body_hash,
    }


def simple_headers(key: str, secret: str, body: bytes) -> dict[str, str]:
    """Binds time and body alone."""
    timestamp = str(int(time.time()))
    signature = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()
    return {"Authorization": f"Bearer {key}:{signature}", "X-Timestamp": timestamp}


def main() -> None:
    url, key, secret = (os.environ[f"IMAGEPLANE_{name}"] for name in ("SERVICE_URL", "KEY_ID", "SECRET"))
    with open(sys.argv[-1], "rb") as file:
        body = file.read()
    if "--simple" in sys.argv:
        headers = simple_headers(key, secret, body)
    else:
        headers = native_headers(key, secret, "POST", url, body)
    headers["Content-Type"] = os.environ.get("CONTENT_TYPE", "image/jpeg")
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            sys.stdout.buffer.write(answer.read())
    except urllib.error.HTTPError as error:
        sys.stdout.buffer.write(error.read())
        sys.exit(f"HTTP {error.code}")


if __name__ == "__main__":
    main()
