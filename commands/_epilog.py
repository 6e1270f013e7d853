"""What stands below the help of every command: examples where its own text has none, and the exit statuses."""

import click

STATUSES = "Exit status: 0 done; 1 not done, or something is wrong, and a sentence says what; 2 wrong usage."
EXAMPLES: dict[str, tuple[str, ...]] = {
    "backup": ("backup marquee.zip",),
    "counters verify": ("counters verify", "counters verify --fix --json"),
    "jobs cancel": ("jobs cancel 6b0304a371c2818ae24ccf66",),
    "jobs drain": ("jobs drain",),
    "jobs drop": ("jobs drop 6b0304a371c2818ae24ccf66", "jobs drop --all dead"),
    "jobs reconcile": ("jobs reconcile --dry-run",),
    "jobs retry": ("jobs retry 6b0304a371c2818ae24ccf66", "jobs retry --all dead"),
    "jobs show": ("jobs show 6b0304a371c2818ae24ccf66 --json",),
    "restore": ("restore marquee.zip", "restore marquee.zip --replace"),
    "serve": ("serve --host 0.0.0.0 --workers 4", "serve --drain-seconds 15"),
    "settings": ("settings",),
    "streams": ("streams --host 0.0.0.0 --port 8002", "streams --places 5000"),
}


def explain(command: click.Command, path: str) -> click.Command:
    """Give a command, or each below a group, its epilog."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            explain(below, f"{path} {name}")
    elif command.epilog is None:
        lines = [f"  python run.py {one}" for one in EXAMPLES.get(path, ())]
        examples = "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *lines, "", ""])
        command.epilog = (examples if lines else "") + STATUSES
    return command
