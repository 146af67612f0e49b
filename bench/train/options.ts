import { parseArgs } from 'node:util';
import { named, whole } from '../common/options.js';
import { casesOf } from './cases.js';
import { PEERS, type Peer } from './peers.js';

export const USAGE = `Training by Sheaf beside PyTorch, Spark MLlib and TensorFlow.js on two cores, in one interleaved run.

usage: npm run bench:train -- [options]

  --cases a,b       only these of: ${[...casesOf().map(({ id }) => id), 'race'].join(', ')}
  --peers a,b       only these of: ${PEERS.map(({ id, optional }) => (optional ? `${id} (only when named)` : id)).join(', ')}
  --rounds N        timed rounds, default 7
  --target SHARE    of the test data that the race is run to, default 0.88
  --spark-race      let Spark's l-bfgs run it too, for 20 iterations: it takes minutes
  --cores LIST      for all peers, as taskset names them; default 0,1
  --data DIR        Fashion-MNIST's idx files; default: ../shared/data/fashion_mnist_idx.tar.xz, if it is there, else synthetic
  --json FILE       write every figure there
  --quick           an eighth of the steps, 3 rounds: to see that all works`;

export interface Options {
  readonly peers: readonly Peer[];
  readonly wanted: (id: string) => boolean;
  readonly rounds: number;
  readonly target: number;
  readonly sparkRace: boolean;
  readonly cores: string;
  readonly data?: string;
  readonly json?: string;
  readonly quick: boolean;
}

/** @throws Error for an unknown flag, case, peer or number */
export function optionsOf(args: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ cases: text, peers: text, rounds: text, target: text, cores: text, data: text, json: text },
      ...{ quick: flag, 'spark-race': flag, help: flag },
    },
  });
  if (values.help) return 'help';
  const known = [...casesOf(), { id: 'race' }];
  const cases = values.cases?.split(',').map((name) => named('--cases', known, name).id);
  const target = Number(values.target ?? 0.88);
  if (!(target > 0 && target < 1)) throw new Error(`--target must be a share between 0 and 1, not "${values.target}"`);
  return {
    peers: values.peers
      ? values.peers.split(',').map((name) => named('--peers', PEERS, name))
      : PEERS.filter(({ optional }) => !optional),
    wanted: (id) => cases === undefined || cases.includes(id),
    rounds: whole('--rounds', values.rounds, values.quick ? 3 : 7, 1),
    target,
    sparkRace: values['spark-race'],
    cores: values.cores ?? '0,1',
    data: values.data,
    json: values.json,
    quick: values.quick,
  };
}
