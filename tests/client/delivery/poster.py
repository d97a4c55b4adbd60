"""A program that tracks until it is killed, and says how much of that its spool had taken.

``python -m tests.client.delivery.poster URL SPOOL RUN``: each activity is of the user ``RUN-number``; each line of
standard output is how many were safe by then.
"""

import os
import sys
import threading
import time

from convoai_analytics_client import Analytics


def main(url: str, spool: str, run: str) -> None:
    analytics = Analytics(url, spool=spool, flush_seconds=0.05)

    def tell() -> None:
        while True:
            os.write(1, b"%d\n" % analytics.stats().spooled)
            time.sleep(0.002)

    threading.Thread(target=tell, daemon=True).start()
    number = 0
    while True:
        for _ in range(20):
            analytics.track_user_activity(f"{run}-{number}", "Ada", "login")
            number += 1
        time.sleep(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
