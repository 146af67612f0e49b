import { parseArgs } from 'node:util';
import { named, whole } from '../common/options.js';
import { PEERS, type Peer } from './peers.js';

export const USAGE = `Sheaf beside Spark, DuckDB, Polars, Ray Data and plain JavaScript on two cores, in one interleaved run.

usage: npm run bench:rdd -- [options]

  --cases a,b    only these; "reduceByKey" means all that begin so
  --peers a,b    only these of: ${PEERS.map(({ id, optional }) => (optional ? `${id} (only when named)` : id)).join(', ')}
  --rounds N     timed rounds, default 7
  --warmups N    runs of every case before them, default 4 (a JVM needs some)
  --data DIR     MotionSense, unpacked; default: ../shared/data/motionsense.tar.xz, if it is there
  --json FILE    write every figure there
  --quick        a tenth of the rows, 3 rounds, 1 warm-up: to see that all works`;

export interface Options {
  readonly peers: readonly Peer[];
  readonly wanted: (id: string) => boolean;
  readonly rounds: number;
  readonly warmups: number;
  readonly data?: string;
  readonly json?: string;
  readonly quick: boolean;
}

/** @throws Error for an unknown flag, peer or number */
export function optionsOf(args: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      cases: text,
      peers: text,
      rounds: text,
      warmups: text,
      data: text,
      json: text,
      quick: flag,
      help: flag,
    },
  });
  if (values.help) return 'help';
  const cases = values.cases?.split(',');
  return {
    peers: values.peers
      ? values.peers.split(',').map((name) => named('--peers', PEERS, name))
      : PEERS.filter(({ optional }) => !optional),
    wanted: (id) => cases === undefined || cases.some((name) => id.startsWith(name)),
    rounds: whole('--rounds', values.rounds, values.quick ? 3 : 7, 1),
    warmups: whole('--warmups', values.warmups, values.quick ? 1 : 4, 0),
    data: values.data,
    json: values.json,
    quick: values.quick,
  };
}
