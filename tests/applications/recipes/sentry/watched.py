"""The shop with Sentry, which has no wrapper command: it wants to be initialised before the application."""

import sentry_sdk

sentry_sdk.init(traces_sample_rate=1.0)

from shop import app  # noqa: E402

application = app
