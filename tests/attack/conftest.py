"""What the attacks on the API share: a server in this process, as the integration tests have it."""

from tests.integration.conftest import api as api
from tests.integration.conftest import client as client
from tests.integration.conftest import core as core
from tests.integration.conftest import elsewhere as elsewhere
from tests.integration.conftest import first_start as first_start
from tests.integration.conftest import pki as pki
from tests.integration.conftest import wire as wire
