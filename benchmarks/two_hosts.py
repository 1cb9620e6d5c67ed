"""Two hosts: what one process computes, also when one is killed and when the network stalls.

    python benchmarks/two_hosts.py [--stall 60]

Two network namespaces of this machine stand for two hosts, with a link between them as their only network; torchrun
starts one process on each. The file system is shared, as docs/scaling.md asks. Needs Linux, the rights to make
namespaces (root) and the packaged teacher; about ten minutes on two cores.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import AutoModel

from common import parser
from tinydistill.models.loading import quiet_loading

HOSTS = ("tinydistill-a", "tinydistill-b")
ADDRESS = "10.77.0.{}"
LINK = "link{}"
PORT = 29500


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def two_hosts() -> Iterator[None]:
    """Two namespaces with a link; without the rights for it, the reason and no traceback."""
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip(
            "link",
            "add",
            LINK.format(1),
            "netns",
            HOSTS[0],
            "type",
            "veth",
            "peer",
            "name",
            LINK.format(2),
            "netns",
            HOSTS[1],
        )
        for number, host in enumerate(HOSTS, 1):
            ip("-n", host, "address", "add", f"{ADDRESS.format(number)}/24", "dev", LINK.format(number))
            for device in ("lo", LINK.format(number)):
                ip("-n", host, "link", "set", device, "up")
        yield
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"skipped: no network namespaces here: {getattr(error, 'stderr', '') or error}") from error
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)


def started(host: int, words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """The command on one of the hosts (1, 2); on none of them (0) it is one process alone."""
    command = ["-m", "tinydistill", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if host:
        environment["GLOO_SOCKET_IFNAME"] = LINK.format(host)
        rendezvous = [
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={ADDRESS.format(1)}:{PORT}",
            f"--rdzv-conf=is_host={host == 1}",
        ]
        launcher = ["torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--local-addr={ADDRESS.format(host)}"]
        command = ["ip", "netns", "exec", HOSTS[host - 1], sys.executable, "-m", *launcher, *rendezvous, *command]
        command += ["trainer=ddp", "trainer.num_nodes=2", "trainer.devices=1"]
    else:
        command = [sys.executable, *command]
    command += ["trainer.accelerator=cpu", "trainer.precision='32'", "trainer.enable_progress_bar=false"]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)


def on_both(
    words: list[str], log: Path, meanwhile: Callable[[list[subprocess.Popen[bytes]]], None] | None = None
) -> bool:
    """Run the command on both hosts; true if both ended well."""
    processes = [started(host, words, log.with_suffix(f".host{host}")) for host in (1, 2)]
    if meanwhile is not None:
        meanwhile(processes)
    codes = [process.wait() for process in processes]
    return codes == [0, 0]


def alone(words: list[str], log: Path) -> None:
    if started(0, words, log).wait():
        raise SystemExit(f"one process alone failed: {log.read_text()[-2000:]}")


def furthest(ours: Path, theirs: Path) -> float:
    """The largest difference of two models' states on one text of all pieces; of two tables, 0 for equal bytes.

    Weights can't be compared: a start in closed form is free to turn each head's values, by what the last digits say.
    """
    if not (ours / "model.safetensors").is_file():
        (name,) = (file.relative_to(ours) for file in ours.rglob("*") if file.suffix in (".parquet", ".tsv"))
        return 0.0 if (ours / name).read_bytes() == (theirs / name).read_bytes() else float("nan")
    with quiet_loading():  # heads are left out
        first, second = (AutoModel.from_pretrained(path) for path in (ours, theirs))
    pieces = torch.arange(512).reshape(8, 64) * (first.config.vocab_size // 512)
    with torch.inference_mode():
        return float((first(pieces).last_hidden_state - second(pieces).last_hidden_state).abs().max())


def number_of(directory: Path) -> str:
    result = json.loads((directory / "result.json").read_text())
    return next((f"{name} {result[name]:.6f}" for name in ("heldout_loss", "score") if name in result), "rows")


def killed_when_saved(output: Path) -> Callable[[list[subprocess.Popen[bytes]]], None]:
    """Kill the second host's processes when there is a checkpoint; the first one must notice by itself."""

    def kill(processes: list[subprocess.Popen[bytes]]) -> None:
        while not list(output.with_name(f"{output.name}.unfinished").rglob("*.ckpt")):
            if processes[0].poll() is not None:
                raise SystemExit("the run ended before a checkpoint was there")
            time.sleep(0.2)
        time.sleep(2)
        of_host = subprocess.run(["ip", "netns", "pids", HOSTS[1]], check=True, capture_output=True, text=True)
        for process in of_host.stdout.split():  # torchrun, and what it has started
            os.kill(int(process), signal.SIGKILL)
        began = time.monotonic()
        code = processes[0].wait()
        print(f"the second host was killed; the first ended {time.monotonic() - began:.0f} s later with code {code}")

    return kill


def stalled(seconds: float, log: Path) -> Callable[[list[subprocess.Popen[bytes]]], None]:
    def stall(processes: list[subprocess.Popen[bytes]]) -> None:
        first = log.with_suffix(".host1")
        while "step" not in (first.read_text() if first.is_file() else ""):
            time.sleep(0.5)
        ip("-n", HOSTS[1], "link", "set", LINK.format(2), "down")
        time.sleep(seconds)
        ip("-n", HOSTS[1], "link", "set", LINK.format(2), "up")
        still = [process.poll() is None for process in processes]
        print(f"the link was down for {seconds:.0f} s; still running: {still}")

    return stall


# by stage: the words, and one process's words for the batch of two
GENERAL = ["stage=general", "general.max_length=64", "general.max_steps=40", "general.sample_tokens=4000"]
TASK = ["stage=task", "task.max_rows=400", "distill.head=random"]
STAGES = {
    "general": ([*GENERAL, "general.batch_size=4"], ["general.batch_size=8"]),
    "intermediate": (
        [*TASK, "distill.phases=intermediate", "intermediate.epochs=2", "intermediate.batch_size=8"],
        ["intermediate.batch_size=16"],
    ),
    "prediction": (
        [*TASK, "distill.phases=prediction", "prediction.epochs=2", "prediction.batch_size=8"],
        ["prediction.batch_size=16"],
    ),
    "pretrain": (
        ["stage=pretrain", "pretrain.max_length=64", "pretrain.max_steps=20", "pretrain.batch_size=4"],
        ["pretrain.batch_size=8"],
    ),
    "augment": (["stage=augment", "task.max_rows=100", "augmentation.rows=2"], []),
    "evaluate": (["stage=evaluate", "task.max_rows=400"], []),
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--stall", type=float, default=60, help="seconds for which the link is down")
    arguments.add_argument("--directory", type=Path, help="where everything is written and kept; else a temporary one")
    options = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        directory = options.directory or Path(stack.enter_context(TemporaryDirectory()))
        directory.mkdir(parents=True, exist_ok=True)
        stack.enter_context(two_hosts())
        compare(directory)
        break_off(directory, options.stall)


def places(directory: Path, name: str) -> tuple[list[str], Path]:
    return [
        f"output_dir={directory / name}",
        f"paths.outputs={directory}",
        f"paths.cache={directory}/cache",
    ], directory / name


def compare(directory: Path) -> None:
    """Every stage on two hosts beside one process that sees the same batches."""
    shared, teacher = places(directory, "teacher")
    alone(["stage=finetune", "task.max_rows=400", "finetune.teacher.epochs=1", *shared], directory / "teacher.log")
    print(f"{'stage':14}{'one process':>24}{'two hosts':>24}{'states differ by':>20}")
    more = {
        "intermediate": [f"teacher.path={teacher}", f"student.path={directory}/general-one"],
        "prediction": [f"teacher.path={teacher}", f"student.path={directory}/general-one"],
        "pretrain": [f"teacher.path={directory}/general-one"],
        "augment": [f"augmentation.model={directory}/pretrain-one"],
        "evaluate": [f"evaluate.path={directory}/prediction-one"],
    }
    for stage, (words, doubled) in STAGES.items():
        words = [*words, *more.get(stage, [])]
        shared_by_one, one = places(directory, f"{stage}-one")
        alone([*words, *doubled, *shared_by_one], directory / f"{stage}.log")
        shared_by_two, two = places(directory, f"{stage}-two")
        if not on_both([*words, *shared_by_two], directory / f"{stage}-two.log"):
            print(f"{stage:14}{number_of(one):>24}{'FAILED':>24}")
            continue
        print(f"{stage:14}{number_of(one):>24}{number_of(two):>24}{furthest(two, one):>20.1e}", flush=True)


def break_off(directory: Path, stall: float) -> None:
    """A host that is killed, and a network that stalls: both must end as the undisturbed run did."""
    saved = ["callbacks.checkpoint.train_time_interval=null", "+callbacks.checkpoint.every_n_train_steps=5"]
    words = [*STAGES["general"][0], *saved]
    undisturbed = directory / "general-two"
    shared, output = places(directory, "killed")
    log = directory / "killed.log"
    on_both([*words, *shared], log, killed_when_saved(output))
    shutil.move(log.with_suffix(".host1"), log.with_suffix(".first"))
    ended = on_both([*words, *shared], log)
    gone_on = "going on from" in log.with_suffix(".host1").read_text()
    apart = furthest(output, undisturbed)
    print(f"killed: ended {ended}, went on from a checkpoint {gone_on}, states differ by {apart:.1e}")
    shared, output = places(directory, "stalled")
    log = directory / "stalled.log"
    ended = on_both([*words, *shared], log, stalled(stall, log))
    print(f"stalled: ended {ended}, states differ by {furthest(output, undisturbed):.1e}")


if __name__ == "__main__":
    main()
