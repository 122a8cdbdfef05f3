"""Asks whether an advisory is known for any locked package; where nobody can be asked, that is said and nothing fails.

python requirements/audit.py PIP_AUDIT        exit code 1 only for a package with a known advisory
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("pypi", "osv")


def lock_files() -> list[Path]:
    """Every file of locked requirements."""
    return [ROOT / "layers/toolsmith/requirements.txt", *sorted((ROOT / "requirements").glob("*.lock"))]


def judged(report: Mapping[str, Any]) -> tuple[int, list[str]]:
    """(packages that were looked up, "name version: advisories") of one report of pip-audit."""
    asked = [found for found in report["dependencies"] if "skip_reason" not in found]
    bad = [found for found in asked if found["vulns"]]
    return len(asked), [
        f"{found['name']} {found['version']}: {', '.join(one['id'] for one in found['vulns'])}" for found in bad
    ]


def ask(pip_audit: str, lock: Path, service: str) -> Mapping[str, Any]:
    """The report on a lock file; one without packages when the service cannot be reached."""
    command = [pip_audit, "--requirement", str(lock), "--disable-pip", "--require-hashes", "--format", "json",
               "--progress-spinner", "off", "--vulnerability-service", service, "--timeout", "10"]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    try:
        return json.loads(said)
    except ValueError:
        return {"dependencies": []}


def main(pip_audit: str) -> int:
    bad: list[str] = []
    for lock in lock_files():
        name = lock.relative_to(ROOT)
        for service in SERVICES:
            asked, found = judged(ask(pip_audit, lock, service))
            if asked:
                print(f"{name}: {asked} packages looked up in {service}, {len(found)} with advisories")
                bad += found
                break
        else:
            print(f"{name}: NOT audited, no advisory service could be reached from here")
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
