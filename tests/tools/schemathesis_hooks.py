"""What schemathesis has to be told of media types: these bodies are bytes."""

import schemathesis

BYTES = ("application/offset+octet-stream", "image/jpeg", "image/png", "image/webp")


@schemathesis.serializer(*BYTES)
def send_bytes(context, value):
    data = value if isinstance(value, bytes) else str(value).encode(errors="replace")
    return {"data": data}
