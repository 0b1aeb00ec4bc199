"""One event of the mock client."""

import mock_client

mock_client.record("start", {"name": "chat", "env": "default", "runtime": "3.11.7"})
