"""What is measured: the requests of each case, and which servers answer them."""

from dataclasses import dataclass, field

from bench.world import PASSWORD, RARE, World

MARQUEE = ("marquee", "marquee_cached", "marquee_hot")
EXPRESS = ("express_lean", "express_redis")
FLOORS = ("floor_find", "floor_redis", "floor_hello", "flask_hello")
EVERYONE = (*MARQUEE, *EXPRESS, "starlette", "eve_stock", *FLOORS)


@dataclass(frozen=True)
class Case:
    """Requests of one kind: one method, several paths and bodies, of which each request takes one at random."""

    name: str
    paths: tuple[str, ...]
    servers: tuple[str, ...]
    method: str = "GET"
    bodies: tuple[str, ...] = ()
    signed_in: bool = False
    conditional: bool = False
    statuses: tuple[int, ...] = field(default=(200,))
    headers: dict[str, str] = field(default_factory=dict)
    # Compared in meaning before anything is measured: what the peers answer must be what Marquee answers.
    compared: bool = True

    @property
    def writes(self) -> bool:
        """Tell whether it changes the data."""
        return self.method != "GET"


def cases(world: World) -> list[Case]:
    """Return every case."""
    some = world.videos[:50]
    videos = tuple(f"/api/v1/videos/{id_}" for id_ in some)
    comments = tuple(f"{path}/comments" for path in videos)
    fed = (*MARQUEE, *EXPRESS, "floor_redis", "floor_hello", "flask_hello")
    signed = ("marquee", "express_lean", "starlette", "flask_hello")
    login = f'{{"login": "{world.login}", "password": "{PASSWORD}"}}'
    return [
        Case("list", ("/api/v1/videos",), EVERYONE),
        Case("list_embedded", ("/api/v1/videos?embedded=channel",), tuple(s for s in EVERYONE if s != "eve_stock")),
        Case("item", videos, EVERYONE),
        Case("comments", comments, EVERYONE),
        Case("feed", ("/api/v1/feed/trending",), fed),
        Case("search", (f"/api/v1/search?q={RARE}",), fed),
        Case("signed_in", ("/api/v1/videos",), signed, signed_in=True),
        Case(
            "not_modified", ("/api/v1/videos",), (*MARQUEE, *EXPRESS), conditional=True, statuses=(304,),
            compared=False,
        ),
        Case("token", ("/api/v1/me",), signed, signed_in=True),
        Case(
            "post_comment", comments, ("marquee", "express_lean", "starlette"), "POST",
            ('{"text": "What a fine film, thank you for showing it to us."}',), signed_in=True, statuses=(201,),
        ),
        # Express must see the same: who owns it, the guard against lost updates, the title, the event.
        Case(
            "patch_video", tuple(f"/api/v1/videos/{id_}" for id_ in world.own), ("marquee", "express_lean"), "PATCH",
            tuple(f'{{"title": "A title, changed for the {n}th time"}}' for n in range(4, 20)),
            headers={"If-Match": "*"}, signed_in=True, compared=False,
        ),
        Case(
            "put_like", tuple(f"{path}/like" for path in videos), ("marquee", "express_lean"), "PUT",
            ('{"value": 1}', '{"value": -1}'), signed_in=True, compared=False,
        ),
        Case("login", ("/api/v1/auth/login",), ("marquee", "express_lean"), "POST", (login,), compared=False),
    ]  # fmt: skip
