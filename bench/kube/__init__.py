"""StarLink beside Kubernetes: `python -m bench kube`. It needs what `make test-tools` builds."""

from bench.kube.race import main as main
