"""The course's launcher, on Linux, macOS and Windows: python course.py COMMAND

  lab      open the course in JupyterLab              [--port 8889] [--no-browser]
  test     unit tests and every notebook, in minutes  [--dataset mnist] [--seed 1] [--ledger run.jsonl]
  check    lint, and the unit tests alone
  lint     ruff alone
  run      execute chapters, keep their outputs       [02]
  claims   measure what the chapters claim            [02] [--dataset mnist] [--seed 1] [--seeds 0-7]
  readme   write the chapters table of README.md      [run.jsonl]
  bench    measure quality and speed, about an hour   [part] [--quick]
  weights  train what the course ships, 40 minutes    [name]
  setup    install, and no more
  clean    remove .venv, caches and build leftovers   (never what you put into data/)

What a command does not know is passed on to its tool. The first call makes .venv; later ones mend it where needed.
--python 3.12 (or a path, or $PYTHON) chooses its Python. constraints.txt holds the versions; $CONSTRAINTS names
another file, and --newest (or an empty $CONSTRAINTS) takes the newest that pyproject.toml allows.
"""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

NEEDED: tuple = ("3.11", "3.12", "3.13")  # A SyntaxError here: this Python is too old. Start it with one of these.
RUFF, PYTEST = [["-m", "ruff", "check"], ["-m", "ruff", "format", "--check"]], ["-m", "pytest"]
COMMANDS = {"test": [PYTEST], "check": [*RUFF, [*PYTEST, "tests", "-q"]], "lint": RUFF, "readme": [["tools/readme.py"]]}
COMMANDS.update({name: [["tools/notebooks.py", name]] for name in ("run", "claims")})
COMMANDS.update(bench=[["-m", "benchmarks"]], weights=[["-m", "benchmarks.weights"]])
WINDOWS, ROOT = os.name == "nt", Path(__file__).resolve().parent
VENV, LOCK, LOG = ROOT / ".venv", ROOT / ".venv.lock", ROOT / ".venv.log"
PYTHON = str(VENV / ("Scripts/python.exe" if WINDOWS else "bin/python"))
STAMP = VENV / ".stamp"  # the last step of an installation writes it: without it, the installation was interrupted
# What an interpreter says of itself. _base_executable is the Python behind a virtual environment, maybe our own.
PROBE = """import platform, sys, sysconfig
print("|".join(["%d.%d" % sys.version_info[:2], sysconfig.get_platform(), platform.machine(),
    getattr(sys, "_base_executable", None) or sys.executable]))"""


def probe(*command: str) -> list:
    """Version, platform, machine and path of an interpreter; an empty list when it does not run."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        output = subprocess.check_output([*command, "-c", PROBE], stdin=DEVNULL, stderr=DEVNULL, timeout=60)
        return output.decode("utf-8", "replace").strip().split("|")
    return []


def unsuited(version: str, platform: str, machine: str, path: str) -> str:
    """Why .venv cannot be made with an interpreter; empty when it can."""
    if version not in NEEDED:
        return version
    if platform in ("win32", "win-arm64") or (platform.startswith("macosx") and machine == "x86_64"):
        return f"{version} for {platform} on {machine}, for which TensorFlow has no wheels"
    if not shutil.which("uv") and subprocess.call([path, "-c", "import venv, ensurepip"], stderr=DEVNULL):
        return f"{version} without the modules venv and ensurepip (on Debian and Ubuntu: apt install python3-venv)"
    return ""


def find_python(asked: str) -> tuple:
    """Version and path of the Python for .venv: the one asked for (path, name, version), else the first that suits."""
    commands = [[asked or sys.executable]]
    for version in [asked] if asked else reversed(NEEDED):
        commands += [[f"python{version}"], ["py", f"-{version}"]]  # py: the launcher of Windows
    found = []
    for name, *options in commands if asked else [*commands, ["python3"], ["python"]]:
        answer = probe(shutil.which(name) or name, *options)
        why = unsuited(*answer) if answer else ""
        if answer and not why:
            return answer[0], answer[3]
        found += [f"{' '.join([name, *options])} = {why}"] if answer else []
    if shutil.which("uv") and (not asked or asked in NEEDED):
        return asked or "3.12", asked or "3.12"  # uv fetches it
    return sys.exit(
        "Python 3.11, 3.12 or 3.13 is needed (TensorFlow runs on no other): install one, or name it with --python. "
        f"Found: {', '.join(found) or 'no ' + (asked or 'Python')}."
    )


def expected_stamp(version: str, constraints: str) -> dict:
    """What a finished installation is stamped with: whatever outdates it by changing."""
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in (constraints, "pyproject.toml") if name)
    digest = hashlib.sha256(text.partition("[tool.ruff]")[0].encode("utf-8")).hexdigest()
    return {"versions": constraints or "newest", "requirements": digest, "place": str(ROOT), "python": version}


def outdated(constraints: str, wanted: str) -> list:
    """What keeps .venv from being used as it is; empty when it can be. `wanted`: the Python asked for, as 3.12."""
    if not STAMP.exists():
        return ["was interrupted"] if VENV.exists() else ["new"]
    found = probe(PYTHON, "-I")
    if not found:
        return ["its Python no longer runs"]
    was = dict(line.partition(" ")[::2] for line in STAMP.read_text(encoding="utf-8").splitlines())
    now = expected_stamp(wanted or found[0], constraints)
    return [f"other {name}" for name in now if was.get(name) != now[name]]


def lock(file) -> None:
    """Let no second call work on the same .venv. The system frees the lock when the process ends, however it ends."""
    try:
        if WINDOWS:
            __import__("msvcrt").locking(file.fileno(), 2, 1)  # LK_NBLCK
        else:
            __import__("fcntl").flock(file, 2 | 4)  # LOCK_EX, LOCK_NB
    except (BlockingIOError, PermissionError):
        sys.exit("Another installation is running here: wait for its end, then run this again.")


def remove(path: Path) -> None:
    """Delete a file, a link or a whole folder, if it is there."""
    if os.path.lexists(str(path)):
        (shutil.rmtree if path.is_dir() and not path.is_symlink() else os.remove)(str(path))


def follow(*command: str) -> bool:
    """Run an installer: what it says goes to the log, what takes long or fails is shown, too; True if it worked."""
    with open(LOG, "ab") as log, Popen(command, cwd=str(ROOT), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT) as tool:
        for raw in tool.stdout:
            log.write(raw)
            line = raw.decode("utf-8", "replace").strip()
            if re.match(r"Downloading .*\(\d\d[\d.]* ?Mi?B\)|Installing collected|Prepared|(?i:error:)", line):
                print(f"  {line:.116}", flush=True)
    return tool.returncode == 0


def install(why: list, constraints: str, asked: str) -> None:
    """Make .venv, or bring it up to date: with uv where that is installed, else, or where uv fails, with pip."""
    in_place = why == ["other requirements"] and constraints
    version, python = probe(PYTHON, "-I")[::3] if in_place else find_python(asked)
    print(f"Installing ({', '.join(why)}; Python {version}, {python}): up to 0.8 GB, some minutes.", flush=True)
    remove(LOG)
    remove(STAMP)
    pip = ([python, "-m", "venv"], [PYTHON, "-m", "pip", "install", "--disable-pip-version-check"])
    uv = (["uv", "venv", "--seed", "--python", python], ["uv", "pip", "install", "--python", PYTHON])
    for make, fill in [uv, pip] if shutil.which("uv") else [pip]:
        if not in_place:
            remove(VENV)
        made = in_place or follow(*make, str(VENV))
        if made and follow(*fill, "-e", ".[course,jax]", *(["-c", constraints] if constraints else [])):
            lines = expected_stamp(probe(PYTHON, "-I")[0], constraints).items()
            STAMP.write_text("".join(f"{name} {value}\n" for name, value in lines), encoding="utf-8")
            return print("Installed.", flush=True)
    advice = "check the network connection" + ", or clone to a shorter path (Windows allows 260 characters)" * WINDOWS
    return sys.exit(f"The installation failed (its log: {LOG.name}): {advice}, then run the same command again.")


def call(*arguments: str) -> int:
    """Run the Python of .venv and return its exit code. Ctrl-C reaches it without us, and it decides what to do."""
    with Popen([PYTHON, *arguments], cwd=str(ROOT)) as child:  # the end of `with` waits for it
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def trust() -> None:
    """Mark our notebooks as trusted, again whenever one has changed: only then does Jupyter run their stored HTML."""
    record = VENV / ".trusted"
    notebooks = [path for folder in ("notebooks", "exercises") for path in sorted((ROOT / folder).glob("*.ipynb"))]
    now = "".join(f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}\n" for path in notebooks)
    if not notebooks or (record.exists() and record.read_text(encoding="utf-8") == now):
        return
    if subprocess.call([PYTHON, "-m", "nbformat.sign", *map(str, notebooks)], stdout=DEVNULL, stderr=DEVNULL) == 0:
        record.write_text(now, encoding="utf-8")


def free_port(asked: int) -> int:
    """The first port from `asked` on that can be listened on."""
    for port in range(asked, asked + 50):
        with socket.socket() as server, contextlib.suppress(OSError, OverflowError):
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, not WINDOWS)  # as Jupyter does
            server.bind(("127.0.0.1", port))
            return port
    return sys.exit(f"Port {asked} and those above it are taken, or not allowed: name another one, as in --port 8889.")


def lab(asked: int) -> list:
    """What JupyterLab is called with to serve on the loopback address, with its token, also where it would refuse."""
    port = free_port(asked)
    said = f"serving on port {port}" + f", since {asked} is taken" * (port != asked)
    options = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={ROOT}"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        said += ", as root"
        options += ["--allow-root"]
    if os.environ.get("CODESPACE_NAME"):  # the browser comes through a forwarded port, under another name
        domain = os.environ.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN") or "app.github.dev"
        said += f", forwarded to https://{os.environ['CODESPACE_NAME']}-{port}.{domain}"
        options += ["--no-browser", f"--ServerApp.allow_origin={said.split()[-1]}"]
    print(f"{said}: only this machine reaches it (127.0.0.1), with the token in the address below", flush=True)
    trust()
    return ["-m", "jupyterlab", "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb", *options]


def clean() -> None:
    """Remove what the launcher and the tools have made; data/ is the learner's own."""
    made = (".venv", ".venv.*", ".pytest_cache", ".ruff_cache", "build", "dist", "*.egg-info")
    for pattern in (*made, "**/__pycache__", "**/.ipynb_checkpoints"):
        for path in list(ROOT.glob(pattern)):
            if path.relative_to(ROOT).parts[0] not in ("data", ".git"):
                remove(path)


def setup(asked: str, constraints: str) -> None:
    """See to it that .venv holds the course; return at once if it does."""
    if constraints and not (ROOT / constraints).is_file():
        sys.exit(f"CONSTRAINTS={constraints} names no file: name a file of exact versions, or leave it out.")
    wanted = find_python(asked)[0] if asked else ""
    if outdated(constraints, wanted):
        with open(LOCK, "a") as file:
            lock(file)
            install(outdated(constraints, wanted), constraints, asked)


def main(command: str = "help", *arguments: str) -> int:
    """Do what the command line says; returns the exit code."""
    if command in ("help", "-h", "--help", "clean"):
        return (clean() if command == "clean" else print(__doc__.rstrip())) or 0
    if command not in (*COMMANDS, "lab", "setup"):
        sys.exit(f"There is no command {command!r}: python course.py lists them.")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = sys.exit
    parser.add_argument("--python", default=os.environ.get("PYTHON", ""))
    parser.add_argument("--newest", action="store_true")
    parser.add_argument("--port", type=int, default=8888)
    for name in ("dataset", "seed", "ledger") if command == "test" else ():  # conftest.py reads these variables
        parser.add_argument(f"--{name}", dest=f"AELIB_TEST_{name.upper()}")
    own, rest = parser.parse_known_args(arguments)
    os.environ.update({name: value for name, value in vars(own).items() if name.startswith("AELIB") and value})
    for name in ("AELIB_DATA", "AELIB_TEXTS"):
        if os.environ.get(name):  # kernels run in other folders
            os.environ[name] = str(ROOT / os.environ[name])
    setup(own.python, "" if own.newest else os.environ.get("CONSTRAINTS", "constraints.txt").strip())
    steps = [lab(own.port)] if command == "lab" else COMMANDS.get(command, [])
    return next(filter(None, (call(*step, *(rest if step is steps[-1] else [])) for step in steps)), 0)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"The course's folder, or what lies in it, cannot be used: {error}.")
