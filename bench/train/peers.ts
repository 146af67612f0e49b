import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Launch } from '../common/peer-process.js';
import { pythonWith } from '../common/python.js';
import { sparkShell } from '../common/spark.js';
import { openBlas } from './openblas.js';

export interface Peer {
  readonly id: string;
  readonly title: string;
  /** That it computes on: threads, processes or slots. */
  readonly cores: 1 | 2;
  /** Those of Sheaf are what the others are compared with. */
  readonly sheaf?: true;
  /** Cores of the Sheaf that it is compared with. */
  readonly beside: readonly (1 | 2)[];
  /** Takes the same steps by the same optimizer, so that losses fall alike. */
  readonly sameSteps: boolean;
  /** Only when it is named by `--peers`. */
  readonly optional?: true;
  /** Timed rounds that it takes part in at most: for what takes minutes and is far away. */
  readonly rounds?: number;
  /** @param home a temporary directory of its own */
  launch(home: string): Launch;
}

const TORCH = '2.15.0';

const sheaf = (cores: 1 | 2, aggregation: string, optional?: true): Peer => ({
  id: `sheaf-${cores}${aggregation === 'allreduce' ? '' : `-${aggregation}`}`,
  title: `Sheaf local[${cores}], ${aggregation}`,
  ...{ cores, optional, sheaf: true, beside: [], sameSteps: true },
  launch: () => script('sheaf.ts', `local[${cores}]`, String(cores), aggregation),
});

const torch = (mode: string, count: 1 | 2, title: string, optional?: true): Peer => ({
  id: `${mode.startsWith('ddp') ? mode : `torch-${mode}`}-${count}`,
  title,
  ...{ cores: count, optional, sameSteps: true },
  beside: count === 1 ? [1, 2] : [2],
  launch: (home) => python('torch_peer.py', [mode, String(count)], mode.startsWith('ddp') ? 1 : count, home),
});

const spark = (id: string, title: string, blas: () => Readonly<Record<string, string>>, rounds?: number): Peer => ({
  ...{ id, title, rounds, cores: 2, beside: [2], sameSteps: false },
  launch: (home) => {
    const { path: library, ...env } = blas();
    return sparkShell(home, {
      ...{ master: 'local[2]', script: path('spark.scala'), settings: { 'spark.driver.memory': '6g' } },
      javaOptions: library ? [`-Ddev.ludovic.netlib.blas.nativeLibPath=${library}`] : [],
      env: { ...env, OPENBLAS_NUM_THREADS: '1' },
    });
  },
});

export const PEERS: readonly Peer[] = [
  sheaf(1, 'allreduce'),
  sheaf(2, 'allreduce'),
  sheaf(2, 'ps'),
  sheaf(2, 'tree'),
  torch('eager', 1, 'PyTorch, 1 thread'),
  torch('eager', 2, 'PyTorch, 2 threads'),
  torch('compile', 1, 'PyTorch compiled, 1 thread'),
  torch('compile', 2, 'PyTorch compiled, 2 threads'),
  torch('ddp', 2, 'PyTorch DDP gloo, 2 processes'),
  torch('ddp-compile', 2, 'PyTorch DDP gloo compiled, 2 processes', true),
  {
    id: 'tfjs',
    title: 'tfjs-node fit, 2 threads',
    ...{ cores: 2, beside: [2], sameSteps: true },
    launch: () => ({
      ...script('tfjs.ts'),
      env: { TF_NUM_INTRAOP_THREADS: '2', TF_NUM_INTEROP_THREADS: '1', CUDA_VISIBLE_DEVICES: '' },
    }),
  },
  spark('spark', 'Spark MLlib local[2]', () => ({}), 3),
  spark('spark-openblas', 'Spark MLlib local[2], OpenBLAS', openBlas),
];

/** Multiplies matrices on as many cores, to tell what is possible. */
export const peak = (cores: 1 | 2): Pick<Peer, 'id' | 'title' | 'launch'> => ({
  id: `peak-${cores}`,
  title: `peak of ${cores} core${cores > 1 ? 's' : ''}`,
  launch: (home) => python('peak.py', [String(cores)], cores, home),
});

/** A launch that has the given cores, as a list of `taskset`'s, and no others. */
export function pinned({ command, args, env }: Launch, cores: string): Launch {
  return { command: 'taskset', args: ['-c', cores, command, ...args], env };
}

const path = (file: string) => fileURLToPath(new URL(`peers/${file}`, import.meta.url));

export function script(file: string, ...args: string[]): Launch {
  return { command: process.execPath, args: ['--import', import.meta.resolve('tsx'), path(file), ...args] };
}

/**
 * Memory is kept between steps, not given back to the system: a quarter more rows a second for small networks by DDP.
 * Compiled kernels are not kept: the first fit compiles, as a user's does.
 */
function python(file: string, args: readonly string[], threads: number, home: string): Launch {
  const binding: Record<string, string> = threads > 1 ? { OMP_PROC_BIND: 'close', OMP_PLACES: 'cores' } : {};
  return {
    command: pythonWith({ name: 'bench-train', packages: ['torch', 'numpy'], install: installTorch }),
    args: [path(file), ...args],
    env: {
      ...binding,
      PYTHONDONTWRITEBYTECODE: '1',
      OMP_NUM_THREADS: String(threads),
      OPENBLAS_NUM_THREADS: String(threads),
      CUDA_VISIBLE_DEVICES: '',
      MALLOC_MMAP_THRESHOLD_: '1073741824',
      MALLOC_TRIM_THRESHOLD_: '1073741824',
      GLOO_SOCKET_IFNAME: 'lo',
      TORCHINDUCTOR_CACHE_DIR: home,
      TORCHINDUCTOR_COMPILE_THREADS: '1',
    },
  };
}

function installTorch(interpreter: string): void {
  execFileSync(interpreter, [path('install_torch.py'), TORCH], { stdio: ['ignore', 'ignore', 'inherit'] });
}
