import type { Sharding } from '../sharding/strategies.js';
import { isWire, type Wire } from '../wire/wire.js';
import { type Consistency, isConsistency } from './consistency.js';

/** How parameter servers are set up; all have defaults that give the bits of every other synchronous exchange. */
export interface ServerOptions {
  /** Server processes. Default `auto`: one an executor, more for large networks. */
  readonly servers?: number | 'auto';
  /** How weights are cut among them. Default `even`. Changes no bit. */
  readonly sharding?: Sharding;
  /** How far members may be apart. Default `sync`. Others give weights that depend on the order of arrival. */
  readonly consistency?: Consistency;
  /** Of each epoch, from 1: changes how far members may be apart while the training runs. Default: `consistency` in all. */
  readonly consistencyOf?: (epoch: number) => Consistency;
  /** Further servers that hold each one's ranges, so that it can be lost without losing an update. Default 0. */
  readonly replicas?: number;
  /** Without `sync`: makes steps smaller whose weights are old (Jiang et al., SIGMOD 2017). Default false. */
  readonly dynSGD?: boolean;
  readonly filters?: Filters;
}

/** What need not travel (Li et al., OSDI 2014, section 3.6). */
export interface Filters {
  /** With staleness t: a member uses weights again that lack no update of more than t steps before. Default false. */
  readonly cache?: boolean;
  /**
   * How sums travel; weights always in float32. The paper's compression, and with `threshold` its filter of what is
   * significantly modified: what is left out is kept and sent later. Default `float32`; others round, so that weights depend
   * on the number of slots. (Its key caching needs no setting: ranges are told once, a push names its server only.)
   */
  readonly wire?: Wire;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1;
const SHARDINGS = ['even', 'round-robin', 'greedy', 'split-large', 'chunks', 'ring'];
const SETTINGS: Record<string, (value: unknown) => boolean> = {
  sorted: (value) => typeof value === 'boolean',
  bound: isCount,
  bytes: isCount,
  virtual: isCount,
};

function isSharding(value: unknown): boolean {
  if (typeof value === 'string') return SHARDINGS.includes(value);
  if (typeof value !== 'object' || value === null) return false;
  const { kind, ...settings } = value as { kind?: unknown };
  const [sorted, bound, bytes, virtual] = Object.keys(SETTINGS);
  const known = { greedy: sorted, 'split-large': bound, chunks: bytes, ring: virtual }[kind as string];
  const fits = ([name, setting]: [string, unknown]) => name === known && SETTINGS[name]!(setting);
  return SHARDINGS.includes(kind as string) && Object.entries(settings).every(fits);
}

/** What each option must be, for those who check options of their own together with these. */
export const SERVER_OPTION_FORMS: {
  readonly [K in keyof ServerOptions]-?: readonly [(value: unknown) => boolean, string];
} = {
  servers: [(value) => value === 'auto' || isCount(value), "a whole number of at least 1, or 'auto'"],
  sharding: [
    isSharding,
    `${SHARDINGS.join(', ')}, or { kind: one of these } with sorted (greedy), bound (split-large), bytes (chunks) or virtual (ring)`,
  ],
  consistency: [isConsistency, "'sync', 'async' or { staleness: a whole number of at least 0 }"],
  consistencyOf: [(value) => typeof value === 'function', 'a function of the epoch'],
  replicas: [(value) => value === 0 || isCount(value), 'a whole number of at least 0'],
  dynSGD: [(value) => typeof value === 'boolean', 'true or false'],
  filters: [
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      Object.entries(value).every(([name, each]) =>
        name === 'cache' ? typeof each === 'boolean' : name === 'wire' && isWire(each),
      ),
    "{ cache: true or false, wire: 'float32', 'bf16', { kind: 'top-k', share } or { kind: 'threshold', threshold } }",
  ],
};

/** What one option cannot say of another. @throws TypeError saying what to change */
export function checkServerOptions({ servers = 'auto', replicas = 0 }: ServerOptions): void {
  if (servers !== 'auto' && servers <= replicas)
    throw new TypeError(`${replicas} replicas need ${replicas + 1} servers, not ${servers}: each is on another server`);
}
