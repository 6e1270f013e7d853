"""What is made of a video: thumbnails, renditions and one adaptive stream, as Cloudinary transformations."""

from dataclasses import asdict, dataclass
from typing import Any

# (long side, short side) of the boxes that a rendition is fitted into; nothing is ever enlarged.
LADDER = ((426, 240), (640, 360), (1280, 720), (1920, 1080))
STILLS = ((320, 180), (1280, 720))


@dataclass(frozen=True)
class Derived:
    """One file to make. `eager` is a transformation, a slash and a format; sizes in pixels as expected."""

    kind: str
    name: str
    eager: str
    width: int
    height: int

    @property
    def transformation(self) -> str:
        """The transformation alone, as it stands in a URL."""
        return self.eager.rpartition("/")[0]

    @property
    def format(self) -> str:
        """The format, which is also the ending of the URL."""
        return self.eager.rpartition("/")[2]

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return asdict(self)


def plan(width: int, height: int, duration: float) -> list[Derived]:
    """Choose what to make of a video of this size (pixels) and duration (seconds)."""
    offset = f"{min(1.0, duration / 10):.1f}"
    made = [still(box, offset, width, height) for box in STILLS]
    made += [rendition(box, width, height) for box in steps(width, height)]
    profile = profile_for(min(width, height))
    made.append(Derived("hls", profile, f"sp_{profile}/m3u8", width, height))
    return made


def steps(width: int, height: int) -> list[tuple[int, int]]:
    """Choose two or three boxes that the source fills; the smallest where it fills none."""
    filled = [box for box in LADDER if max(width, height) >= box[0] or min(width, height) >= box[1]] or [
        LADDER[0]
    ]
    return filled[-3:] if len(filled) == len(LADDER) else filled[-2:]


def profile_for(short_side: int) -> str:
    """Choose Cloudinary's own streaming profile; the lean ones skip steps that differ little."""
    if short_side >= 1080:
        return "full_hd_lean"
    return "hd_lean" if short_side >= 720 else "sd"


def fit(box: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """Return a box turned like the picture, and the size of the picture inside it."""
    wide, high = box if width >= height else box[::-1]
    scale = min(1.0, wide / width, high / height)
    return wide, high, round(width * scale), round(height * scale)


def rendition(box: tuple[int, int], width: int, height: int) -> Derived:
    """Describe an MP4 within a box."""
    wide, high, out_wide, out_high = fit(box, width, height)
    return Derived("mp4", f"{box[1]}p", f"c_limit,h_{high},vc_h264,w_{wide}/mp4", out_wide, out_high)


def still(box: tuple[int, int], offset: str, width: int, height: int) -> Derived:
    """Describe a picture from the film within a box."""
    wide, high, out_wide, out_high = fit(box, width, height)
    name = "small" if box == STILLS[0] else "large"
    return Derived("still", name, f"c_limit,h_{high},so_{offset},w_{wide}/jpg", out_wide, out_high)
