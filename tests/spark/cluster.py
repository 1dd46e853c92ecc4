"""examples/spark/filter.py on a cluster of two workers on this machine, one of which is killed in mid-run.

    python tests/spark/cluster.py PIE ROWS.jsonl FOLDER [--time]

The parts of its output must be, byte for byte, what the one command writes. With --time nothing is killed, and what is said is how many
instructions a second one worker and two embed.
"""

import glob
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pyspark

HOME = pathlib.Path(pyspark.__file__).parent
FILTER = pathlib.Path(__file__).parents[2] / "examples/spark/filter.py"
HOST = "127.0.0.1"
PARTITIONS = 12
OPTIONS = ["--format", "jsonl", "--allow-faulty"]
PATIENCE_S = 240


def until(what, found):
    """The first thing that `found` finds."""
    for _ in range(PATIENCE_S * 5):
        if thing := found():
            return thing
        time.sleep(0.2)
    sys.exit(f"{what}: nothing after {PATIENCE_S} s")


class Cluster:
    """A master and its workers, of one core each, in sessions of their own."""

    def __init__(self, folder, workers):
        self.folder = folder
        self.environment = os.environ | {
            "SPARK_HOME": str(HOME), "SPARK_LOCAL_IP": HOST, "PYSPARK_PYTHON": sys.executable,
            "SPARK_WORKER_DIR": str(folder / "work"), "SPARK_LOCAL_DIRS": str(folder / "local"),
        }
        self.processes = []
        self.start("master", "master.Master", "--host", HOST, "--port", "0", "--webui-port", "0")
        self.master = until("the master's address", lambda: self.said("master", rb"spark://127\.0\.0\.1:\d+"))
        for n in range(workers):
            self.start(f"worker-{n}", "worker.Worker", "--host", HOST, "--cores", "1", "--memory", "1g", "--webui-port", "0", self.master)
        for n in range(workers):
            until(f"worker {n}", lambda: self.said(f"worker-{n}", rb"Successfully registered with master"))

    def said(self, name, pattern):
        found = re.search(pattern, (self.folder / f"{name}.log").read_bytes())
        return found and found[0].decode()

    def start(self, name, role, *arguments):
        command = [HOME / "bin/spark-class", f"org.apache.spark.deploy.{role}", *arguments]
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)

    def submit(self, source, target, *command):
        """Begins a run of the example."""
        arguments = ["--master", self.master, "--conf", "spark.ui.enabled=false", "--conf", f"spark.driver.host={HOST}",
                     FILTER, source, target, str(PARTITIONS), *command]
        with open(self.folder / "driver.log", "wb") as log:
            return subprocess.Popen([HOME / "bin/spark-submit", *arguments], env=self.environment, stdout=log, stderr=log)

    def kill_worker(self):
        """Ends the last worker and all that it runs, as a power cut would."""
        os.killpg(self.processes.pop().pid, signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)


def finish(cluster, run):
    if run.wait() != 0:
        sys.exit(f"the run ended with status {run.returncode}: see {cluster.folder}/driver.log")


def joined(target):
    return b"".join(pathlib.Path(part).read_bytes() for part in sorted(glob.glob(f"{target}/part-*")))


def kill(pie, source, folder):
    command = [pie, "tag", *OPTIONS]
    alone = subprocess.run(command, stdin=open(source, "rb"), stdout=subprocess.PIPE, check=True).stdout
    with Cluster(folder, 2) as cluster:
        target = folder / "tagged"
        run = cluster.submit(source, target, *command)
        until("a part that is done", lambda: glob.glob(f"{target}/_temporary/0/task_*"))
        until("a running pie", lambda: run.poll() is None)
        cluster.kill_worker()
        done = len(glob.glob(f"{target}/_temporary/0/task_*"))
        finish(cluster, run)
    redone = set(re.findall(rb"Starting task (\d+)\.[1-9]", (folder / "driver.log").read_bytes()))
    if not redone:
        sys.exit(f"no part was lost with the worker; {done} of {PARTITIONS} were done before")
    if joined(target) != alone:
        sys.exit("the parts are not what the one command writes")
    rows = alone.count(b"\n")
    print(f"{rows} rows in {PARTITIONS} parts, a worker killed when {done} were done, {len(redone)} redone: equal to the one command")


def measure(pie, source, folder):
    rows = pathlib.Path(source).read_bytes().count(b"\n")
    for workers in (1, 2):
        with Cluster(folder, workers) as cluster:
            target = folder / f"embedded-{workers}"
            run = cluster.submit(source, target, pie, "embed", *OPTIONS)
            until("the output", target.exists)
            begun = time.monotonic()
            finish(cluster, run)
            print(f"{workers} workers: {rows / (time.monotonic() - begun):.0f} instructions/s")


if __name__ == "__main__":
    pie, source, folder = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    folder.mkdir(parents=True)
    (measure if sys.argv[4:] == ["--time"] else kill)(pie, source, folder)
