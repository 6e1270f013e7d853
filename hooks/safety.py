"""What every answer says to browsers, whoever asks."""

from flask import Response


def forbid_sniffing(response: Response) -> Response:
    """Keep browsers from taking text that users wrote for anything but what it is declared to be."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
