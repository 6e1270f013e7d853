"""Streaming profiles: the predefined ladders and the choice of variants for a source."""

from dataclasses import dataclass
from typing import Any

from cloudinary_local.errors import bad_request, not_found
from cloudinary_local.geometry import fit
from cloudinary_local.store import Store
from cloudinary_local.transformation import KEYS

_LADDER = {
    2160: (3840, "18m"), 1440: (2560, "12m"), 1080: (1920, "5500k"), 720: (1280, "3300k"),
    540: (960, "1500k"), 480: (854, "1200k"), 360: (640, "500k"), 270: (480, "270k"), 240: (426, "190k"),
    180: (320, "140k"),
}  # fmt: skip
_PREDEFINED = {
    "4k": (2160, 1440, 1080, 720, 540, 360, 270, 180),
    "full_hd": (1080, 720, 540, 360, 270, 180),
    "full_hd_wifi": (1080, 720, 540, 360),
    "full_hd_lean": (1080, 720, 480, 240),
    "hd": (720, 540, 360, 270, 180),
    "hd_lean": (720, 480, 240),
    "sd": (540, 360, 270, 180),
}
_AUTO = "full_hd"


@dataclass(frozen=True)
class Variant:
    """One rendition of a stream: size in pixels, video bit rate in bits a second."""

    width: int
    height: int
    bit_rate: int


def predefined(name: str) -> dict[str, Any] | None:
    """Return a ladder that every account has."""
    if name not in _PREDEFINED:
        return None
    steps = [
        {
            "transformation": [
                {"crop": "limit", "width": _LADDER[high][0], "height": high, "bit_rate": _LADDER[high][1]}
            ]
        }
        for high in _PREDEFINED[name]
    ]
    return {
        "name": name,
        "display_name": name.replace("_", " ").title(),
        "predefined": True,
        "representations": steps,
    }


def find_profile(store: Store, name: str) -> dict[str, Any]:
    """Return a profile, the account's own first; 404 if there is none."""
    found = store.document("profile", name) or predefined(_AUTO if name.startswith("auto") else name)
    if found is None:
        raise not_found(f"Can't find streaming profile {name}")
    return found


def list_profiles(store: Store) -> list[dict[str, Any]]:
    """List predefined profiles, as overridden, then the account's own."""
    own = store.documents("profile")
    shipped = [own.get(name) or predefined(name) for name in _PREDEFINED]
    return [one for one in [*shipped, *(doc for name, doc in own.items() if name not in _PREDEFINED)] if one]


def variants(profile: dict[str, Any], width: int, height: int) -> list[Variant]:
    """Choose the renditions worth making: sizes the source can fill, each size once."""
    chosen: dict[tuple[int, int], Variant] = {}
    for representation in profile["representations"]:
        options = representation["transformation"][0]
        step = {KEYS[name]: str(value) for name, value in options.items() if name in KEYS}
        target = fit(step, width, height)
        wide, high = (target.width, target.height) if target else (width, height)
        size = (even(wide), even(high))
        rate = bits(str(options.get("bit_rate", "1500k")))
        # Steps above the source all clamp to its size: the leanest of them is enough.
        if size not in chosen or rate < chosen[size].bit_rate:
            chosen[size] = Variant(*size, rate)
    if not chosen:
        raise bad_request("Streaming profile has no representations")
    return list(chosen.values())


def bits(text: str) -> int:
    """Read a bit rate such as `500k`, `5m` or `250000`."""
    scale = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        rate = int(float(text[:-1] if scale > 1 else text) * scale)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"Invalid bit rate in transformation: {text}") from error
    if not 1_000 <= rate <= 100_000_000:
        raise bad_request(f"Invalid bit rate in transformation: {text}")
    return rate


def even(side: int) -> int:
    """Round down to an even number of at least 2: 4:2:0 pictures need it."""
    return max(2, side - side % 2)
