import { inspect } from 'node:util';
import type { Algorithm } from '../ps/allreduce/plan.js';
import { isSync } from '../ps/server/consistency.js';
import type { ServerOptions } from '../ps/server/options.js';
import type { AllReduceOptions } from './allreduce-rounds.js';
import type { Aggregation } from './rounds.js';

interface ExchangeOptions extends ServerOptions {
  readonly aggregation?: Aggregation | 'auto';
  readonly allReduce?: AllReduceOptions;
}

/** Options of parameter servers by what asks for none. */
const IDLE: Readonly<Record<keyof ServerOptions, (value: any) => boolean>> = {
  servers: (value) => value === 'auto',
  sharding: () => false,
  consistency: isSync,
  consistencyOf: () => false,
  replicas: (value) => value === 0,
  dynSGD: (value) => value === false,
  filters: (value) => Object.keys(value).length === 0,
};

/** Pure. Whether an option is given that only parameter servers follow. */
export function asksForServers(options: ServerOptions): boolean {
  return serverOptions(options).length > 0;
}

/**
 * An option that nobody would follow is a mistake: the training would run, but not as it was asked for.
 * @param owner for messages: `MLPClassifier`
 * @throws TypeError naming options of one exchange beside another, and those that synchronous servers have no use for
 * @example checkExchange('MLPClassifier', { aggregation: 'tree', servers: 3 }) // throws: servers needs aggregation 'ps', not 'tree'
 */
export function checkExchange(owner: string, options: ExchangeOptions): void {
  const { aggregation = 'auto', allReduce, consistency = 'sync', consistencyOf, dynSGD, filters } = options;
  const ofServers = serverOptions(options);
  const refuse = (message: string): never => {
    throw new TypeError(`${owner}: ${message}`);
  };
  if (!isSync(consistency) && aggregation !== 'auto' && aggregation !== 'ps')
    refuse(`consistency other than 'sync' needs aggregation 'ps', not '${aggregation}'`);
  if (ofServers.length > 0 && aggregation !== 'auto' && aggregation !== 'ps')
    refuse(`${ofServers.join(', ')} ${needs(ofServers)} aggregation 'ps', not '${aggregation}'`);
  if (allReduce !== undefined && (aggregation === 'ps' || aggregation === 'tree'))
    refuse(`allReduce needs aggregation 'allreduce', not '${aggregation}'`);
  if (allReduce !== undefined && ofServers.length > 0)
    refuse(`allReduce and ${ofServers.join(', ')} exclude each other: one is of all-reduce, the other of servers`);
  const { algorithm = 'sliced', wire = 'float32' } = allReduce ?? {};
  if (algorithm !== 'sliced' && !WIRES[algorithm].includes(wire))
    refuse(
      `allReduce's algorithm '${algorithm}' takes wire ${WIRES[algorithm].join(' or ')}, not ${inspect(wire)}, which goes with 'sliced'`,
    );
  if (!isSync(consistency) || consistencyOf) return;
  if (dynSGD) refuse("dynSGD needs consistency other than 'sync', where no weights are old");
  if (filters?.cache) refuse("filters.cache needs consistency { staleness }; with 'sync' no weights may be old");
}

/** How sums may travel where members pass on what they have added; to sliced owners: in every way. */
const WIRES: Readonly<Record<Exclude<Algorithm, 'sliced'>, readonly unknown[]>> = {
  ring: ['float32', 'bf16'],
  'halving-doubling': ['float32'],
};

const needs = ({ length }: readonly string[]) => (length === 1 ? 'needs' : 'need');

function serverOptions(options: ServerOptions): string[] {
  return (Object.keys(IDLE) as (keyof ServerOptions)[]).filter(
    (name) => options[name] !== undefined && !IDLE[name](options[name]),
  );
}
