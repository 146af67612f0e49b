import { describe, expect, it } from 'vitest';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { AskServers } from '../ps/server/ask-servers.js';
import { layoutOf } from './layout.js';
import { numericalPlan } from './numerical-plan.js';
import { ParameterServerRounds } from './ps-rounds.js';
import type { TrainingCluster } from './training-cluster.js';

const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const plan = numericalPlan({ rows: 20, batchSize: 10, epochs: 2, seed: 0, network, optimizer, shards: 2 });
const { length } = layoutOf(network);

/** Rounds with one server, all of whose members have made three updates. @param saved of theta, what can be written down */
function world(saved: () => number) {
  const released: string[] = [];
  const shards = [{ shard: 0, clocks: [[0, 3]], progress: 3 }];
  const answer = ({ request }: AskServers): Json => {
    if (request.kind === 'status') return { process: 0, shards } as unknown as Json;
    if (request.kind !== 'save') return null;
    const block: BlockRef = { id: 'state:3:0', scope: request.scope, bytes: 4 * saved(), crc32: 0, at: [] };
    return { parts: [{ from: 0, to: saved(), block }] } as unknown as Json;
  };
  const cluster = {
    ...{ spec: { model: 'a', plan }, members: [], generation: 0 },
    context: { tasks: { executors: () => [{ id: 'x' }], release: (scope: string) => released.push(scope) } },
    onHost: async (_executor: string, _module: string, order: Json) => [answer(order as unknown as AskServers)],
    replicate: async (block: BlockRef) => block,
  } as unknown as TrainingCluster;
  return { rounds: new ParameterServerRounds(cluster, { consistency: 'async' }), released };
}

const scopes = (state: { parts: readonly { block: BlockRef }[] } | undefined) =>
  state?.parts.map(({ block }) => block.scope);

describe('what servers have acknowledged', () => {
  it('is saved beside the commit of the same step, and beside what was saved before: their content may be another', async () => {
    const { rounds, released } = world(() => length);
    const committed = await rounds.commit(3);
    const salvaged = [await rounds.salvage(), await rounds.salvage()];
    expect(salvaged).toMatchObject([
      { step: 3, salvaged: true },
      { step: 3, salvaged: true },
    ]);
    expect(new Set([committed, ...salvaged].flatMap(scopes)).size).toBe(3);
    expect(released).toEqual([]);
  });

  it('is released where it is not all of the weights', async () => {
    let there = length - 1;
    const { rounds, released } = world(() => there);
    expect(await rounds.salvage()).toBeUndefined();
    expect(released).toHaveLength(1);
    there = length;
    expect(scopes(await rounds.salvage())).not.toEqual(released);
  });
});
