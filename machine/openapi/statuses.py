"""Which status each reason travels with; the document and the page of errors read it. A test keeps it whole."""

STATUSES: dict[int, tuple[str, ...]] = {
    400: (
        "bad_request", "bad_json", "bad_query", "bad_cursor", "query_not_declared", "file_missing", "file_empty",
        "file_truncated", "invalid_signature", "bad_etag",
    ),
    401: ("unauthenticated", "invalid_token", "second_factor_required", "access_ended"),
    403: ("forbidden", "missing_scope", "not_owner", "account_suspended", "session_required", "blocked",
          "comments_off", "locked"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    406: ("not_acceptable",),
    409: (
        "conflict", "not_unique", "username_taken", "email_taken", "handle_taken", "illegal_state", "parent_gone",
        "refresh_raced", "too_many", "upload_in_progress", "upload_ended", "upload_locked", "offset_mismatch",
        "idempotency_key_in_use", "already_reported",
    ),
    410: ("gone",),
    411: ("length_required",),
    412: ("etag_mismatch", "tus_version"),
    413: ("body_too_large", "file_too_large"),
    415: ("unsupported_media_type", "not_a_video", "not_an_image"),
    422: ("validation_failed", "invalid_code", "digest_mismatch", "bad_captions", "idempotency_key_reused",
          "bad_target"),
    428: ("etag_required",),
    429: ("rate_limited",),
    500: ("internal_error",),
    503: ("unavailable",),
    507: ("storage_full",),
}  # fmt: skip
# Statuses of other protocols, which HTTP itself does not know: a route that answers one says so itself.
FOREIGN: dict[int, tuple[str, ...]] = {460: ("digest_mismatch",)}
