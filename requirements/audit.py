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
TORCH = ROOT / "requirements/torch.txt"  # its build for this processor has no hash that holds everywhere


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


def ask(pip_audit: str, path: Path, service: str) -> tuple[Mapping[str, Any], str]:
    """(pip-audit's report on a file of requirements, why no package was looked up); one without packages when the
    service could not be asked."""
    command = [pip_audit, "--requirement", str(path), "--disable-pip", "--no-deps", "--format", "json",
               "--progress-spinner", "off", "--vulnerability-service", service, "--timeout", "10"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout), "it knows none of the packages"
    except ValueError:
        said = done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode} and said nothing"]
        return {"dependencies": []}, said[-1]


def main(pip_audit: str) -> int:
    advisories: dict[str, None] = {}  # a package may stand in several locks
    reasons: dict[str, None] = {}
    for path in [*lock_files(), TORCH]:
        name, silent = path.relative_to(ROOT), {}
        for service in SERVICES:
            report, reason = ask(pip_audit, path, service)
            asked, found = judged(report)
            if asked:
                print(f"{name}: {asked} packages looked up in {service}, {len(found)} with advisories", flush=True)
                advisories |= dict.fromkeys(found)
                break
            silent[f"{service}: {reason}"] = None
        else:
            print(f"{name}: NOT audited", flush=True)
            reasons |= silent
    for reason in reasons:
        print(f"nothing was learned from {reason}")
    for advisory in advisories:
        print(f"known advisory: {advisory}")
    return 1 if advisories else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
