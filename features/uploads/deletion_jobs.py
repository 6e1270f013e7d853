"""Delete a file at Cloudinary; that it is not there is success."""

from pymongo.client_session import ClientSession

from machine.jobs.job import Run, job


@job("delete_media", attempts=8)
def delete_media(run: Run) -> None:
    """Delete one file and all that was derived from it; a video's storyboard bears its name."""
    run.services.media.destroy(run.payload["public_id"], run.payload["resource_type"])
    if run.payload["resource_type"] == "video":
        run.services.media.destroy(run.payload["public_id"], "image")


def owe_deletion(run: Run, public_id: str, session: ClientSession, resource_type: str = "video") -> None:
    """Record a job that deletes a file at Cloudinary."""
    payload = {"public_id": public_id, "resource_type": resource_type}
    run.owe(
        "delete_media",
        run.job["subject"],
        f"delete_media:{resource_type}:{public_id}",
        session,
        payload=payload,
    )
