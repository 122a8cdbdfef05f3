"""Who gets in: the owner's SDKs; no browser, no other user, no wrong versions."""

import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud, pins
from tests.local.cloud_harness import ROOT, client, make_cloud, until


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


def status(cloud: Cloud, **headers: str) -> int:
    request = urllib.request.Request(cloud.endpoint + "/_ministack/health", headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_browser_is_refused(cloud):
    assert status(cloud) == 200
    assert status(cloud, Origin="https://example.com") == 403
    assert status(cloud, Host=f"rebound.example.com:{cloud.settings.port}") == 403


def test_the_roots_keys_are_the_owners(cloud):
    kept = cloud.settings.data / "root.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert client(cloud, "sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize("key", ["123456789012", "test", "known"])
def test_a_guessed_key_is_refused(cloud, key):
    key = cloud.env()["AWS_ACCESS_KEY_ID"] if key == "known" else key
    options = {"region_name": "us-east-1", "endpoint_url": cloud.endpoint}
    guess = {"aws_access_key_id": key, "aws_secret_access_key": "test"}
    for service, call in (("sqs", "list_queues"), ("lambda", "list_functions"), ("sagemaker", "list_training_jobs")):
        with pytest.raises(ClientError, match="403|signature"):
            getattr(boto3.client(service, **guess, **options), call)()


def test_an_unsigned_request_is_refused(cloud):
    for path in ("/", "/bucket/key", "/_ministack/reset"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(cloud.endpoint + path, data=b"" if "reset" in path else None, timeout=10)


def test_a_presigned_address_works(cloud):
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="given")
    s3.put_object(Bucket="given", Key="a b/c.txt", Body=b"text")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": "given", "Key": "a b/c.txt"})
    assert urllib.request.urlopen(address, timeout=10).read() == b"text"


def test_only_the_loopback_is_bound(cloud):
    table = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True).stdout
    port = f":{cloud.settings.port:04X} "
    bound = {line.split()[1] for line in table.splitlines()[1:] if port in line and line.split()[3] == "0A"}
    assert bound == {f"0100007F:{cloud.settings.port:04X}"}


def test_a_missing_runtime_is_told_with_its_remedy(tmp_path):
    with pytest.raises(pins.WrongVersions, match=r"no managed runtime at .*-m venv .* awslambdaric==4\.2\.2"):
        pins.check_runtime(tmp_path / "bin" / "python")


def test_a_wrong_version_is_told(monkeypatch):
    monkeypatch.setitem(pins.PROCESS, "ministack", "1.0.0")
    with pytest.raises(pins.WrongVersions, match=r"ministack 1\.5\.33 \(needs 1\.0\.0\)"):
        pins.check_process()


def test_the_program_refuses_with_one_line_and_exit_code_2(tmp_path):
    command = [sys.executable, "-m", "local.cloud", "--data", str(tmp_path), "--runtime", str(tmp_path / "python")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})
    assert done.returncode == 2
    assert "no managed runtime" in done.stderr and "Traceback" not in done.stderr


def test_a_following_cloud_ends_with_its_starter(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests.local.cloud_harness import make_cloud; "
        "print(make_cloud(Path(sys.argv[1])).start().pid)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    until(lambda: not Path(f"/proc/{int(done.stdout)}").exists())
