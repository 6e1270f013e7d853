"""What is in docker/ is valid, closed where it can be, and fits the code that it runs."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyOptions

from assembly import create_app
from machine.streams.asgi import stream_paths
from settings import Settings
from tests.docker.conftest import ROOT

DOCKER = ROOT / "docker"
MANIFESTS = sorted(
    path for path in (DOCKER / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"
)
KUBERNETES = ("1.29", "1.31", "1.33")
VARIABLES = {field.name.upper() for field in fields(Settings)}
SECRETS = {f"{field.name.upper()}_FILE" for field in fields(Settings) if field.metadata["secret"]}
FOREIGN = ("GF_", "MONGO_INITDB_", "BUILD", "HTTP_PORT", "MEDIA_PORT")
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs Debian's package prometheus")


def run(*command, folder="."):
    return subprocess.run(command, cwd=DOCKER / folder, capture_output=True, text=True, check=False)


def compose():
    """Return the services with what they merge in."""
    return yaml.safe_load((DOCKER / "compose.yml").read_text())


def documents():
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]


def pods():
    """Yield (name, pod spec) of everything that runs."""
    for one in documents():
        template = one.get("spec", {}).get("template") if isinstance(one.get("spec"), dict) else None
        if template:
            yield one["metadata"]["name"], template["spec"]


def test_hadolint_finds_nothing_to_say():
    done = run(f"{sys.prefix}/bin/hadolint", "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_file_is_valid():
    # The engine fills in variables before it reads the file; here each takes its default.
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (DOCKER / "compose.yml").read_text())
    PyOptions(apply_merge=True).from_yaml(text).validate()


def test_every_image_is_pinned_and_every_secret_declared():
    file = compose()
    for name, service in file["services"].items():
        image = service["image"]
        assert re.search(r":(v?\d+\.\d+|\$\{BUILD)", image), f"{name}: {image}"
        assert set(service.get("secrets", [])) <= set(file["secrets"]), name


def test_nothing_of_ours_runs_as_root_or_writes_to_its_image():
    dockerfile = (DOCKER / "Dockerfile").read_text()
    for stage in ("media", "marquee"):
        body = dockerfile.split(f" AS {stage}\n")[1].split("\nFROM ")[0]
        assert "\nUSER 10001:10001\n" in body and "\nHEALTHCHECK " in body
    for name, service in compose()["services"].items():
        if service["image"].startswith("marquee"):
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name


def test_only_the_proxy_is_open_to_the_network():
    for name, service in compose()["services"].items():
        for port in service.get("ports", []):
            assert name in ("nginx", "cloudinary") or port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_variables_that_are_set_exist():
    named = set(re.findall(r"^#? ?([A-Z_]+)=", (DOCKER / "marquee.env.example").read_text(), re.M))
    named |= {key for one in compose()["services"].values() for key in one.get("environment", {})}
    named |= {key for one in documents() if one["kind"] == "ConfigMap" for key in one["data"]}
    for _, pod in pods():
        named |= {entry["name"] for box in pod["containers"] for entry in box.get("env", [])}
    unknown = {name for name in named - VARIABLES - SECRETS if not name.startswith(FOREIGN)}
    assert not unknown


def test_what_production_requires_is_set():
    required = {field.name.upper() for field in fields(Settings) if field.metadata["required"]}
    example = set(re.findall(r"^([A-Z_]+)=", (DOCKER / "marquee.env.example").read_text(), re.M))
    given = example | {name.removesuffix("_FILE") for name in compose()["services"]["api"]["environment"]}
    assert required <= given
    config = next(one["data"] for one in documents() if one["kind"] == "ConfigMap")
    for name, pod in pods():
        env = {entry["name"].removesuffix("_FILE") for entry in pod["containers"][0]["env"]}
        assert required <= env | set(config), name


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifest_is_valid(path, version):
    for one in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(one, version, strict=True)


def test_kustomization_names_every_manifest():
    named = yaml.safe_load((DOCKER / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    assert sorted(named) == [path.name for path in MANIFESTS]


def test_pods_are_closed_and_bounded():
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"], name
        for box in pod["containers"]:
            inner = box["securityContext"]
            assert inner["readOnlyRootFilesystem"] and inner["capabilities"] == {"drop": ["ALL"]}, name
            assert not inner["allowPrivilegeEscalation"] and box["resources"]["limits"]["memory"], name


def test_what_serves_has_probes_a_budget_and_a_scale():
    kinds = {(one["kind"], one["metadata"]["name"]) for one in documents()}
    for name in ("api", "worker"):
        assert {
            ("PodDisruptionBudget", name),
            ("HorizontalPodAutoscaler", name),
            ("NetworkPolicy", name),
        } <= kinds
    api = dict(pods())["api"]["containers"][0]
    assert api["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_secrets_script_makes_what_compose_mounts(tmp_path):
    for name in ("make-secrets.sh", "marquee.env.example"):
        shutil.copy(DOCKER / name, tmp_path)
    script = tmp_path / "make-secrets.sh"
    subprocess.run([script], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == {name for name in compose()["secrets"]}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run([script], check=True)
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    environ = {f"{name.upper()}_FILE": str(tmp_path / "secrets" / name) for name in made}
    Settings.from_env({**environ, "ENVIRONMENT": "production", "PUBLIC_URL": "https://video.example.org"})


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [["check", "rules", "alerts.yml"], ["check", "config", "--syntax-only", "prometheus.yml"],
     ["test", "rules", "alerts_test.yml"]],
    ids=["rules", "config", "cases"],
)  # fmt: skip
def test_promtool_accepts(command):
    done = run("promtool", *command, folder="prometheus")
    assert done.returncode == 0 and "FAILED" not in done.stdout, done.stdout + done.stderr


def alerts():
    groups = yaml.safe_load((DOCKER / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_has_a_case_and_a_page_of_the_runbook():
    cases = (DOCKER / "prometheus" / "alerts_test.yml").read_text()
    runbook = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operating.md").read_text(), re.M)
    assert sorted(runbook) == sorted(rule["alert"] for rule in alerts())
    for rule in alerts():
        assert f"name: {rule['alert']} fires" in cases
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"


def test_alerts_and_dashboard_ask_for_metrics_that_exist():
    source = "".join(
        (ROOT / name).read_text() for name in ("clients/metrics.py", "features/operation/gauges.py")
    )
    dashboard = json.loads((DOCKER / "grafana" / "dashboards" / "marquee.json").read_text())
    asked = [rule["expr"] for rule in alerts()]
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for name in {word for expression in asked for word in re.findall(r"marquee_\w+", expression)}:
        assert f'"{re.sub("_(bucket|sum|count)$", "", name)}"' in source, name


@pytest.mark.slow
def test_image_holds_what_it_runs_and_needs_nothing_else(tmp_path):
    """The files that the Dockerfile copies are enough to import the API and the worker, and none of it is for tests."""
    last = (DOCKER / "Dockerfile").read_text().split(" AS marquee\n")[1]
    for line in re.findall(r"^COPY (?!--from)(.+)$", last, re.M):
        *sources, target = line.split()
        for source in sources:
            place = (
                tmp_path / "app" / target / (ROOT / source).name
                if target.endswith("/")
                else tmp_path / "app" / target
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, place)
    code = (
        "import sys, commands.serve, commands.db, tasks.app; from assembly import create_app; create_app();"
        "sys.exit(any(name.split('.')[0] in ('dev', 'tests') for name in sys.modules))"
    )
    environ = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "ENVIRONMENT": "development"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "app", env=environ, check=True)


def test_proxies_send_every_stream_and_nothing_else_to_the_process_of_streams():
    paths = stream_paths(create_app(Settings.from_env({})))
    conf = (DOCKER / "nginx" / "nginx.conf").read_text()
    blocks = re.findall(r"location ([^{]+) \{([^}]*)\}", conf)
    assert {where.removeprefix("= ") for where, rules in blocks if "http://streams;" in rules} == paths
    (ingress,) = [one for one in documents() if one["kind"] == "Ingress"]
    rules = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    sent = {one["path"] for one in rules if one["backend"]["service"]["name"] == "streams"}
    assert sent == paths and {one["pathType"] for one in rules if one["path"] in paths} == {"Exact"}


def test_the_context_of_the_image_has_all_that_is_copied():
    """What is not named in the `.dockerignore` is not there for `COPY`: the image would not be built."""
    let_in = {
        line[1:]
        for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", (DOCKER / "Dockerfile").read_text(), re.M)
        for source in line.split()[:-1]
    }
    assert {one for one in copied if not {one, one.split("/")[0]} & let_in} == set()
    assert {one for one in let_in if not (ROOT / one).exists()} == set()
