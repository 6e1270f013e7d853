"""The one error that every floor of the local media server raises for a client's mistake."""


class ApiError(Exception):
    """A refusal with an HTTP status and a message in Cloudinary's words."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def bad_request(message: str) -> ApiError:
    """Build a 400."""
    return ApiError(400, message)


def unauthorized(message: str) -> ApiError:
    """Build a 401."""
    return ApiError(401, message)


def not_found(message: str) -> ApiError:
    """Build a 404."""
    return ApiError(404, message)
