"""The frame of the pages for people."""


def frame_page(title: str, head: str, body: str, kind: str = "") -> str:
    """Return the HTML of a page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" type="image/png" href="/docs/assets/favicon-32x32.png">'
        f'{head}<link rel="stylesheet" href="/docs/assets/docs.css"></head><body class="{kind}">{body}</body></html>'
    )
