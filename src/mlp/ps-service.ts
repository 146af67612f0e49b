import type { BlockRef, Blocks } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { ServiceProgram } from '../protocol/program.js';
import type { RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import type { ServerAddress } from '../ps/server/messages.js';
import { RangeServer, type RangeServerInit } from '../ps/server/range-server.js';
import { ShardState } from '../ps/server/shard-state.js';
import { rangesOf } from '../ps/sharding/placement.js';
import { type Committed, readParts, unreadTheta, writeParts } from './committed.js';
import type { NumericalPlan } from './numerical-plan.js';
import { rangeOptimizer } from './updater.js';

/** What a parameter server's process is told: its place among the servers, and the network whose weights it keeps. */
export interface ServerParameters {
  readonly init: RangeServerInit;
  readonly plan: NumericalPlan;
  readonly committed: Committed;
}

/** Where they lie, in JSON: they may be too many for a process's environment. */
export interface ServerRequest {
  readonly parameters: BlockRef;
}

/** As a service: a parameter server over its ranges of a network's weights. Answers with a `ServerAddress`. */
const parameterServer: ServiceProgram = {
  async start(parameters, { blocks, bind, hostname }) {
    const request = await blocks.get((parameters as unknown as ServerRequest).parameters);
    const { init, plan, committed }: ServerParameters = JSON.parse(request.toString());
    const optimizersOf = (shard: number) => rangesOf(init.placement, shard).map((range) => rangeOptimizer(plan, range));
    const begun = await beginnings({ init, plan, committed }, optimizersOf, blocks);
    const blank = (shard: number) => {
      const optimizers = optimizersOf(shard);
      const thetas = optimizers.map(({ range: { from, to } }) => new Float32Array(to - from));
      return new ShardState(optimizers, thetas, committed.step);
    };
    const server = new RangeServer(init, {
      // What is not here at the beginning is given whole by another server, later.
      state: (shard) => begun.get(shard) ?? blank(shard),
      save: (states, step, scope) => writeParts(states, step, scope, blocks),
    });
    const port = await server.listen(bind);
    const address: ServerAddress = { host: hostname, port, token: init.token };
    return address as unknown as Json;
  },
};
export default parameterServer;

/** Of the process's own shard and those it replicates. */
async function beginnings(
  { init, plan, committed }: ServerParameters,
  optimizersOf: (shard: number) => RangeOptimizer[],
  blocks: Blocks,
): Promise<Map<number, ShardState>> {
  const theta = unreadTheta(committed.parts, plan);
  const states = new Map<number, ShardState>();
  for (let back = 0; back <= Math.min(init.replicas, init.processes - 1); back++) {
    const shard = (init.process - back + init.processes) % init.processes;
    const optimizers = optimizersOf(shard);
    for (const { range, slots } of optimizers)
      for (const part of committed.parts)
        if (range.from < part.to && part.from < range.to) await readParts([part], blocks, theta, range, slots);
    const thetas = optimizers.map(({ range: { from, to } }) => theta.subarray(from, to));
    states.set(shard, new ShardState(optimizers, thetas, committed.step));
  }
  return states;
}
