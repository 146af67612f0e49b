import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Launch } from './peer-process.js';
import { packageFolder, pythonWith } from './python.js';

export interface SparkShell {
  readonly master: string;
  /** Scala, that the shell runs. */
  readonly script: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly javaOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Spark's own shell. Its folder is one of links, because a local cluster writes below it. Tried for the jobs of `bench:rdd`: the
 * parallel collector is 1.3 to 1.9 times as fast as the default one, also where that has 4 GB. The rest is Spark's default.
 * @param home a temporary directory of its own
 */
export function sparkShell(home: string, { master, script, settings, javaOptions = [], env }: SparkShell): Launch {
  const installed = packageFolder(pythonWith(['pyspark']), 'pyspark');
  for (const part of ['bin', 'jars']) symlinkSync(join(installed, part), join(home, part));
  const local = join(home, 'local');
  mkdirSync(local);
  const java = ['-XX:+UseParallelGC', ...javaOptions].join(' ');
  const conf = {
    ...settings,
    'spark.driver.extraJavaOptions': java,
    'spark.executor.extraJavaOptions': java,
    'spark.ui.enabled': 'false',
    'spark.ui.showConsoleProgress': 'false',
    'spark.sql.warehouse.dir': join(home, 'warehouse'),
    'spark.local.dir': local,
  };
  return {
    command: join(home, 'bin', 'spark-shell'),
    args: ['--master', master, ...Object.entries(conf).flatMap(([key, value]) => ['--conf', `${key}=${value}`])].concat(
      ['-I', script],
    ),
    env: { SPARK_HOME: home, SPARK_LOCAL_IP: '127.0.0.1', SPARK_LOCAL_DIRS: local, TERM: 'dumb', ...env },
  };
}
