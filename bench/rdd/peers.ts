import { fileURLToPath } from 'node:url';
import type { Launch } from '../common/peer-process.js';
import { pythonWith } from '../common/python.js';
import { sparkShell } from '../common/spark.js';

export interface Peer {
  readonly id: string;
  readonly title: string;
  /** Cases it takes part in, by the first field of each; default: all. */
  readonly fits?: readonly string[];
  /** The Sheaf that it is compared with. */
  readonly beside?: 'sheaf-local' | 'sheaf-cluster';
  /** Only when it is named by `--peers`. */
  readonly optional?: true;
  /** @param home a temporary directory of its own */
  launch(home: string): Launch;
}

const PYTHON = { PYTHONDONTWRITEBYTECODE: '1' };
const TABLES = ['map-filter-sum', 'reduceByKey', 'sortBy', 'join', 'csv'];

export const PEERS: readonly Peer[] = [
  { id: 'sheaf-local', title: 'Sheaf local[2]', launch: () => script('sheaf.ts', 'local[2]') },
  { id: 'sheaf-cluster', title: 'Sheaf local-cluster[2,1]', launch: () => script('sheaf.ts', 'local-cluster[2,1]') },
  {
    id: 'spark-local',
    title: 'Spark local[2]',
    beside: 'sheaf-local',
    launch: (home) => spark(home, 'local[2]', { 'spark.driver.memory': '2g' }),
  },
  {
    id: 'spark-cluster',
    title: 'Spark local-cluster[2,1]',
    beside: 'sheaf-cluster',
    launch: (home) => spark(home, 'local-cluster[2,1,1024]', { 'spark.executor.memory': '1g' }),
  },
  {
    id: 'plain',
    title: 'plain JS, 1 thread',
    fits: [...TABLES, 'treeAggregate'],
    beside: 'sheaf-local',
    launch: () => script('plain.ts'),
  },
  { id: 'duckdb', title: 'DuckDB', fits: TABLES, beside: 'sheaf-local', launch: () => script('duckdb.ts') },
  {
    id: 'polars',
    title: 'Polars',
    fits: TABLES,
    beside: 'sheaf-local',
    launch: () => ({
      command: pythonWith(['polars']),
      args: [path('polars_peer.py')],
      env: { ...PYTHON, POLARS_MAX_THREADS: '2' },
    }),
  },
  {
    id: 'ray',
    title: 'Ray Data',
    fits: TABLES,
    beside: 'sheaf-local',
    optional: true,
    launch: (home) => ({
      command: pythonWith(['ray', 'numpy', 'pandas', 'pyarrow']),
      args: [path('ray_peer.py')],
      env: { ...PYTHON, RAY_TMPDIR: home, RAY_USAGE_STATS_ENABLED: '0' },
    }),
  },
];

const path = (file: string) => fileURLToPath(new URL(`peers/${file}`, import.meta.url));

function script(file: string, ...args: string[]): Launch {
  return { command: process.execPath, args: ['--import', import.meta.resolve('tsx'), path(file), ...args] };
}

function spark(home: string, master: string, settings: Readonly<Record<string, string>>): Launch {
  return sparkShell(home, { master, settings, script: path('spark.scala') });
}
