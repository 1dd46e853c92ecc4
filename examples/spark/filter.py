"""A pie command as a filter under Spark: each partition of the lines goes through a process of its own, and the model is loaded once in it.

    spark-submit --master spark://HOST:7077 examples/spark/filter.py prompts.jsonl tagged 64 pie tag --format jsonl --allow-faulty

What a line comes to depends on nothing but the line, so that Spark may redo a partition anywhere: the parts of the output, one after
another, are what the one command would have written.
"""

import os
import shlex
import sys

from pyspark.sql import SparkSession


def main(source, target, partitions, *command):
    spark = SparkSession.builder.appName(shlex.join(command)).getOrCreate()
    lines = spark.sparkContext.textFile(source, minPartitions=int(partitions))
    # A process that ends with another status than 0 fails its task, which Spark does again.
    # It has no environment but this: as many threads as a task has cores.
    environment = {"PATH": os.environ["PATH"], "RAYON_NUM_THREADS": spark.conf.get("spark.task.cpus", "1")}
    lines.pipe(shlex.join(command), environment, checkCode=True).saveAsTextFile(target)
    spark.stop()


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit("usage: filter.py INPUT OUTPUT PARTITIONS COMMAND …")
    main(*sys.argv[1:])
