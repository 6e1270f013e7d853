"""The broker's client, when the broker goes."""

import pytest

from clients.broker import connect


def test_acknowledgement_after_the_end_of_a_channel_is_an_error_that_celery_knows(settings):
    """Celery lives through these; of any other its worker dies."""
    app = connect(settings)
    with app.connection_for_write() as line:
        channel = line.channel()
        known = line.connection_errors
        channel.close()
        with pytest.raises(known):
            channel.basic_ack("a tag")
